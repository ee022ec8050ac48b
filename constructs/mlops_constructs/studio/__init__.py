"""Private Studio: a network without internet, a domain in it, and users held to their personas.

`features` has the table of features and the endpoints that they bring, `personas` the table of
what users may do.
"""

from mlops_constructs.studio.address_space import ExistingVpc, NewVpc
from mlops_constructs.studio.audit import DomainAudit
from mlops_constructs.studio.capacity import Capacity
from mlops_constructs.studio.data import ProjectData
from mlops_constructs.studio.domain import SecureVpcDomain
from mlops_constructs.studio.endpoints import OwnEndpoints, SharedEndpoints
from mlops_constructs.studio.features import NetworkFeature, OptionalEndpoint
from mlops_constructs.studio.jumpstart import CuratedHub
from mlops_constructs.studio.lifecycle import LifecycleScript, StudioApp
from mlops_constructs.studio.mlflow import Mlflow, MlflowApp, MlflowSize, MlflowTrackingServer
from mlops_constructs.studio.network import PrivateNetwork
from mlops_constructs.studio.personas import (
    Administrator,
    Auditor,
    DataScientist,
    MlEngineer,
    ModelReviewer,
    Persona,
)
from mlops_constructs.studio.portal import (
    DockerAccess,
    HideableApp,
    StudioImage,
    StudioPortal,
    StudioTool,
)
from mlops_constructs.studio.projects import ProjectTemplates
from mlops_constructs.studio.settings import SpaceVolumes
from mlops_constructs.studio.spaces import StudioSpace
from mlops_constructs.studio.users import (
    Authentication,
    IamAuthentication,
    IdentityCenter,
    UserProfile,
)

__all__ = [
    "Administrator",
    "Auditor",
    "Authentication",
    "Capacity",
    "CuratedHub",
    "DataScientist",
    "DockerAccess",
    "DomainAudit",
    "ExistingVpc",
    "HideableApp",
    "IamAuthentication",
    "IdentityCenter",
    "LifecycleScript",
    "MlEngineer",
    "Mlflow",
    "MlflowApp",
    "MlflowSize",
    "MlflowTrackingServer",
    "ModelReviewer",
    "NetworkFeature",
    "NewVpc",
    "OptionalEndpoint",
    "OwnEndpoints",
    "Persona",
    "PrivateNetwork",
    "ProjectData",
    "ProjectTemplates",
    "SecureVpcDomain",
    "SharedEndpoints",
    "SpaceVolumes",
    "StudioApp",
    "StudioImage",
    "StudioPortal",
    "StudioSpace",
    "StudioTool",
    "UserProfile",
]
