"""Tells the story; see `demo`."""

from __future__ import annotations

import argparse
import shutil
import sys
import time

from demo import drift, features, people, story
from demo.cloud import INSTANCE, Cdk, Cloud, fresh_folder, local_cloud
from demo.console import detail, paint, say, seconds, step
from demo.errors import DemoError

# A third of the people is enough to look at, and in the feature store within seconds; a model of
# all of them passes the pipeline's own gate (`tests/deploy`).
_EVERY = 3
_MIN_AUC = 0.91


def main() -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the local cloud up")
    keep = parser.parse_args().keep
    start = time.monotonic()
    try:
        _tell(keep=keep)
    except DemoError as error:
        say(f"\n{paint('failed:', 'red')} {error}")
        if error.log is not None:
            say(f"log: {error.log}")
        return 1
    except KeyboardInterrupt:
        say(f"\n{paint('stopped', 'yellow')}")
        return 130
    say(f"\n{paint('ok', 'green')}  the whole story took {seconds(time.monotonic() - start)}")
    return 0


def _tell(*, keep: bool) -> None:
    if shutil.which("node") is None:
        raise DemoError("Node.js 20 or newer was not found on PATH; the CDK needs it.")
    say(paint("mlops-constructs: the dev environment on a local cloud, with real data", "bold"))
    work = fresh_folder()
    with local_cloud(work, keep=keep) as cloud:
        detail(f"local cloud {cloud.url}, log {cloud.log}")
        cdk = Cdk(cloud, work)
        with step("cdk bootstrap"):
            cdk.bootstrap()
        with step("cdk deploy -c env=dev --all"):
            outputs = cdk.deploy("dev")
        with step("who may do what, and by which way"):
            people.show_access(work)
        with step("a job of each user of Studio"):
            people.work_as_each_user(cloud, outputs)
        with step(f"put people into the feature group {outputs['FeatureGroupName']}"):
            records = features.ingest_people(cloud, outputs, every=_EVERY)
        with step("join a training set to the labels, as of their time"):
            data = features.build_training_set(cloud, outputs, every=_EVERY, records=records)
        with step(f"run the pipeline {outputs['PipelineName']} on it"):
            story.run_pipeline(cloud, outputs, data, min_auc=_MIN_AUC)
        with step("look at the evaluation"):
            package = story.show_evaluation(cloud, outputs, work)
        with step("approve the model"):
            story.approve(cloud, outputs, package)
        with step(f"ask the endpoint {outputs['EndpointName']}"):
            story.predict(cloud, outputs)
        with step(f"look for drift with {outputs['MonitorPipelineName']}"):
            story.look_for_drift(cloud, outputs)
        with step("let the world change"):
            drift.tell(cloud, outputs)
        if keep:
            _say_how_to_look_around(cloud, work_name=str(work))
        else:
            with step("cdk destroy -c env=dev --all"):
                cdk.destroy("dev")


def _say_how_to_look_around(cloud: Cloud, *, work_name: str) -> None:
    say(f"\n{paint('The local cloud stays up', 'bold')} at {cloud.url}. Look around:")
    prefix = f"LOCALCLOUD_HOME={work_name} .venv/bin/localcloud"
    detail(f"{prefix} status --name {INSTANCE}")
    detail(f"{prefix} logs --name {INSTANCE} -f")
    detail(f"{prefix} exec --name {INSTANCE} -- node_modules/.bin/cdk list -c env=dev")
    detail(f"{prefix} down --name {INSTANCE}      stops it")


if __name__ == "__main__":
    sys.exit(main())
