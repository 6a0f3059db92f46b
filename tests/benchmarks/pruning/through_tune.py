"""A search over a surrogate's curves by Ray Tune itself, a trial at a time; prints how each trial went, as JSON.

    python tests/benchmarks/through_tune.py FOLDER

Run with the benchmarks and this folder on PYTHONPATH, which Ray's worker needs too.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.pruning.simulator import World, simulated_epoch
from tests.benchmarks.pruning.synthetic import s11_world
from tune_s11.search.audit import Audit
from tune_s11.search.study import Proposals
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.search.tune.searcher import StudySearcher
from tune_s11.search.workers.cluster import Resources, connect
from tune_s11.training.metrics import SCORE


def search(folder: Path) -> list[Any]:
    """Parameters, state and epochs of each trial."""
    from ray import tune

    class Replayed(tune.Trainable):  # type: ignore[misc]
        """Reports as a trial does: at rungs and at its end."""

        def setup(self, config: dict[str, Any], world: World) -> None:
            self._world = world
            self.reset_config(config)

        def reset_config(self, config: dict[str, Any]) -> bool:
            settings = self._world.config.search
            generator = np.random.default_rng((settings.seed, config["number"]))
            self._course, self._epoch = self._world.surrogate.draw(config["params"], generator), 0
            self._rungs = self._world.config.policy.rungs
            return True

        def step(self) -> dict[str, Any]:
            rows: list[dict[str, Any]] = []
            end = len(self._course.signal)
            while not rows or (self._epoch not in self._rungs and self._epoch < end):
                self._epoch += 1
                rows.append(asdict(simulated_epoch(self._course, self._epoch)))
            return {"epoch": self._epoch, SCORE: rows[-1][SCORE], "epochs": rows, "done": self._epoch == end}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            pass

    world = s11_world()
    config, study = world.config, optuna.create_study(direction="maximize")
    audit, epochs = Audit(folder / "audit.json", config), config.recipe.epochs
    with connect(Resources(gpus=0, workers=1)):
        tune.Tuner(
            tune.with_parameters(Replayed, world=world),
            tune_config=tune.TuneConfig(
                search_alg=StudySearcher(study, Proposals(config.domains, world.first), config.search, epochs),
                scheduler=PolicyScheduler(config.policy, audit),
                num_samples=config.search.samples,
                max_concurrent_trials=1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
        ).fit()
    return [[trial.params, trial.state.name, max(trial.intermediate_values)] for trial in study.trials]


if __name__ == "__main__":
    os.environ |= {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    print(json.dumps(search(Path(sys.argv[1]))))
