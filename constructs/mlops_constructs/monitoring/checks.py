"""What one suite can know to be refused, noted all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aws_cdk import Stack
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.regions import check_region
from mlops_constructs.common.tokens import is_token
from mlops_constructs.monitoring.engines import Engine, NativeEngine, OpenEngine
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    Monitor,
    ProblemType,
    S3Dataset,
    S3Folder,
    Target,
)
from mlops_constructs.monitoring.schedules import Schedule, check_schedule, hours_of

#: Names of schedules (63) less the longest kind of monitor, "-explainability".
LONGEST_NAME = 48

_NATIVE_TYPES = (
    "AWS::SageMaker::DataQualityJobDefinition",
    "AWS::SageMaker::MonitoringSchedule",
)


def check_suite(  # noqa: PLR0917  # one caller, the constructor, whose arguments these are
    problems: Problems,
    scope: Construct,
    monitor_name: str,
    target: Target,
    monitors: Sequence[Monitor],
    schedule: Schedule,
    engine: Engine,
) -> None:
    """Note what is wrong with the arguments of a suite."""
    check_name(problems, "monitor_name", monitor_name, most=LONGEST_NAME)
    problems.check(
        isinstance(target, Target),
        "target",
        got=target,
        allowed="EndpointCapture or S3Dataset",
        instead="Write EndpointCapture(endpoint_name=…, bucket=…, prefix=…).",
    )
    if isinstance(target, S3Folder):
        _check_folder(problems, "target", target)
    if isinstance(target, EndpointCapture):
        check_name(problems, "target.endpoint_name", target.endpoint_name)
    check_schedule(problems, schedule)
    _check_monitors(problems, monitors)
    _check_engine(problems, scope, target, monitors, schedule, engine)


def _check_monitors(problems: Problems, monitors: Sequence[Monitor]) -> None:
    kinds = Counter(type(monitor).__name__ for monitor in monitors)
    problems.check(
        bool(monitors) and all(isinstance(monitor, Monitor) for monitor in monitors),
        "monitors",
        got=list(kinds),
        allowed="one or more of DataQuality, ModelQuality, BiasDrift, AttributionDrift",
        instead="Write monitors=[DataQuality(reference=S3Dataset(…))].",
    )
    for kind, count in kinds.items():
        problems.check(
            count == 1,
            "monitors",
            got=f"{kind} {count} times",
            allowed="each kind once",
            instead="Make another ModelMonitorSuite for the other one.",
        )
    for monitor in monitors:
        if isinstance(monitor, DataQuality):
            _check_data_quality(problems, monitor)
        if isinstance(monitor, ModelQuality):
            _check_model_quality(problems, monitor)
        if isinstance(monitor, BiasDrift):
            problems.check(
                0 <= monitor.tolerance < 1,
                "BiasDrift.tolerance",
                got=monitor.tolerance,
                allowed="0 to below 1",
                instead="Write 0.05 for five points of difference.",
            )
        for name in ("constraints", "ground_truth", "config"):
            folder = getattr(monitor, name, None)
            if isinstance(folder, S3Folder):
                _check_folder(problems, f"{type(monitor).__name__}.{name}", folder)


def _check_data_quality(problems: Problems, monitor: DataQuality) -> None:
    if isinstance(monitor.reference, S3Dataset):
        _check_folder(problems, "DataQuality.reference", monitor.reference)
        unknown = sorted(set(monitor.ignore) - set(monitor.reference.columns))
        problems.check(
            not monitor.reference.columns or not unknown,
            "DataQuality.ignore",
            got=unknown,
            allowed=", ".join(monitor.reference.columns),
            instead="Name columns of the reference.",
        )
    else:
        problems.add(
            "DataQuality.reference",
            got=monitor.reference,
            allowed="S3Dataset",
            instead="Write S3Dataset(bucket=…, prefix=…) with the data that is normal.",
        )
    problems.check(
        0 < monitor.false_alarm_rate <= 0.5,
        "DataQuality.false_alarm_rate",
        got=monitor.false_alarm_rate,
        allowed="above 0, at most 0.5",
        instead="Write 0.01 for one false alarm in a hundred runs.",
    )
    problems.check(
        0 <= monitor.drift_floor < 1,
        "DataQuality.drift_floor",
        got=monitor.drift_floor,
        allowed="0 to below 1",
        instead="Write 0.03 to let 3 % of the data move without a word.",
    )


def _check_model_quality(problems: Problems, monitor: ModelQuality) -> None:
    problems.check(
        0 <= monitor.label_delay_hours <= 168,
        "ModelQuality.label_delay_hours",
        got=monitor.label_delay_hours,
        allowed="0 to 168, a week",
        instead="Write how many hours after an answer its truth is known.",
    )
    has = monitor.inference_attribute is not None
    if monitor.problem_type == ProblemType.BINARY:
        has = has or monitor.probability_attribute is not None
    problems.check(
        has,
        "ModelQuality.inference_attribute",
        got=None,
        allowed="where the prediction is in the answer"
        + (", or probability_attribute" * (monitor.problem_type == ProblemType.BINARY)),
        instead='Write inference_attribute="0" for the first CSV value.',
    )


def _check_engine(  # noqa: PLR0917  # one caller, whose arguments these are
    problems: Problems,
    scope: Construct,
    target: Target,
    monitors: Sequence[Monitor],
    schedule: Schedule,
    engine: Engine,
) -> None:
    if not isinstance(engine, Engine):
        problems.add(
            "engine",
            got=engine,
            allowed="OpenEngine() or NativeEngine()",
            instead="Leave it out for OpenEngine().",
        )
        return
    if isinstance(engine, OpenEngine):
        problems.check(
            not any(isinstance(each, AttributionDrift) for each in monitors),
            "monitors",
            got=["AttributionDrift"],
            allowed="DataQuality, ModelQuality, BiasDrift with OpenEngine",
            instead="Take NativeEngine() in an account that has SageMaker Model Monitor.",
        )
        labelled = [each for each in monitors if isinstance(each, (ModelQuality, BiasDrift))]
        problems.check(
            not labelled or not isinstance(target, S3Dataset),
            "target",
            got="S3Dataset",
            allowed="EndpointCapture, for ModelQuality and BiasDrift with OpenEngine",
            instead="Monitor the endpoint: labels are joined with what it answered.",
        )
        answers = {
            (each.inference_attribute, each.probability_attribute, each.probability_threshold)
            for each in labelled
        }
        problems.check(
            len(answers) <= 1,
            "monitors",
            got=sorted(map(str, answers)),
            allowed="the same attributes and threshold for ModelQuality and BiasDrift",
            instead="One endpoint has one kind of answer: give both the same.",
        )
    if isinstance(engine, NativeEngine):
        check_region(
            problems,
            Stack.of(scope).region,
            *_NATIVE_TYPES,
            what="engine (NativeEngine)",
            instead="Take OpenEngine().",
        )
    if not is_token(engine.volume_size_gb):
        problems.check(
            1 <= engine.volume_size_gb <= 16_384,
            "engine.volume_size_gb",
            got=engine.volume_size_gb,
            allowed="1 to 16384",
            instead="Write 20 unless an hour of data is larger than that.",
        )
    problems.check(
        engine.instance_type.startswith("ml.") or is_token(engine.instance_type),
        "engine.instance_type",
        got=engine.instance_type,
        allowed="an ML instance type, such as ml.m5.large",
        instead=f"Write 'ml.{engine.instance_type.removeprefix('ml.')}'.",
    )
    seconds = engine.max_runtime.to_seconds()
    longest = hours_of(schedule) * 3600 if isinstance(schedule, Schedule) else 3600
    problems.check(
        60 <= seconds <= longest,
        "engine.max_runtime",
        got=f"{seconds:g} seconds",
        allowed=f"60 to {longest} seconds, the time between runs",
        instead="Write Duration.minutes(30), or run less often.",
    )


def _check_folder(problems: Problems, what: str, folder: S3Folder) -> None:
    if not is_token(folder.prefix):
        problems.check(
            bool(folder.prefix) and folder.prefix == folder.prefix.strip("/"),
            f"{what}.prefix",
            got=folder.prefix,
            allowed="a prefix without outer slashes",
            instead=f"Write {folder.prefix.strip('/') or 'data'!r}.",
        )
