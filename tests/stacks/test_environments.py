from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_constructs.common.errors import ValidationError
from stacks.environments import ENVIRONMENTS, choose
from stacks.use_cases import load

DEV = ENVIRONMENTS[0]


def test_all_are_built_unless_one_is_named() -> None:
    assert [environment.name for environment in choose({})] == ["dev", "staging", "prod"]
    assert [environment.name for environment in choose({"env": "staging"})] == ["staging"]


def test_account_and_region_replace_those_of_the_named_one() -> None:
    (dev,) = choose({"env": "dev", "account": "123456789012", "region": "eu-west-1"})
    assert (dev.account, dev.region) == ("123456789012", "eu-west-1")


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"env": "qa"}, "got 'qa'; allowed: dev, staging, prod"),
        ({"env": ""}, "got ''; allowed: dev, staging, prod"),
        ({"env": "dev", "account": "1234"}, "account: got '1234'; allowed: 12 digits"),
        ({"env": "dev", "region": "mars"}, "region: got 'mars'"),
        ({"account": "123456789012"}, "only together with -c env=NAME"),
    ],
)
def test_a_wrong_choice_is_refused(context: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=r"app|environment") as error:
        choose(context)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Dev_1"}, "name: got 'Dev_1'"),
        ({"cidr": "8.8.0.0/16"}, "cidr: got '8.8.0.0/16'"),
        ({"cidr": "10.0.0.1/16"}, "cidr"),
        ({"cidr": "10.0.0.0/28"}, "cidr"),
        ({"zones": 1}, "two availability zones"),
        ({"serving_instance": "m5.large"}, "serving_instance: got 'm5.large'"),
        ({"serving_count": 0}, "serving_count and serving_most"),
        ({"serving_count": 9}, "serving_count and serving_most"),
        ({"canary_percent": 51}, "canary_percent: got 51; allowed: 1 to 50"),
        ({"log_days": 31}, "log_days: got 31"),
        ({"monthly_budget": 0}, "monthly_budget: got 0"),
        ({"retrain_approval_days": 31}, "retrain_approval_days: got 31; allowed: 1 to 30"),
        ({"name": "prod", "destroy_data": False}, "serving_hours: got (7, 19); allowed: None in"),
        ({"users": {"eve": "root"}}, "users['eve']: got 'root'; allowed: data-scientist"),
        ({"notify": ("nobody",)}, "notify: got 'nobody'"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        replace(DEV, **changes)  # type: ignore[arg-type]  # wrong on purpose
    assert message in str(error.value)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as error:
        replace(DEV, zones=5, log_days=2, capture_percent=101)
    assert len(error.value.problems) == 3


def test_prod_never_destroys_its_data() -> None:
    prod = ENVIRONMENTS[-1]
    assert not prod.destroy_data
    with pytest.raises(ValidationError, match="False in prod"):
        replace(prod, destroy_data=True)


def test_an_unknown_use_case_is_refused() -> None:
    with pytest.raises(ValidationError, match="-c use-case: got 'nothing'; allowed: "):
        load("nothing")
