"""Rules about Studio: domains, user profiles, spaces, lifecycle configurations."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, show

DOMAIN: Final = "AWS::SageMaker::Domain"
USER_PROFILE: Final = "AWS::SageMaker::UserProfile"
SPACE: Final = "AWS::SageMaker::Space"
LIFECYCLE_CONFIG: Final = "AWS::SageMaker::StudioLifecycleConfig"
APP: Final = "AWS::SageMaker::App"

_APPS: Final = ("JupyterLabAppSettings", "CodeEditorAppSettings")


def user_settings(resource: Resource) -> list[Node]:
    """The settings of users and spaces that a resource carries."""
    members = {
        DOMAIN: ("DefaultUserSettings", "DefaultSpaceSettings"),
        USER_PROFILE: ("UserSettings",),
        SPACE: ("SpaceSettings",),
    }
    return [resource[member] for member in members.get(resource.type, ())]


@rule(
    "DM01",
    DOMAIN,
    fix="Give VpcId, SubnetIds and DefaultUserSettings.SecurityGroups",
    source="botocore CreateDomain.AppNetworkAccessType, UserSettings.SecurityGroups",
)
def vpc_only_is_complete(domain: Resource) -> Problems:
    """A VpcOnly domain has a VPC, subnets and a security group."""
    if domain["AppNetworkAccessType"].text != "VpcOnly":
        return
    for member in ("VpcId", "SubnetIds", "DefaultUserSettings.SecurityGroups"):
        if domain[member].empty:
            yield domain[member].problem(f"A VpcOnly domain without {member}")


@rule(
    "DM02",
    DOMAIN,
    USER_PROFILE,
    fix="Give four or fewer: SageMaker adds its NFS group to reach the limit of five",
    source="botocore UserSettings.SecurityGroups",
)
def four_security_groups(resource: Resource) -> Problems:
    """Users have at most four security groups of their own."""
    for settings in user_settings(resource):
        groups = settings["SecurityGroups"]
        if groups.count is not None and groups.count > 4:
            yield groups.problem(f"{groups.count} security groups")


@rule(
    "DM03",
    DOMAIN,
    fix="Use Enabled or Disabled; DefaultAsDomain is for user profiles",
    source="botocore UserSettings.AutoMountHomeEFS",
)
def mount_setting(domain: Resource) -> Problems:
    """The home file system setting of a domain is not DefaultAsDomain."""
    mount = domain["DefaultUserSettings.AutoMountHomeEFS"]
    if mount.text == "DefaultAsDomain":
        yield mount.problem("AutoMountHomeEFS is DefaultAsDomain on a domain")


@rule(
    "DM04",
    DOMAIN,
    USER_PROFILE,
    fix=("Give IdleTimeoutInMinutes between MinIdleTimeoutInMinutes and MaxIdleTimeoutInMinutes"),
    source="botocore IdleSettings",
)
def idle_timeout(resource: Resource) -> Problems:
    """The idle timeout is given when idle shutdown is on, and lies within its bounds."""
    for settings in user_settings(resource):
        for app in _APPS:
            idle = settings[f"{app}.AppLifecycleManagement.IdleSettings"]
            timeout = idle["IdleTimeoutInMinutes"]
            least = idle["MinIdleTimeoutInMinutes"].number
            most = idle["MaxIdleTimeoutInMinutes"].number
            if idle["LifecycleManagement"].text == "ENABLED" and timeout.absent:
                yield idle.problem("LifecycleManagement is ENABLED without IdleTimeoutInMinutes")
            if least is not None and most is not None and least > most:
                yield idle.problem(f"MinIdleTimeoutInMinutes is {least}, the maximum {most}")
            elif timeout.number is not None:
                if least is not None and timeout.number < least:
                    yield timeout.problem(f"{timeout.text} minutes are below the minimum {least}")
                if most is not None and timeout.number > most:
                    yield timeout.problem(f"{timeout.text} minutes are above the maximum {most}")


@rule(
    "DM05",
    DOMAIN,
    USER_PROFILE,
    fix="Lower DefaultEbsVolumeSizeInGb or raise MaximumEbsVolumeSizeInGb",
    source="botocore DefaultEbsStorageSettings",
)
def default_volume(resource: Resource) -> Problems:
    """The default volume of a space is at most the largest."""
    for settings in user_settings(resource):
        storage = settings["SpaceStorageSettings.DefaultEbsStorageSettings"]
        size, most = storage["DefaultEbsVolumeSizeInGb"], storage["MaximumEbsVolumeSizeInGb"]
        if size.number is not None and most.number is not None and size.number > most.number:
            yield size.problem(f"The default is {size.text} GB, the maximum {most.text}")


@rule(
    "DM06",
    DOMAIN,
    USER_PROFILE,
    fix="Use studio:: with the Studio web portal enabled, or app:JupyterServer:",
    source="botocore UserSettings.DefaultLandingUri",
)
def landing_page(resource: Resource) -> Problems:
    """The landing page exists."""
    for settings in user_settings(resource):
        uri = settings["DefaultLandingUri"]
        if uri.text is None:
            continue
        if uri.text not in ("studio::", "app:JupyterServer:"):
            yield uri.problem(f"DefaultLandingUri is {show(uri.text)}")
        elif uri.text == "studio::" and settings["StudioWebPortal"].text == "DISABLED":
            yield uri.problem("DefaultLandingUri is studio:: and StudioWebPortal is DISABLED")


@rule(
    "DM07",
    DOMAIN,
    fix="Set AppSecurityGroupManagement to Service",
    source="botocore CreateDomain.AppSecurityGroupManagement",
)
def rstudio_groups(domain: Resource) -> Problems:
    """RStudio in a VpcOnly domain lets the service manage the security groups of apps."""
    rstudio = domain["DomainSettings.RStudioServerProDomainSettings"]
    management = domain["AppSecurityGroupManagement"]
    if not rstudio.present or domain["AppNetworkAccessType"].text != "VpcOnly":
        return
    if management.absent or management.text == "Customer":
        yield management.problem("RStudio in a VpcOnly domain without Service management")


@rule(
    "DM08",
    DOMAIN,
    USER_PROFILE,
    SPACE,
    fix="Give exactly one member; write one entry for each file system",
    source="botocore CustomFileSystemConfig, CustomFileSystem (unions)",
)
def one_file_system(resource: Resource) -> Problems:
    """A custom file system is of one kind."""
    for settings in user_settings(resource):
        for member in ("CustomFileSystemConfigs", "CustomFileSystems"):
            for system in settings[member].items:
                if (
                    system.count is not None
                    and isinstance(system.value, dict)
                    and system.count != 1
                ):
                    yield system.problem(f"A custom file system has {system.count} members")


@rule(
    "DM09",
    USER_PROFILE,
    fix="Give both fields in a domain with AuthMode SSO, and none in one with IAM",
    source="botocore CreateUserProfile.SingleSignOnUserIdentifier, SingleSignOnUserValue",
)
def sso_fields(profile: Resource) -> Problems:
    """Single sign-on fields of a profile fit the domain."""
    fields = [profile["SingleSignOnUserIdentifier"], profile["SingleSignOnUserValue"]]
    domain = profile["DomainId"].target
    mode = domain["AuthMode"].text if domain is not None and domain.type == DOMAIN else None
    given = [field for field in fields if field.present]
    missing = [field for field in fields if field.absent]
    if mode == "IAM" and given:
        yield given[0].problem(f"{given[0].path[-1]} in a domain with AuthMode IAM")
    elif missing and (mode == "SSO" or given):
        yield profile.problem(f"{missing[0].path[-1]} is missing")


@rule(
    "DM10",
    LIFECYCLE_CONFIG,
    fix="Encode the script with Fn::Base64; keep it short and fetch the rest from S3",
    source="botocore CreateStudioLifecycleConfig.StudioLifecycleConfigContent",
)
def script_is_base64(config: Resource) -> Problems:
    """A lifecycle script is base64 text of at most 16,384 characters."""
    content = config["StudioLifecycleConfigContent"]
    if content.text is None:
        return
    if len(content.text) > 16_384:
        yield content.problem(f"The script has {len(content.text):,} characters")
        return
    try:
        base64.b64decode("".join(content.text.split()), validate=True)
    except (binascii.Error, ValueError):
        yield content.problem(f"The script is not base64: {show(content.text, 30)}")


@rule(
    "DM12",
    DOMAIN,
    USER_PROFILE,
    SPACE,
    fix="Keep ten (the schema's limit of 30 is wrong)",
    source="botocore CodeRepositories.max",
)
def ten_repositories(resource: Resource) -> Problems:
    """JupyterLab suggests at most ten code repositories."""
    for settings in user_settings(resource):
        repositories = settings["JupyterLabAppSettings.CodeRepositories"]
        if repositories.count is not None and repositories.count > 10:
            yield repositories.problem(f"{repositories.count} code repositories")


@rule(
    "DM13",
    DOMAIN,
    USER_PROFILE,
    SPACE,
    fix="Leave InstanceType out, or write system",
    source="botocore JupyterServerAppSettings.DefaultResourceSpec",
)
def jupyter_server_runs_on_system(resource: Resource) -> Problems:
    """JupyterServer apps run on the system instance only."""
    for settings in user_settings(resource):
        instance = settings["JupyterServerAppSettings.DefaultResourceSpec.InstanceType"]
        if instance.text not in (None, "system"):
            yield instance.problem(f"JupyterServer on {show(instance.text)}")


@rule(
    "DM14",
    DOMAIN,
    USER_PROFILE,
    SPACE,
    fix="Give the app a lifecycle configuration of its own StudioLifecycleConfigAppType",
    source="botocore CreateStudioLifecycleConfig.StudioLifecycleConfigAppType",
)
def lifecycle_fits_app(resource: Resource) -> Problems:
    """The lifecycle configurations of an app are of its type."""
    for settings in user_settings(resource):
        for app in ("JupyterLab", "CodeEditor", "KernelGateway", "JupyterServer"):
            arns = settings[f"{app}AppSettings.LifecycleConfigArns"].items
            default = settings[f"{app}AppSettings.DefaultResourceSpec.LifecycleConfigArn"]
            for arn in (*arns, default):
                config = arn.target
                if config is None or config.type != LIFECYCLE_CONFIG:
                    continue
                kind = config["StudioLifecycleConfigAppType"].text
                if kind is not None and kind != app:
                    yield arn.problem(f"A {kind} configuration on a {app} app")


@rule(
    "DM15",
    DOMAIN,
    fix="Give VpcId and SubnetIds together, or neither",
    source=(
        "botocore CreateDomain.VpcId, SubnetIds (optional together, for domains of Unified "
        "Studio); unproven that one alone is refused"
    ),
    severity="warning",
)
def vpc_with_subnets(domain: Resource) -> Problems:
    """A domain has a VPC with subnets, or neither."""
    vpc, subnets = domain["VpcId"], domain["SubnetIds"]
    if vpc.present and subnets.empty:
        yield subnets.problem("VpcId without SubnetIds")
    elif subnets.present and not subnets.empty and vpc.absent:
        yield vpc.problem("SubnetIds without VpcId")


@rule(
    "DM16",
    SPACE,
    fix="Give OwnershipSettings and SpaceSharingSettings together",
    source=(
        "github.com/hashicorp/terraform-provider-aws aws_sagemaker_space: each is required if the "
        "other is set"
    ),
)
def owner_with_sharing(space: Resource) -> Problems:
    """A space names its owner and how it is shared, or neither."""
    owner, sharing = space["OwnershipSettings"], space["SpaceSharingSettings"]
    if owner.present and sharing.absent:
        yield sharing.problem("OwnershipSettings without SpaceSharingSettings")
    elif sharing.present and owner.absent:
        yield owner.problem("SpaceSharingSettings without OwnershipSettings")


@rule(
    "DM17",
    DOMAIN,
    fix="Set EnableDockerAccess to ENABLED, or leave VpcOnlyTrustedAccounts out",
    source="botocore DockerSettings.VpcOnlyTrustedAccounts",
    severity="warning",
)
def trusted_accounts_have_effect(domain: Resource) -> Problems:
    """Accounts are trusted for Docker where Docker is enabled and the domain is VpcOnly."""
    docker = domain["DomainSettings.DockerSettings"]
    accounts, access = docker["VpcOnlyTrustedAccounts"], docker["EnableDockerAccess"]
    if not accounts.items:
        return
    if access.absent or access.text == "DISABLED":
        yield accounts.problem("VpcOnlyTrustedAccounts without Docker access")
    elif domain["AppNetworkAccessType"].text == "PublicInternetOnly":
        yield accounts.problem("VpcOnlyTrustedAccounts in a domain that is not VpcOnly")


DM18 = api_rule(
    "DM18",
    DOMAIN,
    USER_PROFILE,
    SPACE,
    LIFECYCLE_CONFIG,
    APP,
    group="text",
    kind="Studio resources",
    family=__name__,
)
DM19 = api_rule(
    "DM19", DOMAIN, USER_PROFILE, SPACE, group="required", kind="Studio resources", family=__name__
)
