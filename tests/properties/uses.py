"""Random uses of the five constructs: right ones, and wild ones that may be right or wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aws_cdk import Duration
from hypothesis import strategies as st

from mlops_constructs import (
    AllAtOnce,
    Asynchronous,
    AsyncOutput,
    BlueGreenEndpoint,
    Canary,
    Challenger,
    DataCapture,
    DirectContainers,
    Feature,
    FeatureSchema,
    FeatureStoreGroup,
    FeatureType,
    GlueTable,
    IcebergTable,
    InMemoryStore,
    Instances,
    Linear,
    MultiModel,
    OfflineOnly,
    OfflineStore,
    OnDemand,
    OnlineAndOffline,
    OnlineOnly,
    OnlineStore,
    OwnGlueTable,
    Provisioned,
    RollbackAlarms,
    Rolling,
    SerialPipeline,
    Serverless,
    Shadow,
    TrainingPipeline,
)
from mlops_constructs.monitoring import (
    AttributionDrift,
    BiasDrift,
    Daily,
    DataQuality,
    EndpointCapture,
    EveryHours,
    Hourly,
    ModelMonitorSuite,
    ModelQuality,
    NativeEngine,
    OpenEngine,
    ProblemType,
    S3Dataset,
    S3Folder,
    TrainedModel,
)
from mlops_constructs.serving.model import ApprovedModel, ModelArtifact, ModelPackage
from mlops_constructs.studio import (
    DataScientist,
    IamAuthentication,
    IdentityCenter,
    LifecycleScript,
    MlEngineer,
    SecureVpcDomain,
    SpaceVolumes,
    StudioApp,
    UserProfile,
)
from tests.properties.support import FUZZ, Ground
from tests.training import fixture

Use = dict[str, Any]
Build = Callable[[Ground, str, Use], object]

INSTANCE_TYPES = ("ml.m5.large", "ml.c6i.xlarge", "ml.g5.xlarge", "ml.c5d.large", "ml.inf1.xlarge")
REPOSITORY = "arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/census/"


@dataclass(frozen=True)
class Subject:
    """A construct and its uses.

    Attributes:
        name: The construct.
        right: Uses that must be accepted, by everything.
        wild: Uses that may be wrong.
        build: Makes the construct of a use.
        per_stack: How many uses fit into a template.
    """

    name: str
    right: st.SearchStrategy[Use]
    wild: st.SearchStrategy[Use]
    build: Build
    per_stack: int

    def __str__(self) -> str:
        return self.name


def numbers(wild: bool, least: int, most: int) -> st.SearchStrategy[int]:
    """Whole numbers of a range, and wild ones just outside it."""
    inside = st.integers(least, most)
    outside = [value for value in (least - 1, most + 1, 0, -1) if not least <= value <= most]
    return inside | st.sampled_from(outside) if wild else inside


def durations(wild: bool, least: int, most: int) -> st.SearchStrategy[int]:
    """Seconds; the CDK itself refuses negative durations."""
    return numbers(wild, least, most).map(abs)


def words(most: int, inner: str) -> st.SearchStrategy[str]:
    """Letters, digits and `inner` characters, none of these at the ends.

    Made of one number: `st.from_regex` takes ten times as long.
    """
    alphabet = f"abcdefghijklmnopqrstuvwxyz0123456789{inner}"

    def spell(number: int) -> str:
        text = ""
        while number:
            number, digit = divmod(number, len(alphabet))
            text += alphabet[digit]
        return f"a{text}z" if text else "a"

    return st.integers(0, len(alphabet) ** (most - 2) - 1).map(spell)


def names(wild: bool, most: int = 50) -> st.SearchStrategy[str]:
    """Names, and wild ones of any text."""
    right = words(most, "-")
    odd = st.sampled_from(("", "A", "a_b", "-a", "a" * 64, "a-", "ä", "a b", "a\n", "${a}", "../a"))
    return right | odd | st.text(max_size=most + 20) if wild else right


# --- FeatureStoreGroup ----------------------------------------------------------------------------


def _feature_names(wild: bool) -> st.SearchStrategy[list[str]]:
    right = words(40, "-_ABC")
    odd = st.sampled_from(("is_deleted", "Write_Time", "", "_a", "a" * 65, "a b"))
    return (
        st.lists(right | odd, min_size=1, max_size=8)
        if wild
        else st.lists(right, min_size=2, max_size=8, unique_by=str.lower)
    )


@st.composite
def _groups(draw: st.DrawFn, wild: bool) -> Use:
    found = draw(_feature_names(wild))
    kinds = [draw(st.sampled_from(FeatureType)) for _ in found]
    store = draw(st.sampled_from(("online", "memory", "offline", "both")))
    table = draw(
        st.sampled_from((IcebergTable(), GlueTable(), OwnGlueTable(database="d", table="t")))
    )
    iceberg = store in {"offline", "both"} and isinstance(table, IcebergTable)
    if not wild:
        kinds[-1] = draw(
            st.sampled_from(
                (FeatureType.STRING,) if iceberg else (FeatureType.STRING, FeatureType.FRACTIONAL)
            )
        )
    units = numbers(wild, 0, 10_000_000)
    return {
        "feature_group_name": draw(names(wild)),
        "schema": FeatureSchema(
            record_identifier=found[0],
            event_time=found[-1],
            features=tuple(map(Feature, found, kinds)),
        ),
        "store": store,
        "table": table,
        "ttl": draw(st.none() | durations(wild, 1, 10**8)),
        "units": draw(st.none() | st.tuples(units, units)),
        "prefix": draw(
            st.sampled_from(("feature-store", "a/b"))
            | (st.text(max_size=20) if wild else names(False))
        ),
        "description": draw(
            st.none() | st.text("abc é", min_size=1, max_size=130 if wild else 128)
        ),
    }


def _make_group(ground: Ground, construct_id: str, use: Use) -> object:
    ttl = None if use["ttl"] is None else Duration.seconds(use["ttl"])
    units = use["units"]
    throughput = Provisioned(read_units=units[0], write_units=units[1]) if units else OnDemand()
    online = OnlineStore(ttl=ttl, throughput=throughput)
    offline = OfflineStore(bucket=ground.bucket, prefix=use["prefix"], table=use["table"])
    stores: dict[str, Any] = {
        "online": OnlineOnly(online),
        "memory": OnlineOnly(InMemoryStore(ttl=ttl)),
        "offline": OfflineOnly(offline, write_units=units[1] if units else None),
        "both": OnlineAndOffline(online=online, offline=offline),
    }
    return FeatureStoreGroup(
        ground.stack,
        construct_id,
        feature_group_name=use["feature_group_name"],
        schema=use["schema"],
        stores=stores[use["store"]],
        description=use["description"],
        encryption_key=ground.key,
    )


# --- BlueGreenEndpoint ----------------------------------------------------------------------------


@st.composite
def _endpoints(draw: st.DrawFn, wild: bool) -> Use:
    compute: Instances | Serverless
    deployment: Any = None
    is_fleet = draw(st.booleans())
    if is_fleet:
        count = draw(numbers(wild, 1, 20))
        compute = Instances(draw(st.sampled_from(INSTANCE_TYPES)), count=count)
        bake = Duration.seconds(draw(durations(wild, 0, 600)))
        policies: list[Any] = [None, AllAtOnce(bake=bake)]
        if count > 1 or wild:
            least = -(-100 // max(count, 2))
            for policy, smallest in ((Canary, 1), (Linear, 10), (Rolling, 5)):
                percent = draw(numbers(wild, max(smallest, least), 50))
                policies.append(policy(percent=percent, bake=bake))
        if wild or not compute.instance_type.startswith("ml.inf1."):
            deployment = draw(st.sampled_from(policies))
    else:
        most = draw(numbers(wild, 1, 200))
        compute = Serverless(
            memory_mb=draw(st.sampled_from((1024, 2048, 6144, *((1000, 0, 7168) if wild else ())))),
            max_concurrency=most,
            provisioned_concurrency=draw(st.none() | numbers(wild, 1, max(most, 1))),
        )
    has_instances = is_fleet or wild
    ways = ["one"]
    if has_instances:
        ways += ["queue", "serial", "direct", "many"]
        # Endpoints of several variants do not roll.
        ways += [] if isinstance(deployment, Rolling) and not wild else ["bold"]
        # Nor are there shadows on Inf1.
        inferentia = isinstance(compute, Instances) and not compute.guarded
        ways += ["shadow"] if "bold" in ways and (wild or not inferentia) else []
    return {
        "endpoint_name": draw(names(wild)),
        "way": draw(st.sampled_from(ways)),
        "percent": draw(numbers(wild, 1, 99)),
        "model": draw(st.sampled_from(("approved", "package", "artifact"))),
        "version": draw(numbers(wild, 1, 999)),
        "environment": draw(
            st.dictionaries(
                words(10, "_ABC"),
                st.text("abc \n=é", max_size=2000 if wild else 20),
                max_size=5,
            )
        ),
        "compute": compute,
        "deployment": deployment,
        "rollback": RollbackAlarms(
            error_rate=draw(st.sampled_from((0.01, 1.0, *((0.0, 2.0) if wild else ())))),
            minutes=draw(numbers(wild, 1, 60)),
        ),
        "network": has_instances and draw(st.booleans()),
        "isolation": draw(st.booleans()),
        "capture": draw(st.none() | numbers(wild, 0, 100)) if has_instances else None,
        "capacity": draw(numbers(wild, 20, 40)) if is_fleet and draw(st.booleans()) else None,
    }


def _make_endpoint(ground: Ground, construct_id: str, use: Use) -> object:
    reads: dict[str, Any] = {
        "buckets": [ground.bucket],
        "image_repository_arns": [REPOSITORY],
    }
    models: dict[str, Callable[[], Any]] = {
        "approved": lambda: ApprovedModel(parameter_name="/mlops/census/approved-model", **reads),
        "package": lambda: ModelPackage(arn=f"{PACKAGE}{use['version']}", **reads),
        "artifact": lambda: ModelArtifact(
            image=IMAGE,
            model_data_url="s3://some-bucket/models/model.tar.gz",
            environment=use["environment"],
            **reads,
        ),
    }
    capture, way, compute = use["capture"], use["way"], use["compute"]
    model: Any = models[use["model"]]()
    beside: Any = None
    match way:
        case "queue" if isinstance(compute, Instances):
            output = AsyncOutput(bucket=ground.bucket)
            compute = Asynchronous(compute.instance_type, compute.count, output=output)
        case "serial":
            model = SerialPipeline([model, models["package"]()])
        case "direct":
            model = DirectContainers({"one": model, "other": models["artifact"]()})
        case "many":
            model = MultiModel(image=IMAGE, models_url="s3://some-bucket/models/", **reads)
        case "bold" | "shadow":
            more = {"model": models["package"](), "compute": compute, "percent": use["percent"]}
            beside = Shadow(name=way, **more) if way == "shadow" else [Challenger(name=way, **more)]
    given: dict[str, Any] = {"model": model, "compute": compute, "beside": beside}
    return BlueGreenEndpoint(
        ground.stack,
        construct_id,
        endpoint_name=use["endpoint_name"],
        **given,
        deployment=use["deployment"],
        rollback=use["rollback"],
        network=ground.network if use["network"] else None,
        network_isolation=use["isolation"],
        encryption_key=ground.key,
        capture=None if capture is None else DataCapture(bucket=ground.bucket, percent=capture),
        alarm_topic=ground.topic,
    )


# --- TrainingPipeline -----------------------------------------------------------------------------


@st.composite
def _pipelines(draw: st.DrawFn, wild: bool) -> Use:
    step = words(20, "-ABC")
    odd = st.sampled_from(("", "Train", "a b", "x" * 65, "Train.x", "-"))
    steps = draw(
        st.lists(step | odd, max_size=4)
        if wild
        else st.lists(step.map(lambda name: f"X{name}"), max_size=4, unique=True)
    )
    return {
        "pipeline_name": draw(names(wild)),
        "steps": [
            {
                "name": name,
                "training": draw(st.booleans()),
                "count": draw(numbers(wild, 1, 4)),
                "gigabytes": draw(numbers(wild, 1, 16_384)),
                "after": draw(
                    st.lists(
                        st.sampled_from(("Preprocess", "Train", *(("No", name) if wild else ()))),
                        max_size=2,
                        unique=True,
                    )
                ),
            }
            for name in steps
        ],
        "parameters": draw(
            st.dictionaries(
                (step | st.sampled_from(("Eta", "a_b", "")) if wild else step.map("P{}".format)),
                st.integers(-1000, 1000) | st.text("abc 1", min_size=1, max_size=5),
                max_size=4,
            )
        ),
        "mistake": draw(st.sampled_from((None, "version", "image", "get", "role")))
        if wild
        else None,
        "parallel": draw(st.none() | numbers(wild, 1, 50)),
        "open": draw(st.booleans()),
        "description": draw(st.none() | st.text("abc é", max_size=100)),
    }


def _make_pipeline(ground: Ground, construct_id: str, use: Use) -> object:
    document = fixture.document()
    for wanted in use["steps"]:
        size = {"InstanceCount": wanted["count"], "VolumeSizeInGB": wanted["gigabytes"]}
        if wanted["training"]:
            step = fixture.training(wanted["name"])
            step["Arguments"]["ResourceConfig"] |= size
        else:
            step = fixture.processing(wanted["name"])
            step["Arguments"]["ProcessingResources"]["ClusterConfig"] |= size
        if wanted["after"]:
            step["DependsOn"] = wanted["after"]
        document["Steps"].append(step)
    for name, default in use["parameters"].items():
        kind = "Integer" if isinstance(default, int) else "String"
        document["Parameters"].append({"Name": name, "Type": kind, "DefaultValue": default})
    first = document["Steps"][0]["Arguments"]
    match use["mistake"]:
        case "version":
            document["Version"] = "2020-12-02"
        case "image":
            first["AppSpecification"]["ImageUri"] = "{{image.unknown}}"
        case "get":
            first["Environment"] = {"A": {"Get": "Parameters.Unknown"}}
        case "role":
            first["RoleArn"] = "arn:aws:iam::123456789012:role/mine"
    return TrainingPipeline(
        ground.stack,
        construct_id,
        pipeline_name=use["pipeline_name"],
        definition=fixture.definition(document),
        network=ground.network,
        encryption_key=ground.key,
        data_bucket=ground.bucket,
        artifacts_bucket=ground.bucket,
        registry=ground.registry,
        max_parallel_steps=use["parallel"],
        description=use["description"],
        allow_network_access=["Preprocess"] if use["open"] else [],
    )


# --- ModelMonitorSuite ----------------------------------------------------------------------------


@st.composite
def _monitors(draw: st.DrawFn, wild: bool) -> Use:
    native = draw(st.booleans())
    hours = draw(st.sampled_from((2, 3, 4, 6, 8, 12, *((0, 5, 24) if wild else ()))))
    schedule = draw(
        st.one_of(
            st.just(Hourly()),
            st.builds(Daily, hour=numbers(wild, 0, 23)),
            st.builds(
                EveryHours, hours=st.just(hours), start_hour=numbers(wild, 0, max(hours - 1, 0))
            ),
        )
    )
    kinds = ("quality", "model", "bias", "attribution")
    columns = draw(st.lists(names(False, most=12), max_size=4, unique=True))
    prefixes = st.sampled_from(("", "/a", "a/", "a//b")) | names(False) if wild else names(False)
    return {
        "monitor_name": draw(names(wild, most=40)),
        "endpoint": draw(st.none() | names(wild)),
        "prefix": draw(prefixes),
        "monitors": draw(
            st.lists(st.sampled_from(kinds), unique=not wild, min_size=0 if wild else 1, max_size=4)
        ),
        "columns": columns,
        "ignore": columns[:1] if not wild else ["unknown"],
        "rate": draw(st.sampled_from((0.01, 0.5, *((0.0, 0.6) if wild else ())))),
        "problem": draw(st.sampled_from(ProblemType)),
        "attribute": draw(st.sampled_from(("0", *((None,) if wild else ())))),
        "threshold": draw(st.none() | st.sampled_from((0.0, 0.5, 1.0))),
        "constraints": draw(st.booleans()),
        "schedule": schedule,
        "engine": NativeEngine if native else OpenEngine,
        "instance_type": draw(st.sampled_from(("ml.m5.large", "ml.m5.4xlarge"))),
        "gigabytes": draw(numbers(wild, 1, 16_384)),
        "seconds": draw(durations(wild, 60, 3600)),
        "network": draw(st.booleans()),
    }


def _make_monitor(ground: Ground, construct_id: str, use: Use) -> object:
    def folder(name: str) -> S3Folder:
        return S3Folder(bucket=ground.bucket, prefix=name)

    place = {"bucket": ground.bucket, "prefix": use["prefix"]}
    constraints = folder("baseline") if use["constraints"] else None
    scores: dict[str, Any] = {
        "inference_attribute": use["attribute"],
        "probability_threshold": use["threshold"],
        "constraints": constraints,
    }
    monitors: dict[str, Callable[[], Any]] = {
        "quality": lambda: DataQuality(
            reference=S3Dataset(
                bucket=ground.bucket, prefix="reference", columns=tuple(use["columns"])
            ),
            ignore=tuple(use["ignore"]),
            false_alarm_rate=use["rate"],
            constraints=constraints,
        ),
        "model": lambda: ModelQuality(
            problem_type=use["problem"],
            ground_truth=folder("truth"),
            label_attribute="label",
            **scores,
        ),
        "bias": lambda: BiasDrift(
            config=folder("config"),
            ground_truth=folder("truth"),
            label_attribute="label",
            **scores,
        ),
        "attribution": lambda: AttributionDrift(
            config=folder("config"),
            model_name="model",
            model=TrainedModel(bucket=ground.bucket, prefix="model.tar.gz"),
            reference=None
            if "quality" in use["monitors"]
            else S3Dataset(bucket=ground.bucket, prefix="reference"),
            constraints=constraints,
        ),
    }
    return ModelMonitorSuite(
        ground.stack,
        construct_id,
        monitor_name=use["monitor_name"],
        target=S3Dataset(**place)
        if use["endpoint"] is None
        else EndpointCapture(endpoint_name=use["endpoint"], **place),
        monitors=[monitors[kind]() for kind in use["monitors"]],
        schedule=use["schedule"],
        engine=use["engine"](
            network=ground.network if use["network"] else None,
            instance_type=use["instance_type"],
            volume_size_gb=use["gigabytes"],
            max_runtime=Duration.seconds(use["seconds"]),
        ),
        reports=folder("reports"),
        encryption_key=ground.key,
        topic=ground.topic,
    )


# --- SecureVpcDomain ------------------------------------------------------------------------------


@st.composite
def _domains(draw: st.DrawFn, wild: bool) -> Use:
    types = st.lists(
        st.sampled_from(("ml.m5.large", "ml.t3.*", *(("m5.large", "") if wild else ()))),
        min_size=0 if wild else 1,
        max_size=3,
        unique=True,
    )
    kinds = draw(
        st.lists(
            st.tuples(names(wild, most=30), st.sampled_from((DataScientist, MlEngineer))),
            min_size=1,
            max_size=3,
            unique_by=None if wild else lambda kind: kind[0],
        )
    )
    personas = [
        kind(name=name, instance_types=tuple(draw(types)), app_instance_types=tuple(draw(types)))
        for name, kind in kinds
    ]
    sso = draw(st.booleans())
    users = draw(st.lists(names(wild), max_size=3, unique=not wild))
    scripts = draw(st.lists(names(wild, most=40), max_size=3, unique=not wild))
    apps = draw(st.permutations((*StudioApp, StudioApp.JUPYTER_LAB)))
    default = numbers(wild, 5, 16_384)
    sizes = sorted((draw(default), draw(default)), reverse=wild and draw(st.booleans()))
    return {
        "domain_name": draw(names(wild)),
        "authentication": IdentityCenter() if sso else IamAuthentication(),
        "personas": personas,
        "user_profiles": [
            UserProfile(
                name,
                draw(st.sampled_from([*personas, *([DataScientist()] if wild else [])])),
                sso_user_name="someone" if sso != (wild and draw(st.booleans())) else None,
            )
            for name in users
        ],
        "groups": draw(numbers(wild, 0, 3).map(abs)),
        "minutes": draw(st.none() | durations(wild, 60, 525_600)),
        "space_volumes": SpaceVolumes(default_gb=sizes[0], maximum_gb=sizes[1]),
        "lifecycle_scripts": [
            LifecycleScript(
                name=name,
                script=draw(st.text("abc \n#!é" + wild * "\r", min_size=1 - wild, max_size=60)),
                app=app,
                default=draw(st.booleans()) if wild else index == 0,
            )
            for index, (name, app) in enumerate(zip(scripts, apps, strict=False))
        ],
        "home_efs": draw(st.booleans()),
    }


def _make_domain(ground: Ground, construct_id: str, use: Use) -> object:
    minutes = use["minutes"]
    made = {name: use[name] for name in use.keys() - {"groups", "minutes", "lifecycle_scripts"}}
    # Domains of an account share the names of its configurations, which are hashes of the scripts.
    scripts = [
        replace(script, script=f"{script.script}#{construct_id}" if script.script else "")
        for script in use["lifecycle_scripts"]
    ]
    return SecureVpcDomain(
        ground.stack,
        construct_id,
        network=ground.private_network,
        encryption_key=ground.key,
        security_groups=[ground.group(f"{construct_id}Group{n}") for n in range(use["groups"])],
        idle_shutdown=None if minutes is None else Duration.minutes(minutes),
        lifecycle_scripts=scripts,
        **made,
    )


@st.composite
def _mixed(draw: st.DrawFn, right: st.SearchStrategy[Use], wild: st.SearchStrategy[Use]) -> Use:
    """A right use with a few arguments of a wild one: more, and one mistake hides another.

    Few of these are refused, which costs; ordinary runs have a fifth of them.
    """
    other = draw(wild)
    if not FUZZ and draw(st.integers(0, 4)):
        return other
    use = draw(right)
    changed = draw(st.lists(st.sampled_from(sorted(use)), min_size=1, max_size=2, unique=True))
    return use | {name: other[name] for name in changed}


def _subject(
    name: str, uses: Callable[[bool], st.SearchStrategy[Use]], build: Build, per_stack: int
) -> Subject:
    right = uses(False)
    return Subject(name, right, _mixed(right, uses(True)), build, per_stack)


SUBJECTS = (
    _subject("FeatureStoreGroup", _groups, _make_group, 40),
    _subject("TrainingPipeline", _pipelines, _make_pipeline, 10),
    _subject("BlueGreenEndpoint", _endpoints, _make_endpoint, 40),
    _subject("ModelMonitorSuite", _monitors, _make_monitor, 12),
    _subject("SecureVpcDomain", _domains, _make_domain, 20),
)
