"""Reads a search's folder and sends a tracker what it lacks, repeatedly until the search has ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from tune_s11.results.folder import SearchFolder, trial_name
from tune_s11.results.records import Refits, RefitScores, read_record_or_none
from tune_s11.results.search import read_config
from tune_s11.results.tested_epochs import read_test_curve
from tune_s11.results.trials import read_trial
from tune_s11.tracking.record import Sent, SentRecord
from tune_s11.tracking.tags import tagged
from tune_s11.tracking.trackers import Row, TrackedRun, Tracker


class Follower:
    """A sender of one search's runs to one tracker.

    It records what it has sent, so each pass sends only what is new, whichever session trained it.

    Args:
        folder: Folder of the search; its ``search.yaml`` must exist.
        tracker: Tracker to send to.
        record: Record of what the tracker has received.
        on_sent: Function that is called after each call of the tracker.
    """

    def __init__(
        self, folder: SearchFolder, tracker: Tracker, record: SentRecord, on_sent: Callable[[], None] = lambda: None
    ) -> None:
        self._folder, self._tracker, self._record, self._on_sent = folder, tracker, record, on_sent
        self._config = read_config(folder)
        self._open: dict[str, TrackedRun] = {}

    def send(self) -> None:
        """Send what is new, in one pass over the folder.

        Raises:
            Exception: Whatever the tracker raises.
        """
        for number, attempts in self._folder.all_attempts().items():
            if self._has_ended(trial_name(number)):
                continue
            trial = read_trial(number, attempts, self._config)
            if trial is None or (trial.state == "running" and not trial.rows):
                continue
            params = trial.recipe.model_dump(mode="json") | {"seed": trial.seed}
            rows = [(row.epoch, tagged(asdict(row))) for row in trial.rows]
            self._bring(trial.name, "trial", params, rows, None if trial.state == "running" else trial.state)
        refits = read_record_or_none(Refits, self._folder.metrics)
        if refits is not None:
            for scores in refits.runs:
                self._send_refit(refits, scores)

    def leave(self) -> None:
        """Leave the runs that have not ended, because the search has ended or was interrupted."""
        for name in list(self._open):
            self._open.pop(name).leave()
            self._on_sent()

    def _send_refit(self, refits: Refits, scores: RefitScores) -> None:
        name = f"{refits.trial}-refit-{scores.seed}"
        if refits.recipe.epochs != self._config.refit.applied_to(self._config.recipe).epochs:
            name += f"-{refits.recipe.epochs}-epochs"  # for a target; there may be refits of full length too
        if self._has_ended(name):
            return
        folder = self._folder.refit(scores.seed)
        figures: dict[int, dict[str, float]] = {}
        trained = [asdict(row) for row in folder.epochs()]
        for row in trained + [asdict(row) for row in read_test_curve(folder.test_curve)]:
            figures.setdefault(row["epoch"], {}).update(tagged(row))
        last = figures.setdefault(max(figures, default=refits.recipe.epochs), {})
        last |= {"test_accuracy": scores.shipped, "test_accuracy_raw": scores.raw}
        params = refits.recipe.model_dump(mode="json") | {"seed": scores.seed, "trial": refits.trial}
        self._bring(name, "refit", params, sorted(figures.items()), "diverged" if scores.diverged else "complete")

    def _has_ended(self, name: str) -> bool:
        sent = self._record.of(name)
        return sent is not None and sent.state is not None

    def _bring(self, name: str, kind: str, params: Mapping[str, Any], rows: Sequence[Row], state: str | None) -> None:
        """Bring a run at the tracker up to date with its state on disk."""
        run, sent = self._open.get(name), self._record.of(name)
        if run is None:
            run = self._open[name] = self._tracker.open(name, kind, params, None if sent is None else sent.id)
            sent = Sent(run.id, max(run.epoch, 0 if sent is None else sent.epoch))
            self._update(name, sent)
        assert sent is not None
        if rows := [row for row in rows if row[0] > sent.epoch]:
            run.log(rows)
            sent = replace(sent, epoch=rows[-1][0])
            self._update(name, sent)
        if state is not None:
            run.end(state)
            self._update(name, replace(sent, state=state))
            del self._open[name]

    def _update(self, name: str, sent: Sent) -> None:
        self._record.update(name, sent)
        self._on_sent()
