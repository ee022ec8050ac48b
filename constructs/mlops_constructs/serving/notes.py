"""What synth says of an endpoint that is allowed but weak, or that guardrails do not protect."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Annotations

from mlops_constructs.serving.serverless import Serverless
from mlops_constructs.serving.watch import Watch


def annotate(
    watch: Watch, *, network_isolation: bool, key_given: bool, local_disks: Sequence[str]
) -> None:
    """Warn of what weakens a default, and say where there are no guardrails.

    Args:
        watch: The endpoint and its alarms.
        network_isolation: As the user gave it.
        key_given: Whether the user passed a key for the storage.
        local_disks: The instance types whose storage no key of ours encrypts.
    """
    notes = Annotations.of(watch.endpoint)
    # Serverless containers are never isolated: nothing was turned off.
    if not network_isolation and not isinstance(watch.compute, Serverless):
        notes.add_warning_v2(
            "mlops-constructs:network-isolation-off",
            "network_isolation=False: the model's container can connect to anything that its "
            "network reaches. Leave it out unless the container calls other services.",
        )
    if key_given and local_disks:
        notes.add_warning_v2(
            "mlops-constructs:key-without-effect",
            f"encryption_key does not encrypt the local NVMe disks of {', '.join(local_disks)}, "
            "whose hardware encrypts them with a key that is lost when the instance goes.",
        )
    if watch.deployment is None:
        if not watch.is_shared:
            notes.add_info_v2(
                "mlops-constructs:no-guardrails",
                "Deployment guardrails do not apply to this compute: an update shifts all "
                "traffic at once, without baking, and no alarm rolls it back.",
            )
        return
    bake, minutes = watch.deployment.bake_seconds, watch.rollback.minutes
    if bake < minutes * 60:
        notes.add_warning_v2(
            "mlops-constructs:bake-too-short",
            f"A bake of {bake} s ends before an alarm of {minutes} minutes can fire, so that a "
            "bad model is not rolled back. Bake longer.",
        )
    share, rate = watch.deployment.first_share, watch.rollback.error_rate
    if share <= rate and not watch.is_shared:
        notes.add_warning_v2(
            "mlops-constructs:first-step-below-threshold",
            f"The first step gives the new fleet {share:.0%} of the requests, and an alarm asks "
            f"for more than {rate:.0%} of them to fail: a model that fails always is not rolled "
            "back before the next step. Lower rollback.error_rate.",
        )
