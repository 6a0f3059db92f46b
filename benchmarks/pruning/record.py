"""Record complete learning curves of random configurations, for the replays.

    uv run python -m benchmarks.pruning.record --data-dir CIFAR10
    uv run python -m benchmarks.pruning.record --space quick --lr-bounds 1e-4 10 --count 200 --apart 300 \\
        --set train_images=1137 --set width=8 --set batch_size=64 --set search.lr_range_seeds=3 \\
        --out benchmarks/pruning/recordings/digits-wide.jsonl

The first command records what a search would try, with ``max_lr`` within the range test's bounds; ``CIFAR10`` is an
image folder. The second one records handwritten digits far beyond the bounds, for ``benchmarks.ramps.replay``. Each
configuration is one line of JSON, appended when it finishes; the first line of the file describes what was recorded and
how. The same command resumes where an interrupted one stopped.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.pruning.curves import CIFAR10_W16
from benchmarks.pruning.recording import OTHER_HORIZONS, PROBES, RECOMPUTE_IMAGES, Recording, divide, draw
from benchmarks.ramps.bounds import find_bounds
from benchmarks.tools.lines import append_line
from benchmarks.tools.processes import Background, read_begun
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.options import DataDirOption, PrecisionOption, SeedOption, SetOption, SpaceOption, whole_number
from tune_s11.config import InputError
from tune_s11.data import Images, load_dataset
from tune_s11.hardware import Hardware
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.manifest import build_manifest
from tune_s11.search_space import RANGE_TEST, SearchConfig
from tune_s11.training.trainer import TrainingData

DEFAULTS = ["width=16", "batch_size=128", "train_images=8000", "val_fraction=0.25"]
"""Recipe fields unless ``--set`` changes them: what two cores can train sixty times."""


@dataclass(frozen=True)
class Material:
    """Inputs of every line of the file."""

    config: SearchConfig
    data: TrainingData
    apart: Images
    hardware: Hardware

    def ramp(self, lrs: Floats, seed: int) -> Floats:
        """Return the loss of each step of one ramp of the range test, (steps,)."""
        return range_test(self.config.recipe, self.data, self.hardware, lrs, seed)

    def record(self, low: float, high: float, number: int) -> dict[str, Any]:
        """Record configuration ``number``, with ``max_lr`` between ``low`` and ``high``, and return its line."""
        seed = self.config.search.seed
        params = draw(self.config.with_lr_bounds(low, high).space, seed, number)
        recipe = self.config.recipe.model_copy(update=params)
        recording = Recording(recipe, self.data, self.apart, self.hardware, seed + number)
        return {"number": number, "config": params, **recording.run()}


def measure_bounds(background: Background, config: SearchConfig) -> LRBounds:
    """Return the range test's bounds, from the median of the ramps of a few seeds."""
    settings = config.search
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    ramps = [task.result() for task in [background.submit(Material.ramp, lrs, seed) for seed in seeds]]
    return find_bounds(LRCurve(lrs, np.stack(ramps)))


def subject(material: Material, fingerprint: str, drawn: tuple[float, float] | None) -> dict[str, Any]:
    """Return the subject of a recording, which must match the header of a file to resume.

    Args:
        material: Inputs of the recording.
        fingerprint: Fingerprint of the dataset.
        drawn: Bounds between which ``max_lr`` is drawn; None: the range test's bounds.
    """
    assert material.data.validation is not None
    of = {
        "recipe": material.config.recipe.model_dump(mode="json", exclude={"data_dir"}),
        "space": {name: str(domain) for name, domain in material.config.space.items()},
        "seed": material.config.search.seed,
        "images": {
            "train": len(material.data.train),
            "validation": len(material.data.validation),
            "apart": len(material.apart),
            "recompute": RECOMPUTE_IMAGES,
        },
        "fingerprint": fingerprint,
        # Options that are off are left out, so that older recordings can be resumed.
        "hardware": material.hardware.model_dump(exclude_defaults=True),
        "averages": {"ema": material.config.recipe.ema_horizon} | OTHER_HORIZONS,
        "probes": {str(epoch): list(lengths) for epoch, lengths in PROBES.items()},
    }
    return of if drawn is None else of | {"drawn": list(drawn)}


app = new_app("Record complete learning curves of random configurations.")


@app.command()
def record(
    space: SpaceOption = "s11",
    settings: SetOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    count: Annotated[int, typer.Option("--count", parser=whole_number(1), metavar="N", help="Configurations.")] = 60,
    apart: Annotated[
        int, typer.Option("--apart", parser=whole_number(1), metavar="N", help="Images for the final score.")
    ] = 5000,
    lr_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option("--lr-bounds", metavar="LOW HIGH", help="Range of max_lr, instead of the range test's bounds."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 2,
    out: Annotated[Path, typer.Option("--out", help="File to write or to resume.")] = CIFAR10_W16,
) -> None:
    """Record configurations 0 to N-1, except those that the file already holds."""
    config = resolve_config(space, [*DEFAULTS, *(settings or [])], data_dir, None, seed)
    if config.space.get("max_lr") != RANGE_TEST:
        raise InputError("max_lr: expected a space that leaves it to the range test")
    dataset = load_dataset(config.recipe)
    data, held_apart = divide(dataset, config.recipe, apart, config.search.seed)
    material = Material(config, data, held_apart, recording_hardware(precision, gpu=True))
    of = subject(material, dataset.fingerprint, lr_bounds)

    header, lines = read_begun(out, of)
    done = {line["number"] for line in lines}
    missing = [number for number in range(count) if number not in done]
    with Background(material, workers) as background:
        if header is None:
            header = {"of": of, "bounds": asdict(measure_bounds(background, config)), "workers": workers}
            append_line(out, header | {"manifest": build_manifest(dataset, config.search.seed)})
        low, high = lr_bounds or (header["bounds"]["low"], header["bounds"]["high"])
        print(f"{out}: {len(done)} recorded, {len(missing)} to go; max_lr from {low:.4g} to {high:.4g}", flush=True)
        background.append_results(
            [background.submit(Material.record, low, high, number) for number in missing], out, _described
        )


def _described(line: dict[str, Any]) -> str:
    score = line["score"]
    result = f"diverged in epoch {line['diverged_at']}" if score is None else f"{score['ema']:.4f} at the end"
    return f"t{line['number']:04d}  max_lr {line['config']['max_lr']:<7.4g}  {result}  {line['seconds']['total']:.0f} s"


if __name__ == "__main__":
    run(app, "benchmarks.pruning.record")
