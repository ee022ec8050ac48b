"""The function that deletes a used domain, against an account with two of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mlops_constructs.studio.deletion_function import index
from mlops_constructs.studio.deletion_function.calls import Services
from tests.studio.studio_cloud import Account, arn, refusal


class Context:
    """Of an invocation with so much time left."""

    function_name = "function"

    def __init__(self, left_ms: int = 800_000) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def now(self) -> float:
        return self.seconds


Answers = list[dict[str, Any]]
Run = Callable[..., dict[str, Any] | None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Run:
    answers: Answers = []

    class Answered:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    def answer(request: Any, timeout: float) -> Answered:
        assert (request.method, request.full_url, timeout) == ("PUT", "https://cfn/answer", 30)
        assert len(request.data) < 4096
        answers.append(json.loads(request.data))
        return Answered()

    monkeypatch.setattr("urllib.request.urlopen", answer)

    def carry_out(
        account: Account,
        part: str = "Domain",
        *,
        request_type: str = "Delete",
        homes: str = "Delete",
        context: Context | None = None,
        event: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        answers.clear()
        event = event or {
            "RequestType": request_type,
            "ResponseURL": "https://cfn/answer",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "logical",
            "PhysicalResourceId": "d-one/Domain",
            "ResourceProperties": {
                "DomainId": "d-one",
                "DomainArn": arn("d-one"),
                "Part": part,
                "HomeDirectories": homes,
                "UserProfiles": ["ana"],
            },
        }
        index.run(event, context or Context(), Services(account), sleep=clock.sleep, now=clock.now)
        assert len(answers) <= 1
        return answers[0] if answers else None

    return carry_out


def status(answer: dict[str, Any] | None) -> str:
    assert answer is not None
    return str(answer["Status"])


def test_users_things_go_and_cloudformations_profiles_stay(run: Run) -> None:
    account = Account()
    assert status(run(account, "Users")) == "SUCCESS"
    assert [p["UserProfileName"] for p in account._of_domain("UserProfiles", "d-one")] == ["ana"]
    assert account._of_domain("Spaces", "d-one") == []
    assert {a["Status"] for a in account._of_domain("Apps", "d-one")} == {"Deleted", "Failed"}
    assert account.domains["d-one"]["Status"] == "InService"


def test_the_domain_goes_with_everything_and_another_one_stays(run: Run) -> None:
    account = Account()
    before = Account().left("d-two")
    assert status(run(account)) == "SUCCESS"
    assert account.left("d-one") == []
    assert account.left("d-two") == before


def test_filters_that_are_not_passed_on_widen_nothing(run: Run) -> None:
    account = Account()
    account.ignores_filters = True
    before = [name for name in Account().left("d-two") if name != "NetworkInterfaces"]
    assert status(run(account)) == "SUCCESS"
    assert account.left("d-one") == []
    assert [name for name in account.left("d-two") if name != "NetworkInterfaces"] == before
    assert not any("d-two" in entry for entry in account.log)


def test_in_order(run: Run) -> None:
    account = Account()
    run(account)
    kinds = list(dict.fromkeys(entry.split()[0] for entry in account.log))
    assert kinds == [
        *("Apps", "Spaces", "UserProfiles", "Domain"),
        *("MountTargets", "FileSystems", "NetworkInterfaces", "SecurityGroups"),
    ]
    assert "Domain d-one Delete" in account.log
    assert len(account.log) == len(set(account.log)), "nothing is deleted twice"


def test_home_directories_are_kept_and_told(run: Run) -> None:
    account = Account()
    answer = run(account, homes="Keep")
    assert answer is not None
    assert "fs-d-one" in answer["Reason"]
    assert "Domain d-one Retain" in account.log
    assert account.left("d-one") == ["FileSystems"]
    assert account.calls["delete_file_system"] == 0


@pytest.mark.parametrize("part", ["Users", "Domain"])
@pytest.mark.parametrize("mark", [None, "false"])
def test_without_the_mark_nothing_goes(run: Run, part: str, mark: str | None) -> None:
    account = Account()
    account.domains["d-one"]["Mark"] = mark
    before = account.left("d-one")
    answer = run(account, part)
    assert status(answer) == "SUCCESS"
    assert answer is not None
    assert "is kept" in answer["Reason"]
    assert account.left("d-one") == before


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_create_and_update_touch_nothing(run: Run, request_type: str) -> None:
    account = Account()
    answer = run(account, request_type=request_type)
    assert answer is not None
    assert not account.calls
    assert answer["PhysicalResourceId"] == "d-one/Domain"


def test_again_is_no_error(run: Run) -> None:
    account = Account()
    run(account)
    assert status(run(account)) == "SUCCESS"
    assert status(run(account, "Users")) == "SUCCESS"


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_another_invocation_goes_on_wherever_one_stopped(run: Run, steps: int) -> None:
    account, context = Account(), Context()
    left = [800_000] * steps + [1_000]
    context.get_remaining_time_in_millis = lambda: left.pop(0) if left else 1_000  # type: ignore[method-assign]  # time runs out at this step
    answer = run(account, context=context)
    if answer is None:
        [invoked] = account.invoked
        assert (invoked["FunctionName"], invoked["InvocationType"]) == ("function", "Event")
        answer = run(account, event=json.loads(invoked["Payload"]))
    assert status(answer) == "SUCCESS"
    assert account.left("d-one") == []


def test_gives_up_before_cloudformation_does_and_says_what_is_left(run: Run, clock: Clock) -> None:
    account = Account(changes=10**9)
    answer = run(account, "Users")
    assert status(answer) == "FAILED"
    assert answer is not None
    assert "app work/JupyterLab/default" in answer["Reason"]
    assert "Delete the stack again" in answer["Reason"]
    assert index.MOST_SECONDS < clock.seconds < 3600 - 60
    assert max(clock.waits) <= 15


def test_the_bound_holds_over_invocations(run: Run, clock: Clock) -> None:
    account = Account(changes=10**9)
    assert run(account, context=Context(left_ms=1_000)) is None
    clock.seconds = index.MOST_SECONDS + 1
    event = json.loads(account.invoked[0]["Payload"])
    assert status(run(account, event=event)) == "FAILED"
    assert clock.waits == []


@pytest.mark.parametrize(
    "operation",
    [
        *("list_apps", "delete_app", "list_spaces", "delete_space", "list_user_profiles"),
        *("delete_user_profile", "delete_domain", "describe_file_systems"),
        *("describe_mount_targets", "delete_mount_target", "delete_file_system"),
        *("describe_network_interfaces", "delete_network_interface", "describe_security_groups"),
        *("revoke_security_group_ingress", "revoke_security_group_egress"),
        "delete_security_group",
    ],
)
@pytest.mark.parametrize("kind", ["throttled", "unreachable", "denied"])
def test_each_call_may_fail(run: Run, operation: str, kind: str) -> None:
    """It waits out what passes, and tells what does not."""
    account = Account()
    error: Any = {
        "throttled": refusal(operation, "ThrottlingException"),
        "unreachable": EndpointConnectionError(endpoint_url="https://sagemaker"),
        "denied": refusal(operation, "AccessDenied", "not authorized"),
    }[kind]
    account.refuse[operation] = [error, error] if kind != "denied" else [error]
    answer = run(account)
    assert answer is not None
    if kind == "denied":
        assert status(answer) == "FAILED"
        assert "not authorized" in answer["Reason"]
        answer = run(account)  # the stack is deleted again
    assert status(answer) == "SUCCESS"
    assert account.left("d-one") == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("delete_app", "ResourceInUse"),
        ("delete_space", "ResourceInUse"),
        ("delete_user_profile", "ResourceInUse"),
        ("delete_domain", "ResourceInUse"),
        ("delete_mount_target", "MountTargetNotFound"),
        ("delete_file_system", "FileSystemInUse"),
        ("delete_file_system", "FileSystemNotFound"),
        ("delete_network_interface", "InvalidParameterValue"),
        ("delete_security_group", "DependencyViolation"),
        ("revoke_security_group_ingress", "InvalidPermission.NotFound"),
    ],
)
def test_waits_for_what_is_in_the_way(run: Run, operation: str, code: str) -> None:
    account = Account()
    account.refuse[operation] = [refusal(operation, code), refusal(operation, code)]
    assert status(run(account)) == "SUCCESS"
    assert account.left("d-one") == []


def test_an_app_that_a_user_starts_meanwhile_goes_too(run: Run) -> None:
    account = Account()
    late = {"DomainId": "d-one", "AppType": "CodeEditor", "AppName": "default"}
    deleted = account.do_delete_space

    def and_start(**key: str) -> None:
        if not account.calls["late"]:
            account.calls["late"] += 1
            account.items["Apps"].append({**late, "SpaceName": "team", "Status": "InService"})
        deleted(**key)

    account.do_delete_space = and_start  # type: ignore[method-assign]  # a user is at work
    assert status(run(account)) == "SUCCESS"
    assert any("CodeEditor" in entry for entry in account.log)
    assert account.left("d-one") == []


def test_a_domain_that_sagemaker_fails_to_delete_is_told_with_its_reason(run: Run) -> None:
    account = Account(domains=("d-one",))
    for kind in ("Apps", "Spaces", "UserProfiles"):
        account.items[kind] = []
    account.domains["d-one"] |= {"Status": "Delete_Failed", "FailureReason": "EFS is locked"}
    account.do_delete_domain = lambda **_: None  # type: ignore[method-assign]  # to no avail
    answer = run(account)
    assert status(answer) == "FAILED"
    assert answer is not None
    assert "EFS is locked" in answer["Reason"]


def test_only_a_tagged_interface_that_nothing_uses_is_deleted(run: Run) -> None:
    account = Account()
    run(account)
    assert [e for e in account.log if e.startswith("NetworkInterfaces")] == [
        "NetworkInterfaces eni-loose-d-one"
    ]


def test_an_unforeseen_error_is_answered_at_once(run: Run) -> None:
    account = Account()
    account.refuse["describe_domain"] = [ClientError({"Error": {}}, "DescribeDomain")]
    answer = run(account)
    assert status(answer) == "FAILED"
