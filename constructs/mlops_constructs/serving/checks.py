"""Checks of an endpoint's arguments that are about more than one of them.

What fits what (SageMaker developer guide, "Serverless Inference", "Asynchronous inference",
"Exclusions" of the deployment guardrails and of shadow tests; botocore):

| | `Instances` | `Asynchronous` | `ManagedInstances` | `Serverless` |
|---|---|---|---|---|
| a model of one container | yes | yes | as a component | yes |
| `SerialPipeline` | yes | yes | no | no |
| `MultiModel`, `DirectContainers` | yes | no | no | no |
| `InferenceComponents` | no | no | yes | no |
| challengers, shadow (models of one container, no ml.inf1) | yes | no | no | no |
| VPC, isolation, capture | yes | yes | yes | no |
| deployment policy | all | all | `Rolling`, over copies | none |
"""

from __future__ import annotations

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import check_fields
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.components import InferenceComponents
from mlops_constructs.serving.compute import (
    Asynchronous,
    Compute,
    Instances,
    ManagedInstances,
    Serverless,
)
from mlops_constructs.serving.containers import DirectContainers, MultiModel, SerialPipeline
from mlops_constructs.serving.deployment import Deployment, Rolling, default_policy
from mlops_constructs.serving.model import ModelSource
from mlops_constructs.serving.variants import (
    Beside,
    Challenger,
    Shadow,
    VariantModel,
    all_beside,
)

ServedModel = VariantModel | InferenceComponents

_FITTING: dict[type, tuple[type, ...]] = {
    Instances: (*ModelSource.__args__, MultiModel, SerialPipeline, DirectContainers),
    Asynchronous: (*ModelSource.__args__, SerialPipeline),
    ManagedInstances: (InferenceComponents,),
    Serverless: ModelSource.__args__,
}
_WHY = {
    Asynchronous: "its requests name neither a model of several nor a container",
    ManagedInstances: "the service manages instances for inference components only",
    Serverless: "serverless capacity runs one container of one model",
}


def check_kinds(
    problems: Problems, *, model: object, compute: object, deployment: object, beside: object
) -> None:
    """Refuse what is no member of a union at all, before its members are asked for."""
    for what, given, kinds, instead in (
        ("model", model, ServedModel, "Write ApprovedModel(...)."),
        ("compute", compute, Compute, "Write Instances('ml.m5.large', count=2)."),
        ("deployment", deployment, Deployment | None, "Write Canary(percent=50)."),
    ):
        problems.check(
            isinstance(given, kinds),
            what,
            got=given,
            allowed=" or ".join(
                kind.__name__ for kind in getattr(kinds, "__args__", ()) if kind is not type(None)
            ),
            instead=instead,
        )
    for place, each in _named(problems, beside):
        for what, given, kinds in (
            ("model", each.model, VariantModel),
            ("compute", each.compute, Instances),
        ):
            problems.check(
                isinstance(given, kinds),
                f"{place}.{what}",
                got=given,
                allowed="Instances: other compute takes one variant only"
                if what == "compute"
                else "a model of its own",
                instead="Write Instances('ml.m5.large')."
                if what == "compute"
                else "Write ModelArtifact(...).",
            )
    problems.raise_if_any()
    for what, given in (("model", model), ("compute", compute), ("deployment", deployment)):
        check_fields(problems, what, given)
    for place, each in _named(problems, beside):
        check_fields(problems, place, each)


def _named(problems: Problems, beside: object) -> list[tuple[str, Challenger | Shadow]]:
    if beside is None:
        return []
    if isinstance(beside, Shadow):
        return [("beside", beside)]
    items = list(beside) if isinstance(beside, list | tuple) else [None]
    found = [item for item in items if isinstance(item, Challenger)]
    problems.check(
        len(found) == len(items),
        "beside",
        got=beside,
        allowed="a Shadow, or a list of challengers; a shadow is alone beside the endpoint's own "
        "variant",
        instead="Write beside=Shadow(...), or beside=[Challenger(...)].",
    )
    return [(f"beside[{index}]", item) for index, item in enumerate(found)]


def check_fit(
    problems: Problems,
    *,
    model: ServedModel,
    compute: Compute,
    beside: Beside | None,
    network: JobNetwork | None,
    network_isolation: bool,
    capture: DataCapture | None,
) -> None:
    """Note combinations that the service would refuse, or that would never work."""
    kind = type(compute).__name__
    fitting = _FITTING[type(compute)]
    if not isinstance(model, fitting):
        managed = isinstance(model, InferenceComponents)
        better = "ManagedInstances('ml.g5.xlarge', max_count=4)" if managed else "Instances(...)"
        problems.add(
            "model",
            got=type(model).__name__,
            allowed=f"{' or '.join(each.__name__ for each in fitting)} on {kind}"
            + (f": {_WHY[type(compute)]}" if type(compute) in _WHY else ""),
            instead="Write model=InferenceComponents([Component(...)])."
            if isinstance(compute, ManagedInstances)
            else f"Write compute={better}.",
        )
    problems.check(
        isinstance(compute, Instances) or not all_beside(beside),
        "beside",
        got=f"{len(all_beside(beside))} more variants",
        allowed=f"none on {kind}, which takes one variant",
        instead="Leave beside out, or write compute=Instances(...).",
    )
    if isinstance(model, InferenceComponents) and isinstance(compute, ManagedInstances):
        model.check_fit(problems, compute.instance_type)
    if isinstance(beside, Shadow):
        _check_shadow(problems, model, compute, beside)
    if isinstance(compute, Serverless):
        _check_serverless(problems, network=network, capture=capture, model=model)
    else:
        check_network(problems, network)
    fetching = (model, *(each.model for each in all_beside(beside)))
    problems.check(
        not network_isolation
        or isinstance(compute, Serverless)
        or not any(each.needs_network for each in fetching),
        "network_isolation",
        got=True,
        allowed="False with code that the container fetches itself",
        instead="Write network_isolation=False, put the code into model.tar.gz below code/, or "
        "write ModelFolder(...).",
    )


def _check_shadow(problems: Problems, model: ServedModel, compute: Compute, shadow: Shadow) -> None:
    """Note what endpoints with a shadow may not have (developer guide, "Shadow tests", Exclusions).

    Several containers, many models and ml.inf1 are excluded, on either side; a marketplace
    container too, which nobody can tell from here.
    """
    for what, given in (("model", model), ("beside.model", shadow.model)):
        problems.check(
            isinstance(given, ModelSource),
            what,
            got=type(given).__name__,
            allowed="a model of one container beside a shadow, or behind one: the service offers "
            "shadows for nothing else",
            instead="Write beside=[Challenger(...)] with a small share, or leave beside out.",
        )
    for what, fleet in (("compute", compute), ("beside.compute", shadow.compute)):
        if isinstance(fleet, Instances):
            problems.check(
                fleet.guarded,
                f"{what}.instance_type",
                got=fleet.instance_type,
                allowed="anything but ml.inf1, for which the service offers no shadows",
                instead="Write Instances('ml.inf2.xlarge').",
            )


def check_network(problems: Problems, network: JobNetwork | None) -> None:
    """Note what the service would refuse of a model's VPC."""
    if network is None:
        return
    subnets, groups = network.subnet_ids, network.security_group_ids
    problems.check(
        2 <= len(subnets) <= 16,
        "network.subnets",
        got=f"{len(subnets)} subnets",
        allowed="2 to 16 subnets in two zones or more, even for one instance",
        instead="Select private subnets in two availability zones.",
    )
    problems.check(
        1 <= len(groups) <= 5,
        "network.security_groups",
        got=f"{len(groups)} groups",
        allowed="1 to 5",
        instead="Pass one security group for models.",
    )


def choose_deployment(
    problems: Problems,
    *,
    deployment: Deployment | None,
    compute: Compute,
    model: ServedModel,
    beside: Beside | None,
) -> Deployment | None:
    """The policy that was given, checked, or the one that fits; None where none applies."""
    if deployment is not None:
        _check_deployment(problems, deployment, compute=compute, model=model, beside=beside)
        return deployment
    if not isinstance(compute, Instances | Asynchronous) or not compute.guarded:
        return None
    return default_policy(min([compute.count, *(one.compute.count for one in all_beside(beside))]))


def _check_deployment(
    problems: Problems,
    deployment: Deployment,
    *,
    compute: Compute,
    model: ServedModel,
    beside: Beside | None,
) -> None:
    if not compute.guarded:
        problems.add(
            "deployment",
            got=deployment,
            allowed="none: guardrails are not offered for serverless endpoints and ml.inf1, "
            "where the service would shift all traffic at once without baking",
            instead="Leave deployment out.",
        )
        return
    if isinstance(model, InferenceComponents):
        _check_components(problems, deployment, model)
        return
    others = all_beside(beside)
    if isinstance(deployment, Rolling) and others:
        problems.add(
            "deployment",
            got=deployment,
            allowed="AllAtOnce, Canary or Linear: endpoints of several variants do not roll",
            instead="Write Canary(percent=50).",
        )
        return
    counts = [compute.count] if isinstance(compute, Instances | Asynchronous) else []
    # The policy acts on every variant, so that the smallest must fit.
    deployment.check(problems, min([*counts, *(each.compute.count for each in others)]))


def _check_components(
    problems: Problems, deployment: Deployment, model: InferenceComponents
) -> None:
    if not isinstance(deployment, Rolling):
        problems.add(
            "deployment",
            got=deployment,
            allowed="Rolling, which inference components are updated by",
            instead="Write Rolling(percent=50), or leave deployment out.",
        )
        return
    copies = [each.copies for each in model.bases]
    if copies:
        deployment.check(problems, min(copies), of="copies")


def _check_serverless(
    problems: Problems,
    *,
    network: JobNetwork | None,
    capture: DataCapture | None,
    model: ServedModel,
) -> None:
    for what, given in (("network", network), ("capture", capture)):
        problems.check(
            given is None,
            what,
            got=type(given).__name__,
            allowed="none with Serverless, which the service offers neither VPC nor capture",
            instead=f"Leave {what} out, or write compute=Instances('ml.m5.large').",
        )
    problems.check(
        not (isinstance(model, ModelSource) and model.uses_data_source),
        "model.model_data_url",
        got=getattr(model, "model_data_url", None),
        allowed="one archive with Serverless",
        instead="Write 's3://<bucket>/<version>/model.tar.gz'.",
    )
