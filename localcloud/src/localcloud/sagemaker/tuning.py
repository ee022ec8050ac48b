"""Hyperparameter tuning jobs: training jobs of this cloud, chosen by a search.

Each training job is a real one, with its own name, log and metrics. At most
``MaxParallelTrainingJobs`` run at once. With early stopping (``Auto``, or the strategy Hyperband) a
job is stopped when its objective is worse than the median of the running averages that completed
jobs had after as many values: the rule of the developer guide, "Stop training jobs early".
"""

from __future__ import annotations

import statistics
import threading
from dataclasses import dataclass, field
from typing import Any

from localcloud.compute.search import Point, Search
from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker import crud
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record

_KIND = "HyperParameterTuningJob"
_POLL_SECONDS = 0.05
_MOST_FAILURES = 5
"""Failed training jobs in a row, with none completed, after which there is no use in going on."""
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_OWN_MEMBERS = frozenset(
    {
        "DefinitionName",
        "HyperParameterRanges",
        "HyperParameterTuningResourceConfig",
        "RetryStrategy",
        "StaticHyperParameters",
        "TuningObjective",
    }
)


@operation("CreateHyperParameterTuningJob")
def create_tuning_job(cloud: SageMaker, request: Json) -> Json:
    """Start a search."""
    if (
        "TrainingJobDefinition" not in request
        or "ParameterRanges" not in (request["HyperParameterTuningJobConfig"])
    ):
        raise invalid(
            "The local cloud tunes one TrainingJobDefinition over the ParameterRanges of "
            "HyperParameterTuningJobConfig; several definitions, Autotune and warm starts are not "
            "part of it."
        )
    config = request["HyperParameterTuningJobConfig"]
    ranges, limits = config["ParameterRanges"], config["ResourceLimits"]
    if config["Strategy"] == "Grid" and (
        ranges.get("ContinuousParameterRanges") or ranges.get("IntegerParameterRanges")
    ):
        raise invalid("The Grid strategy takes CategoricalParameterRanges only.")
    if config["Strategy"] != "Grid" and "MaxNumberOfTrainingJobs" not in limits:
        raise invalid("ResourceLimits.MaxNumberOfTrainingJobs is required for this strategy.")
    counters: Json = {
        "HyperParameterTuningJobStatus": "InProgress",
        "TrainingJobStatusCounters": {},
        "ObjectiveStatusCounters": {},
    }
    record = crud.store_new(cloud, kind(_KIND), f"Create{_KIND}", {**request, **counters})
    record.hidden["trials"] = []
    crud.start(cloud, record)
    cloud.runs.start(record.arn, lambda stop: _Tuner(cloud, record, request, stop).run())
    return record.data


@operation("StopHyperParameterTuningJob")
def stop_tuning_job(cloud: SageMaker, request: Json) -> Json:
    """Stop a search, with the training jobs that run."""
    record = cloud.require(_KIND, request, f"Stop{_KIND}")
    if record.data["HyperParameterTuningJobStatus"] != "InProgress":
        raise invalid("The request was rejected because the tuning job is not in progress.")
    crud.set_status(cloud, record, "Stopping")
    cloud.runs.stop(record.arn)
    return {}


@operation("ListTrainingJobsForHyperParameterTuningJob")
def list_training_jobs(cloud: SageMaker, request: Json) -> Json:
    """The training jobs of a search."""
    record = cloud.require(_KIND, request, "ListTrainingJobsForHyperParameterTuningJob")
    found = [_summary(cloud, trial) for trial in list(record.hidden["trials"])]
    if status := request.get("StatusEquals"):
        found = [each for each in found if each["TrainingJobStatus"] == status]
    by_result = request.get("SortBy") == "FinalObjectiveMetricValue"
    if by_result:
        found = [each for each in found if "FinalHyperParameterTuningJobObjectiveMetric" in each]
        found.sort(key=lambda each: float(each[_FINAL]["Value"]))
    if request.get("SortOrder") == "Descending":
        found.reverse()
    page, token = paginate(found, request)
    return {"TrainingJobSummaries": page, "NextToken": token}


_FINAL = "FinalHyperParameterTuningJobObjectiveMetric"


@dataclass
class _Trial:
    """One training job of a search."""

    name: str
    point: Point
    job: Record
    objective: Json
    stopped: bool = field(default=False)

    @property
    def status(self) -> str:
        """Its status."""
        return str(self.job.data["TrainingJobStatus"])

    @property
    def result(self) -> float | None:
        """The objective's last value."""
        for metric in self.job.data.get("FinalMetricDataList") or []:
            if metric["MetricName"] == self.objective["MetricName"]:
                return float(metric["Value"])
        return None

    def averages(self) -> list[float]:
        """The running average after each value that was printed."""
        values = self.job.hidden.get("metrics", {}).get(self.objective["MetricName"], [])
        return [sum(values[: n + 1]) / (n + 1) for n in range(len(values))]

    def best(self, *, maximize: bool) -> float | None:
        """The best value so far."""
        values = self.job.hidden.get("metrics", {}).get(self.objective["MetricName"], [])
        return (max(values) if maximize else min(values)) if values else None


class _Tuner:
    """One search, in a thread of its own."""

    def __init__(
        self, cloud: SageMaker, record: Record, request: Json, stop: threading.Event
    ) -> None:
        config = request["HyperParameterTuningJobConfig"]
        self.cloud = cloud
        self.record = record
        self.stop = stop
        self.definition: Json = request["TrainingJobDefinition"]
        self.objective: Json = (
            config.get("HyperParameterTuningJobObjective") or self.definition["TuningObjective"]
        )
        self.maximize = self.objective["Type"] == "Maximize"
        self.limits: Json = config["ResourceLimits"]
        self.early = (
            config.get("TrainingJobEarlyStoppingType") == "Auto"
            or config["Strategy"] == "Hyperband"
        )
        self.search = Search(
            config["Strategy"],
            config["ParameterRanges"],
            maximize=self.maximize,
            seed=config.get("RandomSeed"),
        )
        self.trials: list[_Trial] = record.hidden["trials"]

    def run(self) -> None:
        """Search to the end."""
        running: list[_Trial] = []
        most = self.limits.get("MaxNumberOfTrainingJobs")
        exhausted = False
        refusal = None
        while True:
            while (
                not (exhausted or self.stop.is_set() or self._hopeless())
                and len(running) < self.limits["MaxParallelTrainingJobs"]
                and (most is None or len(self.trials) < most)
            ):
                point = self.search.next()
                if point is None:
                    exhausted = True
                    break
                try:
                    running.append(self._begin(point))
                except ServiceError as error:
                    refusal, exhausted = error.message, True
            if not running:
                break
            if self.stop.wait(_POLL_SECONDS):
                for trial in running:
                    self._stop(trial)
                threading.Event().wait(_POLL_SECONDS)
            elif self.early:
                self._stop_losers(running)
            running = [trial for trial in running if not self._over(trial)]
            self._count()
        self._finish(refusal)

    def _begin(self, point: Point) -> _Trial:
        number = len(self.trials) + 1
        name = f"{self.record.key[-1][:48]}-{number:03d}-{self.record.arn[-4:].lower()}"
        algorithm = {
            member: value
            for member, value in self.definition["AlgorithmSpecification"].items()
            if member in ("TrainingImage", "TrainingInputMode", "MetricDefinitions")
        }
        resources = self.definition.get("ResourceConfig")
        request = {
            **{k: v for k, v in self.definition.items() if k not in _OWN_MEMBERS},
            "TrainingJobName": name,
            "AlgorithmSpecification": algorithm,
            "HyperParameters": {
                **(self.definition.get("StaticHyperParameters") or {}),
                **point,
                "_tuning_objective_metric": self.objective["MetricName"],
            },
            **({"ResourceConfig": resources} if resources else {}),
        }
        # One address for all: a job's checkpoints must not become another one's.
        if checkpoints := request.get("CheckpointConfig"):
            uri = f"{checkpoints['S3Uri'].rstrip('/')}/{name}"
            request["CheckpointConfig"] = {**checkpoints, "S3Uri": uri}
        self.cloud.call("CreateTrainingJob", request)
        job = self.cloud.require("TrainingJob", {"TrainingJobName": name}, "DescribeTrainingJob")
        self.cloud.touch(job, TuningJobArn=self.record.arn)
        trial = _Trial(name, point, job, self.objective)
        self.trials.append(trial)
        return trial

    def _over(self, trial: _Trial) -> bool:
        if trial.status not in _ENDED:
            return False
        if trial.result is not None and trial.status == "Completed":
            self.search.learn(trial.point, trial.result)
        return True

    def _stop_losers(self, running: list[_Trial]) -> None:
        completed = [t.averages() for t in self.trials if t.status == "Completed"]
        for trial in running:
            so_far = trial.best(maximize=self.maximize)
            steps = len(trial.averages())
            others = [averages[steps - 1] for averages in completed if len(averages) >= steps]
            if so_far is None or not others:
                continue
            median = statistics.median(others)
            if so_far < median if self.maximize else so_far > median:
                self._stop(trial)

    def _stop(self, trial: _Trial) -> None:
        if trial.stopped:
            return
        trial.stopped = True
        try:
            self.cloud.call("StopTrainingJob", {"TrainingJobName": trial.name})
        except ServiceError:
            return  # it has ended in the meantime

    def _hopeless(self) -> bool:
        statuses = [trial.status for trial in self.trials]
        return len(statuses) >= _MOST_FAILURES and set(statuses) == {"Failed"}

    def _count(self) -> None:
        statuses = [trial.status for trial in self.trials]
        results = [t.result for t in self.trials if t.status == "Completed"]
        self.cloud.touch(
            self.record,
            TrainingJobStatusCounters={
                "Completed": statuses.count("Completed"),
                "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
                "NonRetryableError": statuses.count("Failed"),
                "RetryableError": 0,
                "Stopped": statuses.count("Stopped"),
            },
            ObjectiveStatusCounters={
                "Succeeded": len([each for each in results if each is not None]),
                "Pending": statuses.count("InProgress"),
                "Failed": results.count(None),
            },
        )

    def _finish(self, refusal: str | None) -> None:
        self._count()
        results = [t for t in self.trials if t.status == "Completed" and t.result is not None]
        changes: dict[str, Any] = {}
        if results:
            choose = max if self.maximize else min
            best = choose(results, key=lambda trial: float(trial.result or 0.0))
            changes["BestTrainingJob"] = _summary(self.cloud, best)
        status = "Stopped" if self.stop.is_set() else "Completed"
        if not results and status == "Completed":
            status = "Failed"
            reasons = [t.job.data.get("FailureReason") for t in self.trials]
            first = next((each for each in reasons if each), None)
            changes["FailureReason"] = refusal or (
                f"All training jobs failed, the first one with: {first}"
                if first
                else f"No training job printed the objective {self.objective['MetricName']!r}; "
                "see MetricDefinitions."
            )
        crud.set_status(self.cloud, self.record, status, **changes)


def _summary(cloud: SageMaker, trial: _Trial) -> Json:
    del cloud
    data = trial.job.data
    found: Json = {
        "TrainingJobName": trial.name,
        "TrainingJobArn": trial.job.arn,
        "CreationTime": data["CreationTime"],
        "TrainingJobStatus": trial.status,
        "TunedHyperParameters": trial.point,
        "ObjectiveStatus": "Pending" if trial.status not in _ENDED else "Failed",
    }
    for member in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if data.get(member):
            found[member] = data[member]
    if trial.result is not None:
        found["ObjectiveStatus"] = "Succeeded"
        found[_FINAL] = {
            "Type": trial.objective["Type"],
            "MetricName": trial.objective["MetricName"],
            "Value": trial.result,
        }
    return found
