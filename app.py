"""The CDK app: choose the environments, build their stacks, nothing else.

``cdk synth`` builds all environments, ``cdk deploy -c env=dev --all`` deploys one;
``-c use-case=NAME`` builds the stacks of a use case beside the platform's own.
"""

import os
import sys

# Node 20 prints an end-of-life banner on every start of jsii, before aws_cdk is imported.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


from mlops_constructs import ValidationError
from stacks.environments import choose
from stacks.model import build_model
from stacks.platform import build_platform, new_app
from stacks.use_cases import load


def main() -> None:
    """Build and synthesise; a mistake in the settings ends with one clear message."""
    app = new_app()
    try:
        context = {key: app.node.try_get_context(key) for key in ("env", "account", "region")}
        context = {key: value for key, value in context.items() if value is not None}
        use_case = app.node.try_get_context("use-case")
        if use_case is None:
            for environment in choose(context):
                build_platform(app, environment)
        else:
            settings = load(str(use_case))
            for environment in choose(context, settings.environments):
                build_model(app, environment, settings.use_case)
        app.synth()
    except ValidationError as error:
        sys.exit(f"error: {error}")
    except RuntimeError as error:
        # The CDK has printed what its validators found; a stack trace of jsii says nothing more.
        if not str(error).startswith("ValidationFailed"):
            raise
        sys.exit("error: the templates were refused, see above")


main()
