from __future__ import annotations

import subprocess
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from localcloud import emulator
from localcloud.settings import Settings, command_environment
from tests.localcloud.support import Cloud


def test_ministack_still_has_the_private_names_that_we_use() -> None:
    missing = emulator.missing_private_names()
    assert not missing, (
        f"ministack {version('ministack')} no longer has {', '.join(missing)}:"
        " adapt localcloud/src/localcloud/emulator.py."
    )


def test_only_one_module_imports_ministack() -> None:
    sources = Path(emulator.__file__).parent.rglob("*.py")
    users = [
        p.name
        for p in sources
        if "import ministack" in (t := p.read_text()) or "from ministack" in t
    ]
    assert users == ["emulator.py"]


def test_accounts_do_not_see_each_other(cloud: Cloud) -> None:
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="mine")
    other = Cloud(cloud.local, "999999999999")
    assert not other.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"]
    assert len(cloud.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"]) == 1


def test_clients_inside_the_process_reach_other_services(cloud: Cloud) -> None:
    bucket = cloud.bucket()
    cloud.put(bucket, "a/b.txt", b"\x00content")
    answer = cloud.client("s3").get_object(Bucket=bucket, Key="a/b.txt")
    assert answer["Body"].read() == b"\x00content"


def test_clients_inside_the_process_reach_sagemaker_over_its_http_face(cloud: Cloud) -> None:
    client = cloud.client("sagemaker")
    client.create_model_package_group(ModelPackageGroupName="group")
    described = client.describe_model_package_group(ModelPackageGroupName="group")
    assert described["ModelPackageGroupArn"] == (
        f"arn:aws:sagemaker:us-east-1:{cloud.scope.account}:model-package-group/group"
    )


def test_held_schedules_have_no_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = import_module("ministack.services.eventbridge")
    schedules = import_module("ministack.services.scheduler")
    timers = ((rules, "_scheduler_thread"), (schedules, "_ticker_thread"))
    for engine, thread in timers:
        monkeypatch.setattr(engine, thread, None)
        monkeypatch.setattr(engine, "start_scheduler", engine.start_scheduler)
    emulator.hold_schedules()
    for engine, thread in timers:
        engine.start_scheduler()
        assert getattr(engine, thread) is None


def test_the_server_process_learns_that_schedules_are_held(tmp_path: Path) -> None:
    given = Settings(port=4566, work_dir=tmp_path, schedules=False)
    assert Settings.from_environment(given.process_environment()) == given


def test_a_table_is_read_whole_while_another_thread_writes() -> None:
    class Busy(dict[Any, Any]):
        reads = 0

        def items(self) -> Any:
            self.reads += 1
            for pair in super().items():
                yield pair
                if self.reads < 3:
                    self[("", "", self.reads)] = "written by another thread"

    responses = import_module("ministack.core.responses")
    table = responses.AccountRegionScopedDict()
    table["metric"] = 1
    table._data = busy = Busy(table._data)
    with pytest.raises(RuntimeError, match="changed size"):
        list(busy.items())
    emulator.read_tables_whole()
    assert [value for key, value in table.items() if key == "metric"] == [1]


def test_commands_look_more_often_for_the_end_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=900")
    options = command_environment("http://127.0.0.1:4566", "us-east-1")["NODE_OPTIONS"]
    assert options.startswith("--max-old-space-size=900 --require ")
    monkeypatch.setenv("NODE_OPTIONS", options)
    again = command_environment("http://127.0.0.1:4566", "us-east-1")["NODE_OPTIONS"]
    assert again == options
    # The function that waits in the CDK command, and any other.
    code = """
        async function waitFor() { await new Promise((done) => setTimeout(done, 5000)); }
        const start = Date.now();
        const other = setTimeout(() => {}, 5000);
        waitFor().then(() => { clearTimeout(other); console.log(Date.now() - start); });
        require("util").promisify(setTimeout)(1, "kept").then(console.log);
    """
    told = subprocess.run(
        ["node", "-e", code], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    assert told[0] == "kept"
    assert int(told[1]) < 4000
