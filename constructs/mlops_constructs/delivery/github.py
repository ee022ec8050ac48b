"""A role by which GitHub Actions deploys, without any key that could be stolen.

GitHub signs a token for each job; AWS trusts it for one repository and one environment or branch,
and hands out credentials for an hour. The role itself may do nothing but take the roles that
``cdk bootstrap`` made: what a deployment may change is decided there, in one place.

Facts:

- The subject is ``repo:<owner>/<name>:environment:<environment>`` when the job names an
  environment, otherwise ``repo:<owner>/<name>:ref:refs/heads/<branch>`` (GitHub, "OpenID Connect
  reference"). A job with an environment never has the branch in its subject: limit the branches
  in the environment's protection rules.
- Repositories created, renamed or transferred after 18 June 2026 have immutable ids in there:
  ``repo:octo-org-123456/octo-repo-456789:…`` (GitHub changelog of 23 April 2026). Pass that form
  as ``repository``; the repository's OIDC settings show it. A role that trusts the plain name of a
  repository trusts whoever takes the name over after it was given up.
- Organisations may customise subjects further; write theirs with `GitHubSubject`.
- An account holds one provider for a URL: make it once, and pass it to the other roles.
- IAM compares ``StringEquals`` by case. No pattern is accepted here: ``repo:owner/*`` would trust
  every repository of the owner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aws_cdk import Duration, Stack, aws_iam as iam
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge

#: Who signs the tokens of GitHub Actions.
ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"

_REPOSITORY = re.compile(r"[A-Za-z0-9@-]+/[A-Za-z0-9._@-]+")
_QUALIFIER = re.compile(r"[A-Za-z0-9_-]{1,10}")
_NAME = re.compile(r"[^\s:*?]{1,255}")
_SUBJECT = re.compile(r"[^\s*?]+(:[^\s*?]+)+")

# aws-cdk-lib core/lib/stack-synthesizers/default-synthesizer.ts. The deploy role passes the
# execution role to CloudFormation; nobody takes that one directly.
_BOOTSTRAP_ROLES = ("deploy", "file-publishing", "image-publishing", "lookup")


@dataclass(frozen=True)
class GitHubEnvironment:
    """Jobs that name an environment, which may ask for reviewers.

    Attributes:
        name: As in the repository's settings.
    """

    name: str


@dataclass(frozen=True)
class GitHubBranch:
    """Jobs on a branch that name no environment.

    Attributes:
        name: Such as ``main``.
    """

    name: str


@dataclass(frozen=True)
class GitHubSubject:
    """Jobs whose tokens have exactly this subject, where the organisation customised it.

    Attributes:
        subject: The whole ``sub`` claim.
    """

    subject: str


GitHubTrust = GitHubEnvironment | GitHubBranch | GitHubSubject


class GitHubDeployRole(Construct):
    """A role that the jobs of one repository take to run ``cdk deploy``.

    Attributes:
        provider: The identity provider of the account, passed in or made.
        role: The role; grant it what smoke runs and integration tests need.
        subject: The subject that tokens must have.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        repository: str,
        trust: GitHubTrust,
        role_name: str | None = None,
        provider: iam.IOidcProvider | None = None,
        qualifier: str = "hnb659fds",
        session: Duration | None = None,
    ) -> None:
        """Make the role.

        Args:
            scope: The parent.
            construct_id: The id.
            repository: ``owner/name``, with the ids behind both where tokens have them.
            trust: Which jobs of the repository.
            role_name: A name that the workflow can write down; CloudFormation's choice without.
            provider: The account's provider for GitHub; made if left out.
            qualifier: Of ``cdk bootstrap``.
            session: How long credentials live; one hour by default, up to 12 hours.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        session = session or Duration.hours(1)
        self._check(repository, trust, qualifier, session)
        self.subject = _subject(repository, trust)
        self.provider = provider or iam.OidcProviderNative(
            self, "Provider", url=f"https://{ISSUER}", client_ids=[_AUDIENCE]
        )
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            description=f"Deploys for {self.subject}"[:1000],
            max_session_duration=session,
            assumed_by=iam.FederatedPrincipal(
                self.provider.oidc_provider_arn,
                {"StringEquals": {f"{ISSUER}:aud": _AUDIENCE, f"{ISSUER}:sub": self.subject}},
                "sts:AssumeRoleWithWebIdentity",
            ),
        )
        self._allow_bootstrap_roles(qualifier)
        acknowledge(
            self.role,
            {
                "NIST.800.53.R5-IAMNoInlinePolicy": "The grants fit this one role and must go "
                "when it goes."
            },
        )

    def _allow_bootstrap_roles(self, qualifier: str) -> None:
        here = Stack.of(self)
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[
                    here.format_arn(
                        service="iam",
                        region="",
                        resource="role",
                        resource_name=f"cdk-{qualifier}-{name}-role-{here.account}-{here.region}",
                    )
                    for name in _BOOTSTRAP_ROLES
                ],
            )
        )

    def _check(
        self, repository: str, trust: GitHubTrust, qualifier: str, session: Duration
    ) -> None:
        problems = Problems(self)
        problems.check(
            _REPOSITORY.fullmatch(repository) is not None,
            "repository",
            got=repository,
            allowed="owner/name, without patterns",
            instead="Write it as in the address of the repository: 'octo-org/octo-repo'.",
        )
        problems.check(
            _QUALIFIER.fullmatch(qualifier) is not None,
            "qualifier",
            got=qualifier,
            allowed="1 to 10 letters, digits, hyphens and underscores",
            instead="Write what `cdk bootstrap --qualifier` was given, or leave it out.",
        )
        text, pattern = (
            (trust.subject, _SUBJECT) if isinstance(trust, GitHubSubject) else (trust.name, _NAME)
        )
        problems.check(
            pattern.fullmatch(text) is not None,
            f"trust={type(trust).__name__}",
            got=text,
            allowed="one exact name, without '*' and '?'",
            instead="Make a role for each environment: GitHubEnvironment('prod').",
        )
        seconds = session.to_seconds()
        problems.check(
            3600 <= seconds <= 43_200,
            "session",
            got=f"{seconds:.0f} s",
            allowed="1 to 12 hours (IAM, MaxSessionDuration)",
            instead="Write Duration.hours(1); the workflow may ask for less.",
        )
        problems.raise_if_any()


def _subject(repository: str, trust: GitHubTrust) -> str:
    match trust:
        case GitHubEnvironment(name):
            return f"repo:{repository}:environment:{name}"
        case GitHubBranch(name):
            return f"repo:{repository}:ref:refs/heads/{name}"
        case GitHubSubject(subject):
            return subject
