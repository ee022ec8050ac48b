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
    PackageBaselines,
    ProblemType,
    S3Dataset,
    S3Folder,
    Target,
)
from mlops_constructs.monitoring.schedules import (
    Once,
    OnGroundTruth,
    Schedule,
    check_schedule,
    hours_of,
)

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
    baselines: PackageBaselines | None,
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
    if isinstance(engine, OpenEngine):
        _check_open(problems, target, monitors, schedule, baselines)
    if isinstance(engine, NativeEngine):
        _check_native(problems, target, monitors, schedule, baselines)
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
        if isinstance(monitor, AttributionDrift):
            _check_attribution(problems, monitor)
        for name in ("constraints", "ground_truth", "config", "model"):
            folder = getattr(monitor, name, None)
            if isinstance(folder, S3Folder):
                _check_folder(problems, f"{type(monitor).__name__}.{name}", folder)


def _check_data_quality(problems: Problems, monitor: DataQuality) -> None:
    if monitor.reference is None:
        pass  # whether it may be left out depends on the engine
    elif isinstance(monitor.reference, S3Dataset):
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


def _check_attribution(problems: Problems, monitor: AttributionDrift) -> None:
    problems.check(
        0 < monitor.threshold < 1,
        "AttributionDrift.threshold",
        got=monitor.threshold,
        allowed="above 0, below 1",
        instead="Write 0.9, the service's own.",
    )
    problems.check(
        0 <= monitor.share_floor < 1,
        "AttributionDrift.share_floor",
        got=monitor.share_floor,
        allowed="0 to below 1",
        instead="Write 0.05 for five points of the whole attribution.",
    )
    problems.check(
        20 <= monitor.explained_records <= 5000,
        "AttributionDrift.explained_records",
        got=monitor.explained_records,
        allowed="20 to 5000",
        instead="Write 200: the order of the features needs no more.",
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


def _check_open(
    problems: Problems,
    target: Target,
    monitors: Sequence[Monitor],
    schedule: Schedule,
    baselines: PackageBaselines | None,
) -> None:
    labelled = [each for each in monitors if isinstance(each, ModelQuality | BiasDrift)]
    for monitor in labelled:
        _check_labels(problems, target, monitor)
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
    if baselines is not None:
        for folder in baselines.folders:
            _check_folder(problems, "baselines.folders", folder)
    else:
        _check_baselines(problems, monitors)
    references = {
        each.reference
        for each in monitors
        if isinstance(each, DataQuality | AttributionDrift) and each.reference is not None
    }
    problems.check(
        len(references) <= 1,
        "AttributionDrift.reference",
        got="another reference than DataQuality's",
        allowed="one reference for all monitors of a suite",
        instead="Leave it out, or make another ModelMonitorSuite.",
    )
    if isinstance(schedule, Once):
        problems.check(
            schedule.at is not None,
            "schedule.at",
            got=None,
            allowed="a time, with OpenEngine",
            instead='Write Once(at="2027-03-04T10:00:00").',
        )
    if isinstance(schedule, OnGroundTruth):
        problems.check(
            len(labelled) == len(monitors) and all(each.ground_truth for each in labelled),
            "schedule",
            got="OnGroundTruth() for " + ", ".join(type(each).__name__ for each in monitors),
            allowed="OnGroundTruth() for ModelQuality and BiasDrift with ground_truth",
            instead="Make one suite with Hourly() for the others, and one for these.",
        )


def _check_labels(problems: Problems, target: Target, monitor: ModelQuality | BiasDrift) -> None:
    kind = type(monitor).__name__
    if isinstance(target, EndpointCapture):
        problems.check(
            monitor.ground_truth is not None,
            f"{kind}.ground_truth",
            got=None,
            allowed="a folder with labels, for an endpoint",
            instead="Write ground_truth=S3Folder(bucket=…, prefix=…).",
        )
        return
    joined = monitor.ground_truth is not None and monitor.event_id_attribute is not None
    problems.check(
        monitor.label_attribute is not None or joined,
        f"{kind}.label_attribute",
        got=None,
        allowed="the column with the truth, or ground_truth and event_id_attribute",
        instead='Write label_attribute="income".',
    )


def _check_baselines(problems: Problems, monitors: Sequence[Monitor]) -> None:
    has_reference = any(
        isinstance(each, DataQuality | AttributionDrift) and each.reference for each in monitors
    )
    for monitor in monitors:
        missing = {
            "DataQuality.reference": isinstance(monitor, DataQuality) and not monitor.reference,
            "BiasDrift.config": isinstance(monitor, BiasDrift) and monitor.config is None,
            "AttributionDrift.model": isinstance(monitor, AttributionDrift)
            and monitor.model is None,
            "AttributionDrift.reference": isinstance(monitor, AttributionDrift)
            and not has_reference,
        }
        for what, lacks in missing.items():
            problems.check(
                not lacks,
                what,
                got=None,
                allowed="a place in S3, or baselines=PackageBaselines(…)",
                instead="Write baselines=PackageBaselines(model_package_group_name=…, folders=…).",
            )


def _check_native(
    problems: Problems,
    target: Target,
    monitors: Sequence[Monitor],
    schedule: Schedule,
    baselines: PackageBaselines | None,
) -> None:
    if baselines is not None:
        for folder in baselines.folders:
            _check_folder(problems, "baselines.folders", folder)
    for monitor in monitors:
        if isinstance(monitor, ModelQuality | BiasDrift):
            _need(problems, monitor, "ground_truth")
        # A package may bring what says which groups are compared, and none that names the model
        # which Clarify is to ask: CloudFormation makes its name up.
        if isinstance(monitor, AttributionDrift) or (
            isinstance(monitor, BiasDrift) and baselines is None
        ):
            _need(problems, monitor, "config")
        reference = getattr(monitor, "reference", None)
        made = baselines is None and monitor.constraints is None
        problems.check(
            not (made and reference is not None and reference.file_format == "parquet"),
            f"{type(monitor).__name__}.reference.file_format",
            got="parquet",
            allowed="csv or jsonl with NativeEngine, whose image makes no baseline of Parquet",
            instead="Write the reference as CSV, give constraints, or take OpenEngine().",
        )
        if isinstance(monitor, AttributionDrift):
            _need(problems, monitor, "model_name")
            problems.check(
                monitor.threshold == 0.9,  # the service's own
                "AttributionDrift.threshold",
                got=monitor.threshold,
                allowed="0.9, which the service does not let change",
                instead="Leave it out, or take OpenEngine().",
            )
    problems.check(
        not isinstance(schedule, OnGroundTruth),
        "schedule",
        got="OnGroundTruth()",
        allowed="Hourly(), Daily(…), EveryHours(…) or Once() with NativeEngine",
        instead="Write Daily(); the service merges what labels are there.",
    )
    if isinstance(schedule, Once):
        problems.check(
            schedule.at is None,
            "schedule.at",
            got=schedule.at,
            allowed="None with NativeEngine, which runs as soon as the schedule is made",
            instead="Write Once(hours=24), or take OpenEngine().",
        )


def _need(problems: Problems, monitor: Monitor, name: str) -> None:
    problems.check(
        getattr(monitor, name) is not None,
        f"{type(monitor).__name__}.{name}",
        got=None,
        allowed="not left out, with NativeEngine",
        instead=f"Write {name}=…, or take OpenEngine().",
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
    # A run that nothing follows may take a day, the service's own limit for a job of monitoring.
    free = isinstance(schedule, Once | OnGroundTruth)
    hours = 24 if free else hours_of(schedule) if isinstance(schedule, Schedule) else 1
    longest = hours * 3600
    problems.check(
        60 <= seconds <= longest,
        "engine.max_runtime",
        got=f"{seconds:g} seconds",
        allowed=f"60 to {longest} seconds, {'a day' if free else 'the time between runs'}",
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
