"""What personas are put together from: the statements of one ability each.

Condition keys of each action: service authorization reference, "Actions, resources, and condition
keys for Amazon SageMaker". The statements on spaces and apps follow those of the AWS managed policy
AmazonSageMakerFullAccess, for private spaces only.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_constructs.studio.guards import Guard, Guards
from mlops_constructs.studio.permissions import Conditions, Permission, sagemaker

_JOB_TYPES = ("training-job", "processing-job", "hyper-parameter-tuning-job")
_ALL_JOB_TYPES = (*_JOB_TYPES, "transform-job", "automl-job")
_NETWORK = (Guard.SUBNETS, Guard.SECURITY_GROUPS)
_KEYS = (Guard.VOLUME_KEY, Guard.OUTPUT_KEY)

_NAMES_OF_JOBS = "Users and SDKs name jobs as they go; the conditions hold every job."
_OWN_SPACE = (
    "Names of spaces and apps are the user's; the condition on the owner holds them to the "
    "profile of the session."
)
_READING = "Reading states and definitions of SageMaker resources of this account and region."
_NO_RESOURCE = "These actions take no resource."


def reading() -> list[Permission]:
    """Definitions and states of SageMaker resources, logs of jobs, metrics."""
    return [
        Permission(actions=["sagemaker:Describe*"], resources=["sagemaker:*"], reason=_READING),
        Permission(
            actions=["sagemaker:List*", "sagemaker:Search", "sagemaker:GetSearchSuggestions"],
            resources=["*"],
            reason=_NO_RESOURCE + " " + _READING,
        ),
        Permission(
            actions=["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"],
            resources=["logs:log-group:/aws/sagemaker/*"],
            reason="SageMaker names the log groups and streams of jobs.",
        ),
        Permission(
            actions=[
                "cloudwatch:GetMetricData",
                "cloudwatch:GetMetricStatistics",
                "cloudwatch:ListMetrics",
                "logs:DescribeLogGroups",
            ],
            resources=["*"],
            reason=_NO_RESOURCE,
        ),
    ]


def opening() -> list[Permission]:
    """The pages of Studio, as oneself."""
    return [
        Permission(
            actions=["sagemaker:CreatePresignedDomainUrl"],
            resources=sagemaker(
                "user-profile", name="${sagemaker:DomainId}/${sagemaker:UserProfileName}"
            ),
        )
    ]


def own_space(app_instance_types: Sequence[str]) -> list[Permission]:
    """The private space of the session's profile, and its apps on small instances."""
    # Without Null on the instance types: a request that names none gets the service's small one.
    own: Conditions = {
        "ArnLike": {
            "sagemaker:OwnerUserProfileArn": "arn:*:sagemaker:*:*:user-profile/"
            "${sagemaker:DomainId}/${sagemaker:UserProfileName}"
        },
        "StringEquals": {"sagemaker:SpaceSharingType": "Private"},
    }
    small: Conditions = {
        "ForAllValues:StringLike": {"sagemaker:InstanceTypes": list(app_instance_types)}
    }
    spaces = sagemaker("space", name="${sagemaker:DomainId}/*")
    apps = sagemaker("app", name="${sagemaker:DomainId}/*/*/*")
    return [
        Permission(
            actions=["sagemaker:CreateSpace", "sagemaker:UpdateSpace"],
            resources=spaces,
            conditions=own | small,
            reason=_OWN_SPACE,
        ),
        Permission(
            actions=["sagemaker:CreateApp"],
            resources=apps,
            conditions=own | small,
            reason=_OWN_SPACE,
        ),
        Permission(
            actions=["sagemaker:DeleteSpace", "sagemaker:DeleteApp"],
            resources=[*spaces, *apps],
            conditions=own,
            reason=_OWN_SPACE,
        ),
        *opening(),
        _tagging([*spaces, *apps], ["CreateSpace", "CreateApp"], _OWN_SPACE),
    ]


def jobs(guards: Guards) -> list[Permission]:
    """Jobs of all kinds, each held to the guards that its action has keys for."""
    return [
        Permission(
            actions=[
                "sagemaker:CreateHyperParameterTuningJob",
                "sagemaker:CreateProcessingJob",
                "sagemaker:CreateTrainingJob",
            ],
            resources=sagemaker(*_JOB_TYPES),
            conditions=guards.on(*_NETWORK, *_KEYS, Guard.INSTANCE_TYPES, Guard.ISOLATION),
            reason=_NAMES_OF_JOBS,
        ),
        Permission(
            actions=["sagemaker:CreateAutoMLJob", "sagemaker:CreateAutoMLJobV2"],
            resources=sagemaker("automl-job"),
            conditions=guards.on(*_NETWORK, *_KEYS, Guard.TRAFFIC_ENCRYPTION),
            reason=_NAMES_OF_JOBS,
        ),
        Permission(
            actions=["sagemaker:CreateTransformJob"],
            resources=sagemaker("transform-job"),
            conditions=guards.on(*_KEYS, Guard.INSTANCE_TYPES),
            reason=_NAMES_OF_JOBS,
        ),
        Permission(
            actions=[
                "sagemaker:StopAutoMLJob",
                "sagemaker:StopHyperParameterTuningJob",
                "sagemaker:StopProcessingJob",
                "sagemaker:StopTrainingJob",
                "sagemaker:StopTransformJob",
            ],
            resources=sagemaker(*_ALL_JOB_TYPES),
            reason=_NAMES_OF_JOBS,
        ),
        _tagging(
            sagemaker(*_ALL_JOB_TYPES),
            [
                "CreateAutoMLJob",
                "CreateAutoMLJobV2",
                "CreateHyperParameterTuningJob",
                "CreateProcessingJob",
                "CreateTrainingJob",
                "CreateTransformJob",
            ],
            _NAMES_OF_JOBS,
        ),
    ]


def trials(guards: Guards, names: str) -> list[Permission]:
    """Hand-made pipelines, models and endpoints whose names match ``names``."""
    reason = "The prefix holds users to what they made by hand."
    configs = sagemaker("endpoint-config", name=names)
    endpoints = sagemaker("endpoint", name=names)
    models = sagemaker("model", name=names)
    pipelines = sagemaker("pipeline", name=names)
    return [
        Permission(
            actions=[
                "sagemaker:CreatePipeline",
                "sagemaker:DeletePipeline",
                "sagemaker:UpdatePipeline",
            ],
            resources=pipelines,
            reason=reason,
        ),
        Permission(
            actions=["sagemaker:CreateModel"],
            resources=models,
            conditions=guards.on(*_NETWORK, Guard.ISOLATION),
            reason=reason,
        ),
        Permission(
            actions=["sagemaker:CreateEndpointConfig"],
            resources=configs,
            conditions=guards.on(Guard.INSTANCE_TYPES, Guard.VOLUME_KEY),
            reason=reason,
        ),
        # A serverless config has no instance types, and the guard on them would refuse it.
        Permission(
            actions=["sagemaker:CreateEndpointConfig"],
            resources=configs,
            conditions={
                "Null": {
                    "sagemaker:InstanceTypes": "true",
                    "sagemaker:ServerlessMemorySize": "false",
                }
            },
            reason=reason,
        ),
        Permission(
            actions=["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"],
            resources=[*endpoints, *configs],
            reason=reason,
        ),
        Permission(
            actions=[
                "sagemaker:DeleteEndpoint",
                "sagemaker:DeleteEndpointConfig",
                "sagemaker:DeleteModel",
                "sagemaker:InvokeEndpoint",
            ],
            resources=[*endpoints, *configs, *models],
            reason=reason,
        ),
        _tagging(
            [*pipelines, *models, *configs, *endpoints],
            ["CreateEndpoint", "CreateEndpointConfig", "CreateModel", "CreatePipeline"],
            reason,
        ),
    ]


def registering() -> list[Permission]:
    """Groups and versions of the model registry, without approving any."""
    versions = sagemaker("model-package")
    reason = "Groups and versions are named by pipelines and users; none can be approved so."
    return [
        Permission(
            actions=["sagemaker:CreateModelPackageGroup"],
            resources=sagemaker("model-package-group"),
            reason=reason,
        ),
        # Met as well by a request that leaves the status alone; approving is for reviewers, and
        # for a stage, whose approval releases, for whoever the registry names.
        Permission(
            actions=["sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"],
            resources=[*versions, *sagemaker("model-package-group")],
            conditions={
                "StringNotEquals": {
                    "sagemaker:ModelApprovalStatus": "Approved",
                    "sagemaker:ModelLifeCycle:stageStatus": "Approved",
                }
            },
            reason=reason,
        ),
        _tagging(
            [*versions, *sagemaker("model-package-group")],
            ["CreateModelPackage", "CreateModelPackageGroup"],
            reason,
        ),
    ]


def approving() -> list[Permission]:
    """Approving and rejecting versions that others registered."""
    return [
        Permission(
            actions=["sagemaker:UpdateModelPackage"],
            resources=sagemaker("model-package"),
            conditions={
                "StringEquals": {
                    "sagemaker:ModelApprovalStatus": [
                        "Approved",
                        "PendingManualApproval",
                        "Rejected",
                    ]
                },
                "Null": {"sagemaker:ModelLifeCycle:stage": "true"},
            },
            reason="Reviewers decide about every version of the account; they register none.",
        )
    ]


def administering(guards: Guards) -> list[Permission]:
    """Scripts, images, everybody's apps, spaces and jobs; domain and notebooks within guards."""
    scripts = sagemaker("studio-lifecycle-config", "image", "image-version", "app-image-config")
    people = sagemaker("domain", "user-profile")
    reason = "Administrators look after what users of the domain made and named."
    kinds = ("Image", "ImageVersion", "AppImageConfig", "StudioLifecycleConfig")
    return [
        Permission(
            actions=[
                *(f"sagemaker:{verb}{kind}" for kind in kinds for verb in ("Create", "Delete")),
                "sagemaker:UpdateAppImageConfig",
                "sagemaker:UpdateImage",
                "sagemaker:UpdateImageVersion",
            ],
            resources=scripts,
            reason=reason,
        ),
        # Met as well by a request that leaves the access type alone; the service keeps it then.
        Permission(
            actions=["sagemaker:UpdateDomain"],
            resources=people,
            conditions={
                "StringEqualsIfExists": {"sagemaker:AppNetworkAccessType": "VpcOnly"},
                "ForAllValues:StringEquals": {
                    Guard.SUBNETS.value: list(guards.subnet_ids),
                },
            },
            reason=reason,
        ),
        Permission(
            actions=["sagemaker:DeleteApp", "sagemaker:DeleteSpace"],
            resources=sagemaker("app", "space"),
            reason=reason,
        ),
        Permission(
            actions=["sagemaker:CreateNotebookInstance"],
            resources=sagemaker("notebook-instance"),
            conditions=_closed_notebook(guards),
            reason=reason,
        ),
        Permission(
            actions=[
                "sagemaker:DeleteNotebookInstance",
                "sagemaker:StopNotebookInstance",
                "sagemaker:StopAutoMLJob",
                "sagemaker:StopHyperParameterTuningJob",
                "sagemaker:StopPipelineExecution",
                "sagemaker:StopProcessingJob",
                "sagemaker:StopTrainingJob",
                "sagemaker:StopTransformJob",
            ],
            resources=sagemaker("notebook-instance", "pipeline", *_ALL_JOB_TYPES),
            reason=reason,
        ),
    ]


def _closed_notebook(guards: Guards) -> Conditions:
    """A notebook instance in the VPC, without root, encrypted, on a listed instance type."""
    conditions = guards.on(*_NETWORK, Guard.VOLUME_KEY, Guard.INSTANCE_TYPES)
    return conditions | {
        "StringEquals": {
            "sagemaker:DirectInternetAccess": "Disabled",
            "sagemaker:RootAccess": "Disabled",
        }
    }


def auditing(key_arn: str) -> list[Permission]:
    """What was done, by whom, and who may: the trail, roles and the key's policy."""
    return [
        Permission(
            actions=["cloudtrail:LookupEvents"],
            resources=["*"],
            reason="cloudtrail:LookupEvents takes no resource.",
        ),
        Permission(
            actions=[
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
            ],
            resources=["iam:role/*"],
            reason="An audit is about every role of the account; the actions read.",
        ),
        Permission(
            actions=["kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants"],
            resources=[key_arn],
        ),
    ]


def _tagging(resources: Sequence[str], actions: Sequence[str], reason: str) -> Permission:
    """Tags given at creation, and at no other time."""
    return Permission(
        actions=["sagemaker:AddTags"],
        resources=resources,
        conditions={"StringEquals": {"sagemaker:TaggingAction": list(actions)}},
        reason=reason,
    )
