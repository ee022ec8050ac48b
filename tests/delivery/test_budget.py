from __future__ import annotations

import pytest
from aws_cdk import aws_kms as kms, aws_sns as sns

from mlops_constructs import TaggedBudget, ValidationError
from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.delivery.budget import allow_budgets
from tests.support import nag_findings, new_stack, resources_of


def test_it_counts_one_tag_and_warns_before_the_money_is_gone() -> None:
    stack = new_stack()
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    allow_publishers(key, "budgets.amazonaws.com")
    topic = sns.Topic(stack, "Topic", master_key=key, enforce_ssl=True)
    allow_budgets(topic)
    TaggedBudget(stack, "Money", monthly=500, tag=("Environment", "dev"), topic=topic)
    (found,) = resources_of(stack, "AWS::Budgets::Budget").values()
    budget = found["Properties"]["Budget"]
    # No name: what is create-only must be replaceable.
    assert budget == {
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": 500, "Unit": "USD"},
        "CostFilters": {"TagKeyValue": ["user:Environment$dev"]},
    }
    told = [
        (entry["Notification"]["NotificationType"], entry["Notification"]["Threshold"])
        for entry in found["Properties"]["NotificationsWithSubscribers"]
    ]
    assert told == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
    (policy,) = resources_of(stack, "AWS::SNS::TopicPolicy")
    assert policy in found["DependsOn"]
    assert nag_findings(stack) == []


def test_all_mistakes_are_told_at_once() -> None:
    stack = new_stack()
    topic = sns.Topic(stack, "Topic")
    with pytest.raises(ValidationError) as error:
        TaggedBudget(stack, "Money", monthly=0, tag=("a$b", "c"), topic=topic, warn_at=(80, 80))
    assert [problem.what for problem in error.value.problems] == ["monthly", "warn_at", "tag"]
