"""Which model the function of FindChampion names."""

import importlib.util
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import USE_CASE

_SPEC = importlib.util.spec_from_file_location("champion", USE_CASE / "functions" / "champion.py")
assert _SPEC is not None
assert _SPEC.loader is not None
champion: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(champion)

VERSION = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/census/3"
REQUEST = {"champion": "registry", "group": "census", "otherwise": "s3://b/new.tar.gz"}


class Aws:
    """SSM and SageMaker with one parameter and one version."""

    def __init__(self, approved: str | None, uri: str | None = "s3://b/old.tar.gz") -> None:
        self._approved = approved
        self._uri = uri

    def __call__(self, service: str) -> "Aws":
        assert service in ("ssm", "sagemaker")
        return self

    def get_parameter(self, *, Name: str) -> Any:  # noqa: N803 (botocore's spelling)
        assert Name == "/mlops/census/approved-model"
        if self._approved is None:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        if self._approved == "denied":
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetParameter")
        return {"Parameter": {"Value": self._approved}}

    def describe_model_package(self, *, ModelPackageName: str) -> Any:  # noqa: N803 (as above)
        assert ModelPackageName == VERSION
        containers = [{"ModelDataUrl": self._uri}] if self._uri else []
        return {"InferenceSpecification": {"Containers": containers}}


@pytest.mark.parametrize("approved", ["none", None])
def test_before_the_first_release_there_is_no_champion(approved: str | None) -> None:
    answer = champion.find(REQUEST, Aws(approved))
    assert answer == {"version": "none", "model": "s3://b/new.tar.gz"}


def test_the_released_version_is_the_champion() -> None:
    answer = champion.find(REQUEST, Aws(VERSION))
    assert answer == {"version": VERSION, "model": "s3://b/old.tar.gz"}


def test_whoever_starts_may_name_another_or_none() -> None:
    assert champion.find(REQUEST | {"champion": VERSION}, Aws(None))["version"] == VERSION
    assert champion.find(REQUEST | {"champion": "none"}, Aws(VERSION))["version"] == "none"
    with pytest.raises(ValueError, match=r"Champion is 'latest'; allowed: 'registry', 'none'"):
        champion.find(REQUEST | {"champion": "latest"}, Aws(None))


def test_errors_are_not_taken_for_no_model() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        champion.find(REQUEST, Aws("denied"))
    with pytest.raises(ValueError, match="has no model artifact"):
        champion.find(REQUEST, Aws(VERSION, uri=None))
