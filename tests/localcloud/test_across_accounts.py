"""What one account lets another do: events, packages and artifacts, and who is told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.errors import ServiceError
from tests.localcloud.sagemaker.support import IMAGE_URI
from tests.localcloud.support import Cloud, until

_TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
_REGION = "us-east-1"


@pytest.fixture
def other(cloud: Cloud) -> Cloud:
    """A second account."""
    return Cloud(cloud.local, str(int(cloud.scope.account) + 500_000_000_000))


def _role(cloud: Cloud, name: str, *statements: tuple[str, str]) -> str:
    """A role that may do actions on resources."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)["Role"]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for action, resource in statements
        ],
    }
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    return str(role["Arn"])


def _allow(account: str, action: str, resource: str, **more: Any) -> str:
    statement = {
        "Sid": "other",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": action,
        "Resource": resource,
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Buses:
    """A rule of one account that sends what SageMaker says to a bus of another."""

    def __init__(self, sender: Cloud, receiver: Cloud) -> None:
        self.sender, self.receiver = sender, receiver
        self.arn = f"arn:aws:events:{_REGION}:{receiver.scope.account}:event-bus/approvals"
        receiver.client("events").create_event_bus(Name="approvals")
        self.queue = self._record()

    def _record(self) -> str:
        sqs, events = self.receiver.client("sqs"), self.receiver.client("events")
        url = str(sqs.create_queue(QueueName="seen")["QueueUrl"])
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        pattern = json.dumps({"account": [self.sender.scope.account]})
        events.put_rule(Name="seen", EventBusName="approvals", EventPattern=pattern)
        target = {"Id": "q", "Arn": arn["QueueArn"]}
        events.put_targets(Rule="seen", EventBusName="approvals", Targets=[target])
        return url

    def connect(self, role: str) -> None:
        events = self.sender.client("events")
        events.put_rule(Name="pass", EventPattern=json.dumps({"source": ["aws.sagemaker", "mine"]}))
        target = {"Id": "bus", "Arn": self.arn, "RoleArn": role}
        events.put_targets(Rule="pass", Targets=[target])

    def let_in(self, policy: str) -> None:
        self.receiver.client("events").put_permission(EventBusName="approvals", Policy=policy)

    def arrived(self) -> list[dict[str, Any]]:
        sqs = self.receiver.client("sqs")
        found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", ())]


def _say(cloud: Cloud) -> None:
    """Let the service put an event on the default bus."""
    from localcloud import emulator

    with emulator.within(cloud.scope):
        emulator.put_service_event(detail_type="T", detail={"a": 1}, resources=[])


@pytest.fixture
def buses(cloud: Cloud, other: Cloud) -> Buses:
    return Buses(cloud, other)


_OF_SAGEMAKER = {"StringEquals": {"events:source": "aws.sagemaker"}}


def test_an_event_reaches_the_bus_of_another_account(buses: Buses) -> None:
    sender = buses.sender
    buses.let_in(
        _allow(sender.scope.account, "events:PutEvents", buses.arn, Condition=_OF_SAGEMAKER)
    )
    buses.connect(_role(sender, "r", ("events:PutEvents", buses.arn)))
    _say(sender)
    entry = {"Source": "mine", "DetailType": "T", "Detail": "{}"}
    sender.client("events").put_events(Entries=[entry])
    [event] = buses.arrived()
    assert (event["account"], event["source"]) == (sender.scope.account, "aws.sagemaker")


@pytest.mark.parametrize("missing", ["policy", "role", "account"])
def test_both_accounts_must_agree_on_an_event(buses: Buses, missing: str) -> None:
    sender, resource = buses.sender, "*" if missing != "role" else f"{buses.arn}-2"
    buses.connect(_role(sender, "r", ("events:PutEvents", resource)))
    account = "999999999999" if missing == "account" else sender.scope.account
    if missing != "policy":
        buses.let_in(_allow(account, "events:PutEvents", buses.arn))
    _say(sender)
    assert buses.arrived() == []
    now = datetime.now(UTC)
    [counted] = sender.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Events",
        MetricName="FailedInvocations",
        Dimensions=[{"Name": "RuleName", "Value": "pass"}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert counted["Sum"] == 1


def test_no_third_account_gets_an_event(buses: Buses, cloud: Cloud) -> None:
    third = Cloud(cloud.local, str(int(cloud.scope.account) + 600_000_000_000))
    last = Buses(buses.receiver, third)
    buses.let_in(_allow(cloud.scope.account, "events:PutEvents", buses.arn))
    buses.connect(_role(cloud, "r", ("events:PutEvents", "*")))
    last.let_in(_allow(buses.receiver.scope.account, "events:PutEvents", last.arn))
    events = buses.receiver.client("events")
    events.put_rule(
        Name="on", EventBusName="approvals", EventPattern='{"source": ["aws.sagemaker"]}'
    )
    role = _role(buses.receiver, "r", ("events:PutEvents", "*"))
    target = {"Id": "third", "Arn": last.arn, "RoleArn": role}
    events.put_targets(Rule="on", EventBusName="approvals", Targets=[target])
    _say(cloud)
    assert len(buses.arrived()) == 1
    assert last.arrived() == []


def test_cloudformation_sets_the_policy_of_a_bus(cloud: Cloud) -> None:
    def policy(sid: str) -> dict[str, Any]:
        statement = json.loads(_allow("111122223333", "events:PutEvents", "*"))["Statement"][0]
        properties = {"EventBusName": {"Ref": "Bus"}, "StatementId": sid, "Statement": statement}
        return {"Type": "AWS::Events::EventBusPolicy", "Properties": properties}

    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "approvals"}}
    formation, events = cloud.client("cloudformation"), cloud.client("events")

    def sids(*policies: str) -> list[str]:
        template = {"Resources": {"Bus": bus, **{p: policy(p) for p in policies}}}
        put = formation.create_stack if len(policies) == 2 else formation.update_stack
        put(StackName="s", TemplateBody=json.dumps(template))
        until(
            lambda: (
                not formation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"].endswith(
                    "IN_PROGRESS"
                )
            )
        )
        status = formation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"]
        assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        document = json.loads(events.describe_event_bus(Name="approvals")["Policy"])
        return sorted(statement["Sid"] for statement in document["Statement"])

    assert sids("One", "Two") == ["One", "Two"]
    assert sids("Two") == ["Two"]


class Shared:
    """A model of one account that another makes an endpoint of."""

    def __init__(self, owner: Cloud, user: Cloud) -> None:
        self.owner, self.user = owner, user
        self.group = f"arn:aws:sagemaker:{_REGION}:{owner.scope.account}:model-package-group/models"
        self.key = str(owner.client("kms").create_key()["KeyMetadata"]["Arn"])
        self.bucket = owner.bucket()
        rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.key}
        owner.client("s3").put_bucket_encryption(
            Bucket=self.bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": rule}]
            },
        )
        url = owner.put(self.bucket, "m/model.tar.gz", b"model")
        owner.call("CreateModelPackageGroup", ModelPackageGroupName="models")
        container = {"Image": IMAGE_URI, "ModelDataUrl": url}
        self.package = str(
            owner.call(
                "CreateModelPackage",
                ModelPackageGroupName="models",
                InferenceSpecification={
                    "Containers": [container],
                    "SupportedContentTypes": ["text/csv"],
                    "SupportedResponseMIMETypes": ["text/csv"],
                },
            )["ModelPackageArn"]
        )

    def share_group(self, *actions: str) -> None:
        resource = self.package.rsplit("/", 1)[0] + "/*"
        document = json.loads(_allow(self.user.scope.account, "", resource))
        document["Statement"][0]["Action"] = [f"sagemaker:{action}" for action in actions]
        self.owner.call(
            "PutModelPackageGroupPolicy",
            ModelPackageGroupName="models",
            ResourcePolicy=json.dumps(document),
        )

    def share_bucket(self) -> None:
        """As a bucket's policy is that lets nobody in without TLS."""
        objects = f"arn:aws:s3:::{self.bucket}/*"
        document = json.loads(_allow(self.user.scope.account, "s3:GetObject", objects))
        plain = {"Bool": {"aws:SecureTransport": "false"}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": objects}
        document["Statement"].append({**deny, "Condition": plain})
        self.owner.client("s3").put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))

    def share_key(self) -> None:
        policy = _allow(self.user.scope.account, "kms:Decrypt", "*")
        self.owner.client("kms").put_key_policy(KeyId=self.key, PolicyName="default", Policy=policy)

    def role(self, *actions: str) -> str:
        allowed = {"s3:GetObject": f"arn:aws:s3:::{self.bucket}/*", "kms:Decrypt": self.key}
        return _role(self.user, "serving", *((action, allowed[action]) for action in actions))

    def make_model(self, role: str) -> None:
        self.user.call(
            "CreateModel",
            ModelName="model",
            ExecutionRoleArn=role,
            PrimaryContainer={"ModelPackageName": self.package},
        )


@pytest.fixture
def shared(cloud: Cloud, other: Cloud) -> Shared:
    return Shared(cloud, other)


def test_a_package_is_described_from_an_account_that_its_group_lets_in(
    shared: Shared, cloud: Cloud
) -> None:
    asked = {"ModelPackageName": shared.package}
    with pytest.raises(ServiceError, match="no resource-based policy allows") as refused:
        shared.user.call("DescribeModelPackage", **asked)
    assert refused.value.code == "AccessDeniedException"
    shared.share_group("DescribeModelPackage", "UpdateModelPackage")
    assert shared.user.call("DescribeModelPackage", **asked)["ModelPackageVersion"] == 1
    recorded = cloud.events()
    shared.user.call(
        "UpdateModelPackage", ModelPackageArn=shared.package, ModelApprovalStatus="Approved"
    )
    [event] = recorded()
    assert event["detail"]["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
    third = Cloud(cloud.local, "999999999999")
    with pytest.raises(ServiceError, match="not authorized to perform"):
        third.call("DescribeModelPackage", **asked)


def test_a_model_needs_all_that_guards_what_it_is_made_of(shared: Shared) -> None:
    """One after the other is granted; without any of them there is no model."""

    def refused(match: str, role: str) -> None:
        with pytest.raises(ServiceError, match=match):
            shared.make_model(role)

    role = shared.role("s3:GetObject")
    shared.share_group("DescribeModelPackage")
    refused("perform: sagemaker:CreateModel .* no resource-based policy", role)
    shared.share_group("DescribeModelPackage", "CreateModel")
    refused(r"Could not access model data .*s3:GetObject .*no resource-based policy", role)
    shared.share_bucket()
    refused(r"kms:Decrypt .*no identity-based policy", role)
    shared.user.client("iam").delete_role_policy(RoleName="serving", PolicyName="p")
    shared.user.client("iam").delete_role(RoleName="serving")
    role = shared.role("s3:GetObject", "kms:Decrypt")
    refused(r"kms:Decrypt .*no resource-based policy", role)
    shared.share_key()
    refused("there is no role", role.replace("serving", "nobody"))
    shared.make_model(role)
    read = shared.user.client("s3").get_object(Bucket=shared.bucket, Key="m/model.tar.gz")
    assert read["Body"].read() == b"model"


def test_a_policy_that_denies_wins(shared: Shared) -> None:
    from localcloud import access, emulator

    with emulator.within(shared.user.scope):
        role = shared.role("s3:GetObject")
        document = json.loads(_allow(shared.user.scope.account, "s3:GetObject", "*"))
        deny = {**document["Statement"][0], "Effect": "Deny", "Principal": "*", "Sid": "no"}
        document["Statement"].append(deny)
        name = f"arn:aws:s3:::{shared.bucket}/m"
        why = access.refusal(role, "s3:GetObject", name, policy=document)
        assert why == "with an explicit deny in the resource-based policy"
        none = access.refusal(role, "s3:GetObject", name, policy={"Version": "2012-10-17"})
        assert none is not None, "a policy without statements lets nobody in"


def _log_events(cloud: Cloud, group: str) -> list[dict[str, Any]]:
    found = cloud.client("logs").filter_log_events(logGroupName=group)["events"]
    return [json.loads(event["message"]) for event in found]


@pytest.fixture
def audited(cloud: Cloud) -> str:
    """A log group that gets what SageMaker says, and what is called."""
    logs, events = cloud.client("logs"), cloud.client("events")
    logs.create_log_group(logGroupName="/aws/events/audit")
    events.put_rule(Name="audit", EventPattern='{"source": ["aws.sagemaker"]}')
    arn = f"arn:aws:logs:{_REGION}:{cloud.scope.account}:log-group:/aws/events/audit"
    events.put_targets(Rule="audit", Targets=[{"Id": "log", "Arn": arn}])
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{arn}:*",
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    logs.put_resource_policy(policyName="audit", policyDocument=json.dumps(document))
    return "/aws/events/audit"


def test_a_rule_writes_to_the_log_groups_that_let_it(cloud: Cloud, audited: str) -> None:
    logs, events = cloud.client("logs"), cloud.client("events")
    logs.create_log_group(logGroupName="/aws/events/closed")
    events.put_rule(Name="a", EventPattern='{"source": ["aws.sagemaker"]}')
    arn = f"arn:aws:logs:{_REGION}:{cloud.scope.account}:log-group:/aws/events/closed"
    events.put_targets(Rule="a", Targets=[{"Id": "log", "Arn": arn}])
    _say(cloud)
    _say(cloud)
    # They are written one after the other: those of the first rule would be there by now.
    until(lambda: len(_log_events(cloud, audited)) == 2)
    assert [event["detail"] for event in _log_events(cloud, audited)] == [{"a": 1}] * 2
    assert _log_events(cloud, "/aws/events/closed") == []


def test_a_trail_tells_who_approved(cloud: Cloud, audited: str) -> None:
    sagemaker, trails = cloud.client("sagemaker"), cloud.client("cloudtrail")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    arn = sagemaker.create_model_package(ModelPackageGroupName="group")["ModelPackageArn"]
    cloud.bucket("trail-of-" + cloud.scope.account)
    trails.create_trail(Name="trail", S3BucketName="trail-of-" + cloud.scope.account)
    update = {"ModelPackageArn": arn, "CustomerMetadataProperties": {"Auc": "1"}}
    sagemaker.update_model_package(**update, ModelApprovalStatus="Rejected")
    trails.start_logging(Name="trail")
    sagemaker.describe_model_package(ModelPackageName=arn)
    sagemaker.update_model_package(**update, ModelApprovalStatus="Approved")
    with pytest.raises(sagemaker.exceptions.ClientError):
        sagemaker.delete_model_package(ModelPackageName=f"{arn}9")

    def calls() -> list[dict[str, Any]]:
        found = [event["detail"] for event in _log_events(cloud, audited)]
        return [detail for detail in found if "eventName" in detail]

    update_call, delete = until(lambda: calls() if len(calls()) == 2 else None)
    assert update_call["eventName"] == "UpdateModelPackage"
    assert update_call["requestParameters"] == {
        "modelPackageArn": arn,
        "customerMetadataProperties": {"Auc": "1"},
        "modelApprovalStatus": "Approved",
    }
    assert update_call["userIdentity"]["arn"] == f"arn:aws:iam::{cloud.scope.account}:root"
    assert (delete["eventName"], delete["errorCode"]) == (
        "DeleteModelPackage",
        "ValidationException",
    )
