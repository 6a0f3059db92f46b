"""Optuna as a Tune searcher.

Tune's own Optuna searcher records pruned trials as COMPLETE with their last value, misses the report on which a trial
was stopped, and enqueues the first suggestions again whenever a stored study is opened.
"""

import itertools
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from ray.tune.search import Searcher

from tune_s11.config import SearchSettings
from tune_s11.results.folder import attempt_name
from tune_s11.search.study import Interrupted, Proposals, build_sampler, report_rows, suggest, tell
from tune_s11.training.metrics import SCORE, metrics_of


class StudySearcher(Searcher):  # type: ignore[misc]
    """A searcher that proposes each trial's parameters and records how it went. Interrupted trials come first.

    Args:
        study: Study that records the trials.
        proposals: Space, and parameters of the first trials of a new study. These are clipped to the space, and the
            sampler adds missing ones.
        settings: Search settings with sampler, seed and samples.
        epochs: Length of a complete trial.
        interrupted: Trials of an earlier session to resume.
    """

    def __init__(
        self,
        study: optuna.Study,
        proposals: Proposals,
        settings: SearchSettings,
        epochs: int,
        interrupted: Iterable[Interrupted] = (),
    ) -> None:
        super().__init__(metric=SCORE, mode="max")
        self._study, self._proposals, self._seed, self._epochs = study, proposals, settings.seed, epochs
        self._interrupted = deque(interrupted)
        self._trials: dict[str, Trial] = {}
        before = study.get_trials(deepcopy=False)
        if not before:
            for fields in itertools.islice(proposals.first, settings.samples):  # any more would stay queued forever
                study.enqueue_trial(proposals.params(fields), skip_if_exists=True)
        study.sampler = build_sampler(settings, len(before))

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Return the ``config`` of a :class:`TrialTrainable`: parameters, number and folder."""
        if self._interrupted:
            again = self._interrupted.popleft()
            trial, checkpoint, attempts = again.trial, again.checkpoint, again.attempts
        else:
            trial, checkpoint, attempts = self._study.ask(), None, 0
        suggest(trial, self._proposals.space)  # an interrupted trial may lack some, if the session was killed here
        self._trials[trial_id] = trial
        return {
            "number": trial.number,
            "folder": attempt_name(trial.number, attempts),
            "params": self._proposals.fields(trial.params),
            "seed": self._seed + trial.number,
            "checkpoint": checkpoint,
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record the epochs of a report. Tune does not pass the report on which a trial ends."""
        report_rows(self._trials[trial_id], map(metrics_of, result["epochs"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record how a trial ended."""
        trial = self._trials.pop(trial_id)
        rows = [metrics_of(row) for row in result["epochs"]] if result else []
        report_rows(trial, rows)
        if error or not rows:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            tell(trial, rows[-1], self._epochs)

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune pickles its searcher only for its own restore, which is not used here."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: the study is the record."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Read nothing: the study is the record."""
