from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest

from localcloud.compute.ports import ServiceError
from tests.localcloud.dag.support import ARN, Run, condition, pipeline, processing, statuses

OUT = "ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"
JSON_GET = {
    "Std:JsonGet": {
        "PropertyFile": {"Get": "Steps.Eval.PropertyFiles.Report"},
        "Path": "metrics['a.u.c'].values[0]",
    }
}


def evaluated(*steps: dict[str, Any]) -> dict[str, Any]:
    evaluation = processing("Eval")
    evaluation["PropertyFiles"] = [
        {"PropertyFileName": "Report", "OutputName": "out", "FilePath": "sub/report.json"}
    ]
    return pipeline(evaluation, *steps)


def report(run: Run, value: float) -> None:
    content = json.dumps({"metrics": {"a.u.c": {"values": [value]}}}).encode()
    run.objects.put("bucket", "Eval/sub/report.json", content)


def test_expressions_become_values(run: Run) -> None:
    outcome = run(
        pipeline(
            processing("Prep"),
            {
                "Name": "Train",
                "Type": "Training",
                "Arguments": {
                    "HyperParameters": {
                        "depth": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Depth"}]}},
                        "fast": {"Std:Join": {"On": "/", "Values": ["x", True, 0.5]}},
                        "name": {"Get": "Execution.TrainingJobName"},
                    },
                    "Data": {"Get": f"Steps.Prep.{OUT}"},
                    "Id": {"Get": "Execution.PipelineExecutionId"},
                    "Pipeline": {"Get": "Execution.PipelineArn"},
                    "Start": {"Get": "Execution.StartDateTime"},
                },
            },
            parameters=[{"Name": "Depth", "Type": "Integer", "DefaultValue": 3}],
        ),
        parameters={"Depth": "5"},
    )  # fmt: skip
    assert outcome.status == "Succeeded"
    operation, request = run.control.requests[1]
    assert operation == "CreateTrainingJob"
    name = request["TrainingJobName"]
    assert re.fullmatch(r"pipelines-abcdefghijkl-Train-[A-Za-z0-9]{10}", name)
    assert request["HyperParameters"] == {"depth": "5", "fast": "x/true/0.5", "name": name}
    assert request["Data"] == "s3://bucket/Prep"
    assert request["Id"] == "abcdefghijkl"
    assert request["Pipeline"] == ARN.removesuffix("/execution/abcdefghijkl")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", request["Start"])


def test_records_have_the_shape_of_the_api(run: Run) -> None:
    step = {**processing("Prep_A"), "DisplayName": "Prepare"}
    outcome = run(pipeline(step))
    (record,) = (one.as_api() for one in outcome.steps)
    arn = record.pop("Metadata")["ProcessingJob"]["Arn"]
    assert "Prep-A" in arn
    assert record.pop("StartTime") <= record.pop("EndTime")
    assert record == {
        "StepName": "Prep_A",
        "StepDisplayName": "Prepare",
        "StepStatus": "Succeeded",
        "AttemptCount": 1,
    }
    assert run.statuses("Prep_A") == ["Starting", "Executing", "Executing", "Succeeded"]


@pytest.mark.parametrize(
    ("value", "taken", "other"), [(1.0, "Then", "Else"), (0.5, "Else", "Then")]
)
def test_a_condition_takes_one_branch(run: Run, value: float, taken: str, other: str) -> None:
    report(run, value)
    definition = evaluated(
        condition("Gate", JSON_GET, [processing("Then")], [processing("Else")]),
        processing("AfterThen", "Then"),
    )
    outcome = run(definition)
    assert outcome.status == "Succeeded"
    found = statuses(outcome)
    assert found[taken] == "Succeeded"
    assert other not in found
    assert ("AfterThen" in found) is (taken == "Then")
    gate = next(one for one in outcome.steps if one.step_name == "Gate")
    assert gate.metadata == {"Condition": {"Outcome": str(value >= 1)}}


def test_nested_conditions(run: Run) -> None:
    inner = condition("Inner", 0, [processing("A")], [processing("B")])
    outcome = run(pipeline(condition("Outer", 1, [inner], [processing("C")])))
    assert statuses(outcome) == {"Outer": "Succeeded", "Inner": "Succeeded", "B": "Succeeded"}


def test_a_fail_step_fails_the_execution_with_its_message(run: Run) -> None:
    report(run, 0.7)
    message = {"Std:Join": {"On": " ", "Values": ["AUC is", JSON_GET]}}
    fail = {"Name": "TooLow", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    outcome = run(evaluated(condition("Gate", JSON_GET, [], [fail])))
    assert outcome.status == "Failed"
    assert outcome.failure_reason == (
        "Step failure: One or multiple steps failed. TooLow: AUC is 0.7"
    )
    failed = outcome.steps[-1].as_api()
    assert failed["FailureReason"] == "AUC is 0.7"
    assert failed["Metadata"] == {"Fail": {"ErrorMessage": "AUC is 0.7"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "specified key does not exist"),
        (b"{", "Expecting property name"),
        (b'{"metrics": {"auc": 1}}', "'a.u.c' of \"metrics['a.u.c'].values[0]\" not found; "
         "there is: auc"),
    ],
)  # fmt: skip
def test_a_property_file_that_cannot_be_read(run: Run, content: bytes | None, said: str) -> None:
    if content is not None:
        run.objects.put("bucket", "Eval/sub/report.json", content)
    outcome = run(evaluated(condition("Gate", JSON_GET, [], [])))
    assert statuses(outcome)["Gate"] == "Failed"
    assert said in (outcome.failure_reason or "")
    assert "s3://bucket/Eval/sub/report.json" in (outcome.failure_reason or "")


def test_register_model_and_lambda(run: Run) -> None:
    run.control.lambdas["arn:f"] = lambda event: {"answer": event["x"] + 1, "rest": 0}
    outcome = run(
        pipeline(
            {
                "Name": "Ask",
                "Type": "Lambda",
                "FunctionArn": "arn:f",
                "Arguments": {"x": 41},
                "OutputParameters": [{"OutputName": "answer", "OutputType": "Integer"}],
            },
            {
                "Name": "Register",
                "Type": "RegisterModel",
                "Arguments": {"Count": {"Get": "Steps.Ask.OutputParameters['answer']"}},
            },
            {"Name": "Make", "Type": "Model", "DependsOn": ["Register"], "Arguments": {}},
        )
    )
    assert outcome.status == "Succeeded"
    ask, register, make = (one.metadata for one in outcome.steps)
    assert ask["Lambda"]["OutputParameters"] == [{"Name": "answer", "Value": "42"}]
    assert register == {"RegisterModel": {"Arn": "arn:package/1"}}
    assert make["Model"]["Arn"].startswith("arn:model/pipelines-abcdefghijkl-Make-")
    assert run.control.requests[1] == ("CreateModelPackage", {"Count": 42})


@pytest.mark.parametrize(("parallelism", "most"), [(None, 3), (2, 2), (1, 1)])
def test_independent_steps_run_together_up_to_the_limit(
    run: Run, parallelism: int | None, most: int
) -> None:
    run.control.seconds = 0.08
    run(pipeline(*(processing(name) for name in "ABC")), parallelism=parallelism)
    assert run.control.most_running == most


def test_a_failed_step_stops_the_start_of_others(run: Run) -> None:
    run.control.seconds = 0.1
    run.control.failures = {"Bad": ["AlgorithmError: no rows"]}
    outcome = run(
        pipeline(
            processing("Bad"),
            processing("Beside"),
            processing("AfterBad", "Bad"),
            processing("AfterBeside", "Beside", "Bad"),
        )
    )
    assert outcome.status == "Failed"
    assert statuses(outcome) == {"Bad": "Failed", "Beside": "Succeeded"}
    assert outcome.failure_reason == (
        "Step failure: One or multiple steps failed. Bad: AlgorithmError: no rows"
    )


def test_a_refused_request_fails_the_step(run: Run) -> None:
    refusal = ServiceError("ValidationException", "RoleArn is missing")
    run.control.failures = {"A": [refusal]}
    outcome = run(pipeline(processing("A")))
    assert outcome.steps[0].failure_reason == (
        "ClientError: Failed to invoke CreateProcessingJob. Error Details: RoleArn is missing"
    )


def test_an_output_that_does_not_exist(run: Run) -> None:
    missing = {"Get": "Steps.A.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"}
    outcome = run(pipeline(processing("A"), processing("B", Environment={"X": missing})))
    assert "no element is named 'train'" in (outcome.steps[-1].failure_reason or "")


@pytest.mark.parametrize(
    ("failure", "exception_type"),
    [
        ("InternalServerError: try again", "SageMaker.JOB_INTERNAL_ERROR"),
        ("CapacityError: none left", "SageMaker.CAPACITY_ERROR"),
        (ServiceError("ResourceLimitExceeded", "too many"), "SageMaker.RESOURCE_LIMIT"),
        (ServiceError("ThrottlingException", "slow down"), "Step.THROTTLING"),
        (ServiceError("Oops", "fault", status=500), "Step.SERVICE_FAULT"),
    ],
)
def test_retry_policies(run: Run, failure: str | ServiceError, exception_type: str) -> None:
    run.control.failures = {"A": [failure, failure]}
    policy = {
        "ExceptionType": [exception_type],
        "IntervalSeconds": 1,
        "BackoffRate": 2.0,
        "MaxAttempts": 2,
    }
    outcome = run(pipeline({**processing("A"), "RetryPolicies": [policy]}))
    assert outcome.status == "Succeeded"
    assert outcome.steps[0].attempt_count == 3
    names = [request["ProcessingJobName"] for _, request in run.control.requests]
    assert len(set(names)) == 3


def test_attempts_run_out(run: Run) -> None:
    run.control.failures = {"A": ["InternalServerError: x"] * 5}
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "MaxAttempts": 1}
    outcome = run(pipeline({**processing("A"), "RetryPolicies": [policy]}))
    assert (outcome.status, outcome.steps[0].attempt_count) == ("Failed", 2)


def test_failures_of_the_script_are_not_retried(run: Run) -> None:
    run.control.failures = {"A": ["AlgorithmError: x"]}
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "MaxAttempts": 3}
    outcome = run(pipeline({**processing("A"), "RetryPolicies": [policy]}))
    assert (outcome.status, outcome.steps[0].attempt_count) == ("Failed", 1)


def test_throttling_is_retried_without_a_policy(run: Run) -> None:
    run.control.failures = {"A": [ServiceError("ThrottlingException", "slow down")]}
    assert run(pipeline(processing("A"))).status == "Succeeded"


def test_stopping(run: Run) -> None:
    run.control.seconds = 30
    definition = pipeline(processing("A"), processing("B", "A"))
    results = []
    thread = threading.Thread(target=lambda: results.append(run(definition)))
    started = time.monotonic()
    thread.start()
    while not run.control.requests:
        time.sleep(0.005)
    run.stop.set()
    thread.join(5)
    assert time.monotonic() - started < 2
    (outcome,) = results
    assert outcome.status == "Stopped"
    assert statuses(outcome) == {"A": "Stopped"}
    assert run.statuses("A")[-2:] == ["Stopping", "Stopped"]
    assert [operation for operation, _ in run.control.requests] == [
        "CreateProcessingJob",
        "StopProcessingJob",
    ]


def test_an_invalid_start_makes_nothing(run: Run) -> None:
    with pytest.raises(ServiceError, match="unknown parameter 'X'"):
        run(pipeline(processing("A")), parameters={"X": "1"})
    assert run.control.requests == []


def test_a_long_step_name_fits_into_a_job_name(run: Run) -> None:
    name = "A" * 64
    run(pipeline(processing(name)))
    ((_, request),) = run.control.requests
    job = request["ProcessingJobName"]
    assert len(job) == 63
    assert re.fullmatch(r"pipelines-abcdefghijkl-A+-[A-Za-z0-9]{10}", job)


def test_a_custom_prefix_starts_the_job_name(run: Run) -> None:
    run(pipeline(processing("A", ProcessingJobName="census")))
    ((_, request),) = run.control.requests
    assert re.fullmatch(r"census-abcdefghijkl-[A-Za-z0-9]{10}", request["ProcessingJobName"])


def after(step: dict[str, Any], name: str, trigger: str) -> dict[str, Any]:
    return {**step, "DependsOn": [{"Step": name, "Trigger": trigger}]}


@pytest.mark.parametrize(
    ("trigger", "fails", "status", "ran"),
    [
        ("Failed", True, "CompletedWithFailures", {"Work", "Tell", "Other"}),
        ("Any", True, "CompletedWithFailures", {"Work", "Tell", "Other"}),
        ("Failed", False, "Succeeded", {"Work", "Next", "Other"}),
        ("Any", False, "Succeeded", {"Work", "Next", "Tell", "Other"}),
        ("Stopped", True, "Failed", {"Work"}),
    ],
)
def test_a_step_runs_on_the_failure_of_another(
    run: Run, trigger: str, fails: bool, status: str, ran: set[str]
) -> None:
    run.control.failures["Work"] = ["AlgorithmError: no data"] if fails else []
    outcome = run(
        pipeline(
            processing("Work"),
            after(processing("Tell"), "Work", trigger),
            processing("Next", "Work"),
            processing("Other", *(["Tell"] if "Tell" in ran else [])),
        ),
        parallelism=1,
    )
    assert outcome.status == status
    assert {one.step_name for one in outcome.steps} == ran


def test_a_failure_of_what_runs_on_a_failure_fails_the_execution(run: Run) -> None:
    run.control.failures |= {"Work": ["AlgorithmError: a"], "Tell": ["AlgorithmError: b"]}
    outcome = run(pipeline(processing("Work"), after(processing("Tell"), "Work", "Failed")))
    assert outcome.status == "Failed"


@pytest.mark.parametrize("kind", ["QualityCheck", "ClarifyCheck", "EMR", "EMRServerless"])
def test_what_only_aws_can_run_says_what_to_do(run: Run, kind: str) -> None:
    outcome = run(pipeline({"Name": "Native", "Type": kind, "Arguments": {}}))
    assert outcome.status == "Failed"
    assert outcome.failure_reason is not None
    assert f"A step of type {kind} needs" in outcome.failure_reason
    assert "a processing script of your own" in outcome.failure_reason
