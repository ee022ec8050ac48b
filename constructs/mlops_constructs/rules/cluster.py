"""Rules about HyperPod clusters."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Problems, show

CLUSTER: Final = "AWS::SageMaker::Cluster"


@rule("CL01", CLUSTER, fix="Give Eks or Slurm", source="botocore CreateCluster.Orchestrator")
def one_orchestrator(cluster: Resource) -> Problems:
    """A cluster has one orchestrator."""
    orchestrator = cluster["Orchestrator"]
    if orchestrator["Eks"].present and orchestrator["Slurm"].present:
        yield orchestrator.problem("Both Eks and Slurm are given")
    elif orchestrator.present and orchestrator["Eks"].absent and orchestrator["Slurm"].absent:
        yield orchestrator.problem("Neither Eks nor Slurm is given")


@rule(
    "CL02",
    CLUSTER,
    fix="Give InstanceType or InstanceRequirements",
    source="botocore ClusterInstanceGroupSpecification.InstanceRequirements",
)
def one_kind_of_instances(cluster: Resource) -> Problems:
    """An instance group has one instance type or requirements for several."""
    for group in cluster["InstanceGroups"].items:
        if group["InstanceType"].present and group["InstanceRequirements"].present:
            yield group.problem("Both InstanceType and InstanceRequirements are given")


@rule(
    "CL03",
    CLUSTER,
    fix="The root volume takes VolumeKmsKeyId and no size; a secondary volume takes VolumeSizeInGB",
    source="botocore ClusterEbsVolumeConfig.RootVolume",
)
def root_volume(cluster: Resource) -> Problems:
    """The volumes of an instance group have what their kind takes."""
    for group in cluster["InstanceGroups"].items:
        for storage in group["InstanceStorageConfigs"].items:
            volume = storage["EbsVolumeConfig"]
            root, size = volume["RootVolume"], volume["VolumeSizeInGB"]
            if root.flag is True and size.present:
                yield size.problem("VolumeSizeInGB of the root volume")
            elif root.flag is True and volume["VolumeKmsKeyId"].absent:
                yield volume.problem("The root volume without VolumeKmsKeyId")
            elif volume.present and (root.absent or root.flag is False) and size.absent:
                yield volume.problem("A secondary volume without VolumeSizeInGB")


@rule(
    "CL04",
    CLUSTER,
    fix="Rename one of the groups",
    source="botocore ClusterInstanceGroupSpecification.InstanceGroupName",
)
def group_names(cluster: Resource) -> Problems:
    """Instance groups have unique names."""
    seen: set[str] = set()
    for group in cluster["InstanceGroups"].items:
        name = group["InstanceGroupName"]
        if name.text is not None and name.text in seen:
            yield name.problem(f"The name {show(name.text)} occurs twice")
        seen.add(name.text or "")


CL05 = api_rule("CL05", CLUSTER, group="text", kind="clusters", family=__name__)
CL06 = api_rule("CL06", CLUSTER, group="enum", kind="clusters", family=__name__)
CL07 = api_rule("CL07", CLUSTER, group="instance_type", kind="clusters", family=__name__)
CL08 = api_rule("CL08", CLUSTER, group="count", kind="clusters", family=__name__)
CL09 = api_rule("CL09", CLUSTER, group="required", kind="clusters", family=__name__)
