"""What the pod of a step asks of a cluster."""

from typing import Annotated, Any, Literal

from pydantic import Field

from satsr.config.data import Section

Quantity = Annotated[str, Field(pattern=r"^[1-9]\d*(Mi|Gi|Ti)$")]
"""Bytes as Kubernetes writes them, in powers of 1024: ``64Gi``."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""Of an object of Kubernetes, or of ZenML."""
STAGES = ("download", "convert", "validate", "train", "evaluate", "export", "register")


class Toleration(Section):
    """A taint of nodes that a pod puts up with."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: int | None = Field(None, ge=0)


class PodSpec(Section):
    """Fields of a pod that have no word of their own here, in ZenML's spelling: not camelCase.

    ZenML only warns of a wrong key and goes on without it. ``host_network`` is none of them: ZenML's orchestrator pod
    takes its own name from the host's.
    """

    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    automount_service_account_token: bool | None = None
    dns_policy: str | None = None
    dns_config: dict[str, Any] | None = None
    enable_service_links: bool | None = None
    host_aliases: list[dict[str, Any]] | None = None
    security_context: dict[str, Any] | None = None
    topology_spread_constraints: list[dict[str, Any]] | None = None


class Pod(Section):
    """The pod of one step.

    Attributes:
        cpu: cores that are reserved; more are used where the node has them idle.
        memory: reserved, and the limit.
        disk: of the node, reserved, and the limit: the clone, what is pulled and what is made.
        shared_memory: size of ``/dev/shm``, by which loader processes hand over batches; counts as memory.
        gpu: how many.
        gpu_resource: what the cluster calls a GPU.
        node_selector: labels that the node must have.
        tolerations: taints that the node may have.
        retries: how often a pod that failed is started again.
        pod_spec: further fields.
    """

    cpu: float | None = Field(None, gt=0)
    memory: Quantity | None = None
    disk: Quantity | None = None
    shared_memory: Quantity | None = None
    gpu: int | None = Field(None, ge=0)
    gpu_resource: str = Field("nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")
    node_selector: dict[str, str] = Field({})
    tolerations: list[Toleration] = Field([])
    retries: int = Field(0, ge=0, le=20)
    pod_spec: PodSpec = PodSpec()

    def over(self, defaults: "Pod") -> "Pod":
        """These settings where they are given, else those of ``defaults``; a key replaces the whole key."""
        return defaults.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})

    @property
    def cores(self) -> str | None:
        """As Kubernetes writes them: whole cores, else thousandths."""
        if self.cpu is None:
            return None
        return str(int(self.cpu)) if self.cpu == int(self.cpu) else f"{round(1000 * self.cpu)}m"


class Steps(Section):
    """The pods of the seven stages, where they differ from the defaults."""

    download: Pod = Pod()
    convert: Pod = Pod()
    validate_: Pod = Field(Pod(), alias="validate")
    train: Pod = Pod()
    evaluate: Pod = Pod()
    export: Pod = Pod()
    register_: Pod = Field(Pod(), alias="register")

    def of(self, stage: str) -> Pod:
        """The pod of a stage, as the file has it."""
        found: Pod = getattr(self, f"{stage}_" if stage in ("validate", "register") else stage)
        return found
