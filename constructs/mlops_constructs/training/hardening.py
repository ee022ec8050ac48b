"""Puts network, isolation and encryption on every job of a definition.

The definition says what a job computes; where it runs and what protects it is the platform's, set
in one place for all jobs. The SageMaker SDK cannot be trusted with it: for tuning steps it drops
isolation, inter-container encryption and the volume's key without a word.

| step | set on it |
|---|---|
| Processing | NetworkConfig, key of outputs and volumes |
| Training, jobs of Tuning | VpcConfig, isolation, encrypted traffic, key of outputs and volumes |
| Transform | key of outputs, volumes and captured data |
| QualityCheck, ClarifyCheck | as Processing |
| Model | VpcConfig, isolation |
| EMRServerless with an application of its own | network, key of disks |

Instances with local NVMe storage take no volume key: their hardware encrypts the storage, and
SageMaker refuses the call (API reference, ResourceConfig.VolumeKmsKeyId).

A cluster of EMR that a step makes has to name its subnet and its security configuration itself:
EMR encrypts by the latter, and no key can be put into the call instead (API reference, RunJobFlow).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlops_constructs.common.errors import Problems
from mlops_constructs.rules.instances import has_local_disk
from mlops_constructs.training.document import Json, Step, parameter_default, references
from mlops_constructs.training.step_types import PROCESSING, training_jobs

_ISOLATION = "EnableNetworkIsolation"
_TRAFFIC = "EnableInterContainerTrafficEncryption"


@dataclass(frozen=True, kw_only=True)
class JobSecurity:
    """What every job gets.

    Attributes:
        subnets: Subnet ids.
        security_groups: Security group ids.
        key: The ARN of the KMS key.
        network_access: Steps that may reach the network of the VPC.
        plain_traffic: Steps whose containers may talk to one another unencrypted.
    """

    subnets: Sequence[str]
    security_groups: Sequence[str]
    key: str
    network_access: frozenset[str] = frozenset()
    plain_traffic: frozenset[str] = frozenset()

    @property
    def vpc_config(self) -> Json:
        """A VpcConfig of its own for every job."""
        return {"Subnets": list(self.subnets), "SecurityGroupIds": list(self.security_groups)}


def harden(
    problems: Problems,
    document: Mapping[str, Json],
    steps: Sequence[Step],
    security: JobSecurity,
) -> tuple[str, ...]:
    """Change the steps in place; returns a line for everything that was set or left out.

    Args:
        problems: Where to note settings of the definition that are weaker than ``security``.
        document: The definition that the steps are in; their parameters' defaults are read.
        steps: The steps, with arguments that may be changed.
        security: What every job gets.
    """
    lines: list[str] = []
    for step in steps:
        _Hardener(problems, document, step, security, lines).harden()
    return tuple(lines)


@dataclass
class _Hardener:
    problems: Problems
    document: Mapping[str, Json]
    step: Step
    security: JobSecurity
    lines: list[str]

    def harden(self) -> None:
        """Set what belongs to the step's type."""
        match self.step.type:
            case kind if kind in PROCESSING:
                self._processing()
            case "Transform":
                self._transform()
            case "Model":
                self._network(self.step.arguments, "", traffic=False)
            case "EMR":
                self._cluster()
            case "EMRServerless":
                self._application()
        for path, job in training_jobs(self.step):
            self._training(job, path)

    def _processing(self) -> None:
        self._network(self.step.arguments.setdefault("NetworkConfig", {}), "NetworkConfig.")
        self._key(self.step.arguments, "ProcessingOutputConfig", "KmsKeyId", "")
        resources = self.step.arguments.get("ProcessingResources", {})
        self._volume(resources, "ClusterConfig", "ProcessingResources.")

    def _training(self, job: dict[str, Json], path: str) -> None:
        self._network(job, path)
        self._key(job, "OutputDataConfig", "KmsKeyId", path)
        self._volume(job, "ResourceConfig", path)
        self._volume(job, "HyperParameterTuningResourceConfig", path)

    def _transform(self) -> None:
        self._key(self.step.arguments, "TransformOutput", "KmsKeyId", "")
        self._key(self.step.arguments, "DataCaptureConfig", "KmsKeyId", "")
        self._volume(self.step.arguments, "TransformResources", "")

    def _cluster(self) -> None:
        cluster = self.step.arguments.get("ClusterConfig")
        if cluster is None:
            return
        if not {"Ec2SubnetId", "Ec2SubnetIds"} & cluster.get("Instances", {}).keys():
            self._demand(
                "ClusterConfig.Instances.Ec2SubnetId",
                None,
                "a subnet: EMR takes the account's default network otherwise",
            )
        if not cluster.get("SecurityConfiguration"):
            self._demand(
                "ClusterConfig.SecurityConfiguration",
                None,
                "the name of a security configuration: EMR encrypts nothing otherwise",
            )

    def _application(self) -> None:
        application = self.step.arguments.get("ApplicationConfig")
        if application is None:
            return
        network = {
            "subnetIds": list(self.security.subnets),
            "securityGroupIds": list(self.security.security_groups),
        }
        path = "ApplicationConfig."
        self._provide(application, "networkConfiguration", path, network, "the given VPC")
        disks = application.setdefault("diskEncryptionConfiguration", {})
        path += "diskEncryptionConfiguration."
        self._provide(disks, "encryptionKeyArn", path, self.security.key, "the given key")

    def _network(self, owner: dict[str, Json], path: str, *, traffic: bool = True) -> None:
        self._provide(owner, "VpcConfig", path, self.security.vpc_config, "the given VPC")
        self._switch(owner, _ISOLATION, path, self.security.network_access)
        if traffic:
            self._switch(owner, _TRAFFIC, path, self.security.plain_traffic)

    def _switch(self, owner: dict[str, Json], name: str, path: str, exempt: frozenset[str]) -> None:
        """Turn a protection on; or off for an exempt step, which only a caller can name."""
        given = owner.get(name)
        if self.step.name in exempt:
            owner[name] = False
            self._note(f"{path}{name} = false, as the construct was told")
        elif given is None:
            owner[name] = True
            self._note(f"{path}{name} = true")
        elif given is not True:
            self._refuse(
                path + name, given, "true; only the construct's allow_… arguments weaken it"
            )

    def _key(self, owner: dict[str, Json], member: str, name: str, path: str) -> None:
        if member in owner:
            key = self.security.key
            self._provide(owner[member], name, f"{path}{member}.", key, "the given key")

    def _volume(self, owner: dict[str, Json], member: str, path: str) -> None:
        if member not in owner:
            return
        cluster = owner[member]
        path = f"{path}{member}."
        local = sorted({each for each in self._instances(cluster) if has_local_disk(each)})
        if not local:
            self._provide(cluster, "VolumeKmsKeyId", path, self.security.key, "the given key")
        elif cluster.get("VolumeKmsKeyId"):
            self._refuse(
                f"{path}VolumeKmsKeyId",
                cluster["VolumeKmsKeyId"],
                f"none: {', '.join(local)} encrypts its local storage itself",
            )
        else:
            self._note(
                f"{path}VolumeKmsKeyId left out: {', '.join(local)} has local NVMe storage, which "
                "its hardware encrypts and for which SageMaker refuses a key"
            )

    def _instances(self, cluster: Json) -> Iterator[str]:
        """Every instance type that the cluster may have, as far as the definition tells."""
        if isinstance(cluster, list):
            for item in cluster:
                yield from self._instances(item)
        elif isinstance(cluster, dict):
            for name, value in cluster.items():
                if name == "InstanceType":
                    yield str(parameter_default(self.document, value))
                else:
                    yield from self._instances(value)

    def _provide(
        self, owner: dict[str, Json], name: str, path: str, value: Json, shown: str
    ) -> None:
        """Set what is absent; what the definition names itself stays, if no parameter names it."""
        given = owner.get(name)
        if not given:
            owner[name] = value
            self._note(f"{path}{name} = {shown}")
        elif any(references(given)):
            self._refuse(path + name, given, "a fixed value: executions may override parameters")
        else:
            self._note(f"{path}{name} kept as the definition has it")

    def _note(self, text: str) -> None:
        self.lines.append(f"{self.step.name}: {text}")

    def _demand(self, path: str, got: Json, allowed: str) -> None:
        self.problems.add(
            f"step {self.step.name!r}, Arguments.{path}",
            got=got,
            allowed=allowed,
            instead="Write it into the step, by a sentinel {{value.<name>}} that bindings give.",
        )

    def _refuse(self, path: str, got: Json, allowed: str) -> None:
        self.problems.add(
            f"step {self.step.name!r}, Arguments.{path}",
            got=got,
            allowed=allowed,
            instead="Leave it out of the definition; the construct sets it.",
        )
