"""The service rules of mlops_constructs, applied to what the API is asked to keep.

The rules are written for CloudFormation templates. So a request becomes a template: the resource,
and the resources of the store that it names, all in CloudFormation's spelling. The rules are not
needed to run: without them the local cloud refuses less, and says so in its log.
"""

from __future__ import annotations

import logging
from functools import cache
from types import ModuleType
from typing import Any

from localcloud.errors import invalid
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json

logger = logging.getLogger("localcloud.sagemaker")

_OF_TEMPLATES = ("NM", "RL", "RG", "TG03")
"""Rules about templates, not about requests: names and the order of resources, policies that may
come too late, the regions of CloudFormation's types, the tag keys that CloudFormation itself
uses."""


def refuse(cloud: SageMaker, kind_name: str, data: Json) -> None:
    """Refuse what breaks a rule.

    Raises:
        ServiceError: A ``ValidationException`` with the rule's message and id.
    """
    rules = _rules()
    if rules is None:
        return
    resources = {"Requested": _resource(kind_name, data), **_named(cloud, kind_name, data)}
    for finding in rules.check_template({"Resources": resources}):
        if (
            finding.resource == "Requested"
            and finding.severity == "error"
            and not finding.rule.startswith(_OF_TEMPLATES)
        ):
            raise invalid(f"{finding.message} (rule {finding.rule})")


@cache
def _rules() -> ModuleType | None:
    # Late: the first request pays, not the start of the server.
    try:
        from mlops_constructs import rules
    except ModuleNotFoundError:
        logger.warning(
            "mlops_constructs is not installed: requests are not checked against its service rules."
        )
        return None
    return rules


def _resource(kind_name: str, data: Json) -> Json:
    properties: dict[str, Any] = dict(data)
    if kind_name == "Pipeline":
        properties["PipelineDefinition"] = {
            "PipelineDefinitionBody": data.get("PipelineDefinition")
        }
    elif kind_name == "ModelPackage" and data.get("ModelPackageGroupName"):
        # DescribeModelPackage gives the group's name here; CreateModelPackage takes none.
        del properties["ModelPackageName"]
    return {"Type": f"AWS::SageMaker::{kind_name}", "Properties": properties}


def _named(cloud: SageMaker, kind_name: str, data: Json) -> Json:
    """The configuration of an endpoint, and the models of a configuration."""
    found: Json = {}
    if kind_name == "Endpoint":
        config = cloud.find("EndpointConfig", data)
        if config is not None:
            found["Config"] = _resource("EndpointConfig", config.data)
            found |= _named(cloud, "EndpointConfig", config.data)
    elif kind_name == "EndpointConfig":
        variants = [*data["ProductionVariants"], *(data.get("ShadowProductionVariants") or [])]
        for name in sorted({v["ModelName"] for v in variants if v.get("ModelName")}):
            model = cloud.find("Model", {"ModelName": name})
            if model is not None:
                found[f"Model{len(found)}"] = _resource("Model", model.data)
    return found
