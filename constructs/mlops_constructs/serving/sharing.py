"""A registry in one account, endpoints in others.

```text
registry's account                           endpoint's account
group, buckets, keys, repositories  ◀─────── model, its role, the release machine
  RegistrySharing: policies for them           ModelRelease(registry=RegistryAccount(…))
approval ─▶ rule ─▶ event bus ─────────────▶ ApprovalBus ─▶ machine ─▶ parameter, stack
                                             ApprovedModelParameter
```

The bus lets in events of SageMaker from the registry's account and nothing else, and is apart from
the default bus, where another account's approvals would look like one's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aws_cdk import (
    aws_events as events,
    aws_iam as iam,
)
from constructs import Construct

from mlops_constructs.common.accounts import is_account
from mlops_constructs.common.approvals import bus_name
from mlops_constructs.common.approved_parameter import make_approved_parameter, parameter_arn
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name

_PARAMETER_NAME = re.compile(r"/[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+){0,14}")


@dataclass(frozen=True, kw_only=True)
class RegistryAccount:
    """Where a model package group is, if not in the account of its endpoint.

    Attributes:
        account: The number of that account, in the same region.
        event_bus: The bus that approvals come to, such as that of an `ApprovalBus`.
    """

    account: str
    event_bus: events.IEventBus


class ApprovalBus(Construct):
    """Where approvals of a group of another account arrive.

    Attributes:
        event_bus: The bus, for `RegistryAccount`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        registry_account: str,
    ) -> None:
        """Make the bus and let the registry's account put events into it.

        Args:
            scope: The parent.
            construct_id: The id.
            model_package_group_name: The group.
            registry_account: The number of the account that the group is in.

        Raises:
            ValidationError: If a name or number is none.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        check_name(problems, "model_package_group_name", model_package_group_name)
        _check_account(problems, "registry_account", registry_account)
        problems.raise_if_any()
        self.event_bus = events.EventBus(
            self, "Bus", event_bus_name=bus_name(model_package_group_name)
        )
        self.event_bus.add_to_resource_policy(
            iam.PolicyStatement(
                sid="RegistryAccount",
                principals=[iam.AccountPrincipal(registry_account)],
                actions=["events:PutEvents"],
                resources=[self.event_bus.event_bus_arn],
                conditions={"StringEquals": {"events:source": "aws.sagemaker"}},
            )
        )


class ApprovedModelParameter(Construct):
    """The parameter that an endpoint follows whose registry is in another account.

    `ModelRegistry` makes it where the group is; here the group is elsewhere. Make it in a stack
    that is deployed before the endpoint's: CloudFormation reads the parameter before it makes
    anything.

    Attributes:
        parameter_name: Its name, for `ApprovedModel` and `ModelRelease`.
        parameter_arn: Its ARN.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        parameter_name: str | None = None,
    ) -> None:
        """Make the parameter unless it is there.

        Args:
            scope: The parent.
            construct_id: The id.
            model_package_group_name: The group.
            parameter_name: ``/mlops/<group>/approved-model`` unless given.

        Raises:
            ValidationError: If a name is none.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        check_name(problems, "model_package_group_name", model_package_group_name)
        name = parameter_name or f"/mlops/{model_package_group_name}/approved-model"
        problems.check(
            _PARAMETER_NAME.fullmatch(name) is not None,
            "parameter_name",
            got=name,
            allowed="a literal path of up to 15 parts of letters, digits and _ . -",
            instead="Leave it out.",
        )
        problems.raise_if_any()
        self.parameter_name = name
        self.parameter_arn = parameter_arn(self, name)
        make_approved_parameter(self, name=name, group=model_package_group_name)


def _check_account(problems: Problems, what: str, account: str) -> None:
    problems.check(
        is_account(account),
        what,
        got=account,
        allowed="an account number of 12 digits",
        instead="Write '111122223333'.",
    )
