"""What is left to do in a search."""

from collections.abc import Callable

from tune_s11.results import SearchFolder, SearchResult, places_after, read_trials
from tune_s11.search.forecast import Work, mean_epochs
from tune_s11.search.steps.lengths import lengths_at_most
from tune_s11.search.steps.lr_range import expected_cycles
from tune_s11.search_space import RANGE_TEST, SearchConfig


def room_for_finalists(folder: SearchFolder, config: SearchConfig) -> Callable[[int], int]:
    """Return a function that tells the number of finalists for which there is room after so many more epochs."""
    before = _so_far(folder, config).trained
    return lambda epochs: places_after(before + epochs, config)


def remaining_work(folder: SearchFolder, config: SearchConfig) -> Work:
    """Return the unfinished trials of a search and the steps after them.

    Args:
        folder: Folder of the search; it need not exist yet.
        config: Configuration of this session.

    Raises:
        InputError: The range of rates has no room for a test.
    """
    settings = config.search
    so_far = _so_far(folder, config)
    samples = settings.samples - sum(trial.state != "running" for trial in so_far.trials)
    places = min(settings.samples, places_after(so_far.trained + mean_epochs(config, samples), config))
    contenders = places if samples else len(so_far.entrants)
    asked = [name for name, domain in config.space.items() if domain == RANGE_TEST and so_far.bounds is None]
    lengths = lengths_at_most(config) if samples or so_far.lengths is None else ()
    winner, refit = so_far.winner, so_far.refit
    is_refit = winner is not None and refit is not None and refit.trial == winner.name
    return Work(
        samples=samples,
        ramps=settings.lr_range_seeds if "min_lr_fraction" in asked else 0,
        cycles=expected_cycles(config) if asked else (),
        finalists=contenders if contenders > 1 and (samples or so_far.finalists is None) else 0,
        lengths=lengths,
        refits=0 if is_refit and not samples and not lengths else settings.refit_seeds,
    )


def _so_far(folder: SearchFolder, config: SearchConfig) -> SearchResult:
    return SearchResult(folder.path, config, {}, read_trials(folder.path, config))
