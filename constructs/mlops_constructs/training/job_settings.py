"""Settings of jobs and retries that contradict each other, which the service says only at run time.

Spot: ``MaxWaitTimeInSeconds`` is needed and at least ``MaxRuntimeInSeconds`` (botocore,
StoppingCondition). Warm pools: not with spot instances and not with heterogeneous clusters
(developer guide, "SageMaker AI Managed Warm Pools"). Tuning: one of TrainingJobDefinition and
TrainingJobDefinitions; a job among several has a name and an objective of its own, one alone takes
those of the tuning job (botocore, HyperParameterTrainingJobDefinition). Retry policies: the types
of exceptions and members are those of the SDK's ``workflow.retry``, which refuses an exception type
in two policies; a Lambda step takes none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from mlops_constructs.training.document import Json, Step
from mlops_constructs.training.step_types import training_jobs

_STEP_EXCEPTIONS = ("Step.SERVICE_FAULT", "Step.THROTTLING")
_JOB_EXCEPTIONS = (
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.RESOURCE_LIMIT",
)
_JOBS = ("ClarifyCheck", "Processing", "QualityCheck", "Training", "Transform", "Tuning")
_NO_RETRIES = ("Callback", "Condition", "Fail", "Lambda")

#: Path, value, what is allowed, what to write instead.
Problem = tuple[str, Json, str, str]


def setting_problems(step: Step) -> Iterator[Problem]:
    """What is wrong with a step's jobs and retries."""
    for path, job in training_jobs(step):
        yield from _spot(f"Arguments.{path}", job)
        yield from _warm_pool(f"Arguments.{path}", job)
    if step.type == "Tuning":
        yield from _definitions(step.arguments)
    yield from _retries(step)


def _object(job: Mapping[str, Json], member: str) -> Mapping[str, Json]:
    """A member of a job; another check says so if it is no object."""
    value = job.get(member)
    return value if isinstance(value, dict) else {}


def _spot(path: str, job: Mapping[str, Json]) -> Iterator[Problem]:
    if job.get("EnableManagedSpotTraining") is not True:
        return
    stopping = _object(job, "StoppingCondition")
    longest, run = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds")
    short = isinstance(longest, int) and isinstance(run, int) and longest < run
    if longest is None or short:
        yield (
            f"{path}StoppingCondition.MaxWaitTimeInSeconds",
            longest,
            f"MaxRuntimeInSeconds ({run}) or more, for a job on spot instances",
            "Write how long the job may take with its waits for instances.",
        )


def _warm_pool(path: str, job: Mapping[str, Json]) -> Iterator[Problem]:
    resources = _object(job, "ResourceConfig")
    if not resources.get("KeepAlivePeriodInSeconds"):
        return
    for reason, holds in (
        ("on spot instances", job.get("EnableManagedSpotTraining") is True),
        ("in a heterogeneous cluster", bool(resources.get("InstanceGroups"))),
    ):
        if holds:
            yield (
                f"{path}ResourceConfig.KeepAlivePeriodInSeconds",
                resources["KeepAlivePeriodInSeconds"],
                f"none {reason}: instances cannot be kept warm then",
                "Take it out, or the other setting.",
            )


def _definitions(arguments: Mapping[str, Json]) -> Iterator[Problem]:
    one, several = arguments.get("TrainingJobDefinition"), arguments.get("TrainingJobDefinitions")
    if bool(one) == bool(several):
        yield (
            "Arguments",
            "both" if one else None,
            "one of TrainingJobDefinition and TrainingJobDefinitions",
            "Take one out.",
        )
        return
    for at, job in enumerate(several or ()):
        for member in ("DefinitionName", "TuningObjective"):
            if member not in job:
                yield (
                    f"Arguments.TrainingJobDefinitions[{at}].{member}",
                    None,
                    "a value: each of several definitions has one of its own",
                    "Give the tuner's definitions names, objectives and ranges.",
                )
    names = Counter(str(job.get("DefinitionName")) for job in several or ())
    for name, count in names.items():
        if count > 1 and name != "None":
            yield (
                "Arguments.TrainingJobDefinitions",
                name,
                "names that differ",
                "Rename one of them.",
            )


def _retries(step: Step) -> Iterator[Problem]:
    policies = step.raw.get("RetryPolicies", [])
    if policies and step.type in _NO_RETRIES:
        yield (
            "RetryPolicies",
            len(policies),
            f"none for a step of type {step.type}",
            "Take them out.",
        )
    allowed = (*_STEP_EXCEPTIONS, *(_JOB_EXCEPTIONS if step.type in _JOBS else ()))
    seen: Counter[str] = Counter()
    for at, policy in enumerate(policies if isinstance(policies, list) else ()):
        path = f"RetryPolicies[{at}]"
        if not isinstance(policy, dict):
            yield path, policy, "an object", "Write a policy."
            continue
        kinds = policy.get("ExceptionType")
        for kind in kinds if isinstance(kinds, list) else (None,):
            seen[str(kind)] += 1
            if kind not in allowed:
                yield f"{path}.ExceptionType", kind, ", ".join(allowed), "Take one of these."
            elif seen[str(kind)] > 1:
                yield (
                    f"{path}.ExceptionType",
                    kind,
                    "each type of exception in one policy",
                    "Take it out of one of the two.",
                )
        if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
            yield (
                path,
                sorted(policy.keys() & {"MaxAttempts", "ExpireAfterMin"}),
                "one of MaxAttempts and ExpireAfterMin",
                "Say how often, or for how long.",
            )
