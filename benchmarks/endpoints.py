"""What an endpoint costs at synth: this library against the same templates as plain typed L1 code.

Forty endpoints with VPC, role, alarms and autoscaling, and the same app without any; what is left
when one is taken from the other is the endpoints. Validation is off on both sides. The plain
programs are written from our templates (`benchmarks.plain`) and give the same ones; that is checked
before anything is timed; they have no checks, no grants and no acknowledged findings.

``python -m benchmarks.endpoints NUMBER`` is the app, for the comparison to start.
"""

from __future__ import annotations

import json
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

from benchmarks.measure import Command, Sample, interleave, progress

ROOT = Path(__file__).resolve().parents[1]
_NUMBER = 40
# Well below CloudFormation's limit of 500 resources in a stack.
_PER_STACK = 20


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Milliseconds an endpoint on both sides, their ratio, and what was compared."""
    from benchmarks.plain.languages import PythonWriter
    from benchmarks.plain.templates import count_resources, differences, read_templates

    commands: dict[str, Callable[[], Sample]] = {}
    resources: dict[int, int] = {}
    apart: dict[str, list[str]] = {}
    for number in (0, _NUMBER):
        ours = _command(
            work, f"ours-{number}", [sys.executable, "-m", "benchmarks.endpoints", str(number)]
        )
        ours.run()
        templates = read_templates(work / ours.name)
        program = work / f"plain_{number}.py"
        program.write_text(PythonWriter(templates).program())
        py_compile.compile(str(program), doraise=True)
        plain = _command(work, f"plain-{number}", [sys.executable, "-c", f"import {program.stem}"])
        plain.run()
        apart[str(number)] = differences(templates, read_templates(work / plain.name))
        progress(f"{number} endpoints: {len(apart[str(number)])} differences in the templates")
        resources[number] = count_resources(templates)
        commands |= {ours.name: ours.run, plain.name: plain.run}
    seconds = interleave(commands, rounds=rounds).seconds()
    each = {
        side: (seconds[f"{side}-{_NUMBER}"] - seconds[f"{side}-0"]) / _NUMBER
        for side in ("ours", "plain")
    }
    return {
        "rounds": rounds,
        "endpoints": _NUMBER,
        "resources an endpoint": (resources[_NUMBER] - resources[0]) / _NUMBER,
        "seconds": seconds,
        "milliseconds an endpoint": {side: round(s * 1000, 2) for side, s in each.items()},
        "ratio to plain": round(each["ours"] / each["plain"], 3),
        "differences in the templates": apart,
    }


def _command(work: Path, name: str, arguments: list[str]) -> Command:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    return Command(
        name=name,
        arguments=arguments,
        folder=ROOT,
        environment={
            "CDK_OUTDIR": str(work / name),
            "CDK_CONTEXT_JSON": json.dumps(context | {"validate": "false"}),
            "PYTHONPATH": os.pathsep.join((str(work), str(ROOT))),
        },
    )


def main() -> None:
    """Build and synthesise the app with so many endpoints."""
    import aws_cdk as cdk
    from aws_cdk import aws_kms as kms, aws_s3 as s3

    from mlops_constructs import (
        BlueGreenEndpoint,
        Canary,
        Instances,
        ModelArtifact,
        PrivateNetwork,
        TrackInvocations,
    )
    from stacks.platform import new_app

    app = new_app()
    ground = cdk.Stack(app, "Ground")
    key = kms.Key(ground, "Key")
    bucket = s3.Bucket(ground, "Bucket", encryption_key=key)
    network = PrivateNetwork(ground, "Network", encryption_key=key).job_network
    for index in range(int(sys.argv[1])):
        if index % _PER_STACK == 0:
            stack = cdk.Stack(app, f"Stack{index // _PER_STACK}")
        endpoint = BlueGreenEndpoint(
            stack,
            f"Made{index}",
            endpoint_name=f"made-{index}",
            model=ModelArtifact(
                image=f"{stack.account}.dkr.ecr.{stack.region}.amazonaws.com/models:1",
                model_data_url=f"s3://{bucket.bucket_name}/{index}/model.tar.gz",
                buckets=[bucket],
                image_repository_arns=[
                    stack.format_arn(service="ecr", resource="repository/models")
                ],
            ),
            compute=Instances("ml.m5.large", count=2),
            deployment=Canary(percent=50, bake=cdk.Duration.minutes(5)),
            network=network,
            encryption_key=key,
        )
        endpoint.add_autoscaling(
            min_capacity=2, max_capacity=4, policies=[TrackInvocations(per_minute=600)]
        )
    app.synth()


if __name__ == "__main__":
    main()
