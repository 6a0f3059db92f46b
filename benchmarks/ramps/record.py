"""Measure whether the range test's bounds hold the best ``max_lr``, whatever the network, batch, momentum and images.

    uv run python -m benchmarks.ramps.record --data-dir CIFAR10    # measure what is missing, then report
    uv run python -m benchmarks.ramps.record --groups 3            # digits alone, which need no image folder
    uv run python -m benchmarks.ramps.record --tell                # only report what has been measured

Under each condition, the range test is run from ten seeds, and ``max_lr`` and then ``min_lr``/``max_lr`` are swept by
complete trainings. Each result is a line of JSON in its dataset's file, appended when it finishes; the same command
resumes where an interrupted one stopped. The last line of the output is JSON.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.pruning.recording import hold_out
from benchmarks.ramps.analysis import Condition, collect, sweep_of
from benchmarks.ramps.tables import judge, tell
from benchmarks.tools.lines import append_line, read_lines
from benchmarks.tools.processes import Background, read_begun
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.options import DataDirOption, PrecisionOption, SeedOption, SetOption, whole_number
from tune_s11.config import InputError, Recipe
from tune_s11.data import Images, load_dataset
from tune_s11.hardware import Hardware
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.manifest import build_manifest
from tune_s11.search_space import SearchConfig
from tune_s11.training.trainer import Trainer, TrainingData

RECORDINGS = Path(__file__).parent / "recordings"

DEFAULTS = ["epochs=12", "peak_epoch=2.5", "train_images=3000"]
"""Recipe fields unless ``--set`` changes them; the peak is at the same share of the training as epoch 5 of 24."""

GROUPS = (
    *(("digits", 8, 128), ("digits", 16, 512), ("digits", 32, 128)),
    *(("cifar10", 8, 128), ("cifar10", 16, 128), ("cifar10", 16, 512)),
)
"""Dataset, width and batch size of each group, which is measured with each momentum."""

MOMENTA = (0.8, 0.9, 0.95)
SEEDS = 10
"""Number of seeds of the range test."""

RATES = tuple(float(f"{rate:.4g}") for rate in np.geomspace(0.01, 10, 19))
"""Values of ``max_lr``, each 1.47 times the previous one."""

FRACTIONS = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.5)
"""Values of ``min_lr``/``max_lr``."""

APART = {"cifar10": 5000, "digits": 300}
"""Number of training images that are held out to measure accuracy, by dataset."""


@dataclass(frozen=True)
class Material:
    """Inputs of every line of a dataset's file."""

    config: SearchConfig
    base: Recipe
    data: TrainingData
    apart: Images
    hardware: Hardware

    @property
    def lrs(self) -> "np.typing.NDArray[np.float64]":
        """Learning rates of the range test, (steps,)."""
        return ramp("exponential", *self.config.search.lr_range, self.config.search.lr_range_steps)

    def recipe(self, condition: Condition, **changes: Any) -> Recipe:
        """Return the recipe to train under a condition."""
        fields = asdict(condition)
        del fields["dataset"]  # the recipe has "folder" if CIFAR-10 is an image folder
        return self.base.model_copy(update=fields | changes)

    def measure_ramp(self, condition: Condition, seed: int) -> dict[str, Any]:
        """Measure one ramp and return its line."""
        losses = range_test(self.recipe(condition), self.data, self.hardware, self.lrs, seed)
        plain = LRCurve(self.lrs, losses[None].round(4)).to_dict()
        return {"condition": asdict(condition), "what": "ramp", "seed": seed, "losses": plain["losses"][0]}

    def train(self, condition: Condition, what: str, max_lr: float, min_lr_fraction: float) -> dict[str, Any]:
        """Run one training of the sweep over the field ``what``, and return its line."""
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
        """Estimate the processor time of a whole condition from three steps, the first of which is not timed."""
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
    """Return the inputs of the named dataset, the subject that its file must have, and its manifest."""
    seed, recipe = config.search.seed, config.recipe
    if name == "digits":
        recipe = recipe.model_copy(update={"dataset": "digits", "data_dir": None, "flip": False})
    dataset = load_dataset(recipe)
    assert recipe.train_images is not None
    most = len(dataset.train) - APART[name]
    recipe = recipe.model_copy(update={"train_images": min(recipe.train_images, most)})
    train, apart = hold_out(dataset, recipe, APART[name], seed)
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
"""Method of :class:`Material` and its arguments."""


def ramps_and_rates(condition: Condition) -> dict[tuple[str, float], Job]:
    """Return the jobs of a condition's range test and its sweep over ``max_lr``, by kind of line and its value."""
    fraction = Recipe.model_fields["min_lr_fraction"].default
    jobs: dict[tuple[str, float], Job] = {
        ("ramp", seed): (Material.measure_ramp, condition, seed) for seed in range(SEEDS)
    }
    return jobs | {("max_lr", rate): (Material.train, condition, "max_lr", rate, fraction) for rate in RATES}


def fractions(condition: Condition, best: float) -> dict[tuple[str, float], Job]:
    """Return the jobs of a condition's sweep over ``min_lr``/``max_lr`` at its best ``max_lr``."""
    return {
        ("min_lr_fraction", fraction): (Material.train, condition, "min_lr_fraction", best, fraction)
        for fraction in FRACTIONS
    }


def lines_of(condition: Condition, out: Path) -> dict[tuple[str, float], dict[str, Any]]:
    """Return the lines of a condition in the file, by kind of line and its value."""
    lines = [line for line in read_lines(out)[1:] if line["condition"] == asdict(condition)]
    return {(line["what"], line["seed" if line["what"] == "ramp" else line["what"]]): line for line in lines}


def best_rate(condition: Condition, images: int, out: Path) -> float:
    """Return the best ``max_lr`` of the condition's sweep, which the file holds, with four significant digits."""
    lines = [line for (what, _), line in lines_of(condition, out).items() if what == "max_lr"]
    return float(f"{sweep_of(lines, 'max_lr', images).best:.4g}")


def measure(material: Material, groups: Sequence[tuple[str, int, int]], workers: int, out: Path) -> None:
    """Measure what the file lacks, group by group, as the second sweep needs the result of the first one."""
    grouped = [[Condition(*group, momentum) for momentum in MOMENTA] for group in groups]
    hours = sum(material.seconds(condition) for group in grouped for condition in group) / workers / 3600
    print(f"{out}: {sum(map(len, grouped))} conditions take about {hours:.1f} h on {workers} quiet cores", flush=True)
    with Background(material, workers) as background:

        def run_missing(wanted: dict[Condition, dict[tuple[str, float], Job]]) -> None:
            missing = []
            for condition, jobs in wanted.items():
                done = lines_of(condition, out)
                missing += [job for key, job in jobs.items() if key not in done]
            background.append_results([background.submit(*job) for job in missing], out, _described)

        for conditions in grouped:
            run_missing({condition: ramps_and_rates(condition) for condition in conditions})
            images = len(material.apart)
            run_missing(
                {condition: fractions(condition, best_rate(condition, images, out)) for condition in conditions}
            )


def _described(line: dict[str, Any]) -> str:
    condition, what = Condition(**line["condition"]), line["what"]
    if what == "ramp":
        return f"{condition}: ramp of seed {line['seed']}"
    result = f"diverged in epoch {line['diverged_at']}" if line["diverged_at"] else f"{line['accuracy']:.4f}"
    return f"{condition}: {what} {line[what]:g}, {result}, {line['seconds']:.0f} s"


app = new_app("Compare the range test's bounds with the best max_lr under many conditions.")


@app.command()
def main(
    settings: SetOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    groups: Annotated[
        int,
        typer.Option("--groups", parser=whole_number(1), metavar="N", help="Only the first N; the first 3 are digits."),
    ] = len(GROUPS),
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 2,
    tell_only: Annotated[bool, typer.Option("--tell", help="Only print the tables.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder of the files to write or to resume.")] = RECORDINGS,
) -> None:
    """Measure what is missing, then print how bounds and suggestions compare with the sweeps."""
    files = {name: out / f"{name}.jsonl" for name in dict.fromkeys(name for name, _, _ in GROUPS)}
    if not tell_only:
        hardware = recording_hardware(precision, gpu=True)
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
