"""The made-up search of the report's tests, and what a tracker should have of it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
sys.path.insert(0, str(Path(__file__).parent))
from made_up import images, pristine, search_path

__all__ = ["images", "pristine", "search_path"]


@pytest.fixture(scope="session")
def states() -> dict[str, tuple[int, str | None]]:
    """Epochs and final state by run."""
    return {
        "t0000": (6, "complete"),
        "t0001": (2, "pruned"),
        "t0002": (6, "complete"),
        "t0003": (2, "diverged"),
        "t0004": (3, None),
        "t0005": (0, "failed"),
        "t0002-refit-0": (6, "complete"),
        "t0002-refit-1": (6, "complete"),
    }


@pytest.fixture(scope="session", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's, and nothing that leaves this machine."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_DIR"):
            patch.delenv(name, raising=False)
        for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "NETRC"):
            patch.setenv(name, str(home / name))
        patch.setenv("WANDB_MODE", "offline")
        yield
