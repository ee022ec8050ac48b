"""The inference code on a model of three features: what it answers, and what it refuses."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import inference
import numpy as np
import pytest
import xgboost
from encoding import Encoding, EncodingError
from inference import Model, Rows

ENCODING = Encoding(
    features=("age", "job", "sex"),
    categories={"job": ("clerk", "nurse"), "sex": ("F", "M")},
    missing=("?",),
    inputs=("age", "job", "weight", "sex"),
    target="pay",
    labels=("low", "high"),
    threshold=0.5,
    data_version="1",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model that finds people over 40 rich, saved and loaded as in an endpoint."""
    table = {
        "age": [str(20 + row % 40) for row in range(200)],
        "job": [("clerk", "nurse", "?")[row % 3] for row in range(200)],
        "sex": [("F", "M")[row % 2] for row in range(200)],
    }
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "min_child_weight": 0, "eta": 1},
        xgboost.DMatrix(
            ENCODING.matrix(table),
            label=[float(int(age) > 40) for age in table["age"]],
            feature_names=list(ENCODING.features),
            feature_types=ENCODING.feature_types,
            enable_categorical=True,
        ),
        num_boost_round=5,
    )
    folder = tmp_path_factory.mktemp("model")
    booster.save_model(folder / inference.MODEL_FILE)
    ENCODING.save(folder)
    return inference.model_fn(str(folder))


def answer(model: Model, body: str | bytes, content_type: str, accept: str = "text/csv") -> str:
    """One request, as the container makes it."""
    return inference.output_fn(
        inference.predict_fn(inference.input_fn(body, content_type), model), accept
    )


def labels(text: str) -> list[str]:
    """The labels of a CSV answer."""
    return [line.split(",")[1] for line in text.splitlines()]


PERSON = {"age": 50, "job": "nurse", "weight": 3, "sex": "F"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("50,nurse,3,F\n30,nurse,3,F\n", "text/csv"),
        (b"50,nurse,3,F\r\n30,nurse,3,F", "text/csv; charset=utf-8"),
        ("sex,age,job\nF,50,nurse\nF,30,nurse\n", "text/csv"),
        ("pay,sex,age,job\nhigh,F,50,nurse\n?,F,30,nurse\n", "text/csv"),
        (json.dumps([PERSON, {**PERSON, "age": "30"}]), "application/json"),
        (json.dumps({"instances": [PERSON, [30, "nurse", None, "F"]]}), "application/json"),
        (json.dumps([[50, "nurse", 3, "F"], [30, "nurse", 3, "F"]]).encode(), "application/json"),
    ],
)
def test_every_form_of_request_gets_the_same_answer(
    model: Model, body: str | bytes, content_type: str
) -> None:
    assert labels(answer(model, body, content_type)) == ["high", "low"]


@pytest.mark.parametrize("body", [PERSON, list(PERSON.values()), {"instances": PERSON}])
def test_one_row_needs_no_list(model: Model, body: object) -> None:
    assert labels(answer(model, json.dumps(body), "application/json")) == ["high"]


def test_json_answers_hold_probability_and_label(model: Model) -> None:
    for accept in ("application/json", "*/*", "", "text/html, application/json;q=0.5"):
        [one] = json.loads(answer(model, "50,nurse,3,F", "text/csv", accept))["predictions"]
        assert one["label"] == "high"
        assert 0.5 < one["probability"] <= 1


@pytest.mark.parametrize("unknown", ["", "?", "never seen", None])
def test_unknown_categories_and_missing_values_are_answered(
    model: Model, unknown: str | None
) -> None:
    body = json.dumps([{**PERSON, "job": unknown}, {**PERSON, "age": "", "sex": unknown}])

    assert len(labels(answer(model, body, "application/json"))) == 2


@pytest.mark.parametrize(
    ("body", "content_type", "status", "expected"),
    [
        ("<person/>", "application/xml", 415, "send text/csv or application/json"),
        ("x", "", 415, "Content type ''"),
        ("", "text/csv", 400, "The body holds no rows."),
        ("[]", "application/json", 400, "The body holds no rows."),
        ("{not json", "application/json", 400, "not valid application/json"),
        ("[" * 100_000, "application/json", 400, "not valid application/json"),
        (b"\xff\xfe\x00", "text/csv", 400, "not valid text/csv"),
        ('"50,nurse', "text/csv", 400, "not valid text/csv"),
        ('"text"', "application/json", 400, "Send one row"),
        ("50,nurse,F", "text/csv", 400, "row 1: 3 values; expected 4: age, job, weight, sex."),
        ("fifty,nurse,3,F", "text/csv", 400, "row 1: 'age' should be a number, not 'fifty'."),
        ("age,job\n50,nurse", "text/csv", 400, "The header lacks sex."),
        ("age,job,sex,sex\n1,nurse,F,M", "text/csv", 400, "The header repeats a column"),
        ("age,job,sex", "text/csv", 400, "a header but no rows"),
        ('[{"age": 50, "job": "nurse"}]', "application/json", 400, "row 1 lacks sex."),
        (json.dumps({**PERSON, "hat": 1}), "application/json", 400, "unknown columns: hat"),
        (json.dumps({**PERSON, "age": True}), "application/json", 400, "not True"),
        (json.dumps({**PERSON, "age": [1]}), "application/json", 400, "not [1]"),
        (json.dumps({**PERSON, "job": {}}), "application/json", 400, "should be a text, not {}"),
        (json.dumps([PERSON, 5]), "application/json", 400, "row 2: 5 is neither"),
        ('{"age": NaN, "job": "x", "sex": "F"}', "application/json", 400, "not nan"),
    ],
)
def test_wrong_requests_are_refused_with_a_reason(
    model: Model, body: str | bytes, content_type: str, status: int, expected: str
) -> None:
    with pytest.raises(inference.RequestError) as refusal:
        answer(model, body, content_type)

    assert refusal.value.status_code == status
    assert expected in refusal.value.message
    assert str(refusal.value) == refusal.value.message


def test_an_answer_of_another_type_is_refused(model: Model) -> None:
    with pytest.raises(inference.RequestError) as refusal:
        answer(model, "50,nurse,3,F", "text/csv", accept="image/png")
    assert (refusal.value.status_code, refusal.value.phrase) == (406, "Not Acceptable")


def test_the_threshold_decides_the_label(model: Model) -> None:
    fields = {**ENCODING.__dict__, "threshold": 0.9999999}
    strict = Model(model.booster, Encoding(**fields))

    [prediction] = inference.predict_fn(Rows([list(PERSON.values())], True), strict)

    assert (prediction.label, prediction.probability > 0.5) == ("low", True)


def test_an_encoding_survives_its_file(tmp_path: Path) -> None:
    ENCODING.save(tmp_path)

    assert Encoding.load(tmp_path) == ENCODING


def test_numbers_stay_and_categories_become_positions() -> None:
    matrix = ENCODING.matrix({"age": ["7", "?"], "job": ["nurse", "pilot"], "sex": ["M", None]})

    np.testing.assert_array_equal(matrix, np.array([[7, 1, 1], [np.nan] * 3], dtype=np.float32))
    with pytest.raises(EncodingError, match="row 2: 'age'"):
        ENCODING.matrix({"age": ["7", "x"], "job": ["", ""], "sex": ["", ""]})


#: shap 0.51.0's own TreeSHAP (`TreeExplainer` with ``model.model_type = "internal"``; as it comes
#: it asks XGBoost itself) of the model and the rows below.
_ROWS = [[50, 45, 60], [30, "?", 10], [41, 20, 31], [25, 50, 90]]
_SHAP = [
    [-0.650412, -1.714775, -0.793724],
    [-2.796594, -0.394263, -0.250417],
    [2.463604, 1.3136, -0.144131],
    [0.63132, 1.93905, 0.778627],
]


def test_explanations_are_those_of_the_shap_library() -> None:
    inputs = ("age", "hours", "gain")
    encoding = Encoding(
        **{**ENCODING.__dict__, "features": inputs, "inputs": inputs, "categories": {}}
    )
    table = {
        "age": [20 + row * 7 % 41 for row in range(300)],
        "hours": ["?" if row % 11 == 0 else 10 + row * 13 % 53 for row in range(300)],
        "gain": [row * row % 97 for row in range(300)],
    }
    label = [
        float((age > 40) != (hours != "?" and hours > 40 and gain > 30))
        for age, hours, gain in zip(*table.values(), strict=True)
    ]
    explained = Model(_boosted(encoding, table, label), encoding)

    names, values = inference.explain_fn(Rows(_ROWS, False), explained)

    assert names == list(inputs)
    np.testing.assert_allclose(values, _SHAP, atol=2e-5)


def test_explanations_of_categories_are_shapley_values_by_definition() -> None:
    """Which the shap library takes for numbers; of three features all orders can be tried."""
    table = {
        "age": [20 + row * 7 % 41 for row in range(200)],
        "job": [("clerk", "nurse", "?")[row % 3] for row in range(200)],
        "sex": [("F", "M")[row * 5 % 7 % 2] for row in range(200)],
    }
    label = [
        float((age > 40) != (job == "nurse" and sex == "F"))
        for age, job, sex in zip(*table.values(), strict=True)
    ]
    booster = _boosted(ENCODING, table, label)
    trees = [json.loads(tree) for tree in booster.get_dump(dump_format="json", with_stats=True)]
    rows: list[list[Any]] = [
        [50, "nurse", 3, "F"],
        [30, "nurse", 3, "F"],
        [41, "clerk", 1, "M"],
        [25, None, 1, "F"],
    ]

    names, values = inference.explain_fn(Rows(rows, False), Model(booster, ENCODING))

    encoded = ENCODING.matrix(
        {name: [row[ENCODING.inputs.index(name)] for row in rows] for name in names}
    )
    for row, found in zip(encoded, values, strict=True):
        person = dict(zip(names, row.tolist(), strict=True))
        expected = dict.fromkeys(names, 0.0)
        for order in permutations(names):
            for at, name in enumerate(order):
                without, with_it = (
                    sum(_expected(tree, person, set(known)) for tree in trees)
                    for known in (order[:at], order[: at + 1])
                )
                expected[name] += (with_it - without) / 6
        np.testing.assert_allclose(found, list(expected.values()), atol=1e-5)


def _boosted(encoding: Encoding, table: dict[str, Any], label: list[float]) -> xgboost.Booster:
    return xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "min_child_weight": 0, "eta": 0.5},
        xgboost.DMatrix(
            encoding.matrix(table),
            label=label,
            feature_names=list(encoding.features),
            feature_types=encoding.feature_types,
            enable_categorical=True,
        ),
        num_boost_round=6,
    )


def _expected(node: dict[str, Any], person: dict[str, float], known: set[str]) -> float:
    """A tree's answer when only some features are known; others go each way by their cover."""
    if "leaf" in node:
        return float(node["leaf"])
    below = {each["nodeid"]: each for each in node["children"]}
    name, limit = node["split"], node["split_condition"]
    if name in known:
        value = person[name]
        if np.isnan(value):
            way = node["missing"]
        else:
            hit = value in limit if isinstance(limit, list) else value < limit
            way = node["yes"] if hit else node["no"]
        return _expected(below[way], person, known)
    return sum(
        float(each["cover"] / node["cover"]) * _expected(each, person, known)
        for each in below.values()
    )
