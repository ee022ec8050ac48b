from __future__ import annotations

import pytest

from mlops_constructs.common.errors import Problems, ValidationError
from tests.support import new_stack


def test_all_problems_are_reported_together_with_the_path() -> None:
    problems = Problems(new_stack("Serving-dev"))
    problems.add("a", got=1, allowed="2", instead="Write 2.")
    problems.check(False, "b", got="x", allowed="y", instead="Write y.")
    problems.check(True, "c", got="x", allowed="y", instead="Write y.")
    with pytest.raises(ValidationError) as error:
        problems.raise_if_any()
    assert str(error.value) == (
        "Serving-dev: 2 problems\n"
        "  - a: got 1; allowed: 2. Write 2.\n"
        "  - b: got 'x'; allowed: y. Write y."
    )
    assert error.value.path == "Serving-dev"
    assert [problem.what for problem in error.value.problems] == ["a", "b"]


def test_no_problem_is_no_error() -> None:
    Problems("app").raise_if_any()
