"""What an hour of each step of a pipeline costs, by a price table that the user supplies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from mlops_constructs.common.errors import Problems
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.document import Json, Step, parameter_default
from mlops_constructs.training.step_types import PROCESSING, training_jobs


def cost_of_runs(
    problems: Problems, definition: PipelineDefinition, hourly_prices: Mapping[str, float]
) -> dict[str, float]:
    """The price of an hour of each step that runs instances, by the step's name.

    Args:
        problems: Where to note prices that are missing or cannot be.
        definition: The pipeline.
        hourly_prices: Of an instance, by type.
    """
    for instance, price in hourly_prices.items():
        problems.check(
            price >= 0,
            f"hourly_prices[{instance!r}]",
            got=price,
            allowed="0 or more",
            instead="Write what an hour costs.",
        )
    rates: dict[str, float] = {}
    for step in definition.steps:
        for given in _instances(step):
            instance, *numbers = (parameter_default(definition.document, each) for each in given)
            if not isinstance(instance, str) or not all(isinstance(n, int) for n in numbers):
                problems.add(
                    f"step {step.name}",
                    got=(instance, *numbers),
                    allowed="a type and a number that the definition or a parameter's default says",
                    instead="Give the parameters defaults.",
                )
            elif instance not in hourly_prices:
                problems.add(
                    f"hourly_prices[{instance!r}]",
                    got=", ".join(sorted(hourly_prices)) or "no prices",
                    allowed=f"a price for every type that steps run on; {step.name} runs on it",
                    instead=f"Pass {{{instance!r}: price}}.",
                )
            else:
                price = math.prod(numbers) * hourly_prices[instance]
                rates[step.name] = rates.get(step.name, 0.0) + price
    return rates


def _instances(step: Step) -> Iterator[tuple[Json, Json, Json]]:
    """Type, number, and how many times at once, of the instances that a step runs."""
    arguments = step.arguments
    if step.type in PROCESSING:
        cluster = arguments["ProcessingResources"]["ClusterConfig"]
        yield cluster["InstanceType"], cluster["InstanceCount"], 1
    elif step.type == "Transform":
        resources = arguments["TransformResources"]
        yield resources["InstanceType"], resources["InstanceCount"], 1
    limits = arguments.get("HyperParameterTuningJobConfig", {}).get("ResourceLimits", {})
    for _, job in training_jobs(step):
        config = job.get("ResourceConfig", {})
        for group in config.get("InstanceGroups") or [config]:
            if "InstanceType" in group:
                at_once = limits.get("MaxParallelTrainingJobs", 1)
                yield group["InstanceType"], group.get("InstanceCount", 1), at_once
