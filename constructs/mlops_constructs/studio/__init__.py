"""Private Studio: a network without internet, a domain in it, and users held to their personas.

`features` has the table of features and the endpoints that they bring, `personas` the table of
what users may do.
"""

from mlops_constructs.studio.address_space import ExistingVpc, NewVpc
from mlops_constructs.studio.audit import DomainAudit
from mlops_constructs.studio.domain import SecureVpcDomain
from mlops_constructs.studio.features import NetworkFeature
from mlops_constructs.studio.lifecycle import LifecycleScript, StudioApp
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
    "DataScientist",
    "DockerAccess",
    "DomainAudit",
    "ExistingVpc",
    "HideableApp",
    "IamAuthentication",
    "IdentityCenter",
    "LifecycleScript",
    "MlEngineer",
    "ModelReviewer",
    "NetworkFeature",
    "NewVpc",
    "Persona",
    "PrivateNetwork",
    "SecureVpcDomain",
    "SpaceVolumes",
    "StudioApp",
    "StudioImage",
    "StudioPortal",
    "StudioSpace",
    "StudioTool",
    "UserProfile",
]
