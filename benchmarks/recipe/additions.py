"""Measure the gain from each addition to the seed's recipe: seed.yaml, s11.yaml, and s11.yaml without one addition.

    uv run python -m benchmarks.recipe.additions --data-dir CIFAR10    # measure what is missing, then report
    uv run python -m benchmarks.recipe.additions --tell                # only report what has been measured

``CIFAR10`` is an image folder. Every arm has its own range test, as a search would, and five trainings at the rates
that the test finds. All arms train on the same images from the same seeds, and differences are taken seed by seed.
Accuracy is measured once, after the last epoch, on training images that are used neither to train nor to choose. The
moving average needs no arm of its own: without it, the raw weights of the same run would be shipped. Each result is a
line of JSON, appended when it finishes; the same command resumes where an interrupted one stopped.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.race.trial import processor_kind
from benchmarks.ramps.bounds import find_bounds
from benchmarks.tools.lines import append_line, read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from benchmarks.tools.processes import Background, read_begun
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.options import DataDirOption, PrecisionOption, SetOption, whole_number
from tune_s11.config import InputError, Recipe
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.manifest import build_manifest, machine
from tune_s11.results.records import Summary
from tune_s11.search.steps.finalists import half_interval
from tune_s11.search_space import SearchConfig
from tune_s11.training.trainer import Trainer, TrainingData

DEFAULTS = ["width=16", "train_images=22000", f"val_fraction={10 / 22}", "batch_size=128", "label_smoothing=0.1"]
"""Fields of s11.yaml's recipe unless ``--set`` changes them: 12,000 images to train on and 10,000 to measure on. The
batch size is a quarter of the full recipe's, so an epoch has nearly as many steps. The label smoothing is in the middle
of its range."""

SEED_HAS = ("augmentation", "pad_mode", "nesterov", "logit_scale", "ema_horizon", "label_smoothing", "momentum")
"""Fields that the seed's arm takes from seed.yaml; images, sizes and batch size are the same in all arms."""

ALL, SEED, AVERAGE = "s11.yaml", "seed.yaml", "without the moving average"
WITHOUT: dict[str, dict[str, Any]] = {
    "without the logit scale": {"logit_scale": 1.0},
    "without Nesterov": {"nesterov": False},
    "without reflection": {"pad_mode": "zero"},
    "without label smoothing": {"label_smoothing": 0.0},
}
"""Values of each arm that replace those of s11.yaml."""

ARMS = (ALL, SEED, *WITHOUT)
SEEDS = range(5)
OUT = Path(__file__).parent / "recordings" / "additions.jsonl"


@dataclass(frozen=True)
class Material:
    """Inputs of every line; each process receives them once."""

    recipes: dict[str, Recipe]
    config: SearchConfig
    data: TrainingData
    hardware: Hardware

    def measure_ramp(self, arm: str, seed: int) -> dict[str, Any]:
        """Measure one ramp of an arm's range test and return its line."""
        lrs = self.lrs
        losses = range_test(self.recipes[arm], self.data, self.hardware, lrs, seed)
        return {"arm": arm, "what": "ramp", "seed": seed, "losses": LRCurve(lrs, losses[None]).to_dict()["losses"][0]}

    def train(self, arm: str, seed: int, max_lr: float, min_lr: float) -> dict[str, Any]:
        """Run one training and return its line; accuracies are 0 if it diverged."""
        start = time.process_time()
        rates = {"max_lr": max_lr, "min_lr_fraction": min(1.0, min_lr / max_lr)}
        recipe = self.recipes[arm].model_copy(update=rates)
        trainer = Trainer(recipe, replace(self.data, validation=None), self.hardware, seed)
        for _ in trainer:
            pass
        assert self.data.validation is not None
        held_out = trainer.on_device(self.data.validation)
        models = {"raw": trainer.model} | ({"ema": trainer.average.model} if trainer.average.on else {})
        scores = {
            name: 0.0 if trainer.diverged else trainer.evaluate(each, held_out)[1] for name, each in models.items()
        }
        return {
            "arm": arm,
            "what": "run",
            "seed": seed,
            "max_lr": max_lr,
            "min_lr": min_lr,
            **scores,
            "seconds": round(time.process_time() - start, 1),
            "processor": ", ".join(machine()["gpus"]) if self.hardware.device == "cuda" else processor_kind(),
        }

    @property
    def lrs(self) -> Any:
        """Learning rates of the range test, (steps,)."""
        return ramp("exponential", *self.config.search.lr_range, self.config.search.lr_range_steps)


def build_recipes(config: SearchConfig, settings: list[str]) -> dict[str, Recipe]:
    """Return the recipe of each arm; the learning rates in it are not used.

    Args:
        config: Configuration of s11.yaml, with the changes that all arms share.
        settings: These changes as ``KEY=VALUE``; a change to a field in which arms differ applies to all of them.
    """
    whole, seed = config.recipe, resolve_config("seed", None).recipe
    given = {setting.partition("=")[0] for setting in settings}
    of_seed = {name: getattr(seed, name) for name in SEED_HAS if name not in given}
    arms = {ALL: {}, SEED: of_seed} | WITHOUT
    return {arm: whole.model_copy(update=changes) for arm, changes in arms.items()}


def measure(material: Material, workers: int, out: Path) -> None:
    """Append the lines that the file lacks: first the range tests, then the trainings at their rates."""
    with Background(material, workers) as processes:

        def run_missing(what: str, seeds: range, method: Any, *of_arm: Any) -> None:
            done = {(line["arm"], line["seed"]) for line in read_lines(out)[1:] if line["what"] == what}
            # Seeds are the outer loop, so that an interruption leaves paired results.
            missing = [(arm, seed) for seed in seeds for arm in ARMS if (arm, seed) not in done]
            rates = found_rates(material, out) if what == "run" else {}
            tasks = [processes.submit(method, arm, seed, *rates.get(arm, ())) for arm, seed in missing]
            if tasks:
                processes.append_results(tasks, out, _described)

        run_missing("ramp", range(material.config.search.lr_range_seeds), Material.measure_ramp)
        run_missing("run", SEEDS, Material.train)


def found_rates(material: Material, out: Path) -> dict[str, tuple[float, float]]:
    """Return the ``max_lr`` and ``min_lr`` that each arm's range test suggests, by arm."""
    lines = [line for line in read_lines(out)[1:] if line["what"] == "ramp"]
    rates = {}
    for arm in ARMS:
        ramps = [line["losses"] for line in sorted(lines, key=lambda line: line["seed"]) if line["arm"] == arm]
        bounds = find_bounds(LRCurve.from_dict({"lrs": material.lrs.tolist(), "losses": ramps}))
        rates[arm] = (bounds.suggestion, bounds.min_lr)
    return rates


def _described(line: dict[str, Any]) -> str:
    if line["what"] == "ramp":
        return f"{line['arm']}: ramp of seed {line['seed']}"
    return f"{line['arm']}, seed {line['seed']}: {line.get('ema', line['raw']):.4f}, {line['seconds']:.0f} s"


def table(lines: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table: each arm's accuracy, and how much better s11.yaml is, paired by seed."""
    runs = {arm: {line["seed"]: line for line in lines if line["what"] == "run" and line["arm"] == arm} for arm in ARMS}
    shipped = {arm: {seed: line.get("ema", line["raw"]) for seed, line in found.items()} for arm, found in runs.items()}
    shipped[AVERAGE] = {seed: line["raw"] for seed, line in runs[ALL].items()}
    runs[AVERAGE] = runs[ALL]
    rows = markdown_head(["recipe", "max_lr, min_lr", "accuracy", "SD", "n", "s11.yaml less this one, points"])
    for arm, scores in shipped.items():
        if not scores:
            continue
        summary = Summary.of(list(scores.values()))
        first = next(iter(runs[arm].values()))
        both = sorted(scores.keys() & shipped[ALL].keys())
        gained = 100 * np.array([shipped[ALL][seed] - scores[seed] for seed in both])
        told = "" if arm == ALL or not both else f"{gained.mean():+.2f}"
        if told and len(both) > 1:
            half = half_interval(gained)
            told += f" ({gained.mean() - half:+.2f} to {gained.mean() + half:+.2f})"
        sd = "-" if summary.sd is None else f"{summary.sd:.4f}"
        rates = f"{first['max_lr']:.3g}, {first['min_lr']:.2g}"
        rows.append(markdown_row([arm, rates, f"{summary.mean:.4f}", sd, str(summary.n), told]))
    return rows


def tell(header: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    """Print what was measured, the inputs, and the table."""
    recipe, images = header["of"]["recipe"], header["of"]["images"]
    processors = sorted({line["processor"] for line in lines if line["what"] == "run"})
    print(
        f"width {recipe['width']}, {images['train']:,} images, batch {recipe['batch_size']}, {recipe['epochs']} epochs"
        f"; accuracy on {images['held_out']:,} held-out training images, of the weights that are shipped; intervals: "
        f"95%, paired by seed; {', '.join(processors)}, {header['of']['hardware']['precision']}, "
        f"{header['manifest']['created'][:10]}"
    )
    print("\n".join(table(lines)))
    missing = len(ARMS) * len(SEEDS) - sum(line["what"] == "run" for line in lines)
    if missing:
        print(f"not complete: {missing} of {len(ARMS) * len(SEEDS)} runs are missing")


app = new_app("Measure the gain from each addition to the seed's recipe.")


@app.command()
def main(
    settings: SetOption = None,
    data_dir: DataDirOption = None,
    precision: PrecisionOption = "auto",
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 2,
    tell_only: Annotated[bool, typer.Option("--tell", help="Only print the table.")] = False,
    out: Annotated[Path, typer.Option("--out", help="File to write or to resume.")] = OUT,
) -> None:
    """Measure what is missing, then print the table."""
    if not tell_only:
        chosen = [*DEFAULTS, *(settings or [])]
        config = resolve_config("s11", chosen, data_dir)
        hardware = recording_hardware(precision, gpu=True)
        hardware.activate()
        dataset, seed = load_dataset(config.recipe), config.search.seed
        data = TrainingData.with_validation(dataset, config.recipe, seed)
        assert data.validation is not None
        recipes = build_recipes(config, settings or [])
        of = {
            "recipe": config.recipe.model_dump(mode="json", exclude={"data_dir"}),
            "arms": {arm: changes_of(recipe, config.recipe) for arm, recipe in recipes.items()},
            "images": {"train": len(data.train), "held_out": len(data.validation)},
            "range_test": {"steps": config.search.lr_range_steps, "seeds": config.search.lr_range_seeds},
            "fingerprint": dataset.fingerprint,
            "hardware": hardware.model_dump(exclude_defaults=True),
        }
        if read_begun(out, of)[0] is None:
            append_line(out, {"of": of, "manifest": build_manifest(dataset, seed)})
        measure(Material(recipes, config, data, hardware), workers, out)
    header, *lines = read_lines(out) or [{}]
    if not any(line["what"] == "run" for line in lines):
        raise InputError(f"{out}: no run is recorded; benchmarks.recipe.additions without --tell records them")
    tell(header, lines)


def changes_of(recipe: Recipe, whole: Recipe) -> dict[str, Any]:
    """Return the fields in which an arm differs from the whole recipe."""
    return {name: value for name, value in recipe if value != getattr(whole, name)}


if __name__ == "__main__":
    run(app, "benchmarks.recipe.additions")
