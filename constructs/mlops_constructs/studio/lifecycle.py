"""Lifecycle scripts: what runs when an app of Studio starts.

Every property of ``AWS::SageMaker::StudioLifecycleConfig`` is create-only, its name and its tags
included (registry schema of 2026-10-20). The name therefore ends in a hash of the script, so that
CloudFormation can make the new one before it deletes the old one, and tags are kept off it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from aws_cdk import CfnDeletionPolicy, RemovalPolicy, aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name

#: Characters of base64 (botocore, StudioLifecycleConfigContent).
_MOST_CONTENT = 16_384
_MOST_NAME = 63
_HASH = 10


class StudioApp(Enum):
    """The apps that run scripts and are shut down when idle."""

    JUPYTER_LAB = "JupyterLab"
    CODE_EDITOR = "CodeEditor"


@dataclass(frozen=True, kw_only=True)
class LifecycleScript:
    """A script that runs as the user when an app starts; it has five minutes.

    Attributes:
        name: What users see; up to 52 characters, a hash of the script is added.
        script: The text, such as ``Path("setup.sh").read_text()``; up to 12,288 bytes.
        app: The app that it runs in.
        default: Whether it runs in every app of the kind. Otherwise users choose it. One script
            of each app can be the default.
    """

    name: str
    script: str
    app: StudioApp = StudioApp.JUPYTER_LAB
    default: bool = False

    @property
    def content(self) -> str:
        """The script in base64."""
        return base64.b64encode(self.script.encode()).decode()

    def config_name(self, domain_name: str) -> str:
        """The name with the hash, which the domain is part of: names are unique in an account."""
        text = f"{domain_name}\n{self.app.value}\n{self.script}"
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:_HASH]}"


def check_scripts(problems: Problems, scripts: Sequence[LifecycleScript]) -> None:
    """Note everything that is wrong with the scripts."""
    names = [script.name for script in scripts]
    problems.check(
        len(set(names)) == len(names),
        "lifecycle_scripts",
        got=names,
        allowed="different names",
        instead="Rename the scripts that share a name.",
    )
    for app in StudioApp:
        defaults = [script.name for script in scripts if script.default and script.app is app]
        problems.check(
            len(defaults) <= 1,
            "lifecycle_scripts",
            got=defaults,
            allowed=f"one default script for {app.value}",
            instead="Join them into one script, or let users choose the others.",
        )
    for script in scripts:
        what = f"lifecycle_scripts[{script.name!r}]"
        check_name(problems, f"{what}.name", script.name, most=_MOST_NAME - _HASH - 1)
        problems.check(
            1 <= len(script.content) <= _MOST_CONTENT,
            f"{what}.script",
            got=f"{len(script.script.encode()):,} bytes",
            allowed=f"1 to {_MOST_CONTENT // 4 * 3:,} bytes ({_MOST_CONTENT:,} in base64)",
            instead="Put the bulk into a file in S3 and let the script fetch it.",
        )
        problems.check(
            "\r" not in script.script,
            f"{what}.script",
            got="Windows line ends",
            allowed="Unix line ends",
            instead="Save the script with LF line ends; the shell would fail on every CR.",
        )


def make_lifecycle_config(
    scope: Construct,
    script: LifecycleScript,
    *,
    domain_name: str,
    removal_policy: RemovalPolicy,
) -> sagemaker.CfnStudioLifecycleConfig:
    """The resource of one script.

    Args:
        scope: The parent; the script's name is the id.
        script: The script.
        domain_name: The domain that it belongs to.
        removal_policy: That of the domain: a domain that stays still refers to its scripts, and
            SageMaker does not delete a script in use. A replaced script is always deleted.
    """
    config = sagemaker.CfnStudioLifecycleConfig(
        scope,
        script.name,
        studio_lifecycle_config_name=script.config_name(domain_name),
        studio_lifecycle_config_app_type=script.app.value,
        studio_lifecycle_config_content=script.content,
    )
    config.apply_removal_policy(removal_policy)
    config.cfn_options.update_replace_policy = CfnDeletionPolicy.DELETE
    # Not by excluding the type where tags are added: that is out of this construct's hands.
    config.add_property_deletion_override("Tags")
    return config
