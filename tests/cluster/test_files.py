"""The files for `ray up` and KubeRay say nothing that these would not take, and each asks for a token."""

from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[2] / "cluster"

POD = {
    "spec": {
        "securityContext": {"fsGroup": int},
        "tolerations": [{"key": str, "operator": str, "effect": str}],
        "containers": [
            {
                "name": str,
                "image": str,
                "resources": {"requests": {str: (int, str)}, "limits": {str: (int, str)}},
                "volumeMounts": [{"name": str, "mountPath": str}],
            }
        ],
        "volumes": [
            {
                "name": str,
                "persistentVolumeClaim": {"claimName": str},
                "emptyDir": {"medium": str, "sizeLimit": str},
            }
        ],
    }
}

RAYJOB = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        "entrypoint": str,
        "submissionMode": str,
        "runtimeEnvYAML": str,
        "backoffLimit": int,
        "activeDeadlineSeconds": int,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "rayClusterSpec": {
            "rayVersion": str,
            "enableInTreeAutoscaling": bool,
            "authOptions": {"mode": str},
            "headGroupSpec": {"rayStartParams": {str: str}, "template": POD},
            "workerGroupSpecs": [
                {
                    "groupName": str,
                    "replicas": int,
                    "minReplicas": int,
                    "maxReplicas": int,
                    "rayStartParams": {str: str},
                    "template": POD,
                }
            ],
        },
    },
}
"""What may stand in a RayJob of ray.io/v1: a part of its custom resource definition in KubeRay's repository."""


def strangers(value: Any, expected: Any, where: str = "") -> list[str]:
    """Paths of what is not as expected: a type or several, a list of one thing, a dictionary by name or by type."""
    if isinstance(expected, dict) and isinstance(value, dict):
        kinds = {name: expected.get(name, expected.get(type(name))) for name in value}
        unknown = [f"{where}.{name}" for name, kind in kinds.items() if kind is None]
        known = (strangers(value[name], kind, f"{where}.{name}") for name, kind in kinds.items() if kind is not None)
        return unknown + [path for paths in known for path in paths]
    if isinstance(expected, list) and isinstance(value, list):
        return [path for each in value for path in strangers(each, expected[0], where)]
    fits = isinstance(expected, (type, tuple)) and isinstance(value, expected)
    return [] if fits and (expected is not int or not isinstance(value, bool)) else [f"{where}: {value!r}"]


@pytest.fixture
def rayjob() -> Any:
    claim, job = yaml.safe_load_all((CLUSTER / "rayjob.yaml").read_text())
    assert (claim["kind"], claim["spec"]["accessModes"]) == ("PersistentVolumeClaim", ["ReadWriteMany"])
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    return job


def test_rayjob_has_only_fields_that_kuberay_documents(rayjob: Any) -> None:
    assert strangers(rayjob, RAYJOB) == []
    rayjob["spec"]["shutdownAfterJobFinishs"] = True
    rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    assert set(strangers(rayjob, RAYJOB)) == {
        ".spec.shutdownAfterJobFinishs",
        ".spec.rayClusterSpec.headGroupSpec.rayStartParams.num-cpus: 0",
    }


def test_rayjob_asks_for_a_token_gpus_and_a_shared_volume_and_ends(rayjob: Any) -> None:
    spec, cluster = rayjob["spec"], rayjob["spec"]["rayClusterSpec"]
    assert spec["shutdownAfterJobFinishes"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["rayVersion"] == ray.__version__
    (group,) = cluster["workerGroupSpecs"]
    worker, head = (each["template"]["spec"] for each in (group, cluster["headGroupSpec"]))
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert worker["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert f"--gpus {group['replicas']} " in spec["entrypoint"]
    for pod in (worker, head):
        assert {"name": "results", "mountPath": "/mnt/results"} in pod["containers"][0]["volumeMounts"]
        assert {"name": "results", "persistentVolumeClaim": {"claimName": "tune-s11-results"}} in pod["volumes"]
    assert "--storage /mnt/results " in spec["entrypoint"]


@pytest.mark.filterwarnings("ignore")
def test_ray_up_takes_its_file() -> None:
    written = yaml.safe_load((CLUSTER / "ray-up.yaml").read_text())
    whole = prepare_config(dict(written))
    validate_config(whole)
    assert whole["available_node_types"]["head"]["max_workers"] == 0
    with pytest.raises(Exception, match="Additional properties"):
        validate_config(whole | {"head_nod_type": "head"})


def test_ray_up_starts_a_cluster_that_wants_the_token() -> None:
    written = yaml.safe_load((CLUSTER / "ray-up.yaml").read_text())
    assert "--env RAY_AUTH_MODE=token" in written["docker"]["run_options"]
    assert written["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    assert f":{ray.__version__}-" in written["docker"]["image"]
    assert f":{ray.__version__}-" in (CLUSTER / "Dockerfile").read_text()
