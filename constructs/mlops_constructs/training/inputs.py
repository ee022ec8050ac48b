"""Checks what `TrainingPipeline` is given, all of it before anything is made.

The definition is hardened here too, as a setting that is weaker than the construct's is a mistake
like the others. What protects the jobs is put in as sentinels and bound with the rest.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import NamedTuple

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.tokens import is_token
from mlops_constructs.training.binding import Binding, check_sentinels
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.document import Json, find_steps, sentinels
from mlops_constructs.training.hardening import JobSecurity, harden
from mlops_constructs.training.roles import kinds_of
from mlops_constructs.training.step_types import NETWORKED

SUBNETS = "job.subnets"
SECURITY_GROUPS = "job.security_groups"
KEY = "job.key"

_LONGEST_NAME = 256  # botocore, PipelineName
_INSTEAD = {
    "bucket.data": "Pass data_bucket.",
    "model_package_group": "Pass registry=ModelRegistry(…).",
}
_INSTEAD_BY_KIND = {
    "function": "Pass functions={{{name!r}: …}}.",
    "queue": "Pass queues={{{name!r}: …}}.",
    "emr_role": "Pass emr_roles={{{name!r}: …}}.",
}


class Hardened(NamedTuple):
    """A definition with protection on every job, and a line for everything that was added."""

    document: Mapping[str, Json]
    lines: tuple[str, ...]


def check_given(
    problems: Problems,
    *,
    definition: object,
    network: object,
    encryption_key: object,
    data_bucket: object,
    artifacts_bucket: object,
) -> None:
    """Refuse paths, names and ARNs in place of objects, before anything is done with them.

    Raises:
        ValidationError: One is something else.
    """
    problems.check(
        isinstance(definition, PipelineDefinition),
        "definition",
        got=definition,
        allowed="a PipelineDefinition",
        instead="Write PipelineDefinition.from_folder('pipeline_code/…').",
    )
    problems.check(
        isinstance(network, JobNetwork),
        "network",
        got=network,
        allowed="a JobNetwork",
        instead="Write PrivateNetwork(self, 'Network').job_network, or JobNetwork(vpc=…, …).",
    )
    problems.check_construct(
        "encryption_key", encryption_key, instead="Write Key.from_key_arn(self, 'Key', arn)."
    )
    for what, bucket in (("data_bucket", data_bucket), ("artifacts_bucket", artifacts_bucket)):
        problems.check_construct(
            what, bucket, instead="Write Bucket.from_bucket_name(self, 'Data', name)."
        )
    problems.raise_if_any()


def check_pipeline(
    problems: Problems, *, pipeline_name: str, max_parallel_steps: int | None
) -> None:
    """Note what is wrong with the pipeline's own properties."""
    problems.check(
        not is_token(pipeline_name),
        "pipeline_name",
        got=pipeline_name,
        allowed="a literal: folders, events and metrics go by it",
        instead="Write the name.",
    )
    check_name(problems, "pipeline_name", pipeline_name, most=_LONGEST_NAME)
    problems.check(
        max_parallel_steps is None
        or is_token(max_parallel_steps)
        or (isinstance(max_parallel_steps, int) and max_parallel_steps >= 1),
        "max_parallel_steps",
        got=max_parallel_steps,
        allowed="1 or more, or None for no limit",
        instead="Write 1 to run step after step.",
    )


def check_definition(
    problems: Problems,
    definition: PipelineDefinition,
    *,
    given: Collection[str],
    bindings: Mapping[str, Binding],
    network_access: Collection[str],
    plain_traffic: Collection[str],
) -> Hardened:
    """Note what is wrong with a definition and harden a copy of it.

    Args:
        problems: Where to note it.
        definition: The definition.
        given: Sentinels that the construct can bind by what it was given.
        bindings: The caller's own.
        network_access: Steps that may reach the network.
        plain_traffic: Steps whose containers may talk unencrypted.
    """
    document = copy.deepcopy(definition.document)
    well_formed = definition.check(problems)
    known = {
        *given,
        *(f"role.{kind}" for kind in kinds_of(definition.steps)),
        *(f"code.{name}.{part}" for name in definition.bundles for part in ("uri", "file")),
        *(SUBNETS, SECURITY_GROUPS, KEY),
    }
    lists = {name for name, binding in bindings.items() if not isinstance(binding, str)}
    check_sentinels(
        problems,
        document,
        known=known,
        lists={*lists, SUBNETS, SECURITY_GROUPS},
        bindings=bindings,
        instead=_instead(document),
    )
    jobs = [step.name for step in definition.steps if step.type in NETWORKED]
    _check_exempt(problems, "allow_network_access", network_access, jobs)
    _check_exempt(problems, "allow_plain_traffic", plain_traffic, jobs)
    security = JobSecurity(
        subnets=[f"{{{{{SUBNETS}}}}}"],
        security_groups=[f"{{{{{SECURITY_GROUPS}}}}}"],
        key=f"{{{{{KEY}}}}}",
        network_access=frozenset(network_access),
        plain_traffic=frozenset(plain_traffic),
    )
    steps = list(find_steps(document["Steps"])) if well_formed else []
    return Hardened(document, harden(problems, document, steps, security))


def _instead(document: Mapping[str, Json]) -> dict[str, str]:
    """What to pass for each sentinel that an argument of the construct binds."""
    found = dict(_INSTEAD)
    for sentinel in sentinels(document):
        kind, _, name = sentinel.partition(".")
        if kind in _INSTEAD_BY_KIND:
            found[sentinel] = _INSTEAD_BY_KIND[kind].format(name=name)
    return found


def _check_exempt(
    problems: Problems, what: str, names: Collection[str], jobs: Collection[str]
) -> None:
    for name in names:
        problems.check(
            name in jobs,
            what,
            got=name,
            allowed=", ".join(jobs) or "none: no step runs a job",
            instead="Name a step of the definition.",
        )
