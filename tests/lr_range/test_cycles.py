"""A short cycle is the whole training in fewer epochs."""

from tune_s11.config import Recipe
from tune_s11.lr_range.cycles import Cycle, shorten


def test_the_peak_moves_with_the_length() -> None:
    recipe = Recipe(epochs=12, peak_epoch=3.0, ema_horizon=0.5)
    short = shorten(recipe, Cycle(4, 0.3, 0))
    assert short == recipe.model_copy(update={"epochs": 4, "peak_epoch": 1.0, "max_lr": 0.3})
