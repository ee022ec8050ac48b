"""A monthly budget for what carries a cost tag, and alarms before it is spent.

Facts:

- A tag counts only after it was activated as a cost-allocation tag in the payer account, which
  takes up to 24 hours and does not reach back (AWS Billing user guide). Until then the budget
  sees nothing and stays silent.
- ``NotificationsWithSubscribers`` is create-only (CloudFormation registry): another threshold
  makes another budget, so that the budget has no name that would be taken.
- The topic must let ``budgets.amazonaws.com`` publish, and so must its key.
- Values of one filter are alternatives: two tags in it would count what carries either.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack, aws_budgets as budgets, aws_iam as iam, aws_sns as sns
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.pseudo import ACCOUNT_ID
from mlops_constructs.common.tokens import is_token


def allow_budgets(topic: sns.Topic) -> None:
    """Let the budgets of this account publish to a topic; its key must allow it too."""
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[iam.ServicePrincipal("budgets.amazonaws.com")],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": ACCOUNT_ID}},
        )
    )


class TaggedBudget(Construct):
    """What everything with one tag may cost in a month.

    Attributes:
        budget: The budget.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        monthly: float,
        tag: tuple[str, str],
        topic: sns.ITopic,
        warn_at: Sequence[float] = (50, 80, 100),
        currency: str = "USD",
    ) -> None:
        """Make the budget.

        Args:
            scope: The parent.
            construct_id: The id.
            monthly: How much.
            tag: Key and value, such as ``("Environment", "dev")``.
            topic: Who is told; see `allow_budgets`.
            warn_at: Percentages of actual cost that are told, at most four, as a budget has five
                notifications; a forecast above 100 is always told.
            currency: Of the account's bills.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        problems.check(
            is_token(monthly) or monthly > 0,
            "monthly",
            got=monthly,
            allowed="more than 0",
            instead="Write what a month may cost; `mlops-constructs cost` says what stands.",
        )
        problems.check(
            1 <= len(warn_at) <= 4
            and len(set(warn_at)) == len(warn_at)
            and all(0 < percent <= 1000 for percent in warn_at),
            "warn_at",
            got=tuple(warn_at),
            allowed="one to four different percentages above 0",
            instead="Write (50, 80, 100).",
        )
        problems.check(
            bool(tag[0]) and "$" not in tag[0],
            "tag",
            got=tag,
            allowed="a key without '$', and a value",
            instead="Write ('Environment', 'dev').",
        )
        problems.raise_if_any()
        subscriber = [{"subscriptionType": "SNS", "address": topic.topic_arn}]
        thresholds = [*(("ACTUAL", percent) for percent in warn_at), ("FORECASTED", 100)]
        self.budget = budgets.CfnBudget(
            self,
            "Budget",
            budget={
                "budgetType": "COST",
                "timeUnit": "MONTHLY",
                "budgetLimit": {"amount": monthly, "unit": currency},
                "costFilters": {"TagKeyValue": [f"user:{tag[0]}${tag[1]}"]},
            },
            notifications_with_subscribers=[
                {
                    "notification": {
                        "notificationType": kind,
                        "comparisonOperator": "GREATER_THAN",
                        "threshold": percent,
                        "thresholdType": "PERCENTAGE",
                    },
                    "subscribers": subscriber,
                }
                for kind, percent in thresholds
            ],
        )
        # A topic's policy is a resource of its own, without which Budgets refuses the topic.
        if Stack.of(topic) is Stack.of(self):
            self.budget.node.add_dependency(topic)
