"""Rules about inference experiments (shadow tests)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, show

INFERENCE_EXPERIMENT: Final = "AWS::SageMaker::InferenceExperiment"


@rule(
    "IE01",
    INFERENCE_EXPERIMENT,
    fix="Give ShadowModeConfig",
    source="botocore CreateInferenceExperiment.required",
)
def shadow_mode_given(experiment: Resource) -> Problems:
    """An inference experiment has a shadow mode configuration."""
    if experiment["ShadowModeConfig"].absent:
        yield experiment.problem("ShadowModeConfig is missing")


@rule(
    "IE02",
    INFERENCE_EXPERIMENT,
    fix="Name two of ModelVariants[].VariantName",
    source="botocore ShadowModeConfig; SageMaker developer guide: Create a shadow test",
)
def shadow_variants_exist(experiment: Resource) -> Problems:
    """Source and shadow are two different variants of the experiment."""
    mode = experiment["ShadowModeConfig"]
    source = mode["SourceModelVariantName"]
    targets = [s["ShadowModelVariantName"] for s in mode["ShadowModelVariants"].items]
    names = [variant["VariantName"].text for variant in experiment["ModelVariants"].items]
    for name in (source, *targets):
        if name.text is not None and names and None not in names and name.text not in names:
            yield name.problem(f"{show(name.text)} is not among ModelVariants")
    for target in targets:
        if target.text is not None and target.text == source.text:
            yield target.problem(f"{show(target.text)} is both source and shadow")


@rule(
    "IE03",
    INFERENCE_EXPERIMENT,
    fix="Set EndTime to at most 30 days after StartTime",
    source="botocore InferenceExperimentSchedule",
)
def at_most_30_days(experiment: Resource) -> Problems:
    """An inference experiment runs at most 30 days."""
    schedule = experiment["Schedule"]
    start, end = _time(schedule["StartTime"]), _time(schedule["EndTime"])
    if start is None or end is None:
        return
    if end - start > timedelta(days=30):
        yield schedule["EndTime"].problem(f"The experiment runs {(end - start).days} days")
    elif end <= start:
        yield schedule["EndTime"].problem("EndTime is not after StartTime")


def _time(node: Node) -> datetime | None:
    try:
        time = datetime.fromisoformat((node.text or "")[:64])
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


IE04 = api_rule("IE04", INFERENCE_EXPERIMENT, group="text", kind="experiments", family=__name__)
IE05 = api_rule(
    "IE05", INFERENCE_EXPERIMENT, group="instance_type", kind="experiments", family=__name__
)
