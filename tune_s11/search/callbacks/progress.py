"""Shows the trials while they run: as a table in the panel on a terminal, as plain lines elsewhere."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune import Callback
from rich.console import Group, RenderableType
from rich.table import Table

from tune_s11.results import TrialResult, last_error, trial_name
from tune_s11.search.callbacks.standings import Standings
from tune_s11.search.display import Display, one_line
from tune_s11.text import say
from tune_s11.training.metrics import SCORE, metrics_of

SHOWN = 12
"""Maximum number of trials in the live table: the running ones, then those that finished last."""

REASON = 200
"""Maximum number of characters shown of a failure's reason; ``error.txt`` has all of it."""


def better(best: tuple[float, int] | None, other: tuple[float, int]) -> tuple[float, int]:
    """Return the better of two trials, each a score and a number; in a tie the earlier one, as for the winner."""
    return max(best or other, other, key=lambda trial: (trial[0], -trial[1]))


class SearchProgress(Callback):  # type: ignore[misc]
    """A callback that shows the trials of one session.

    It prints a line for each failure. Without a panel, it also prints a line when a trial ends; if there are many
    trials, only for every n-th.

    Args:
        display: Display to show them on.
        samples: Number of trials of the whole search.
        ended: Number of trials that had finished before this session.
        best: Score and number of the best of them.
        epochs: Length of a complete trial.
        rungs: Epochs of the policy's rungs.
        earlier: Trials of earlier sessions, which count in the ranks.
    """

    LINES = 20

    def __init__(
        self,
        display: Display,
        samples: int,
        ended: int,
        best: tuple[float, int] | None,
        epochs: int,
        rungs: Sequence[int] = (),
        earlier: Sequence[TrialResult] = (),
    ) -> None:
        self._display, self._samples, self._epochs = display, samples, epochs
        self._before, self._best = ended, best
        self._counts = {"complete": 0, "pruned": 0, "diverged": 0, "failed": 0}
        self._running: dict[str, dict[str, Any]] = {}
        self._ended: list[tuple[str, ...]] = []
        self._standings = Standings(rungs)
        for trial in earlier:
            self._standings.record(trial.number, [(row.epoch, row.score) for row in trial.rows])

    def __enter__(self) -> "SearchProgress":
        self._display.begin("trials", self._panel)
        return self

    def __exit__(self, *_: object) -> None:
        self._display.advance(1.0)

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune pickles its callbacks only for its own restore, which is not used here."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Show a trial that has been assigned a worker."""
        number = trial.config["number"]
        self._running[trial.trial_id] = {"name": trial_name(number), "number": number, "epoch": 0}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Show the report of a trial."""
        number, scores = trial.config["number"], [(row["epoch"], metrics_of(row).score) for row in result["epochs"]]
        last = {**result["epochs"][-1], SCORE: scores[-1][1]}
        self._running[trial.trial_id] = {"name": trial_name(number), "number": number, **last}
        self._standings.record(number, scores)
        if last["epoch"] == self._epochs:
            self._best = better(self._best, (last[SCORE], number))
        self._advance()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Show a trial that has ended on its own or was pruned."""
        last = self._running.get(trial.trial_id, {})
        state = "complete" if last.get("epoch") == self._epochs else "pruned"
        self._end(trial, "diverged" if last.get("diverged") else state)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print why a trial has failed, and that it will be resumed."""
        last = self._running.pop(trial.trial_id, {"epoch": 0})
        name, reason = trial_name(trial.config["number"]), _reason(trial)
        line = f"{name} resumes from its last checkpoint: at epoch {last['epoch']}, {reason}"
        say(self._display.console, line)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Show a trial that has failed for good."""
        self._end(trial, "failed")

    def _end(self, trial: Any, state: str) -> None:
        number = trial.config["number"]
        last = self._running.pop(trial.trial_id, {"name": trial_name(number), "epoch": 0})
        self._counts[state] += 1
        score, place = f"{last[SCORE]:.4f}" if SCORE in last else "-", self._standings.of(number)
        self._ended.append((last["name"], state, f"{last['epoch']}/{self._epochs}", score, place))
        self._advance()
        outcome = f"{last['name']} {state} at epoch {last['epoch']}/{self._epochs}"
        if state == "failed":
            say(self._display.console, f"{outcome}: {_reason(trial)} | {self._summary()}")
        elif not self._display.live:
            done = self._before + sum(self._counts.values())
            if done % max(1, self._samples // self.LINES) == 0 or done == self._samples:
                placed = f" ({place})" if place else ""
                left = f", {self._display.left}" if self._display.left else ""
                say(self._display.console, f"{outcome}, validation {score}{placed} | {self._summary()}{left}")

    def _advance(self) -> None:
        """Update the share of this session's trials that is done; a running trial counts by its share of epochs."""
        ended = sum(self._counts.values())
        running = sum(trial["epoch"] / self._epochs for trial in self._running.values())
        self._display.advance((ended + running) / max(1, self._samples - self._before))

    def _summary(self) -> str:
        """Return a line with the trials by state, the best so far, and the speed."""
        ended, running = sum(self._counts.values()), list(self._running.values())
        states = ", ".join(f"{count} {state}" for state, count in self._counts.items() if count)
        parts = [f"{self._before + ended}/{self._samples} done" + (f" ({states})" if states else "")]
        parts.append(f"{len(running)} running")
        if self._best:
            parts.append(f"best {self._best[0]:.4f} ({trial_name(self._best[1])})")
        speed = sum(trial.get("images_per_second", 0.0) for trial in running)
        if speed:
            parts.append(f"{speed:,.0f} images/s")
        return ", ".join(parts)

    def _panel(self) -> RenderableType:
        """Return the running trials, those that finished last, and the summary."""
        table = Table(box=None, pad_edge=False)
        for header in ("trial", "state", "epoch", "validation", "rank at the last rung"):
            table.add_column(header, no_wrap=True)
        running = list(self._running.values())
        for trial in running[:SHOWN]:
            score, place = f"{trial[SCORE]:.4f}" if SCORE in trial else "", self._standings.of(trial["number"])
            table.add_row(trial["name"], "running", f"{trial['epoch']}/{self._epochs}", score, place)
        room = max(0, SHOWN - len(running))
        for row in self._ended[: -room - 1 : -1]:
            table.add_row(*row, style="dim")
        return Group(table, one_line(self._summary()))


def _reason(trial: Any) -> str:
    return textwrap.shorten(last_error(Path(trial.error_file)) or "", REASON, placeholder=" ...")
