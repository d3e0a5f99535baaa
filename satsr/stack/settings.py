"""From the file of a stack to what ZenML's orchestrators take: settings of the pipeline and of each step.

Plain values, for ZenML imports the client of Kubernetes only when it checks them.
"""

import json
from typing import Any

from satsr.stack.file import Stack, checked
from satsr.stack.parts import Kubeflow, Kubernetes
from satsr.stack.pod import STAGES, Pod, Toleration

LABEL = "satsr"
"""Of the registered stack: its file, by which whoever makes it active has the settings of its steps."""
FLAVOR = "satsr_kubeflow"
"""Name of :class:`satsr.stack.kubeflow.Flavor`."""
Settings = dict[str, Any]


def label(stack: Stack) -> dict[str, str]:
    """What the registered stack remembers of its file; no secrets, for there are none."""
    return {LABEL: json.dumps(stack.model_dump(mode="json", by_alias=True, exclude_unset=True))}


def remembered(labels: dict[str, Any] | None) -> Stack | None:
    """The stack of :func:`label`; none where another tool registered it.

    Raises:
        satsr.errors.SatsrError: another version of satsr wrote it.
    """
    text = (labels or {}).get(LABEL)
    return (
        checked(json.loads(text), "the active ZenML stack, registered by another version of satsr,") if text else None
    )


def of_pipeline(stack: Stack) -> Settings:
    """Settings of the pipeline: the image, and the pod that starts the others."""
    made: Settings = {}
    if stack.image:
        made["docker"] = {"parent_image": stack.image, "skip_build": True}
    match stack.orchestrator:
        case Kubernetes(service_account=account, parallel=parallel, keep_seconds=keep):
            given = {"service_account_name": account, "max_parallelism": parallel, "ttl_seconds_after_finished": keep}
            pod = pod_settings(stack, Pod())
            made["orchestrator.kubernetes"] = _given({**given, "orchestrator_pod_settings": pod})
        case Kubeflow(user_namespace=namespace, wait_seconds=wait):
            made[f"orchestrator.{FLAVOR}"] = _given(
                {"user_namespace": namespace, "synchronous": wait > 0, "timeout": wait or None}
            )
    return made


def of_steps(stack: Stack) -> dict[str, Settings]:
    """Of each stage the keywords of ZenML's ``step.configure``."""
    return {stage: of_step(stack, stage) for stage in STAGES} if stack.kind != "local" else {}


def of_step(stack: Stack, stage: str) -> Settings:
    """Settings and retries of one stage."""
    pod = stack.pod(stage)
    made: Settings = {"retry": {"max_retries": pod.retries}} if pod.retries else {}
    if stack.kind == "kubernetes":
        return {**made, "settings": {"orchestrator.kubernetes": {"pod_settings": pod_settings(stack, pod)}}}
    described = {"pod": pod.model_dump(mode="json", exclude_defaults=True)}
    secrets = {"pod_secrets": stack.pod_secrets, "pull_secrets": stack.pull_secrets}
    return {**made, "settings": {f"orchestrator.{FLAVOR}": described | secrets}}


def pod_settings(stack: Stack, pod: Pod) -> Settings:
    """ZenML's ``KubernetesPodSettings``; what lies within is in Kubernetes' own spelling."""
    made: Settings = {
        "resources": resources(pod),
        "node_selectors": pod.node_selector,
        "tolerations": [toleration(one) for one in pod.tolerations],
        "image_pull_secrets": stack.pull_secrets,
        "env": [from_secret(name, reference) for name, reference in stack.pod_secrets.items()],
        "additional_pod_spec_args": pod.pod_spec.model_dump(exclude_none=True),
    }
    if pod.shared_memory:
        made["volumes"] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": pod.shared_memory}}]
        made["volume_mounts"] = [{"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108
    return {key: value for key, value in made.items() if value}


def resources(pod: Pod) -> Settings:
    """Requests and limits; cores have no limit, for a step may use those that are idle."""
    whole = _given({"memory": pod.memory, "ephemeral-storage": pod.disk})
    if pod.gpu:
        whole[pod.gpu_resource] = str(pod.gpu)
    requests = _given({"cpu": pod.cores}) | whole
    return {name: values for name, values in (("requests", requests), ("limits", whole)) if values}


def toleration(one: Toleration) -> Settings:
    """In Kubernetes' spelling."""
    return _given(one.model_dump(exclude={"seconds"}) | {"tolerationSeconds": one.seconds})


def from_secret(name: str, reference: str) -> Settings:
    """A variable of a pod that has its value from a Kubernetes secret, ``secret/key``."""
    secret, _, key = reference.partition("/")
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def environment(stack: Stack) -> dict[str, str]:
    """Variables of every step that are no secrets."""
    made = dict(stack.environment)
    if stack.divided:
        made.setdefault("SATSR_PROCESSES", stack.divided)
    if stack.remote:
        made["SATSR_REMOTE"] = stack.remote.url
        if stack.remote.endpoint:
            made["AWS_ENDPOINT_URL_S3"] = stack.remote.endpoint
    if stack.tracking:
        made["MLFLOW_TRACKING_URI"] = stack.tracking.uri
    return made


def _given(values: Settings) -> Settings:
    return {key: value for key, value in values.items() if value is not None}
