"""What the user sees while the trials run: a live panel on a terminal, plain lines elsewhere."""

import textwrap
import time
from pathlib import Path
from typing import Any

from ray.tune import Callback
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tune_s11.results import last_error, trial_name
from tune_s11.text import say
from tune_s11.training.metrics import SCORE

SHOWN = 12
"""Trials in the live table: those that run, then those that ended last."""

REASON = 200
"""Characters of a failure's reason that are shown; ``error.txt`` has all of it."""


class SearchProgress(Callback):  # type: ignore[misc]
    """Follows the trials of one session.

    It prints a line of each failure and, without a terminal, one as a trial ends, of many trials only each n-th.

    Args:
        console: Where to print.
        samples: Trials of the whole search.
        ended: Trials that had ended before this session.
        best: Score and number of the best of those.
        epochs: Length of a complete trial.
    """

    LINES = 20

    def __init__(self, console: Console, samples: int, ended: int, best: tuple[float, int] | None, epochs: int) -> None:
        self._console, self._samples, self._epochs = console, samples, epochs
        self._before, self._best = ended, best
        self._counts = {"complete": 0, "pruned": 0, "diverged": 0, "failed": 0}
        self._running: dict[str, dict[str, Any]] = {}
        self._ended: list[tuple[str, ...]] = []
        self._begun = time.monotonic()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> "SearchProgress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a way to restore that is not used here."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has its worker."""
        self._running[trial.trial_id] = {"name": trial_name(trial.config["number"]), "epoch": 0}
        self._draw()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial has reported."""
        last = {**result["epochs"][-1], SCORE: result[SCORE]}
        self._running[trial.trial_id] = {"name": trial_name(trial.config["number"]), **last}
        if last["epoch"] == self._epochs:
            self._best = max(self._best or (-1.0, 0), (last[SCORE], trial.config["number"]))
        self._draw()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended by itself or was pruned."""
        last = self._running.get(trial.trial_id, {})
        state = "complete" if last.get("epoch") == self._epochs else "pruned"
        self._end(trial, "diverged" if last.get("diverged") else state)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed and will go on."""
        last = self._running.pop(trial.trial_id, {"epoch": 0})
        name, reason = trial_name(trial.config["number"]), _reason(trial)
        say(self._console, f"{name} is taken up again from its last checkpoint: at epoch {last['epoch']}, {reason}")
        self._draw()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        self._end(trial, "failed")

    def _end(self, trial: Any, state: str) -> None:
        last = self._running.pop(trial.trial_id, {"name": trial_name(trial.config["number"]), "epoch": 0})
        self._counts[state] += 1
        score = f"{last[SCORE]:.4f}" if SCORE in last else "-"
        self._ended.append((last["name"], state, str(last["epoch"]), score))
        outcome = f"{last['name']} {state} at epoch {last['epoch']}/{self._epochs}"
        if state == "failed":
            say(self._console, f"{outcome}: {_reason(trial)} | {self._summary()}")
        elif self._live is None:
            done = self._before + sum(self._counts.values())
            if done % max(1, self._samples // self.LINES) == 0 or done == self._samples:
                say(self._console, f"{outcome}, validation {score} | {self._summary()}")
        self._draw()

    def _summary(self) -> str:
        """Trials by state, the best so far, speed and time left."""
        ended = sum(self._counts.values())
        states = ", ".join(f"{count} {state}" for state, count in self._counts.items() if count)
        parts = [f"{self._before + ended}/{self._samples} done" + (f" ({states})" if states else "")]
        parts.append(f"{len(self._running)} running")
        if self._best:
            parts.append(f"best {self._best[0]:.4f} ({trial_name(self._best[1])})")
        speed = sum(trial.get("images_per_second", 0.0) for trial in self._running.values())
        if speed:
            parts.append(f"{speed:,.0f} images/s")
        left = self._samples - self._before - ended
        if ended and left:
            seconds = (time.monotonic() - self._begun) / ended * left
            parts.append(f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left")
        return ", ".join(parts)

    def _draw(self) -> None:
        if self._live is None:
            return
        table = Table("trial", "state", "epoch", "validation", box=None)
        for trial in list(self._running.values())[:SHOWN]:
            score = f"{trial[SCORE]:.4f}" if SCORE in trial else ""
            table.add_row(trial["name"], "running", f"{trial['epoch']}/{self._epochs}", score)
        room = max(0, SHOWN - len(self._running))
        for row in self._ended[: -room - 1 : -1]:
            table.add_row(*row, style="dim")
        self._live.update(Group(table, Text(self._summary())), refresh=True)


def _reason(trial: Any) -> str:
    return textwrap.shorten(last_error(Path(trial.error_file)) or "", REASON, placeholder=" ...")
