"""Who may use a domain, and how they sign in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio.personas import Persona


@dataclass(frozen=True)
class IamAuthentication:
    """Users open Studio with a presigned URL that their IAM identity asks for."""

    mode = "IAM"


@dataclass(frozen=True)
class IdentityCenter:
    """Users sign in through IAM Identity Center, which must be on in the domain's region."""

    mode = "SSO"


Authentication = IamAuthentication | IdentityCenter


@dataclass(frozen=True)
class UserProfile:
    """One user of a domain.

    Attributes:
        name: The profile's name, lower case.
        persona: What the user may do; one of the domain's personas.
        sso_user_name: The user's name in IAM Identity Center; needed with `IdentityCenter` and
            refused without it (botocore, CreateUserProfile).
    """

    name: str
    persona: Persona
    sso_user_name: str | None = None


def check_users(
    problems: Problems,
    authentication: Authentication,
    personas: Sequence[Persona],
    user_profiles: Sequence[UserProfile],
) -> None:
    """Note everything that is wrong with the users."""
    names = [profile.name for profile in user_profiles]
    problems.check(
        len(set(names)) == len(names),
        "user_profiles",
        got=names,
        allowed="different names (SageMaker does not tell them apart by case)",
        instead="Rename the profiles that share a name.",
    )
    for profile in user_profiles:
        what = f"user_profiles[{profile.name!r}]"
        if is_token(profile.name):
            problems.add(
                f"{what}.name",
                got=profile.name,
                allowed="a name that is known at synth",
                instead="Write it out: it is a construct id and part of ARNs in policies.",
            )
        check_name(problems, f"{what}.name", profile.name)
        problems.check(
            profile.persona in personas,
            f"{what}.persona",
            got=profile.persona.name,
            allowed=", ".join(persona.name for persona in personas) or "a persona of the domain",
            instead="Add the same persona to personas=….",
        )
        is_sso = isinstance(authentication, IdentityCenter)
        problems.check(
            is_sso == bool(profile.sso_user_name),
            f"{what}.sso_user_name",
            got=profile.sso_user_name,
            allowed="the user's name in IAM Identity Center"
            if is_sso
            else "no name: the domain signs users in by IAM",
            instead="Give the name as the directory has it."
            if is_sso
            else "Leave it out, or give authentication=IdentityCenter().",
        )
