"""SecureVpcDomain: a Studio domain that reaches AWS only through the VPC, with users in roles.

What it makes, and guarantees:

- a domain in VpcOnly mode with the customer's key on its volumes, no home EFS (whose file system
  and security groups CloudFormation leaves behind), and apps that stop when idle;
- a role for each persona, held to the domain's subnets, key and instance types by condition keys
  (`personas` has the table), and a role for the jobs that users start;
- user profiles, each with its persona's role, whose name CloudTrail records as source identity;
- lifecycle scripts under names that change with their content;
- on request MLflow (`mlflow`) and SageMaker Projects (`projects`).

| what | property | why |
|---|---|---|
| no internet | AppNetworkAccessType: VpcOnly | the default has a route to the internet |
| encryption | KmsKeyId | create-only: changing the key replaces the domain |
| no EFS | HomeEfsFileSystemCreation: Disabled | can be enabled later, never the other way |
| audit | ExecutionRoleIdentityConfig: USER_PROFILE_NAME | changes only while no app runs |
| cost | idle settings on the domain, TagPropagation: ENABLED | apps carry the profile's tags |

Changing ``domain_name``, the authentication or the key replaces the domain. Sources: registry
schema of AWS::SageMaker::Domain (2026-10-20); botocore, CreateDomain.

The domain publishes neither CloudWatch metrics nor events of its own; API calls are in CloudTrail,
from where `SecureVpcDomain.on_api_call` makes events of them. `deletion` says how it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from aws_cdk import (
    Annotations,
    Duration,
    RemovalPolicies,
    RemovalPolicy,
    Stack,
    aws_ec2 as ec2,
    aws_events as events,
    aws_iam as iam,
    aws_kms as kms,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.encryption import ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.regions import check_region
from mlops_constructs.common.removal import data_removal_policy
from mlops_constructs.common.roles import wait_for_policy
from mlops_constructs.studio.capacity import Capacity
from mlops_constructs.studio.deletion import DomainDeletion
from mlops_constructs.studio.features import NetworkFeature
from mlops_constructs.studio.guards import Guards
from mlops_constructs.studio.jumpstart import CuratedHub
from mlops_constructs.studio.lifecycle import (
    LifecycleScript,
    StudioApp,
    check_scripts,
    make_lifecycle_config,
)
from mlops_constructs.studio.mlflow import MlflowApp, MlflowTrackingServer
from mlops_constructs.studio.network import PrivateNetwork, check_feature
from mlops_constructs.studio.on_request import add_hub, add_mlflow, add_projects
from mlops_constructs.studio.personas import DataScientist, MlEngineer, Persona
from mlops_constructs.studio.portal import (
    DockerAccess,
    StudioImage,
    StudioPortal,
    StudioTool,
    check_images,
)
from mlops_constructs.studio.projects import LOCATION, ProjectTemplates
from mlops_constructs.studio.regions import check_hub
from mlops_constructs.studio.roles import default_role, job_role, persona_role
from mlops_constructs.studio.settings import (
    SpaceVolumes,
    app_settings,
    idle_minutes,
    storage_settings,
)
from mlops_constructs.studio.spaces import StudioSpace, check_spaces, make_spaces
from mlops_constructs.studio.users import (
    Authentication,
    IamAuthentication,
    UserProfile,
    check_users,
)

#: SageMaker adds its own group to these (botocore, UserSettings.SecurityGroups).
_MOST_SECURITY_GROUPS = 4
_IDLE = Duration.hours(2)
_TYPES = (
    "AWS::SageMaker::Domain",
    "AWS::SageMaker::StudioLifecycleConfig",
    "AWS::SageMaker::UserProfile",
)
#: The tag that tells what a user's apps, spaces and jobs cost.
_COST_TAG = "StudioUser"
#: What a domain that stays needs of the network that was made for it.
_UNDER_A_DOMAIN = ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::SecurityGroup")
_USERS_OPERATIONS = (
    *("CreateApp", "DeleteApp", "CreateSpace", "UpdateSpace", "DeleteSpace"),
    *("CreatePresignedDomainUrl", "CreateUserProfile", "UpdateUserProfile", "DeleteUserProfile"),
    *("UpdateDomain", "DeleteDomain"),
)
_T = TypeVar("_T")


class SecureVpcDomain(Construct):
    """A private Studio domain with personas and user profiles.

    Attributes:
        domain: The domain.
        domain_name: Its name.
        domain_id: Its id, ``d-…``.
        domain_arn: Its ARN.
        network: Where its apps run.
        encryption_key: The key of its volumes.
        default_role: What users without a persona and shared spaces run as; it may do nothing.
        job_role: What users pass to jobs unless their persona names roles of its own. Grant it
            the buckets that jobs read and write. None when every persona has its own.
        roles: The personas' roles, by name of persona.
        user_profiles: The profiles, by name.
        spaces: The spaces that came with the domain, by name.
        lifecycle_configs: The lifecycle scripts, by name without the hash.
        mlflow: The tracking server or app, if the domain has one.
        project_templates: The bucket of the templates of projects, if the domain has them.
        hub: The hub of models, if the domain has one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        domain_name: str,
        network: PrivateNetwork | None = None,
        encryption_key: kms.IKey | None = None,
        authentication: Authentication | None = None,
        personas: Sequence[Persona] | None = None,
        user_profiles: Sequence[UserProfile] = (),
        security_groups: Sequence[ec2.ISecurityGroup] = (),
        idle_shutdown: Duration | None = _IDLE,
        space_volumes: SpaceVolumes | None = None,
        lifecycle_scripts: Sequence[LifecycleScript] = (),
        spaces: Sequence[StudioSpace] = (),
        portal: StudioPortal | None = None,
        custom_images: Sequence[StudioImage] = (),
        docker: DockerAccess | None = None,
        mlflow: MlflowTrackingServer | MlflowApp | None = None,
        projects: ProjectTemplates | None = None,
        hub: CuratedHub | None = None,
        home_efs: bool = False,
        destroy_data: bool = False,
        keep_home_directories: bool = False,
    ) -> None:
        """Make the domain.

        Args:
            scope: The parent.
            construct_id: The id below it.
            domain_name: Unique in account and region; create-only.
            network: A network for Studio and jobs. Made if none is given.
            encryption_key: Of the volumes of spaces, and of the home EFS. Made if none is given.
                Create-only.
            authentication: `IamAuthentication` (the default) or `IdentityCenter`; create-only.
            personas: The kinds of users; a `DataScientist` and an `MlEngineer` unless given.
            user_profiles: The users.
            security_groups: Up to three groups of apps beside that of the network.
            idle_shutdown: How long an app may be idle: an hour at least, two unless given. None
                leaves idle apps running and warns.
            space_volumes: Sizes of the volumes of spaces.
            lifecycle_scripts: What users' apps may run when they start.
            spaces: Spaces that come with the domain.
            portal: What Studio's web portal hides: Canvas and Projects unless given.
            custom_images: Images that users may choose. The roles of users must be allowed to
                pull them.
            docker: Whose images users may pull with Docker; nobody's unless given.
            mlflow: A tracking server or an app. Data scientists and ML engineers log to it, the
                other personas look at it.
            projects: The organization's templates of SageMaker Projects, from which ML engineers
                make projects. Without it, Studio hides the tool.
            hub: The models of JumpStart that users see. Without it, Studio hides JumpStart, whose
                public hub personas do not read.
            home_efs: Whether users have a home directory on EFS. CloudFormation does not delete
                its file system; it cannot be turned off again.
            destroy_data: Whether the domain goes with the stack, with all apps, spaces and their
                volumes, and the home directories (see `deletion`); needs
                `allow_data_destruction`. Otherwise the domain, its profiles, its scripts and the
                subnets that were made for it stay as they are.
            keep_home_directories: Whether destroy_data spares the file system of the home
                directories. Its id is in the function's log and in the stack's events.

        Raises:
            ValidationError: If the service would refuse the domain, with everything that is
                wrong.
        """
        super().__init__(scope, construct_id)
        authentication = authentication or IamAuthentication()
        volumes = space_volumes or SpaceVolumes()

        wanted = self._features(home_efs, mlflow)
        problems = Problems(self)
        _check_kinds(problems, personas or (), user_profiles, lifecycle_scripts, spaces)
        personas = (DataScientist(), MlEngineer()) if personas is None else tuple(personas)
        self._check_place(problems, domain_name, network, wanted, len(user_profiles))
        problems.check(
            len(security_groups) < _MOST_SECURITY_GROUPS,
            "security_groups",
            got=f"{len(security_groups)} groups",
            allowed=f"up to {_MOST_SECURITY_GROUPS - 1} beside the network's own",
            instead="Join the rules into fewer groups: SageMaker takes five, one of them its own.",
        )
        _check_personas(problems, personas)
        check_users(problems, authentication, personas, user_profiles)
        minutes = idle_minutes(problems, idle_shutdown)
        volumes.check(problems)
        check_scripts(problems, lifecycle_scripts)
        check_spaces(problems, spaces, [profile.name for profile in user_profiles])
        check_images(problems, custom_images)
        if hub is not None:
            check_hub(problems, Stack.of(self).region)
        for choice in (docker, mlflow, projects, hub):
            if choice is not None:
                choice.check(problems)
        removal_policy = data_removal_policy(self, problems, destroy_data)
        problems.check(
            not keep_home_directories or (home_efs and destroy_data),
            "keep_home_directories",
            got=True,
            allowed="True only with home_efs=True and destroy_data=True",
            instead="Leave it out: there is nothing to spare.",
        )
        problems.raise_if_any()
        if minutes is None:
            Annotations.of(self).add_warning_v2(
                "mlops-constructs:no-idle-shutdown",
                "idle_shutdown=None: apps run, and cost, until their users stop them. "
                "Leave idle_shutdown out for two hours.",
            )

        self.encryption_key = ensure_key(
            self,
            encryption_key,
            description=f"Volumes of the Studio domain {domain_name}",
            removal_policy=removal_policy,
        )
        self.network = network or PrivateNetwork(
            self,
            "Network",
            features=wanted,
            capacity=Capacity(users=max(Capacity.users, len(user_profiles))),
            encryption_key=self.encryption_key,
            destroy_data=destroy_data,
        )
        self._security_group_ids = [
            group.security_group_id
            for group in (self.network.studio_security_group, *security_groups)
        ]
        self.default_role = default_role(self, self.encryption_key)
        self.job_role = self._make_job_role(personas)
        self.roles = self._make_persona_roles(personas)
        people = [(persona, self.roles[persona.name]) for persona in personas]
        self.mlflow = add_mlflow(self, mlflow, people, self.encryption_key, removal_policy)
        self.project_templates = add_projects(self, projects, people, self.encryption_key)
        self.hub = add_hub(self, hub, people, removal_policy)
        scripts = Construct(self, "Scripts")
        self.lifecycle_configs = {
            script.name: make_lifecycle_config(
                scripts, script, domain_name=domain_name, removal_policy=removal_policy
            )
            for script in lifecycle_scripts
        }
        self.domain = self._make_domain(
            domain_name=domain_name,
            authentication=authentication,
            minutes=minutes,
            volumes=volumes,
            scripts=lifecycle_scripts,
            portal=portal or StudioPortal(),
            images=custom_images,
            docker=docker,
            projects=projects,
            home_efs=home_efs,
        )
        self.domain_name = domain_name
        self.domain.apply_removal_policy(removal_policy)
        self.domain_id: str = self.domain.attr_domain_id
        self.domain_arn: str = self.domain.attr_domain_arn
        profiles = Construct(self, "Profiles")
        self.user_profiles = {
            profile.name: self._make_profile(profiles, profile, removal_policy)
            for profile in user_profiles
        }
        self.spaces = make_spaces(
            Construct(self, "Spaces"),
            spaces,
            domain_id=self.domain_id,
            profiles=self.user_profiles,
            removal_policy=removal_policy,
        )
        if destroy_data:
            DomainDeletion(
                self,
                "Deletion",
                domain=self.domain,
                profiles=self.user_profiles,
                spaces=self.spaces,
                encryption_key=self.encryption_key,
                keep_home_directories=keep_home_directories,
            )
        elif network is None:
            # The domain's mount targets, and interfaces of running apps, would keep them anyway.
            RemovalPolicies.of(self.network).retain(apply_to_resource_types=list(_UNDER_A_DOMAIN))

    def persona_role(self, persona: Persona | str) -> iam.Role:
        """The role of a persona, to grant buckets and feature groups to.

        Args:
            persona: The persona or its name.

        Raises:
            ValidationError: If the domain has no such persona.
        """
        name = persona if isinstance(persona, str) else persona.name
        return self._known("persona", name, self.roles)

    def on_api_call(
        self,
        construct_id: str,
        *,
        target: events.IRuleTarget,
        operations: Sequence[str] = _USERS_OPERATIONS,
    ) -> events.Rule:
        """Tell a target what users do in this domain.

        SageMaker publishes no such events itself: CloudTrail does, if the region has a trail of
        management events (`DomainAudit` makes one). Lists and descriptions are not among them.

        Args:
            construct_id: The rule's id.
            target: What is told, such as a topic.
            operations: API operations; by default those that start and end apps and spaces, open
                Studio, and change users and the domain.
        """
        return events.Rule(
            self,
            construct_id,
            description="API calls in a Studio domain",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": ["sagemaker.amazonaws.com"],
                    "eventName": sorted(operations),
                    "requestParameters": {"domainId": [self.domain_id]},
                },
            ),
            targets=[target],
        )

    def grant_presigned_url(self, grantee: iam.IGrantable, user_profile: str) -> iam.Grant:
        """Let an identity open Studio as one user (domains with IAM authentication).

        Args:
            grantee: Usually the role that the user signs in to AWS with.
            user_profile: The name of the profile.

        Raises:
            ValidationError: If the domain has no such profile.
        """
        self._known("user_profile", user_profile, self.user_profiles)
        arn = Stack.of(self).format_arn(
            service="sagemaker",
            resource="user-profile",
            resource_name=f"{self.domain_id}/{user_profile}",
        )
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:CreatePresignedDomainUrl"],
            resource_arns=[arn],
        )

    def cost_tag(self, user_profile: str) -> tuple[str, str]:
        """The tag by which a user's costs are told apart, such as for a `TaggedBudget`.

        The profile carries it, and SageMaker hands it on to the user's apps and spaces
        (TagPropagation). Jobs carry it as far as what starts them does so, as the SageMaker SDK
        in Studio does. A tag counts once it is activated for cost allocation.

        Args:
            user_profile: The name of the profile.

        Returns:
            Key and value.

        Raises:
            ValidationError: If the domain has no such profile.
        """
        self._known("user_profile", user_profile, self.user_profiles)
        return (_COST_TAG, f"{self.domain_name}/{user_profile}")

    @staticmethod
    def _features(
        home_efs: bool, mlflow: MlflowTrackingServer | MlflowApp | None
    ) -> tuple[NetworkFeature, ...]:
        features = [NetworkFeature.STUDIO, NetworkFeature.JOBS]
        if home_efs:
            features.append(NetworkFeature.HOME_EFS)
        if isinstance(mlflow, MlflowTrackingServer):
            features.append(NetworkFeature.MLFLOW)
        return tuple(features)

    def _check_place(
        self,
        problems: Problems,
        domain_name: str,
        network: PrivateNetwork | None,
        features: Sequence[NetworkFeature],
        users: int,
    ) -> None:
        check_name(problems, "domain_name", domain_name)
        check_region(
            problems,
            Stack.of(self).region,
            *_TYPES,
            what="region",
            instead="Deploy Studio to a neighbouring region; its network must be there too.",
        )
        if network is not None:
            for feature in features:
                check_feature(problems, network, feature)
            Capacity(users=users, job_instances=0).check(problems, network.room)

    def _known(self, what: str, name: str, known: dict[str, _T]) -> _T:
        if name not in known:
            problems = Problems(self)
            problems.add(
                what,
                got=name,
                allowed=", ".join(sorted(known)) or "nothing: the domain has none",
                instead="Give it to the domain, or correct the name.",
            )
            problems.raise_if_any()
        return known[name]

    # --- roles ----------------------------------------------------------------------------------

    def _make_job_role(self, personas: Sequence[Persona]) -> iam.Role | None:
        if all(persona.job_roles for persona in personas):
            return None
        return job_role(self, self.encryption_key)

    def _make_persona_roles(self, personas: Sequence[Persona]) -> dict[str, iam.Role]:
        scope = Construct(self, "Personas")
        jobs = self.network.job_network
        roles: dict[str, iam.Role] = {}
        for persona in personas:
            passed = list(persona.job_roles)
            if not passed and self.job_role is not None:
                passed = [self.job_role]
            roles[persona.name] = persona_role(
                scope,
                persona,
                guards=Guards(
                    subnet_ids=jobs.subnet_ids,
                    security_group_ids=jobs.security_group_ids,
                    key_arn=self.encryption_key.key_arn,
                    instance_types=persona.instance_types,
                ),
                job_roles=passed,
                key=self.encryption_key,
            )
            if self.job_role is not None and self.job_role in passed:
                for data in persona.data:
                    data.allow_jobs(self.job_role)
        return roles

    # --- resources ------------------------------------------------------------------------------

    def _make_domain(
        self,
        *,
        domain_name: str,
        authentication: Authentication,
        minutes: int | None,
        volumes: SpaceVolumes,
        scripts: Sequence[LifecycleScript],
        portal: StudioPortal,
        images: Sequence[StudioImage],
        docker: DockerAccess | None,
        projects: ProjectTemplates | None,
        home_efs: bool,
    ) -> sagemaker.CfnDomain:
        jupyter_lab, code_editor = (
            app_settings(
                app,
                minutes=minutes,
                scripts=scripts,
                configs=self.lifecycle_configs,
                images=images,
            )
            for app in (StudioApp.JUPYTER_LAB, StudioApp.CODE_EDITOR)
        )
        shared: dict[str, Any] = {
            "executionRole": self.default_role.role_arn,
            "securityGroups": self._security_group_ids,
            "spaceStorageSettings": storage_settings(volumes),
            "jupyterLabAppSettings": jupyter_lab,
        }
        domain_settings: dict[str, Any] = {"executionRoleIdentityConfig": "USER_PROFILE_NAME"}
        if docker is not None:
            domain_settings["dockerSettings"] = {
                "enableDockerAccess": "ENABLED",
                "vpcOnlyTrustedAccounts": list(docker.trusted_accounts),
            }
        set_up = ((StudioTool.PROJECTS, projects), (StudioTool.JUMP_START, self.hub))
        hidden = portal.settings(shown=[tool for tool, made in set_up if made is not None])
        domain = sagemaker.CfnDomain(
            self,
            "Domain",
            domain_name=domain_name,
            auth_mode=authentication.mode,
            app_network_access_type="VpcOnly",
            vpc_id=self.network.vpc.vpc_id,
            subnet_ids=[subnet.subnet_id for subnet in self.network.subnets],
            kms_key_id=self.encryption_key.key_arn,
            home_efs_file_system_creation="Enabled" if home_efs else "Disabled",
            tag_propagation="ENABLED",
            domain_settings=domain_settings,
            default_user_settings={
                **shared,
                "codeEditorAppSettings": code_editor,
                "autoMountHomeEfs": "Enabled" if home_efs else "Disabled",
                "defaultLandingUri": "studio::",
                "studioWebPortal": "ENABLED",
                **({"studioWebPortalSettings": hidden} if hidden else {}),
            },
            default_space_settings=shared,
        )
        wait_for_policy(domain, self.default_role)
        if projects is not None and self.project_templates is not None:
            location = f"s3://{self.project_templates.bucket_name}/{projects.prefix}"
            domain.tags.set_tag(LOCATION, location)
        return domain

    def _make_profile(
        self, scope: Construct, profile: UserProfile, removal_policy: RemovalPolicy
    ) -> sagemaker.CfnUserProfile:
        role = self.roles[profile.persona.name]
        sso = profile.sso_user_name
        resource = sagemaker.CfnUserProfile(
            scope,
            profile.name,
            domain_id=self.domain_id,
            user_profile_name=profile.name,
            single_sign_on_user_identifier="UserName" if sso else None,
            single_sign_on_user_value=sso,
            user_settings=sagemaker.CfnUserProfile.UserSettingsProperty(
                execution_role=role.role_arn
            ),
        )
        wait_for_policy(resource, role)
        resource.tags.set_tag(_COST_TAG, f"{self.domain_name}/{profile.name}")
        # A profile owns spaces and a home directory: it stays with the domain.
        resource.apply_removal_policy(removal_policy)
        return resource


def _check_kinds(
    problems: Problems, personas: object, user_profiles: object, scripts: object, spaces: object
) -> None:
    """See that what has attributes has them, before they are read.

    Raises:
        ValidationError: If names stand where our types are wanted.
    """
    for what, values, kind, example in (
        ("personas", personas, Persona, "DataScientist()"),
        ("user_profiles", user_profiles, UserProfile, "UserProfile('ana', scientist)"),
        ("lifecycle_scripts", scripts, LifecycleScript, "LifecycleScript(…)"),
        ("spaces", spaces, StudioSpace, "StudioSpace(name='team')"),
    ):
        problems.check_each(what, values, kind, example=example)
    problems.raise_if_any()


def _check_personas(problems: Problems, personas: Sequence[Persona]) -> None:
    names = [persona.name for persona in personas]
    problems.check(
        len(set(names)) == len(names),
        "personas",
        got=names,
        allowed="different names",
        instead="Name them apart: DataScientist(name='senior-scientist', …).",
    )
    for persona in personas:
        persona.check(problems)
