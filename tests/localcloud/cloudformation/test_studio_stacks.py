"""Parts of a Studio domain, by templates."""

from __future__ import annotations

import json

from tests.localcloud.support import Cloud, until

ROLE = "arn:aws:iam::123456789012:role/Mlflow"
_STORE = {"ArtifactStoreUri": "s3://models/mlflow", "RoleArn": ROLE}
_TEMPLATE = {
    "Resources": {
        "Server": {
            "Type": "AWS::SageMaker::MlflowTrackingServer",
            "Properties": {"TrackingServerName": "census", **_STORE},
        },
        "App": {"Type": "AWS::SageMaker::MlflowApp", "Properties": {"Name": "census", **_STORE}},
        "Hub": {
            "Type": "AWS::SageMaker::Hub",
            "Properties": {"HubName": "reviewed", "HubDescription": "Looked at"},
        },
    },
    "Outputs": {
        "Server": {"Value": {"Fn::GetAtt": ["Server", "TrackingServerArn"]}},
        "App": {"Value": {"Fn::GetAtt": ["App", "Arn"]}},
        "Hub": {"Value": {"Fn::GetAtt": ["Hub", "HubArn"]}},
    },
}


def test_mlflow_and_a_hub_are_made_changed_and_deleted(cloud: Cloud) -> None:
    formation = cloud.client("cloudformation")

    def settled() -> str:
        def status() -> str:
            return str(formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

        until(lambda: not status().endswith("IN_PROGRESS"))
        return status()

    stack = formation.create_stack(StackName="mlflow", TemplateBody=json.dumps(_TEMPLATE))[
        "StackId"
    ]
    assert settled() == "CREATE_COMPLETE", formation.describe_stack_events(StackName=stack)
    found = formation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    arns = {output["OutputKey"]: output["OutputValue"] for output in found}
    assert arns["Server"].endswith(":mlflow-tracking-server/census")
    assert ":mlflow-app/app-" in arns["App"]
    assert arns["Hub"].endswith(":hub/reviewed")

    changed = json.loads(json.dumps(_TEMPLATE))
    changed["Resources"]["Server"]["Properties"]["TrackingServerSize"] = "Medium"
    formation.update_stack(StackName=stack, TemplateBody=json.dumps(changed))
    assert settled() == "UPDATE_COMPLETE", formation.describe_stack_events(StackName=stack)
    server = cloud.call("DescribeMlflowTrackingServer", TrackingServerName="census")
    assert server["TrackingServerSize"] == "Medium"
    assert server["TrackingServerArn"] == arns["Server"]

    formation.delete_stack(StackName=stack)
    assert settled() == "DELETE_COMPLETE"
    assert cloud.call("ListMlflowTrackingServers")["TrackingServerSummaries"] == []
    assert cloud.call("ListMlflowApps")["Summaries"] == []


def test_a_trail_records_objects_and_is_switched_on_and_off(cloud: Cloud) -> None:
    formation, trails = cloud.client("cloudformation"), cloud.client("cloudtrail")
    bucket = cloud.bucket()

    def template(*, logging: bool) -> str:
        selector = {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::data/"]}],
        }
        properties = {
            "S3BucketName": bucket,
            "IsLogging": logging,
            "EnableLogFileValidation": True,
            "IsMultiRegionTrail": True,
            "EventSelectors": [selector],
        }
        return json.dumps(
            {"Resources": {"Trail": {"Type": "AWS::CloudTrail::Trail", "Properties": properties}}}
        )

    def settled() -> str:
        def status() -> str:
            return str(formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

        until(lambda: not status().endswith("IN_PROGRESS"))
        return status()

    stack = formation.create_stack(StackName="audit", TemplateBody=template(logging=True))[
        "StackId"
    ]
    assert settled() == "CREATE_COMPLETE", formation.describe_stack_events(StackName=stack)
    [trail] = trails.describe_trails()["trailList"]
    name = trail["Name"]
    assert trails.get_trail_status(Name=name)["IsLogging"]
    [selector] = trails.get_event_selectors(TrailName=name)["EventSelectors"]
    assert selector["DataResources"][0]["Values"] == ["arn:aws:s3:::data/"]

    formation.update_stack(StackName=stack, TemplateBody=template(logging=False))
    assert settled() == "UPDATE_COMPLETE"
    assert not trails.get_trail_status(Name=name)["IsLogging"]

    formation.delete_stack(StackName=stack)
    assert settled() == "DELETE_COMPLETE"
    assert trails.describe_trails()["trailList"] == []
