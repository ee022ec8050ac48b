"""Builds the platform: the one builder of app.py, the snapshots and the benchmarks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from mlops_constructs import CloudFormationRules, ServiceRules
from stacks.base import Setting
from stacks.data import DataStack
from stacks.environments import Environment
from stacks.governance import GovernanceStack
from stacks.monitoring import MonitoringStack
from stacks.network import NetworkStack
from stacks.serving import ServingStack
from stacks.studio import StudioStack
from stacks.training import TrainingStack
from stacks.use_case import CENSUS_INCOME, UseCase

_SETTINGS = Path(__file__).resolve().parents[1] / "cdk.json"


@dataclass(frozen=True)
class Platform:
    """The stacks of one environment, in the order of deployment."""

    network: NetworkStack
    data: DataStack
    training: TrainingStack
    serving: ServingStack
    monitoring: MonitoringStack
    studio: StudioStack
    governance: GovernanceStack


def new_app(*, outdir: Path | None = None, **context: Any) -> cdk.App:
    """An app with the feature flags of cdk.json, whoever starts it.

    The CDK's built-in validation, two thirds of a synth, is off: the same rules run natively in a
    tenth of the time, and the service rules of this library with them. Errors stop the synth.

    Args:
        outdir: Where the cloud assembly goes, if the CDK command does not say.
        context: More context values; ``validate=False`` leaves the validators out.
    """
    flags = json.loads(_SETTINGS.read_text(encoding="utf-8"))["context"]
    app = cdk.App(
        context=flags | context,
        outdir=None if outdir is None else str(outdir),
        builtin_cloud_formation_validation=False,
    )
    if str(app.node.try_get_context("validate")).lower() != "false":
        cdk.Validations.of(app).add_plugins(ServiceRules(), CloudFormationRules())
    return app


def build_platform(
    app: cdk.App, environment: Environment, use_case: UseCase = CENSUS_INCOME
) -> Platform:
    """Add the stacks of one environment to the app.

    The stacks stand directly under the app: inside a `cdk.Stage`, ``cdk synth`` would exit with 0
    although a validation failed, and ``cdk deploy --all`` would find no stack.
    """
    setting = Setting(environment, use_case)
    network = NetworkStack(app, setting)
    data = DataStack(app, setting, ground=network)
    training = TrainingStack(app, setting, ground=network, data=data)
    serving = ServingStack(app, setting, ground=network, data=data, training=training)
    monitoring = MonitoringStack(
        app, setting, ground=network, data=data, training=training, serving=serving
    )
    studio = StudioStack(app, setting, ground=network, data=data, training=training)
    governance = GovernanceStack(
        app,
        setting,
        ground=network,
        training=training,
        serving=serving,
        monitoring=monitoring,
        watched=(network, data, training, serving, monitoring, studio),
    )
    return Platform(network, data, training, serving, monitoring, studio, governance)
