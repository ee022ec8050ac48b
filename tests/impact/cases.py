"""Changes of templates and what each does to the resources: the truth that the gate must tell.

The unit tests hold the gate to `expected`; the local cloud deploys old and then new, and compares
what happened with the same table.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

NONE, UPDATE, CREATE, BLUE_GREEN, REPLACE, DELETE = (
    "none",
    "update",
    "create",
    "blue-green",
    "replace",
    "delete",
)


@dataclass(frozen=True)
class Case:
    name: str
    old: Json
    new: Json
    expected: dict[str, str]
    # Why the local cloud cannot tell: it lacks the type, or AWS itself would refuse the change.
    undeployable: str = ""


CASES: list[Case] = []


def case(name: str, old: Json, new: Json, undeployable: str = "", /, **expected: str) -> None:
    CASES.append(Case(name, template(old), template(new), expected, undeployable))


def template(resources: Json) -> Json:
    return deepcopy(resources if "Resources" in resources else {"Resources": resources})


def make(type_name: str, /, **properties: Any) -> Json:
    return {"Type": f"AWS::{type_name}", "Properties": properties}


def but(resource: Json, /, **properties: Any) -> Json:
    """The resource with other properties; None takes one away."""
    merged = {**resource["Properties"], **properties}
    kept = {name: value for name, value in merged.items() if value is not None}
    return {**resource, "Properties": kept}


def ref(target: str) -> Json:
    return {"Ref": target}


def att(target: str, name: str = "Arn") -> Json:
    return {"Fn::GetAtt": [target, name]}


def sub(text: Any) -> Json:
    return {"Fn::Sub": text}


def tags(**values: str) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def trust(service: str = "sagemaker.amazonaws.com") -> Json:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


BUCKET = make("S3::Bucket")
ROLE = make("IAM::Role", AssumeRolePolicyDocument=trust())
KEY = make("KMS::Key", KeyPolicy={"Version": "2012-10-17", "Statement": []})
KEY["Properties"]["KeyPolicy"]["Statement"].append(
    {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
)
QUEUE = make("SQS::Queue")
TOPIC = make("SNS::Topic")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
MODEL = make(
    "SageMaker::Model",
    ExecutionRoleArn=att("Role"),
    PrimaryContainer={"Image": IMAGE, "Mode": "SingleModel"},
)
VARIANT = {
    "VariantName": "All",
    "ModelName": att("Model", "ModelName"),
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
    "InitialVariantWeight": 1,
}
CONFIG = make("SageMaker::EndpointConfig", ProductionVariants=[VARIANT])
ENDPOINT = make("SageMaker::Endpoint", EndpointConfigName=att("Config", "EndpointConfigName"))
SERVING = {"Role": ROLE, "Model": MODEL, "Config": CONFIG}
GROUP = make(
    "SageMaker::FeatureGroup",
    FeatureGroupName="customers",
    RecordIdentifierFeatureName="id",
    EventTimeFeatureName="time",
    FeatureDefinitions=[
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "time", "FeatureType": "Fractional"},
    ],
    OnlineStoreConfig={"EnableOnlineStore": True},
)
PACKAGES = make("SageMaker::ModelPackageGroup", ModelPackageGroupName="census")
PIPELINE = make(
    "SageMaker::Pipeline",
    PipelineName="train",
    RoleArn=att("Role"),
    PipelineDefinition={
        "PipelineDefinitionBody": '{"Version":"2020-12-01","Steps":[{"Name":"Stop","Type":"Fail",'
        '"Arguments":{"ErrorMessage":"x"}}]}'
    },
)
LOGS = make("Logs::LogGroup", RetentionInDays=7)
TABLE = make(
    "DynamoDB::Table",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    BillingMode="PAY_PER_REQUEST",
)
PARAMETER = make("SSM::Parameter", Type="String", Value="a")
SECRET = make("SecretsManager::Secret", Description="a")
REPOSITORY = make("ECR::Repository")
VPC = make("EC2::VPC", CidrBlock="10.0.0.0/16")
STUDIO_SCRIPT = make(
    "SageMaker::StudioLifecycleConfig",
    StudioLifecycleConfigName="start",
    StudioLifecycleConfigAppType="JupyterLab",
    StudioLifecycleConfigContent="ZWNobyBh",
)

NO_CHANGE = "AWS refuses an update that changes nothing"
REFUSED = "AWS refuses the update"
UNSUPPORTED = "the local cloud does not know the type, or not this of it"

# --- nothing happens -----------------------------------------------------------------------------

case("same template", {"Bucket": BUCKET}, {"Bucket": BUCKET}, NO_CHANGE, Bucket=NONE)
case(
    "metadata changes",
    {"Bucket": {**BUCKET, "Metadata": {"aws:cdk:path": "a/b"}}},
    {"Bucket": {**BUCKET, "Metadata": {"aws:cdk:path": "a/c"}}},
    Bucket=NONE,
)
case(
    "DependsOn is added",
    {"Bucket": BUCKET, "Topic": TOPIC},
    {"Bucket": BUCKET, "Topic": {**TOPIC, "DependsOn": ["Bucket"]}},
    Bucket=NONE,
    Topic=NONE,
)
case(
    "tags change their order",
    {"Bucket": but(BUCKET, Tags=tags(a="1", b="2"))},
    {"Bucket": but(BUCKET, Tags=tags(b="2", a="1"))},
    Bucket=NONE,
)
case(
    "Join becomes Sub",
    {"Role": ROLE, "P": but(PARAMETER, Value={"Fn::Join": [":", ["role", att("Role")]]})},
    {"Role": ROLE, "P": but(PARAMETER, Value=sub("role:${Role.Arn}"))},
    Role=NONE,
    P=NONE,
)
case(
    "a literal becomes the default of a parameter",
    {"Resources": {"Queue": but(QUEUE, QueueName="jobs")}},
    {
        "Parameters": {"Name": {"Type": "String", "Default": "jobs"}},
        "Resources": {"Queue": but(QUEUE, QueueName=ref("Name"))},
    },
    Queue=NONE,
)
case(
    "a mapping instead of a literal",
    {"Resources": {"Queue": but(QUEUE, QueueName="jobs")}},
    {
        "Mappings": {"Names": {"queue": {"name": "jobs"}}},
        "Resources": {"Queue": but(QUEUE, QueueName={"Fn::FindInMap": ["Names", "queue", "name"]})},
    },
    Queue=NONE,
)
case(
    "only an output changes",
    {"Resources": {"Bucket": BUCKET}, "Outputs": {"A": {"Value": ref("Bucket")}}},
    {"Resources": {"Bucket": BUCKET}, "Outputs": {"B": {"Value": att("Bucket")}}},
    Bucket=NONE,
)
case(
    "the deletion policy changes",
    {"Bucket": BUCKET},
    {"Bucket": {**BUCKET, "DeletionPolicy": "Retain"}},
    Bucket=NONE,
)
case(
    "a description of the template",
    {"Description": "a", "Resources": {"Bucket": BUCKET}},
    {"Description": "b", "Resources": {"Bucket": BUCKET}},
    Bucket=NONE,
)
case(
    "NoValue instead of nothing",
    {"Queue": QUEUE},
    {"Queue": but(QUEUE, DelaySeconds=ref("AWS::NoValue"))},
    Queue=NONE,
)
case(
    "an unused condition",
    {"Resources": {"Bucket": BUCKET}},
    {"Conditions": {"C": {"Fn::Equals": ["a", "b"]}}, "Resources": {"Bucket": BUCKET}},
    Bucket=NONE,
)
case(
    "a number written as text",
    {"Queue": but(QUEUE, DelaySeconds=5)},
    {"Queue": but(QUEUE, DelaySeconds="5")},
    "the local cloud hands the text on as another value",
    Queue=NONE,
)

# --- in and out ----------------------------------------------------------------------------------

case("a new resource", {"A": BUCKET}, {"A": BUCKET, "B": TOPIC}, A=NONE, B=CREATE)
case("a resource goes", {"A": BUCKET, "B": TOPIC}, {"A": BUCKET}, A=NONE, B=DELETE)
case(
    "a retained resource goes",
    {"A": {**BUCKET, "DeletionPolicy": "Retain"}, "B": TOPIC},
    {"B": TOPIC},
    A=DELETE,
    B=NONE,
)
case("a logical id is renamed", {"Old": BUCKET}, {"New": BUCKET}, Old=DELETE, New=CREATE)
case(
    "a renamed queue that another resource names",
    {"Old": QUEUE, "P": but(PARAMETER, Value=att("Old"))},
    {"New": QUEUE, "P": but(PARAMETER, Value=att("New"))},
    Old=DELETE,
    New=CREATE,
    P=UPDATE,
)
case(
    "a renamed role of a model",
    {"Old": ROLE, "Model": but(MODEL, ExecutionRoleArn=att("Old"))},
    {"New": ROLE, "Model": but(MODEL, ExecutionRoleArn=att("New"))},
    Old=DELETE,
    New=CREATE,
    Model=REPLACE,
)
case(
    "the type changes",
    {"A": TOPIC},
    {"A": QUEUE},
    REFUSED,
    A=REPLACE,
)
case(
    "a feature group goes and its role stays",
    {"Role": ROLE, "Group": GROUP},
    {"Role": ROLE},
    Role=NONE,
    Group=DELETE,
)

# --- SageMaker, in place -------------------------------------------------------------------------

case(
    "a feature is added",
    {"Group": GROUP},
    {
        "Group": but(
            GROUP,
            FeatureDefinitions=[
                *GROUP["Properties"]["FeatureDefinitions"],
                {"FeatureName": "age", "FeatureType": "Integral"},
            ],
        )
    },
    Group=UPDATE,
)
case(
    "a time to live on the online store",
    {"Group": GROUP},
    {
        "Group": but(
            GROUP,
            OnlineStoreConfig={
                "EnableOnlineStore": True,
                "TtlDuration": {"Unit": "Days", "Value": 7},
            },
        )
    },
    Group=UPDATE,
)
case(
    "a pipeline gets another definition",
    {"Role": ROLE, "Pipeline": PIPELINE},
    {
        "Role": ROLE,
        "Pipeline": but(
            PIPELINE,
            PipelineDefinition={
                "PipelineDefinitionBody": PIPELINE["Properties"]["PipelineDefinition"][
                    "PipelineDefinitionBody"
                ].replace('"x"', '"y"')
            },
        ),
    },
    Role=NONE,
    Pipeline=UPDATE,
)
case(
    "a pipeline gets a display name",
    {"Role": ROLE, "Pipeline": PIPELINE},
    {"Role": ROLE, "Pipeline": but(PIPELINE, PipelineDisplayName="train-it")},
    Role=NONE,
    Pipeline=UPDATE,
)
case(
    "a model package group gets a tag",
    {"Packages": PACKAGES},
    {"Packages": but(PACKAGES, Tags=tags(a="b"))},
    Packages=UPDATE,
)
case(
    "a model gets a tag",
    {"Role": ROLE, "Model": MODEL},
    {"Role": ROLE, "Model": but(MODEL, Tags=tags(a="b"))},
    Role=NONE,
    Model=UPDATE,
)
case(
    "an image is described",
    {"Role": ROLE, "Image": make("SageMaker::Image", ImageName="i", ImageRoleArn=att("Role"))},
    {
        "Role": ROLE,
        "Image": make(
            "SageMaker::Image", ImageName="i", ImageRoleArn=att("Role"), ImageDescription="d"
        ),
    },
    Role=NONE,
    Image=UPDATE,
)

# --- SageMaker, replaced -------------------------------------------------------------------------

case(
    "a feature group is renamed",
    {"Group": GROUP},
    {"Group": but(GROUP, FeatureGroupName="clients")},
    Group=REPLACE,
)
case(
    "a feature group gets a tag and another name",
    {"Group": GROUP},
    {"Group": but(GROUP, FeatureGroupName="clients", Tags=tags(a="b"))},
    Group=REPLACE,
)
case(
    "a feature group gets a tag",
    {"Group": GROUP},
    {"Group": but(GROUP, Tags=tags(a="b"))},
    "the name is taken: AWS fails here, as the gate says",
    Group=REPLACE,
)
case(
    "the key of the online store",
    {"Key": KEY, "Group": GROUP},
    {
        "Key": KEY,
        "Group": but(
            GROUP,
            FeatureGroupName="clients",
            OnlineStoreConfig={
                "EnableOnlineStore": True,
                "SecurityConfig": {"KmsKeyId": att("Key")},
            },
        ),
    },
    Key=NONE,
    Group=REPLACE,
)
case(
    "the description of a model package group",
    {"Packages": PACKAGES},
    {"Packages": but(PACKAGES, ModelPackageGroupName="census-2", ModelPackageGroupDescription="d")},
    Packages=REPLACE,
)
case(
    "a pipeline is renamed",
    {"Role": ROLE, "Pipeline": PIPELINE},
    {"Role": ROLE, "Pipeline": but(PIPELINE, PipelineName="train-2")},
    Role=NONE,
    Pipeline=REPLACE,
)
case(
    "a model gets another environment",
    {"Role": ROLE, "Model": MODEL},
    {
        "Role": ROLE,
        "Model": but(MODEL, PrimaryContainer={"Image": IMAGE, "Environment": {"A": "b"}}),
    },
    Role=NONE,
    Model=REPLACE,
)
case(
    "network isolation of a model",
    {"Role": ROLE, "Model": MODEL},
    {"Role": ROLE, "Model": but(MODEL, EnableNetworkIsolation=True)},
    Role=NONE,
    Model=REPLACE,
)
case(
    "a replaced model replaces the endpoint's configuration",
    SERVING,
    {**SERVING, "Model": but(MODEL, EnableNetworkIsolation=True)},
    Role=NONE,
    Model=REPLACE,
    Config=REPLACE,
)
case(
    "more instances replace the configuration alone",
    SERVING,
    {**SERVING, "Config": but(CONFIG, ProductionVariants=[{**VARIANT, "InitialInstanceCount": 2}])},
    Role=NONE,
    Model=NONE,
    Config=REPLACE,
)
case(
    "a tag on the configuration",
    SERVING,
    {**SERVING, "Config": but(CONFIG, Tags=tags(a="b"))},
    Role=NONE,
    Model=NONE,
    Config=UPDATE,
)
case(
    "a replaced role replaces model and configuration",
    {**SERVING, "Role": but(ROLE, Path="/a/")},
    {**SERVING, "Role": but(ROLE, Path="/b/")},
    Role=REPLACE,
    Model=REPLACE,
    Config=REPLACE,
)
case(
    "a replaced role updates the pipeline",
    {"Role": but(ROLE, Path="/a/"), "Pipeline": PIPELINE},
    {"Role": but(ROLE, Path="/b/"), "Pipeline": PIPELINE},
    Role=REPLACE,
    Pipeline=UPDATE,
)
case(
    "a new model shifts the endpoint",
    {**SERVING, "Endpoint": ENDPOINT},
    {**SERVING, "Endpoint": ENDPOINT, "Model": but(MODEL, EnableNetworkIsolation=True)},
    "its containers need a model: see the case with one",
    Role=NONE,
    Model=REPLACE,
    Config=REPLACE,
    Endpoint=BLUE_GREEN,
)
case(
    "another deployment policy of the endpoint",
    {**SERVING, "Endpoint": ENDPOINT},
    {
        **SERVING,
        "Endpoint": but(ENDPOINT, RetainAllVariantProperties=True),
    },
    "its containers need a model",
    Role=NONE,
    Model=NONE,
    Config=NONE,
    Endpoint=UPDATE,
)
case(
    "an endpoint is renamed",
    {**SERVING, "Endpoint": but(ENDPOINT, EndpointName="a")},
    {**SERVING, "Endpoint": but(ENDPOINT, EndpointName="b")},
    "its containers need a model",
    Role=NONE,
    Model=NONE,
    Config=NONE,
    Endpoint=REPLACE,
)
case(
    "a Studio start script",
    {"Script": STUDIO_SCRIPT},
    {
        "Script": but(
            STUDIO_SCRIPT,
            StudioLifecycleConfigName="start-2",
            StudioLifecycleConfigContent="ZWNobyBi",
        )
    },
    Script=REPLACE,
)
case(
    "the branch of a code repository",
    {
        "Code": make(
            "SageMaker::CodeRepository",
            GitConfig={"RepositoryUrl": "https://example.com/a", "Branch": "main"},
        )
    },
    {
        "Code": make(
            "SageMaker::CodeRepository",
            GitConfig={"RepositoryUrl": "https://example.com/a", "Branch": "next"},
        )
    },
    Code=REPLACE,
)
case(
    "the secret of a code repository",
    {
        "Code": make(
            "SageMaker::CodeRepository", GitConfig={"RepositoryUrl": "https://example.com/a"}
        ),
    },
    {
        "Code": make(
            "SageMaker::CodeRepository",
            GitConfig={
                "RepositoryUrl": "https://example.com/a",
                "SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:git",
            },
        ),
    },
    Code=UPDATE,
)

# --- other services ------------------------------------------------------------------------------

case(
    "a bucket is renamed",
    {"A": but(BUCKET, BucketName="data-a")},
    {"A": but(BUCKET, BucketName="data-b")},
    A=REPLACE,
)
case(
    "a bucket gets versions",
    {"A": BUCKET},
    {"A": but(BUCKET, VersioningConfiguration={"Status": "Enabled"})},
    A=UPDATE,
)
case("a bucket gets a tag", {"A": BUCKET}, {"A": but(BUCKET, Tags=tags(a="b"))}, A=UPDATE)
case(
    "a replaced bucket updates the policy of a role",
    {
        "Bucket": but(BUCKET, BucketName="role-a"),
        "Role": but(
            ROLE,
            Policies=[
                {
                    "PolicyName": "p",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": "s3:GetObject",
                                "Resource": sub("${Bucket.Arn}/*"),
                            }
                        ],
                    },
                }
            ],
        ),
    },
    {
        "Bucket": but(BUCKET, BucketName="role-b"),
        "Role": but(
            ROLE,
            Policies=[
                {
                    "PolicyName": "p",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": "s3:GetObject",
                                "Resource": sub("${Bucket.Arn}/*"),
                            }
                        ],
                    },
                }
            ],
        ),
    },
    Bucket=REPLACE,
    Role=UPDATE,
)
case(
    "a replaced bucket replaces its policy",
    {
        "Bucket": but(BUCKET, BucketName="policy-a"),
        "Policy": make(
            "S3::BucketPolicy",
            Bucket=ref("Bucket"),
            PolicyDocument={"Version": "2012-10-17", "Statement": []},
        ),
    },
    {
        "Bucket": but(BUCKET, BucketName="policy-b"),
        "Policy": make(
            "S3::BucketPolicy",
            Bucket=ref("Bucket"),
            PolicyDocument={"Version": "2012-10-17", "Statement": []},
        ),
    },
    Bucket=REPLACE,
    Policy=REPLACE,
)
case(
    "a role trusts another service",
    {"Role": ROLE},
    {"Role": but(ROLE, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))},
    Role=UPDATE,
)
case(
    "a role is renamed",
    {"Role": but(ROLE, RoleName="a")},
    {"Role": but(ROLE, RoleName="b")},
    Role=REPLACE,
)
case("a role moves to a path", {"Role": ROLE}, {"Role": but(ROLE, Path="/x/")}, Role=REPLACE)
case("a key rotates", {"Key": KEY}, {"Key": but(KEY, EnableKeyRotation=True)}, Key=UPDATE)
case(
    "an alias is renamed",
    {"Key": KEY, "Alias": make("KMS::Alias", AliasName="alias/a", TargetKeyId=ref("Key"))},
    {"Key": KEY, "Alias": make("KMS::Alias", AliasName="alias/b", TargetKeyId=ref("Key"))},
    Key=NONE,
    Alias=REPLACE,
)
case("a queue waits longer", {"Q": QUEUE}, {"Q": but(QUEUE, DelaySeconds=5)}, Q=UPDATE)
case(
    "a queue is renamed",
    {"Q": but(QUEUE, QueueName="a")},
    {"Q": but(QUEUE, QueueName="b")},
    Q=REPLACE,
)
case(
    "a queue becomes FIFO",
    {"Q": QUEUE},
    {"Q": but(QUEUE, FifoQueue=True, QueueName="q.fifo")},
    Q=REPLACE,
)
case(
    "a topic is renamed",
    {"T": but(TOPIC, TopicName="a")},
    {"T": but(TOPIC, TopicName="b")},
    T=REPLACE,
)
case("a topic gets a display name", {"T": TOPIC}, {"T": but(TOPIC, DisplayName="d")}, T=UPDATE)
case(
    "a replaced topic replaces its subscription",
    {
        "Q": QUEUE,
        "T": but(TOPIC, TopicName="a"),
        "S": make("SNS::Subscription", TopicArn=ref("T"), Protocol="sqs", Endpoint=att("Q")),
    },
    {
        "Q": QUEUE,
        "T": but(TOPIC, TopicName="b"),
        "S": make("SNS::Subscription", TopicArn=ref("T"), Protocol="sqs", Endpoint=att("Q")),
    },
    Q=NONE,
    T=REPLACE,
    S=REPLACE,
)
case("logs are kept longer", {"L": LOGS}, {"L": but(LOGS, RetentionInDays=30)}, L=UPDATE)
case(
    "a log group is renamed",
    {"L": but(LOGS, LogGroupName="/a")},
    {"L": but(LOGS, LogGroupName="/b")},
    L=REPLACE,
)
case("a table gets a tag", {"T": TABLE}, {"T": but(TABLE, Tags=tags(a="b"))}, T=UPDATE)
case(
    "a table is renamed",
    {"T": but(TABLE, TableName="a-a")},
    {"T": but(TABLE, TableName="b-b")},
    T=REPLACE,
)
case(
    "the key schema of a table",
    {"T": TABLE},
    {
        "T": but(
            TABLE,
            AttributeDefinitions=[{"AttributeName": "no", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "no", "KeyType": "HASH"}],
        )
    },
    "the local cloud does not replace on conditionally create-only properties",
    T=REPLACE,
)
case("a parameter gets another value", {"P": PARAMETER}, {"P": but(PARAMETER, Value="b")}, P=UPDATE)
case(
    "a parameter is renamed",
    {"P": but(PARAMETER, Name="/a")},
    {"P": but(PARAMETER, Name="/b")},
    P=REPLACE,
)
case("a secret is described", {"S": SECRET}, {"S": but(SECRET, Description="b")}, S=UPDATE)
case("a secret is renamed", {"S": but(SECRET, Name="a")}, {"S": but(SECRET, Name="b")}, S=REPLACE)
case(
    "an image repository is renamed",
    {"R": but(REPOSITORY, RepositoryName="aa")},
    {"R": but(REPOSITORY, RepositoryName="bb")},
    R=REPLACE,
)
case(
    "an image repository becomes immutable",
    {"R": REPOSITORY},
    {"R": but(REPOSITORY, ImageTagMutability="IMMUTABLE")},
    R=UPDATE,
)
case(
    "the description of a managed policy",
    {"P": make("IAM::ManagedPolicy", Description="a", PolicyDocument=trust())},
    {"P": make("IAM::ManagedPolicy", Description="b", PolicyDocument=trust())},
    UNSUPPORTED,
    P=REPLACE,
)
case(
    "a network gets another range",
    {"V": VPC},
    {"V": but(VPC, CidrBlock="10.1.0.0/16")},
    UNSUPPORTED,
    V=REPLACE,
)
case(
    "a replaced network replaces subnets and security groups",
    {
        "V": VPC,
        "S": make("EC2::Subnet", VpcId=ref("V"), CidrBlock="10.0.0.0/24"),
        "G": make("EC2::SecurityGroup", VpcId=ref("V"), GroupDescription="g"),
    },
    {
        "V": but(VPC, CidrBlock="10.0.0.0/17"),
        "S": make("EC2::Subnet", VpcId=ref("V"), CidrBlock="10.0.0.0/24"),
        "G": make("EC2::SecurityGroup", VpcId=ref("V"), GroupDescription="g"),
    },
    UNSUPPORTED,
    V=REPLACE,
    S=REPLACE,
    G=REPLACE,
)
case(
    "an attribute that is an unchanged property of a replaced resource",
    {
        "V": but(VPC, Tags=tags(a="b")),
        "P": but(PARAMETER, Value=att("V", "CidrBlock")),
    },
    {
        "V": but(VPC, Tags=tags(a="b"), Ipv4IpamPoolId="pool"),
        "P": but(PARAMETER, Value=att("V", "CidrBlock")),
    },
    UNSUPPORTED,
    V=REPLACE,
    P=NONE,
)
case(
    "an attribute that is a changed property",
    {"P": PARAMETER, "R": but(PARAMETER, Value=att("P", "Value"))},
    {"P": but(PARAMETER, Value="b"), "R": but(PARAMETER, Value=att("P", "Value"))},
    P=UPDATE,
    R=UPDATE,
)
case(
    "a chain of attributes down to a create-only property",
    {"P": PARAMETER, "Q": but(QUEUE, QueueName=att("P", "Value"))},
    {"P": but(PARAMETER, Value="b"), "Q": but(QUEUE, QueueName=att("P", "Value"))},
    P=UPDATE,
    Q=REPLACE,
)
case(
    "a name cut out of the ARN of a replaced resource",
    {
        "T": but(TOPIC, TopicName="a"),
        "P": but(PARAMETER, Value={"Fn::Select": [5, {"Fn::Split": [":", ref("T")]}]}),
    },
    {
        "T": but(TOPIC, TopicName="b"),
        "P": but(PARAMETER, Value={"Fn::Select": [5, {"Fn::Split": [":", ref("T")]}]}),
    },
    T=REPLACE,
    P=UPDATE,
)
case(
    "an updated resource leaves those that name it alone",
    {"Q": QUEUE, "P": but(PARAMETER, Value=att("Q"))},
    {"Q": but(QUEUE, DelaySeconds=3), "P": but(PARAMETER, Value=att("Q"))},
    Q=UPDATE,
    P=NONE,
)
case(
    "the version of a launch template",
    {
        "L": make("EC2::LaunchTemplate", LaunchTemplateData={"InstanceType": "t3.small"}),
        "P": but(PARAMETER, Value=att("L", "LatestVersionNumber")),
    },
    {
        "L": make("EC2::LaunchTemplate", LaunchTemplateData={"InstanceType": "t3.large"}),
        "P": but(PARAMETER, Value=att("L", "LatestVersionNumber")),
    },
    UNSUPPORTED,
    L=UPDATE,
    P=UPDATE,
)
case(
    "a custom resource may return anything",
    {
        "C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "t", "A": "1"}},
        "Q": but(QUEUE, QueueName=att("C", "Name")),
    },
    {
        "C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "t", "A": "2"}},
        "Q": but(QUEUE, QueueName=att("C", "Name")),
    },
    UNSUPPORTED,
    C=UPDATE,
    Q=REPLACE,
)
case(
    "a type that nobody knows",
    {"X": {"Type": "Acme::Cloud::Thing", "Properties": {"A": 1}}},
    {"X": {"Type": "Acme::Cloud::Thing", "Properties": {"A": 2}}},
    UNSUPPORTED,
    X=UPDATE,
)
case(
    "a create-only member of a list",
    {"A": make("MPA::ApprovalTeam", Policies=[{"PolicyArn": "a"}])},
    {"A": make("MPA::ApprovalTeam", Policies=[{"PolicyArn": "b"}])},
    UNSUPPORTED,
    A=REPLACE,
)
case(
    "the network of a Studio domain that has one",
    {"D": make("SageMaker::Domain", DomainName="d", AuthMode="IAM", VpcId="vpc-1")},
    {"D": make("SageMaker::Domain", DomainName="d", AuthMode="IAM", VpcId="vpc-2")},
    "the local cloud does not replace on conditionally create-only properties",
    D=REPLACE,
)
case(
    "the first network of a Studio domain",
    {"D": make("SageMaker::Domain", DomainName="d", AuthMode="IAM")},
    {"D": make("SageMaker::Domain", DomainName="d", AuthMode="IAM", VpcId="vpc-2")},
    UNSUPPORTED,
    D=UPDATE,
)

# --- parameters, mappings and conditions ---------------------------------------------------------


def _named_queue(default: str) -> Json:
    return {
        "Parameters": {"Name": {"Type": "String", "Default": default}},
        "Resources": {"Q": but(QUEUE, QueueName=ref("Name"))},
    }


def _delayed_queue(default: int) -> Json:
    return {
        "Parameters": {"Delay": {"Type": "Number", "Default": default}},
        "Resources": {"Q": but(QUEUE, DelaySeconds=ref("Delay"))},
    }


case("a default changes a name", _named_queue("a"), _named_queue("b"), Q=REPLACE)
case("a default changes a setting", _delayed_queue(1), _delayed_queue(2), Q=UPDATE)


def _mapped(value: str) -> Json:
    return {
        "Mappings": {"M": {"k": {"name": value}}},
        "Resources": {"Q": but(QUEUE, QueueName={"Fn::FindInMap": ["M", "k", "name"]})},
    }


case("a mapping changes a name", _mapped("a"), _mapped("b"), Q=REPLACE)


def _switched(literal: str, queue: Json, **extra: Json) -> Json:
    return {
        "Conditions": {"On": {"Fn::Equals": [literal, "yes"]}},
        "Resources": {"Q": queue, "T": {**TOPIC, "Condition": "On"}, **extra},
    }


case("a condition turns on", _switched("no", QUEUE), _switched("yes", QUEUE), Q=NONE, T=CREATE)
case("a condition turns off", _switched("yes", QUEUE), _switched("no", QUEUE), Q=NONE, T=DELETE)
_SWITCHED_QUEUE = but(QUEUE, QueueName={"Fn::If": ["On", "a", "b"]})
case(
    "the branch of a name changes",
    _switched("yes", _SWITCHED_QUEUE),
    _switched("no", _SWITCHED_QUEUE),
    Q=REPLACE,
    T=DELETE,
)


def _staged(condition: Json, queue: Json) -> Json:
    return {
        "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
        "Conditions": {"Prod": condition},
        "Resources": {"Q": queue, "T": TOPIC},
    }


_IS_PROD = {"Fn::Equals": [ref("Stage"), "prod"]}
case(
    "a change in the branch of production only",
    _staged(_IS_PROD, but(QUEUE, QueueName={"Fn::If": ["Prod", "a", "c"]})),
    _staged(_IS_PROD, but(QUEUE, QueueName={"Fn::If": ["Prod", "b", "c"]})),
    "with the default of Stage nothing changes",
    Q=REPLACE,
    T=NONE,
)
