"""A user's callback is called as Tune calls any other, and its first error ends the search, not a trial."""

from typing import Any

import pytest
from ray.tune import Callback
from ray.tune.callback import CallbackList

from tune_s11.search.callbacks.users import UsersCallback


class Noted(Callback):
    """Notes what it is called with; fails where it is told to."""

    def __init__(self, fails_in: str = "") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._fails_in = fails_in

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        def hook(**info: Any) -> None:
            self.calls.append((name, info))
            if name == self._fails_in:
                raise ZeroDivisionError(name)

        return hook


HOOKS = [name for name in dir(Callback) if name.startswith("on_")]


def test_every_hook_is_called_with_what_tune_gives() -> None:
    noted = Noted()
    callbacks = CallbackList([UsersCallback(noted)])
    for hook in HOOKS:
        getattr(callbacks, hook)(iteration=1, trials=[])
    assert noted.calls == [(hook, {"iteration": 1, "trials": []}) for hook in HOOKS]


@pytest.mark.parametrize("hook", [name for name in HOOKS if name not in {"on_step_end", "on_experiment_end"}])
def test_an_error_is_raised_at_the_end_of_the_step(hook: str) -> None:
    noted = Noted(hook)
    callbacks = CallbackList([UsersCallback(noted)])
    getattr(callbacks, hook)(iteration=1, trials=[])
    callbacks.on_trial_result(iteration=1, trials=[])
    with pytest.raises(ZeroDivisionError, match=hook):
        callbacks.on_step_end(iteration=1, trials=[])
    assert len(noted.calls) == 1  # nothing is called after an error
