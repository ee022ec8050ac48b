"""MLflow: tracking servers, which are started and stopped, and serverless apps.

Nothing listens at their URLs: what is emulated is the control plane.
"""

from __future__ import annotations

from uuid import uuid4

from localcloud.sagemaker import crud, errors
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record
from localcloud.sagemaker.studio import authorized

_SERVER = "MlflowTrackingServer"
_SECONDS = 60.0
"""Of AWS's time; AWS says a few minutes."""


@crud.prepare("MlflowApp")
def _complete_app(cloud: SageMaker, data: Json) -> None:
    identifier = uuid4().hex[:12].upper()
    data["Arn"] = cloud.arn_of(kind("MlflowApp"), {"Id": identifier})
    data.setdefault("MlflowVersion", "3.0")
    data.setdefault("ModelRegistrationMode", "AutoModelRegistrationDisabled")


@crud.prepare(_SERVER)
def _complete_server(cloud: SageMaker, data: Json) -> None:
    name = data["TrackingServerName"]
    data["TrackingServerUrl"] = f"https://{name}.{cloud.scope.region}.experiments.sagemaker.aws"
    data["IsActive"] = "Active"
    data.setdefault("TrackingServerSize", "Small")
    data.setdefault("AutomaticModelRegistration", False)


@operation("StopMlflowTrackingServer")
def stop_server(cloud: SageMaker, request: Json) -> Json:
    """Stop a server; what was tracked stays."""
    return _move(cloud, request, "Stop", ("Stopping", "Stopped"), active="Inactive")


@operation("StartMlflowTrackingServer")
def start_server(cloud: SageMaker, request: Json) -> Json:
    """Start a server that was stopped."""
    return _move(cloud, request, "Start", ("Starting", "Started"), active="Active")


@operation("CreatePresignedMlflowTrackingServerUrl")
def create_server_url(cloud: SageMaker, request: Json) -> Json:
    """The URL that opens the pages of a tracking server."""
    record = cloud.require(_SERVER, request, "CreatePresignedMlflowTrackingServerUrl")
    return {"AuthorizedUrl": authorized(record, "TrackingServerUrl")}


@operation("CreatePresignedMlflowAppUrl")
def create_app_url(cloud: SageMaker, request: Json) -> Json:
    """The URL that opens the pages of an app."""
    record = cloud.require("MlflowApp", request, "CreatePresignedMlflowAppUrl")
    name = record.arn.rpartition("/")[2].lower()
    url = f"https://{name}.mlflow.sagemaker.{cloud.scope.region}.app.aws"
    return {"AuthorizedUrl": authorized(Record(record.kind, record.key, record.arn, {"Url": url}))}


def _move(
    cloud: SageMaker, request: Json, verb: str, statuses: tuple[str, str], *, active: str
) -> Json:
    operation_name = f"{verb}MlflowTrackingServer"
    passing, then = statuses
    record = cloud.require(_SERVER, request, operation_name)
    status = record.data["TrackingServerStatus"]
    if record.data["IsActive"] == active or status.endswith("ing"):
        raise errors.in_use(
            operation_name, f"{record.arn} is {status}: it cannot become {then} from there."
        )
    crud.set_status(cloud, record, passing, IsActive=active)
    cloud.clock.after(_SECONDS, lambda: crud.set_status(cloud, record, then))
    return {"TrackingServerArn": record.arn}
