"""A model goes from its registry to staging and to prod: three accounts, the example as it is.

Trained and registered in the registry's account, approved there by people with roles of their own,
released in the others by events, policies and roles of the templates. What one account does with
what another holds is checked against the policies of both. The tests build on one another, as the
life of a model does; they run in the order of this file.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.deploy.accounts import local_cloud
from tests.deploy.promotion_accounts import (
    GROUP,
    PROD,
    REGION,
    REGISTRY,
    STAGING,
    STRANGER,
    TIME_SCALE,
    Accounts,
    deployed,
    train_and_register,
    until,
    upload_code,
)

pytestmark = [pytest.mark.deploy, pytest.mark.slow]


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), *TIME_SCALE) as environment:
        yield deployed(environment, tmp_path_factory.mktemp("deployments"))


@pytest.fixture(scope="module")
def told(accounts: Accounts) -> Callable[[str], list[dict[str, Any]]]:
    """What the topic of a stage said about releases since it was asked last."""
    queues: dict[str, str] = {}
    for account in (STAGING, PROD):
        sqs = accounts.client(account, "sqs")
        queues[account] = url = sqs.create_queue(QueueName="told")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        accounts.client(account, "sns").subscribe(
            TopicArn=accounts.outputs[account]["Topic"], Protocol="sqs", Endpoint=arn["QueueArn"]
        )

    def messages(account: str) -> list[dict[str, Any]]:
        sqs, found = accounts.client(account, "sqs"), []
        while got := sqs.receive_message(QueueUrl=queues[account]).get("Messages"):
            for message in got:
                sqs.delete_message(QueueUrl=queues[account], ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])["Message"]
                if body.startswith("{") and '"outcome"' in body:
                    found.append(json.loads(body))
        return found

    return messages


@pytest.fixture(scope="module")
def versions(accounts: Accounts) -> dict[str, str]:
    """Versions, trained and registered: a good one, one that fails to load, to answer, another."""
    upload_code(accounts)
    kinds = {"good": "", "loading": "loading", "answering": "answering", "newer": ""}
    return {
        name: train_and_register(accounts, number, fault)
        for number, (name, fault) in enumerate(kinds.items(), start=1)
    }


def _approve(accounts: Accounts, version: str) -> None:
    accounts.person("ana", "Reviewer").update_model_package(
        ModelPackageArn=version,
        ModelApprovalStatus="Approved",
        ApprovalDescription="Good enough.",
    )


def _promote(accounts: Accounts, version: str, stage: str, status: str = "Approved") -> None:
    accounts.person("ben", f"Lead{stage}").update_model_package(
        ModelPackageArn=version,
        ModelLifeCycle={"Stage": stage, "StageStatus": status},
    )


def test_an_approval_alone_reaches_no_stage(accounts: Accounts, versions: dict[str, str]) -> None:
    assert f":{REGISTRY}:model-package/churn/1" in versions["good"]
    _approve(accounts, versions["good"])
    _promote(accounts, versions["good"], "Staging", "PendingApproval")
    time.sleep(0.5)
    for account in (STAGING, PROD):
        assert accounts.releases(account) == []
        assert accounts.approved(account) == "none"


def test_a_version_that_is_approved_for_staging_answers_there(
    accounts: Accounts, versions: dict[str, str], told: Any
) -> None:
    """Event, package, artifact and key cross the account; prod hears nothing of it."""
    _promote(accounts, versions["good"], "Staging")
    assert accounts.released(STAGING, 1) == "SUCCEEDED"
    assert accounts.approved(STAGING) == versions["good"]
    assert accounts.answer(STAGING) == {"version": "1", "classes": [0, 1]}
    [message] = told(STAGING)
    assert message["outcome"] == "released"
    assert (message["before"], message["after"]) == ("none", versions["good"])
    assert accounts.releases(PROD) == []


def test_the_same_version_is_promoted_to_prod(
    accounts: Accounts, versions: dict[str, str], told: Any
) -> None:
    _promote(accounts, versions["good"], "Production", "PendingApproval")
    _promote(accounts, versions["good"], "Production")
    assert accounts.released(PROD, 1) == "SUCCEEDED"
    assert accounts.answer(PROD) == {"version": "1", "classes": [0, 1]}
    assert [each["outcome"] for each in told(PROD)] == ["released"]
    assert len(accounts.releases(STAGING)) == 1


def test_a_model_that_does_not_load_is_taken_back(
    accounts: Accounts, versions: dict[str, str], told: Any
) -> None:
    _approve(accounts, versions["loading"])
    _promote(accounts, versions["loading"], "Staging")
    assert "UPDATE_ROLLBACK_COMPLETE" in accounts.released(STAGING, 2)
    assert accounts.approved(STAGING) == versions["good"]
    assert accounts.answer(STAGING)["version"] == "1"
    [message] = told(STAGING)
    assert message["outcome"] == "not released"
    assert (message["before"], message["after"]) == (versions["good"], versions["loading"])
    assert "UPDATE_ROLLBACK_COMPLETE" in message["reason"]
    assert "this model does not load" in message["reason"]


def test_a_model_that_fails_its_requests_is_rolled_back_by_the_alarm(
    accounts: Accounts, versions: dict[str, str], told: Any
) -> None:
    """Somebody leaves staging out: customers get errors of a part of the fleet, for minutes."""
    _approve(accounts, versions["answering"])
    stop, answers = threading.Event(), {"right": 0, "wrong": 0}

    def ask() -> None:
        while not stop.is_set():
            try:
                right = accounts.answer(PROD)["version"] == "1"
            except ClientError:
                right = False
            answers["right" if right else "wrong"] += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        _promote(accounts, versions["answering"], "Production")
        assert "UPDATE_ROLLBACK_COMPLETE" in accounts.released(PROD, 2)
    finally:
        stop.set()
        asking.join()
    assert answers["right"] > 0
    assert answers["wrong"] > 0
    assert accounts.approved(PROD) == versions["good"]
    assert accounts.answer(PROD)["version"] == "1"
    [message] = told(PROD)
    assert message["outcome"] == "not released"
    assert message["before"] == versions["good"]
    assert "alarm in state ALARM" in message["reason"]


def test_metadata_of_an_old_version_release_nothing(
    accounts: Accounts, versions: dict[str, str]
) -> None:
    """It is approved still, for prod as well: SageMaker's event of the change says so."""
    before = {account: len(accounts.releases(account)) for account in (STAGING, PROD)}
    accounts.client(REGISTRY, "sagemaker").update_model_package(
        ModelPackageArn=versions["good"], CustomerMetadataProperties={"ticket": "7"}
    )
    time.sleep(0.5)
    assert before == {account: len(accounts.releases(account)) for account in (STAGING, PROD)}


def test_a_release_is_taken_back_by_hand(
    accounts: Accounts, versions: dict[str, str], told: Any
) -> None:
    """As the guide says: start the machine with the version that shall serve again."""
    alarms = accounts.client(PROD, "cloudwatch")
    # A deployment does not begin under a firing alarm.
    until(lambda: not alarms.describe_alarms(StateValue="ALARM")["MetricAlarms"])
    _approve(accounts, versions["newer"])
    _promote(accounts, versions["newer"], "Production")
    assert accounts.released(PROD, 3) == "SUCCEEDED"
    assert accounts.answer(PROD)["version"] == "4"
    event = {"detail": {"ModelPackageArn": versions["good"]}}
    accounts.client(PROD, "stepfunctions").start_execution(
        stateMachineArn=accounts.outputs[PROD]["Machine"], input=json.dumps(event)
    )
    assert accounts.released(PROD, 4) == "SUCCEEDED"
    assert accounts.answer(PROD)["version"] == "1"
    assert [(each["before"], each["after"]) for each in told(PROD)] == [
        (versions["good"], versions["newer"]),
        (versions["newer"], versions["good"]),
    ]


def test_what_went_on_to_prod_does_not_come_back_to_staging(
    accounts: Accounts, versions: dict[str, str]
) -> None:
    event = {"detail": {"ModelPackageArn": versions["newer"]}}
    functions = accounts.client(STAGING, "stepfunctions")
    started = functions.start_execution(
        stateMachineArn=accounts.outputs[STAGING]["Machine"], input=json.dumps(event)
    )["executionArn"]
    assert accounts.released(STAGING, 3) == "SUCCEEDED"
    ended = functions.describe_execution(executionArn=started)
    assert json.loads(ended["output"]) == {
        "outcome": "withdrawn",
        "approval": "approved for another stage",
    }
    assert accounts.approved(STAGING) == versions["good"]


def test_nobody_else_gets_in(accounts: Accounts, versions: dict[str, str]) -> None:
    """Accounts that were not named, and those that were for what they were not."""
    for account, changes in ((STRANGER, False), (PROD, True)):
        sagemaker = accounts.client(account, "sagemaker")
        approve = {"ModelPackageArn": versions["answering"], "ModelApprovalStatus": "Approved"}
        ask = {"ModelPackageName": versions["good"]}
        with pytest.raises(ClientError) as refused:
            _ = (
                sagemaker.update_model_package(**approve)
                if changes
                else sagemaker.describe_model_package(**ask)
            )
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    sagemaker = accounts.client(STRANGER, "sagemaker")
    with pytest.raises(ClientError, match="sagemaker:CreateModel"):
        sagemaker.create_model(
            ModelName="stolen",
            ExecutionRoleArn=f"arn:aws:iam::{STRANGER}:role/r",
            PrimaryContainer={"ModelPackageName": versions["good"]},
        )
    package = accounts.client(REGISTRY, "sagemaker").describe_model_package(
        ModelPackageName=versions["good"]
    )
    url = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    bucket, _, key = url.removeprefix("s3://").partition("/")
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.client(STRANGER, "s3").get_object(Bucket=bucket, Key=key)


def test_no_other_account_starts_a_release(accounts: Accounts) -> None:
    """A group of the same name elsewhere, and a rule that sends its approvals to prod."""
    sagemaker = accounts.client(STRANGER, "sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    version = sagemaker.create_model_package(ModelPackageGroupName=GROUP)["ModelPackageArn"]
    bus = f"arn:aws:events:{REGION}:{PROD}:event-bus/{GROUP}-approvals"
    iam = accounts.client(STRANGER, "iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="sender", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="sender", PolicyName="p", PolicyDocument=document)
    events = accounts.client(STRANGER, "events")
    events.put_rule(Name="all", EventPattern='{"source": ["aws.sagemaker"]}')
    target = {"Id": "prod", "Arn": bus, "RoleArn": role}
    events.put_targets(Rule="all", Targets=[target])
    count = len(accounts.releases(PROD))
    sagemaker.update_model_package(
        ModelPackageArn=version,
        ModelApprovalStatus="Approved",
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
    )
    time.sleep(0.5)
    assert len(accounts.releases(PROD)) == count


def test_the_audit_trail_says_who_approved_what(
    accounts: Accounts, versions: dict[str, str]
) -> None:
    logs = accounts.client(REGISTRY, "logs")
    [group] = logs.describe_log_groups(logGroupNamePrefix=f"/aws/events/model-registry/{GROUP}/")[
        "logGroups"
    ]
    written = [
        json.loads(event["message"])["detail"]
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"]
        )
        for event in page["events"]
    ]
    decisions = [
        (
            detail["userIdentity"]["arn"].split("assumed-role/")[1],
            detail["requestParameters"]["modelPackageArn"].rsplit("/", 1)[1],
            detail["requestParameters"].get("modelApprovalStatus")
            or "-".join(
                detail["requestParameters"]["modelLifeCycle"][name]
                for name in ("stage", "stageStatus")
            ),
        )
        for detail in written
        if "assumed-role" in detail.get("userIdentity", {}).get("arn", "")
    ]
    assert decisions == [
        ("churn-Reviewer/ana", "1", "Approved"),
        ("churn-LeadStaging/ben", "1", "Staging-PendingApproval"),
        ("churn-LeadStaging/ben", "1", "Staging-Approved"),
        ("churn-LeadProduction/ben", "1", "Production-PendingApproval"),
        ("churn-LeadProduction/ben", "1", "Production-Approved"),
        ("churn-Reviewer/ana", "2", "Approved"),
        ("churn-LeadStaging/ben", "2", "Staging-Approved"),
        ("churn-Reviewer/ana", "3", "Approved"),
        ("churn-LeadProduction/ben", "3", "Production-Approved"),
        ("churn-Reviewer/ana", "4", "Approved"),
        ("churn-LeadProduction/ben", "4", "Production-Approved"),
    ]
    registered = [d["ModelPackageArn"] for d in written if "InferenceSpecification" in d]
    assert set(registered) == set(versions.values())


def test_the_release_is_written_down_where_it_happened(
    accounts: Accounts, versions: dict[str, str]
) -> None:
    """The machine's executions hold the approval that started them, and how they ended."""
    functions = accounts.client(PROD, "stepfunctions")
    described = [
        functions.describe_execution(executionArn=each["executionArn"])
        for each in reversed(accounts.releases(PROD))
    ]
    started = [json.loads(each["input"])["detail"]["ModelPackageArn"] for each in described]
    assert started == [versions[name] for name in ("good", "answering", "newer", "good")]
    assert [each["status"] for each in described] == [
        "SUCCEEDED",
        "FAILED",
        "SUCCEEDED",
        "SUCCEEDED",
    ]
    assert "alarm in state ALARM" in described[1]["cause"]
    assert json.loads(described[0]["input"])["account"] == REGISTRY
