"""Rules about endpoint configurations."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource, Scope
from mlops_constructs.rules.engine.values import Problems, show
from mlops_constructs.rules.instances import family, has_local_disk, is_gpu, is_neuron
from mlops_constructs.rules.model import containers
from mlops_constructs.rules.monitoring import DEFINITIONS, job_input
from mlops_constructs.rules.serving import (
    ENDPOINT_CONFIG,
    captures_data,
    config_named,
    is_serverless,
    model_of,
    shadows,
    variants,
)

_MONITORS_OF_PREDICTIONS: Final = DEFINITIONS[1:3]

_MEMORY_SIZES: Final = (1024, 2048, 3072, 4096, 5120, 6144)
_ALPHA: Final = "aws-cdk aws-sagemaker-alpha EndpointConfig"
_SERVERLESS: Final = "SageMaker developer guide: Serverless Inference (feature exclusions)"


@rule(
    "EC01",
    ENDPOINT_CONFIG,
    fix="Give ServerlessConfig, or InstanceType with InitialInstanceCount, or InstancePools",
    source=f"botocore ProductionVariant; {_ALPHA}",
)
def one_kind_of_compute(config: Resource) -> Problems:
    """A variant is serverless, has instances, or has instance pools."""
    for variant in (*variants(config), *shadows(config)):
        serverless, pools = variant["ServerlessConfig"], variant["InstancePools"]
        instance, count = variant["InstanceType"], variant["InitialInstanceCount"]
        given = [node for node in (serverless, pools, instance) if node.present]
        if len(given) > 1:
            names = " and ".join(str(node.path[-1]) for node in given)
            yield variant.problem(f"A variant has {names}")
        elif serverless.absent and pools.absent and instance.absent:
            yield variant.problem("A variant has no compute")
        elif serverless.present and count.present:
            yield count.problem("A serverless variant has InitialInstanceCount")
        elif instance.present and count.absent and variant["ManagedInstanceScaling"].absent:
            yield variant.problem("A variant has InstanceType without InitialInstanceCount")


@rule(
    "EC02",
    ENDPOINT_CONFIG,
    fix=f"Use one of {', '.join(map(str, _MEMORY_SIZES))}",
    source=f"botocore ProductionVariantServerlessConfig.MemorySizeInMB; {_ALPHA}",
)
def serverless_memory(config: Resource) -> Problems:
    """Serverless memory goes in steps of 1 GB up to 6 GB."""
    for variant in (*variants(config), *shadows(config)):
        memory = variant["ServerlessConfig.MemorySizeInMB"]
        if memory.number is not None and memory.number not in _MEMORY_SIZES:
            yield memory.problem(f"MemorySizeInMB is {memory.text}")


@rule(
    "EC03",
    ENDPOINT_CONFIG,
    fix="Lower ProvisionedConcurrency or raise MaxConcurrency",
    source=f"botocore ProductionVariantServerlessConfig.ProvisionedConcurrency; {_ALPHA}",
)
def provisioned_concurrency(config: Resource) -> Problems:
    """Provisioned concurrency is at most the maximum concurrency."""
    for variant in (*variants(config), *shadows(config)):
        provisioned = variant["ServerlessConfig.ProvisionedConcurrency"]
        most = variant["ServerlessConfig.MaxConcurrency"].number
        if provisioned.number is not None and most is not None and provisioned.number > most:
            yield provisioned.problem(
                f"ProvisionedConcurrency is {provisioned.text}, MaxConcurrency {most}"
            )


@rule(
    "EC04",
    ENDPOINT_CONFIG,
    fix="Leave the other variants out, or use instances",
    source=f"{_SERVERLESS}; {_ALPHA}; github.com/aws/aws-cdk-rfcs#433",
)
def serverless_is_alone(config: Resource) -> Problems:
    """A serverless endpoint has one production variant."""
    production = config["ProductionVariants"]
    if any(map(is_serverless, production.items)) and len(production.items) > 1:
        yield production.problem(f"{len(production.items)} variants, one of them serverless")


@rule(
    "EC05",
    ENDPOINT_CONFIG,
    fix="Leave the feature out, or use instances",
    source=_SERVERLESS,
)
def serverless_exclusions(config: Resource) -> Problems:
    """A serverless endpoint uses none of the features that need instances."""
    if not any(map(is_serverless, variants(config))):
        return
    for member in ("AsyncInferenceConfig", "ShadowProductionVariants", "VpcConfig"):
        if config[member].present and config[member].count != 0:
            yield config[member].problem(f"{member} on a serverless endpoint")
    capture = config["DataCaptureConfig"]
    if captures_data(config):
        yield capture.problem("DataCaptureConfig on a serverless endpoint")
    isolation = config["EnableNetworkIsolation"]
    if isolation.flag is True:
        yield isolation.problem("EnableNetworkIsolation on a serverless endpoint")


@rule(
    "EC06",
    ENDPOINT_CONFIG,
    fix="Rename one of the variants",
    source=f"botocore CreateEndpointConfig; {_ALPHA}",
)
def variant_names_unique(config: Resource) -> Problems:
    """Variant names are unique, shadow variants included."""
    seen: set[str] = set()
    for variant in (*variants(config), *shadows(config)):
        name = variant["VariantName"]
        if name.text is not None and name.text in seen:
            yield name.problem(f"The variant name {show(name.text)} occurs twice")
        seen.add(name.text or "")


@rule(
    "EC07",
    ENDPOINT_CONFIG,
    fix="Keep one of each",
    source="botocore CreateEndpointConfig.ShadowProductionVariants",
)
def one_shadow(config: Resource) -> Problems:
    """A shadow test has one production and one shadow variant."""
    shadow, production = config["ShadowProductionVariants"], config["ProductionVariants"]
    if shadow.count is None or shadow.count == 0 or production.count is None:
        return
    if shadow.count > 1 or production.count > 1:
        yield shadow.problem(f"{production.count} production and {shadow.count} shadow variants")


@rule(
    "EC08",
    ENDPOINT_CONFIG,
    fix="Keep one variant with InstanceType and InitialInstanceCount",
    source="github.com/aws/aws-cdk-rfcs#433; SageMaker developer guide: Asynchronous inference",
)
def async_is_alone(config: Resource) -> Problems:
    """An asynchronous endpoint has one variant on instances."""
    production = config["ProductionVariants"]
    if config["AsyncInferenceConfig"].present and len(production.items) > 1:
        yield production.problem(f"AsyncInferenceConfig with {len(production.items)} variants")


@rule(
    "EC09",
    ENDPOINT_CONFIG,
    fix="Leave ModelName out and deploy inference components, or use Application Auto Scaling",
    source=(
        "github.com/hashicorp/terraform-provider-aws#45926; "
        "github.com/DIAGNijmegen/rse-grand-challenge#4659"
    ),
)
def managed_scaling_without_model(config: Resource) -> Problems:
    """Managed instance scaling is for endpoints of inference components."""
    for variant in variants(config):
        if variant["ManagedInstanceScaling"].present and variant["ModelName"].present:
            yield variant["ManagedInstanceScaling"].problem(
                "ManagedInstanceScaling on a variant with a model"
            )


@rule(
    "EC10",
    ENDPOINT_CONFIG,
    fix="Give ExecutionRoleArn",
    source="github.com/hashicorp/terraform-provider-aws#44977",
)
def role_without_model(config: Resource) -> Problems:
    """A configuration whose variants name no model has an execution role."""
    for variant in variants(config):
        if variant["ModelName"].absent and config["ExecutionRoleArn"].absent:
            yield variant.problem("A variant has no ModelName and there is no ExecutionRoleArn")


@rule(
    "EC11",
    ENDPOINT_CONFIG,
    fix="Set EnableNetworkIsolation on the model instead",
    source="github.com/hashicorp/terraform-provider-aws#48738",
)
def isolation_without_model(config: Resource) -> Problems:
    """Network isolation of a configuration is for inference components."""
    isolation = config["EnableNetworkIsolation"]
    if isolation.flag is True and any(v["ModelName"].present for v in variants(config)):
        yield isolation.problem("EnableNetworkIsolation with variants that have a model")


@rule(
    "EC12",
    ENDPOINT_CONFIG,
    fix="Lower MinInstanceCount or raise MaxInstanceCount",
    source="botocore ProductionVariantManagedInstanceScaling",
)
def managed_scaling_range(config: Resource) -> Problems:
    """The least instance count of managed scaling is at most the largest."""
    for variant in variants(config):
        scaling = variant["ManagedInstanceScaling"]
        least, most = scaling["MinInstanceCount"].number, scaling["MaxInstanceCount"].number
        if least is not None and most is not None and least > most:
            yield scaling.problem(f"MinInstanceCount is {least}, MaxInstanceCount {most}")


@rule(
    "EC13",
    ENDPOINT_CONFIG,
    fix=(
        "Give RoutingStrategy; give PrefixAwareRoutingConfig with all its members exactly when "
        "the strategy is PREFIX_AWARE"
    ),
    source="botocore ProductionVariantRoutingConfig",
)
def routing_is_complete(config: Resource) -> Problems:
    """A routing configuration is complete."""
    for variant in (*variants(config), *shadows(config)):
        routing = variant["RoutingConfig"]
        if not routing.present:
            continue
        strategy, prefix = routing["RoutingStrategy"], routing["PrefixAwareRoutingConfig"]
        if strategy.absent:
            yield routing.problem("RoutingConfig without RoutingStrategy")
        elif strategy.text == "PREFIX_AWARE" and prefix.absent:
            yield routing.problem("PREFIX_AWARE without PrefixAwareRoutingConfig")
        elif strategy.text not in (None, "PREFIX_AWARE") and prefix.present:
            yield prefix.problem(f"PrefixAwareRoutingConfig with {show(strategy.text)}")


@rule(
    "EC14",
    ENDPOINT_CONFIG,
    fix=(
        "Leave KmsKeyId out, or acknowledge that the hardware key encrypts the local disk: the "
        "CloudFormation reference says the call fails, the newer API reference that it does not"
    ),
    source="AWS::SageMaker::EndpointConfig reference; botocore CreateEndpointConfig.KmsKeyId",
    severity="warning",
)
def key_and_local_disk(config: Resource) -> Problems:
    """A KMS key has no effect on the local disks of an instance."""
    if not config["KmsKeyId"].present:
        return
    for variant in (*variants(config), *shadows(config)):
        instance = variant["InstanceType"]
        if has_local_disk(instance.text or ""):
            yield instance.problem(f"KmsKeyId with {instance.text}, whose storage is a local disk")


@rule(
    "EC15",
    ENDPOINT_CONFIG,
    fix="Raise InitialVariantWeight of a variant; the default is 1",
    source="botocore ProductionVariant.InitialVariantWeight",
)
def some_weight(config: Resource) -> Problems:
    """Some variant has a weight above 0."""
    weights = [variant["InitialVariantWeight"].number for variant in variants(config)]
    production = config["ProductionVariants"]
    if weights and production.count is not None and all(weight == 0 for weight in weights):
        yield production.problem("All variants have weight 0")


@rule(
    "EC16",
    ENDPOINT_CONFIG,
    fix="Use a gpu AMI with GPU instances and a neuron AMI with Inferentia2 or Trainium, or none",
    source="botocore ProductionVariant.InferenceAmiVersion",
)
def ami_fits(config: Resource) -> Problems:
    """The inference AMI fits the instance's accelerator."""
    for variant in (*variants(config), *shadows(config)):
        ami, instance = variant["InferenceAmiVersion"], variant["InstanceType"].text
        if ami.text is None or instance is None:
            continue
        for kind, fits in (("gpu", is_gpu), ("neuron", is_neuron)):
            if f"-{kind}-" in ami.text and not fits(instance):
                yield ami.problem(f"{show(ami.text)} on {show(instance)}")


@rule(
    "EC17",
    ENDPOINT_CONFIG,
    fix="Give ShapBaseline or ShapBaselineUri",
    source="botocore ClarifyShapBaselineConfig",
)
def one_baseline(config: Resource) -> Problems:
    """An online explainer has one SHAP baseline."""
    baseline = config["ExplainerConfig.ClarifyExplainerConfig.ShapConfig.ShapBaselineConfig"]
    if not baseline.present:
        return
    inline, uri = baseline["ShapBaseline"], baseline["ShapBaselineUri"]
    if inline.present and uri.present:
        yield baseline.problem("Both ShapBaseline and ShapBaselineUri are given")
    elif inline.absent and uri.absent:
        yield baseline.problem("Neither ShapBaseline nor ShapBaselineUri is given")


@rule(
    "EC18",
    ENDPOINT_CONFIG,
    fix="Give CaptureOptions Input, Output, or both, each once; monitors of predictions need both",
    source="botocore DataCaptureConfig.CaptureOptions; SageMaker developer guide: Model Monitor",
    severity="warning",
)
def capture_modes(config: Resource) -> Problems:
    """Data capture names each mode once, and has both for a monitor of predictions."""
    options = config["DataCaptureConfig.CaptureOptions"]
    modes: list[str] = []
    for option in options.items:
        mode = option["CaptureMode"]
        if mode.text in modes:
            yield mode.problem(f"CaptureMode {mode.text} occurs twice")
        modes.append(mode.text or "InputAndOutput")
    if not modes or options.count is None or "InputAndOutput" in modes or len(set(modes)) > 1:
        return
    monitor = _monitored(config.scope).get(config.logical_id)
    if monitor is not None:
        yield options.problem(f"{modes[0]} alone is captured for {monitor.logical_id}")


def _monitored(scope: Scope) -> dict[str, Resource]:
    """The configurations whose predictions are monitored, with a monitor."""

    def make() -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for monitor in scope.of_type(*_MONITORS_OF_PREDICTIONS):
            config = config_named(job_input(monitor)["EndpointInput.EndpointName"])
            if config is not None:
                found.setdefault(config.logical_id, monitor)
        return found

    return scope.once("monitored configurations", make)


@rule(
    "EC19",
    ENDPOINT_CONFIG,
    fix="Use instances, or a model with one container from ECR without VPC and isolation",
    source=f"{_SERVERLESS}; botocore ContainerDefinition.ModelDataSource",
)
def serverless_model(config: Resource) -> Problems:
    """The model of a serverless variant uses none of the features that need instances."""
    for variant in filter(is_serverless, variants(config)):
        model = model_of(variant)
        if model is None:
            continue
        name = variant["ModelName"]
        if model["VpcConfig"].present:
            yield name.problem("A serverless variant of a model with VpcConfig")
        if model["EnableNetworkIsolation"].flag is True:
            yield name.problem("A serverless variant of a model with network isolation")
        if len(containers(model)) > 1:
            yield name.problem("A serverless variant of an inference pipeline")
        for container in containers(model):
            if container["Mode"].text == "MultiModel":
                yield name.problem("A serverless variant of a multi-model container")
            if container["ModelDataSource"].present:
                yield name.problem("A serverless variant of a model with ModelDataSource")
            if container["ImageConfig.RepositoryAccessMode"].text == "Vpc":
                yield name.problem("A serverless variant of an image in a private registry")


@rule(
    "EC20",
    ENDPOINT_CONFIG,
    fix="Add a text feature, or leave FeatureTypes out so that they are inferred",
    source="botocore ClarifyInferenceConfig.FeatureTypes",
)
def feature_types_have_text(config: Resource) -> Problems:
    """The feature types of an online explainer include text."""
    types = config["ExplainerConfig.ClarifyExplainerConfig.InferenceConfig.FeatureTypes"]
    values = [item.text for item in types.items]
    if values and None not in values and "text" not in values:
        yield types.problem("FeatureTypes without text")


@rule(
    "EC21",
    ENDPOINT_CONFIG,
    fix="Give serverless compute MaxConcurrency and MemorySizeInMB only, and no volume or AMI",
    source=_SERVERLESS,
)
def serverless_has_no_instance_settings(config: Resource) -> Problems:
    """A serverless variant has no settings of instances."""
    for variant in filter(is_serverless, variants(config)):
        for member in ("ManagedInstanceScaling", "VolumeSizeInGB", "InferenceAmiVersion"):
            if variant[member].present:
                yield variant[member].problem(f"{member} on a serverless variant")


@rule(
    "EC22",
    ENDPOINT_CONFIG,
    fix="Give each pool its own Priority and InstanceType",
    source="botocore InstancePool",
    severity="warning",
)
def pools_differ(config: Resource) -> Problems:
    """Instance pools of a variant differ in type."""
    for variant in (*variants(config), *shadows(config)):
        seen: set[str] = set()
        for pool in variant["InstancePools"].items:
            kind = pool["InstanceType"]
            if kind.text is not None and kind.text in seen:
                yield kind.problem(f"{kind.text} is in two pools")
            seen.add(kind.text or "")


@rule(
    "EC25",
    ENDPOINT_CONFIG,
    fix="Give both variants models of one container on instances other than ml.inf1, and no queue",
    source="SageMaker developer guide: Shadow tests, Exclusions",
)
def shadow_exclusions(config: Resource) -> Problems:
    """A shadow test uses none of the features that shadows are not offered for."""
    if not shadows(config):
        return
    if config["AsyncInferenceConfig"].present:
        yield config["AsyncInferenceConfig"].problem("AsyncInferenceConfig with a shadow variant")
    for variant in (*variants(config), *shadows(config)):
        name, model = show(variant["VariantName"].text), model_of(variant)
        if family(variant["InstanceType"].text or "") == "inf1":
            yield variant["InstanceType"].problem(f"A shadow test with {name} on ml.inf1")
        if model is None:
            continue
        if len(containers(model)) > 1:
            yield variant.problem(f"A shadow test with several containers in {name}")
        elif any(each["Mode"].text == "MultiModel" for each in containers(model)):
            yield variant.problem(f"A shadow test with a multi-model container in {name}")


EC23 = api_rule("EC23", ENDPOINT_CONFIG, group="text", kind="configurations", family=__name__)
EC24 = api_rule("EC24", ENDPOINT_CONFIG, group="enum", kind="configurations", family=__name__)
