"""Do the range test's bounds hold the best LRMAX, whatever the network, the batch, the momentum and the images?

    uv run python -m benchmarks.ramps.record --data-dir CIFAR10    # measures what is missing, then tells
    uv run python -m benchmarks.ramps.record --groups 3            # digits alone, for which no images are needed
    uv run python -m benchmarks.ramps.record --tell                # only tells what has been measured

Under each condition the range test is run from ten seeds and LRMAX, then LRMIN/LRMAX, swept by whole trainings. Each
result is a line of JSON in its dataset's file, appended when it is done; the same command goes on where an interrupted
one stopped. The last line of the output is JSON.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.pruning.recording import hold_apart
from benchmarks.ramps.analysis import Condition, collect, sweep_of
from benchmarks.ramps.tables import judge, tell
from benchmarks.tools.background import Background, read_begun
from benchmarks.tools.lines import append_line, read_lines
from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.options import DataDirOption, PrecisionOption, SeedOption, SetOption, whole_number
from tune_s11.config import InputError, Recipe
from tune_s11.data import Images, load_dataset
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.manifest import build_manifest
from tune_s11.search_space import SearchConfig
from tune_s11.training.trainer import Trainer, TrainingData

RECORDINGS = Path(__file__).parent / "recordings"

DEFAULTS = ["epochs=12", "peak_epoch=2.5", "train_images=3000"]
"""Recipe fields where ``--set`` says nothing else; the peak is as early as in 5 of 24 epochs."""

GROUPS = (
    *(("digits", 8, 128), ("digits", 16, 512), ("digits", 32, 128)),
    *(("cifar10", 8, 128), ("cifar10", 16, 128), ("cifar10", 16, 512)),
)
"""Images, width and batch size; each with each momentum."""

MOMENTA = (0.8, 0.9, 0.95)
SEEDS = 10
"""Of the range test."""

RATES = tuple(float(f"{rate:.4g}") for rate in np.geomspace(0.01, 10, 19))
"""LRMAX: each 1.47 times the one before."""

FRACTIONS = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.5)
"""LRMIN/LRMAX."""

APART = {"cifar10": 5000, "digits": 300}
"""Training images that accuracy is measured on, in no training."""


@dataclass(frozen=True)
class Material:
    """What every line of a dataset's file is made from."""

    config: SearchConfig
    base: Recipe
    data: TrainingData
    apart: Images
    hardware: Hardware

    @property
    def lrs(self) -> "np.typing.NDArray[np.float64]":
        """Of the range test, (steps,)."""
        return ramp("exponential", *self.config.search.lr_range, self.config.search.lr_range_steps)

    def recipe(self, condition: Condition, **changes: Any) -> Recipe:
        """What is trained under a condition."""
        fields = asdict(condition)
        del fields["dataset"]  # with a folder of CIFAR-10's images the recipe calls it otherwise
        return self.base.model_copy(update=fields | changes)

    def measure_ramp(self, condition: Condition, seed: int) -> dict[str, Any]:
        """The line of one ramp."""
        losses = range_test(self.recipe(condition), self.data, self.hardware, self.lrs, seed)
        plain = LRCurve(self.lrs, losses[None].round(4)).to_dict()
        return {"condition": asdict(condition), "what": "ramp", "seed": seed, "losses": plain["losses"][0]}

    def train(self, condition: Condition, what: str, max_lr: float, min_lr_fraction: float) -> dict[str, Any]:
        """The line of one training: ``what`` is the field that the sweep it belongs to is over."""
        start = time.process_time()
        recipe = self.recipe(condition, max_lr=max_lr, min_lr_fraction=min_lr_fraction)
        trainer = Trainer(recipe, self.data, self.hardware, self.config.search.seed)
        for _ in trainer:
            pass
        accuracy = 0.0
        if not trainer.diverged:
            accuracy = trainer.evaluate(trainer.average.model, trainer.on_device(self.apart))[1]
        return {
            "condition": asdict(condition),
            "what": what,
            "max_lr": max_lr,
            "min_lr_fraction": min_lr_fraction,
            "accuracy": round(accuracy, 4),
            "diverged_at": trainer.epoch if trainer.diverged else None,
            "seconds": round(time.process_time() - start, 2),
        }

    def seconds(self, condition: Condition) -> float:
        """Processor time that all of a condition takes, by three steps and a few images' evaluation."""
        recipe = self.recipe(condition)
        trainer = Trainer(recipe, self.data, self.hardware, 0)
        batch = next(trainer.batches(0))
        trainer.step(*batch, lr=0.01)
        start = time.process_time()
        for _ in range(2):
            trainer.step(*batch, lr=0.01)
        step = (time.process_time() - start) / 2
        trainings = (len(RATES) + len(FRACTIONS)) * recipe.epochs * trainer.steps_per_epoch
        return step * (trainings + SEEDS * len(self.lrs))


def build_material(
    config: SearchConfig, name: str, hardware: Hardware
) -> tuple[Material, dict[str, Any], dict[str, Any]]:
    """Images and recipe of the named dataset; what its file is to be of; its manifest."""
    seed, recipe = config.search.seed, config.recipe
    if name == "digits":
        recipe = recipe.model_copy(update={"dataset": "digits", "data_dir": None, "flip": False})
    dataset = load_dataset(recipe)
    assert recipe.train_images is not None
    most = len(dataset.train) - APART[name]
    recipe = recipe.model_copy(update={"train_images": min(recipe.train_images, most)})
    train, apart = hold_apart(dataset, recipe, APART[name], seed)
    data = TrainingData(train, None, len(dataset.classes), dataset.mean, dataset.std)
    material = Material(config, recipe, data, apart, hardware)
    of = {
        "recipe": recipe.model_dump(mode="json", exclude={"data_dir", "dataset"}),
        "seed": seed,
        "images": {"train": len(train), "apart": len(apart), "fingerprint": dataset.fingerprint},
        "lrs": material.lrs.tolist(),
        "rates": len(RATES),
        "fractions": len(FRACTIONS),
        "seeds": SEEDS,
        "hardware": hardware.model_dump(exclude_defaults=True),
    }
    return material, of, build_manifest(dataset, seed)


Job = tuple[Any, ...]
"""A method of :class:`Material` and its arguments."""


def ramps_and_rates(condition: Condition) -> dict[tuple[str, float], Job]:
    """A condition's range test and its sweep over LRMAX, by what a line says of itself."""
    fraction = Recipe.model_fields["min_lr_fraction"].default
    jobs: dict[tuple[str, float], Job] = {
        ("ramp", seed): (Material.measure_ramp, condition, seed) for seed in range(SEEDS)
    }
    return jobs | {("max_lr", rate): (Material.train, condition, "max_lr", rate, fraction) for rate in RATES}


def fractions(condition: Condition, best: float) -> dict[tuple[str, float], Job]:
    """A condition's sweep over LRMIN/LRMAX at its best LRMAX."""
    return {
        ("min_lr_fraction", fraction): (Material.train, condition, "min_lr_fraction", best, fraction)
        for fraction in FRACTIONS
    }


def lines_of(condition: Condition, out: Path) -> dict[tuple[str, float], dict[str, Any]]:
    """What the file has of a condition, by what each line says of itself."""
    lines = [line for line in read_lines(out)[1:] if line["condition"] == asdict(condition)]
    return {(line["what"], line["seed" if line["what"] == "ramp" else line["what"]]): line for line in lines}


def best_rate(condition: Condition, images: int, out: Path) -> float:
    """LRMAX by the condition's sweep, which the file has; four significant digits."""
    lines = [line for (what, _), line in lines_of(condition, out).items() if what == "max_lr"]
    return float(f"{sweep_of(lines, 'max_lr', images).best:.4g}")


def measure(material: Material, groups: Sequence[tuple[str, int, int]], workers: int, out: Path) -> None:
    """Measures what the file lacks, group after group: the second sweep needs what the first one finds."""
    grouped = [[Condition(*group, momentum) for momentum in MOMENTA] for group in groups]
    hours = sum(material.seconds(condition) for group in grouped for condition in group) / workers / 3600
    print(f"{out}: {sum(map(len, grouped))} conditions take about {hours:.1f} h on {workers} quiet cores", flush=True)
    with Background(material, workers) as background:

        def run_missing(wanted: dict[Condition, dict[tuple[str, float], Job]]) -> None:
            missing = []
            for condition, jobs in wanted.items():
                done = lines_of(condition, out)
                missing += [job for key, job in jobs.items() if key not in done]
            background.append_results([background.submit(*job) for job in missing], out, _told)

        for conditions in grouped:
            run_missing({condition: ramps_and_rates(condition) for condition in conditions})
            images = len(material.apart)
            run_missing(
                {condition: fractions(condition, best_rate(condition, images, out)) for condition in conditions}
            )


def _told(line: dict[str, Any]) -> str:
    condition, what = Condition(**line["condition"]), line["what"]
    if what == "ramp":
        return f"{condition}: ramp of seed {line['seed']}"
    result = f"diverged in epoch {line['diverged_at']}" if line["diverged_at"] else f"{line['accuracy']:.4f}"
    return f"{condition}: {what} {line[what]:g}, {result}, {line['seconds']:.0f} s"


app = new_app("Compare the range test's bounds with the best LRMAX under many conditions.")


@app.command()
def main(
    settings: SetOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    groups: Annotated[
        int,
        typer.Option("--groups", parser=whole_number(1), metavar="N", help="Only the first N, of digits the first 3."),
    ] = len(GROUPS),
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 2,
    tell_only: Annotated[bool, typer.Option("--tell", help="Measure nothing.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder of the files to write or to resume.")] = RECORDINGS,
) -> None:
    """Measures what is missing, then prints how bounds and suggestions compare with the sweeps."""
    files = {name: out / f"{name}.jsonl" for name in dict.fromkeys(name for name, _, _ in GROUPS)}
    if not tell_only:
        hardware = choose_hardware(precision, threads=1)
        hardware.activate()
        config = resolve_config("s11", [*DEFAULTS, *(settings or [])], data_dir, None, seed)
        for name, file in files.items():
            chosen = [group for group in GROUPS[:groups] if group[0] == name]
            if chosen:
                material, of, manifest = build_material(config, name, hardware)
                if read_begun(file, of)[0] is None:
                    append_line(file, {"of": of, "manifest": manifest})
                measure(material, chosen, workers, file)
    measured = [
        found for file in files.values() if (lines := read_lines(file)) for found in collect(lines[0], lines[1:])
    ]
    if not measured:
        raise InputError(f"{out}: no condition is complete; benchmarks.ramps.record without --tell measures them")
    tell(measured)
    print(json.dumps(judge(measured)))


if __name__ == "__main__":
    run(app, "benchmarks.ramps.record")
