from __future__ import annotations

from importlib.metadata import version

from localcloud import emulator
from tests.localcloud.support import Cloud


def test_ministack_still_has_the_private_names_that_we_use() -> None:
    missing = emulator.missing_private_names()
    assert not missing, (
        f"ministack {version('ministack')} no longer has {', '.join(missing)}:"
        " adapt localcloud/src/localcloud/emulator.py."
    )


def test_only_one_module_imports_ministack() -> None:
    from pathlib import Path

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
