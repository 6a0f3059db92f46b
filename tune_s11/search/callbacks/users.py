"""Calls a user's own callback, and ends the search at its first error."""

from collections.abc import Callable
from typing import Any

from ray.tune import Callback

_RAISING = ("on_step_end", "on_experiment_end")
"""Hooks from which Tune lets exceptions through. It takes one at the end of a trial for the trial's own, and would
train the finished trial again."""


class UsersCallback(Callback):  # type: ignore[misc]
    """A callback that calls a user's, and raises the first error of any of its hooks at the end of the step.

    Args:
        callback: The user's callback.
    """

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self._error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune pickles its callbacks only for its own restore, which is not used here."""
        return {}

    def setup(self, **info: Any) -> None:
        """Call the user's hook."""
        self._callback.setup(**info)


def _guarded(name: str) -> Callable[..., None]:
    def hook(self: UsersCallback, **info: Any) -> None:
        if self._error is None:
            try:
                getattr(self._callback, name)(**info)
            except Exception as error:
                self._error = error
        if self._error is not None and name in _RAISING:
            raise self._error

    return hook


for _name in (name for name in dir(Callback) if name.startswith("on_")):
    setattr(UsersCallback, _name, _guarded(_name))
