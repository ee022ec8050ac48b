"""Rules about notebook instances and code repositories."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Problems

NOTEBOOK: Final = "AWS::SageMaker::NotebookInstance"
CODE_REPOSITORY: Final = "AWS::SageMaker::CodeRepository"


@rule(
    "NB01",
    NOTEBOOK,
    fix="Give SubnetId and SecurityGroupIds",
    source="botocore CreateNotebookInstance.DirectInternetAccess",
)
def no_internet_needs_subnet(notebook: Resource) -> Problems:
    """A notebook without internet access has a subnet."""
    access = notebook["DirectInternetAccess"]
    if access.text == "Disabled" and notebook["SubnetId"].absent:
        yield access.problem("DirectInternetAccess is Disabled and there is no SubnetId")


@rule(
    "NB02",
    NOTEBOOK,
    fix="Give both or neither",
    source=(
        "botocore CreateNotebookInstance.SecurityGroupIds (of the subnet's VPC); unproven that "
        "one alone is refused"
    ),
    severity="warning",
)
def subnet_with_groups(notebook: Resource) -> Problems:
    """A notebook in a subnet has security groups, and the other way round."""
    subnet, groups = notebook["SubnetId"], notebook["SecurityGroupIds"]
    if subnet.present and groups.empty:
        yield groups.problem("SubnetId without SecurityGroupIds")
    elif subnet.absent and groups.present and not groups.empty:
        yield subnet.problem("SecurityGroupIds without SubnetId")


NB03 = api_rule("NB03", NOTEBOOK, CODE_REPOSITORY, group="text", kind="notebooks", family=__name__)
