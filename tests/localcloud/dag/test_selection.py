from __future__ import annotations

import pytest

from localcloud.dag.definition import parse
from localcloud.dag.selection import Reused, select, unfinished
from localcloud.errors import ServiceError
from tests.localcloud.dag.support import ARN, Run, condition, pipeline, processing, statuses

EARLIER = ARN.replace("abcdefghijkl", "earlierearly")
# A → B → C, and A → D.
CHAIN = pipeline(
    processing("A"),
    processing("B", ProcessingInputs=[{"Get": "Steps.A.ProcessingJobName"}]),
    processing("C", "B"),
    processing("D", "A"),
)


def _ended(*names: str, failed: str = "") -> dict[str, Reused]:
    return {
        name: Reused(
            EARLIER,
            "Failed" if name == failed else "Succeeded",
            {"ProcessingJobName": f"old-{name}"},
        )
        for name in names
    }


def test_what_is_not_selected_is_taken_or_left_out(run: Run) -> None:
    selection = select(parse(CHAIN), ["B"], _ended("A", "B", "C", "D"))
    outcome = run(CHAIN, selection=selection)
    assert outcome.status == "Succeeded"
    assert statuses(outcome) == {"A": "Succeeded", "B": "Succeeded"}
    assert run.control.names("CreateProcessingJob") == ["B"]
    assert run.control.requests[0][1]["ProcessingInputs"] == ["old-A"]
    taken, ran = (step.as_api() for step in outcome.steps)
    assert taken["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": EARLIER}
    assert "SelectiveExecutionResult" not in ran
    assert run.statuses("A") == ["Succeeded"]


@pytest.mark.parametrize(
    ("names", "source", "said"),
    [
        (["X"], _ended("A"), "'X' is no step; the steps are A, "),
        (["A", "C"], _ended("A"), "step 'B' lies between selected ones"),
        (["C", "D"], _ended("A", "B"), "must be connected; apart from the others: "),
        (["B"], None, "'B' needs 'A', which is not selected: give a SourcePipelineExecutionArn"),
        (["B"], {}, "'B' needs 'A', which did not run in the reference execution"),
        (["B"], _ended("A", failed="A"), "'B' needs 'A', which ended as Failed in the reference"),
    ],
)
def test_what_cannot_be_selected(
    names: list[str], source: dict[str, Reused] | None, said: str
) -> None:
    with pytest.raises(ServiceError, match=said):
        select(parse(CHAIN), names, source)


def test_roots_need_no_reference_execution(run: Run) -> None:
    outcome = run(CHAIN, selection=select(parse(CHAIN), ["A", "B"], None))
    assert statuses(outcome) == {"A": "Succeeded", "B": "Succeeded"}


@pytest.mark.parametrize(("outcome", "ran"), [("True", ["Yes"]), ("False", [])])
def test_a_branch_follows_the_earlier_outcome(run: Run, outcome: str, ran: list[str]) -> None:
    definition = pipeline(condition("If", 1, [processing("Yes")], [processing("No")]))
    earlier = {"If": Reused(EARLIER, "Succeeded", {"Outcome": outcome})}
    run(definition, selection=select(parse(definition), ["Yes"], earlier))
    assert run.control.names("CreateProcessingJob") == ran


def test_unfinished_is_what_failed_and_all_behind_it() -> None:
    definition = pipeline(
        processing("A"),
        processing("B", "A"),
        processing("C", "B"),
        {**processing("OnFailure"), "DependsOn": [{"Step": "B", "Trigger": "Failed"}]},
        processing("D", "A"),
    )
    ended = _ended("A", "B", "OnFailure", "D", failed="B")
    selection = unfinished(parse(definition), ended)
    # What ran because B failed is no success of the execution that goes on.
    assert selection.steps == {"B", "C", "OnFailure"}
    assert selection.reused.keys() == {"A", "D"}


def test_going_on_runs_the_rest(run: Run) -> None:
    run.control.failures["B"] = ["ClientError: no"]
    first = run(CHAIN)
    assert first.status == "Failed"
    ended = {
        step.step_name: Reused(ARN, step.step_status, step.properties, step.metadata)
        for step in first.steps
    }
    run.control.requests.clear()
    again = run(CHAIN, selection=unfinished(parse(CHAIN), ended))
    assert again.status == "Succeeded"
    assert set(run.control.names("CreateProcessingJob")) >= {"B", "C"}
    assert "A" not in run.control.names("CreateProcessingJob")
    # Of its own execution: not said to come from another one.
    assert "SelectiveExecutionResult" not in again.steps[0].as_api()
