from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mlops_constructs.cli import main
from mlops_constructs.run.errors import CommandError
from mlops_constructs.run.graph import Edge, Graph, Node, graph_of
from mlops_constructs.run.layout import lay_out
from mlops_constructs.run.mermaid import as_mermaid
from mlops_constructs.run.svg import as_svg
from mlops_constructs.run.use_case import UseCase
from tests.run.support import condition, processing, write

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def use_case(tmp_path: Path) -> UseCase:
    """A → B → Gate, which also waits for A; Gate → Yes or No; Cleanup after a failure of B."""
    folder = write(
        tmp_path / "case",
        processing("A"),
        processing("B", "pass", "A"),
        condition("Gate", [processing("Yes")], [processing("No")], DependsOn=["A", "B"]),
        processing("Cleanup", DependsOn=[{"Step": "B", "Trigger": "Failed"}]),
        parameters=[{"Name": "Least", "Type": "Integer", "DefaultValue": 1}],
    )
    return UseCase.read(str(folder))


def _ran(use_case: UseCase, **states: str) -> None:
    steps: list[dict[str, Any]] = [
        {"name": name, "state": state, "started": 10.0, "ended": 12.5, "measures": {}}
        for name, state in states.items()
    ]
    steps[0]["measures"] = {"auc<>": '0.9 "good"'}
    use_case.home.mkdir(parents=True)
    record = {"status": "Succeeded", "run": "abc", "started": 0.0, "updated": 90, "steps": steps}
    (use_case.home / "last-run.json").write_text(json.dumps(record))


def test_edges_that_follow_from_others_are_left_out(use_case: UseCase) -> None:
    edges = {(edge.start, edge.end): edge.label for edge in graph_of(use_case).edges}
    assert edges == {
        ("A", "B"): "",
        ("B", "Gate"): "",
        ("Gate", "Yes"): "true",
        ("Gate", "No"): "false",
        ("B", "Cleanup"): "failed",
    }


def test_steps_that_wait_for_one_another(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", processing("A", "pass", "B"), processing("B", "pass", "A"))
    with pytest.raises(CommandError, match=r"wait for one another: [AB] → [AB]"):
        graph_of(UseCase.read(str(folder)))
    folder = write(tmp_path / "d", processing("A", "pass", "X"))
    with pytest.raises(CommandError, match="A waits for X, which is no step"):
        graph_of(UseCase.read(str(folder)))


def test_mermaid(use_case: UseCase) -> None:
    _ran(use_case, A="succeeded", B="cached", Gate="succeeded", Yes="failed", No="skipped")
    lines = as_mermaid(graph_of(use_case)).splitlines()
    assert lines[1].startswith("title: 'case: Succeeded, run abc of ")
    assert (
        '  s0("A<br/>Processing · 2.5 s<br/>auc#lt;#gt; 0.9 #quot;good#quot;"):::succeeded' in lines
    )
    assert '  s1("B<br/>Processing · from the cache"):::cached' in lines
    assert any(line.endswith('{{"Gate<br/>Condition · 2.5 s"}}:::succeeded') for line in lines)
    gate = next(line.split("{")[0].strip() for line in lines if "Gate" in line)
    yes = next(line.split("(")[0].strip() for line in lines if '"Yes' in line)
    assert f"  {gate} -->|true| {yes}" in lines


def test_svg_shows_every_step_and_its_state(use_case: UseCase) -> None:
    _ran(use_case, A="succeeded", B="cached", Gate="succeeded", Yes="failed", No="skipped")
    picture = ElementTree.fromstring(as_svg(graph_of(use_case)))
    texts = [each.text for each in picture.iter(f"{SVG}text")]
    assert {"A", "B", "Gate", "Yes", "No", "Cleanup", "true", "false"} <= set(texts)
    assert 'auc<> 0.9 "good"' in texts
    boxes = [*picture.iter(f"{SVG}rect"), *picture.iter(f"{SVG}polygon")]
    assert [box.get("stroke") for box in boxes].count("#cf222e") == 1
    assert len(list(picture.iter(f"{SVG}polygon"))) == 1
    arrows = [each for each in picture.iter(f"{SVG}path") if each.get("marker-end")]
    assert len(arrows) == len(graph_of(use_case).edges)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_overlaps(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(40)]
    nodes = {n: Node(name=n, type="Processing", state="waiting", lines=("x",)) for n in names}
    edges = {
        (names[chance.randrange(number)], names[number])
        for number in range(1, 40)
        for _ in range(chance.randrange(3))
    }
    graph = Graph(
        title="", nodes=nodes, edges=tuple(Edge(start=a, end=b) for a, b in sorted(edges))
    )
    widths = {name: chance.uniform(50, 200) for name in names}
    layout = lay_out(graph, widths=widths, gap=10)
    row = {place: number for number, layer in enumerate(layout.layers) for place in layer}
    for layer in layout.layers:
        for left, right in pairwise(layer):
            least = sum(widths.get(str(each), 0.0) / 2 for each in (left, right)) + 10
            assert layout.x[right] - layout.x[left] >= least - 1e-6
    for path in layout.paths:
        assert all(row[lower] == row[upper] + 1 for upper, lower in pairwise(path))
    assert min(layout.x[name] - widths[name] / 2 for name in names) >= -1e-6


def test_the_command(use_case: UseCase, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["dag", str(use_case.folder)]) == 0
    assert capsys.readouterr().out.startswith("---\ntitle: 'case: not run yet'\n")
    file = tmp_path / "picture.svg"
    assert main(["dag", str(use_case.folder), str(file)]) == 0
    assert file.read_text() == as_svg(graph_of(use_case))
    for target, said in (("picture.png", "should end in .svg"), ("none/a.svg", "there is no")):
        assert main(["dag", str(use_case.folder), str(tmp_path / target)]) == 2
        assert said in capsys.readouterr().err
