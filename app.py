"""The CDK app: choose the environments, build their stacks, nothing else.

``cdk synth`` builds all environments, ``cdk deploy -c env=dev --all`` deploys one.
"""

import os
import sys

# Node 20 prints an end-of-life banner on every start of jsii, before aws_cdk is imported.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


from mlops_constructs import ValidationError
from stacks.environments import choose
from stacks.platform import build_platform, new_app


def main() -> None:
    """Build and synthesise; a mistake in the settings ends with one clear message."""
    app = new_app()
    try:
        context = {key: app.node.try_get_context(key) for key in ("env", "account", "region")}
        for environment in choose({k: v for k, v in context.items() if v is not None}):
            build_platform(app, environment)
        app.synth()
    except ValidationError as error:
        sys.exit(f"error: {error}")
    except RuntimeError as error:
        # The CDK has printed what its validators found; a stack trace of jsii says nothing more.
        if not str(error).startswith("ValidationFailed"):
            raise
        sys.exit("error: the templates were refused, see above")


main()
