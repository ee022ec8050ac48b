"""The state machine that approves versions of a model by a rule. No aws_cdk here.

The rule is on the version's customer metadata, where the pipeline writes what it measured: a
version is approved when every measure is there, is a number, and is within its limits.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlops_constructs.common.states import State, choice, task

VARIABLES = {
    "package": "{% $states.input.detail.ModelPackageArn %}",
    "reason": "",
}
_NUMBER = r"/^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/"
_WAITING = "PendingManualApproval"
# botocore, ApprovalDescription
_LONGEST_DESCRIPTION = 1024


def states(
    *, minimum: Mapping[str, float], maximum: Mapping[str, float], reject: bool
) -> Mapping[str, State]:
    """The machine's states; the first is ``Describe``.

    Args:
        minimum: The least of each measure.
        maximum: The most of each measure.
        reject: Whether other versions are rejected, and not left to people.
    """
    limits = [
        *((name, ">=", limit) for name, limit in minimum.items()),
        *((name, "<=", limit) for name, limit in maximum.items()),
    ]
    within = " and ".join(
        f"$contains($string($lookup($metadata, '{name}')), {_NUMBER}) "
        f"and $number($lookup($metadata, '{name}')) {sign} {limit!r}"
        for name, sign, limit in limits
    )
    rule = ", ".join(f"{name} {sign} {limit:g}" for name, sign, limit in limits)
    made: dict[str, State] = {
        "Describe": task(
            "sagemaker:describeModelPackage",
            {"ModelPackageName": "{% $package %}"},
            assign={
                "status": "{% $states.result.ModelApprovalStatus %}",
                "metadata": "{% $exists($states.result.CustomerMetadataProperties) "
                "? $states.result.CustomerMetadataProperties : {} %}",
            },
            next_state="Decide",
        ),
        # The service may send an event twice, and somebody may have decided in the meantime.
        "Decide": choice(
            {f"$status != '{_WAITING}'": "Decided", within: "Approve"},
            "Reject" if reject else "LeftToPeople",
        ),
        "Approve": _update("Approved", f"By rule: {rule}"),
        "Decided": {"Type": "Succeed"},
    }
    if reject:
        made["Reject"] = _update("Rejected", f"By rule, which asks for {rule}")
    else:
        made["LeftToPeople"] = {"Type": "Succeed", "Comment": "The rule does not hold."}
    return made


def _update(status: str, description: str) -> State:
    return task(
        "sagemaker:updateModelPackage",
        {
            "ModelPackageArn": "{% $package %}",
            "ModelApprovalStatus": status,
            "ApprovalDescription": description[:_LONGEST_DESCRIPTION],
        },
    )
