"""Print tables of the range test's benchmark: the accuracy that each rule's rate loses, and what its bounds hold.

    uv run python -m benchmarks.lr_range.tables            # for the conditions that rules are designed on
    uv run python -m benchmarks.lr_range.tables --aside    # for those held out, once the rule is fixed

Conditions that are not recorded completely are left out, and counted. The last line of the output is JSON.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import binomtest

from benchmarks.lr_range.conditions import CONDITIONS
from benchmarks.lr_range.learning_rate_free import read_held_out
from benchmarks.lr_range.record import RECORDINGS
from benchmarks.lr_range.recording import Bench, Recording, or_chance, read_recordings
from benchmarks.lr_range.rules import (
    ON_RAMPS,
    Answer,
    Rule,
    best_constant,
    constant,
    constants_of_others,
    halving,
    network,
    replaced_test,
    this_program,
)
from benchmarks.race.measures import estimate
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.config import InputError

POWERS = {"constant": 0.0, "constant x sqrt(1 - momentum)": 0.5, "constant x (1 - momentum)": 1.0}
"""Constants by name, with the power of (1 - momentum) that multiplies them."""

FREE = "D-Adaptation"

LEGEND = """\
Points lost: by how many percentage points held-out accuracy after a complete training is lower at the rule's rate than
at the best rate; a refusal counts as chance. The best rate is chosen by one seed, accuracies are means of two others.
Paired: the mean difference to the best of the three constants, first averaged over the conditions of each network, ±
Student's 95% interval over networks. A constant is the best one, by optimizer, of the *other* networks. Bounds hold
where they overlap the plateau, the rates within one point of the best; width in decades. Cost in complete trainings;
wait: from the first cycle to the last on four workers, over the time of a complete training, the median and the most.
D-Adaptation needs no rate: its accuracy is that of its own complete trainings."""


@dataclass(frozen=True)
class Judged:
    """Results of a rule, by condition."""

    answers: dict[str, Answer]
    """Answers of the rule; empty for an optimizer that needs no rate."""
    lost: dict[str, float]
    """Accuracy lost, in percentage points."""
    cost: dict[str, float]
    """Cost in complete trainings."""
    wait: dict[str, float]
    """Time from the first cycle to the last, over that of a complete training."""

    def by_network(self, recordings: list[Recording]) -> dict[str, float]:
        """Return the mean points lost over the conditions of each network."""
        names: dict[str, list[float]] = {}
        for each in recordings:
            names.setdefault(network(each), []).append(self.lost[each.condition.name])
        return {name: float(np.mean(lost)) for name, lost in names.items()}


def judge(rule: Rule | Mapping[str, Rule], recordings: list[Recording]) -> Judged:
    """Ask a rule about every recording.

    Args:
        rule: Rule, or rules by the condition's name.
        recordings: Recordings to ask about, at least one.
    """
    answers, lost, cost, wait = {}, {}, {}, {}
    for each in recordings:
        bench, name = Bench(each), each.condition.name
        answers[name] = (rule[name] if isinstance(rule, Mapping) else rule)(bench)
        lost[name] = each.lost(answers[name].first)
        cost[name] = bench.epochs / each.recipe.epochs
        wait[name] = bench.seconds / each.seconds
    return Judged(answers, lost, cost, wait)


def judge_free(recordings: list[Recording], folder: Path = RECORDINGS) -> Judged | None:
    """Judge the optimizer that needs no learning rate; return None unless it was recorded under all conditions."""
    lost = {}
    for each in recordings:
        accuracies = read_held_out(each.condition.name, folder)
        if not accuracies:
            return None
        mean = float(np.mean([or_chance(accuracy) for accuracy in accuracies]))
        lost[each.condition.name] = 100 * (each.accuracy(each.best) - mean)
    nothing = dict.fromkeys(lost, 0.0)
    return Judged({}, lost, nothing, nothing)


def holds(answer: Answer, recording: Recording) -> bool:
    """Return whether a rule's bounds overlap the plateau."""
    low, high = recording.plateau
    return answer.bounds is not None and answer.bounds[0] <= high and answer.bounds[1] >= low


def width(answer: Answer) -> float:
    """Return the width of a rule's bounds in decades; NaN if it names none."""
    return math.log10(answer.bounds[1] / answer.bounds[0]) if answer.bounds else math.nan


def rules(recordings: list[Recording], fixed: list[Recording]) -> dict[str, Rule | Mapping[str, Rule]]:
    """Return every rule by its name.

    Args:
        recordings: Recordings that the rules will be asked about.
        fixed: Recordings by which constants are chosen: either ``recordings`` itself, in which case each constant is
            chosen by the other networks, or those that rules were designed on.
    """
    found: dict[str, Rule | Mapping[str, Rule]] = {}
    for name, power in POWERS.items():
        found[name] = constants_of_others(recordings, power) if recordings is fixed else _chosen(fixed, power)
    found |= {**ON_RAMPS, "range test by ramps": replaced_test, "successive halving": halving}
    return found | {f"this program, {trials} trials": this_program(trials) for trials in (1, 2, 3)}


def _chosen(fixed: list[Recording], power: float) -> Rule:
    by_optimizer: dict[str, Rule] = {}
    for optimizer in {each.condition.optimizer for each in fixed}:
        here = [each for each in fixed if each.condition.optimizer == optimizer]
        by_optimizer[optimizer] = constant(best_constant(here, power), power)
    return lambda bench: by_optimizer[bench.recording.condition.optimizer](bench)


def spread(recordings: list[Recording]) -> list[str]:
    """Return lines with the number of decades that the best rates span, by optimizer."""
    lines = []
    for optimizer in sorted({each.condition.optimizer for each in recordings}):
        best = np.log10([each.best for each in recordings if each.condition.optimizer == optimizer])
        middle = np.log10(
            [math.sqrt(math.prod(each.plateau)) for each in recordings if each.condition.optimizer == optimizer]
        )
        lines.append(
            f"{optimizer}: best rates of {len(best)} conditions span {np.ptp(best):.1f} decades, "
            f"{10 ** best.min():.2g} to {10 ** best.max():.2g}; middles of their plateaus {np.ptp(middle):.1f}"
        )
    return lines


def table(judged: Mapping[str, Judged], recordings: list[Recording]) -> list[str]:
    """Return the lines of the Markdown table."""
    optimizers = sorted({each.condition.optimizer for each in recordings})
    heads = ["rule", "points lost", *optimizers, "worst", "paired", "refused", "unsure"]
    heads += ["bounds hold", "width", "cost", "wait"]
    rows = markdown_head(heads)
    baseline = min(POWERS, key=lambda name: float(np.mean(list(judged[name].lost.values()))))
    for name, of_rule in judged.items():
        lost = np.array(list(of_rule.lost.values()))
        cells = [name, f"{lost.mean():.1f}"]
        for optimizer in optimizers:
            here = [of_rule.lost[each.condition.name] for each in recordings if each.condition.optimizer == optimizer]
            cells.append(f"{np.mean(here):.1f}")
        cells.append(f"{lost.max():.1f}")
        cells.append("." if name == baseline else _paired(of_rule, judged[baseline], recordings))
        answers = list(of_rule.answers.values())
        cells += [str(sum(answer.first is None for answer in answers)), str(sum(answer.unsure for answer in answers))]
        cells += _bounds(of_rule, recordings)
        cells.append(f"{np.mean(list(of_rule.cost.values())):.1f}")
        waits = list(of_rule.wait.values())
        cells.append(f"{np.median(waits):.1f}, {max(waits):.1f}" if max(waits) else ".")
        rows.append(markdown_row(cells))
    return rows


def _paired(one: Judged, other: Judged, recordings: list[Recording]) -> str:
    mine, theirs = one.by_network(recordings), other.by_network(recordings)
    differences = np.array([mine[name] - theirs[name] for name in mine])
    found = estimate(differences)
    return f"{found.mean:+.1f}" + ("" if math.isnan(found.low) else f" ± {found.high - found.mean:.1f}")


def _bounds(of_rule: Judged, recordings: list[Recording]) -> list[str]:
    bounded = [each for each in recordings if each.condition.name in of_rule.answers]
    bounded = [each for each in bounded if of_rule.answers[each.condition.name].bounds]
    if not bounded:
        return [".", "."]
    held = sum(holds(of_rule.answers[each.condition.name], each) for each in recordings)
    # Clopper and Pearson's lower limit of the share that holds, with a confidence of 97.5%.
    limit = binomtest(held, len(recordings)).proportion_ci(0.95, "exact").low
    widths = [width(of_rule.answers[each.condition.name]) for each in bounded]
    return [f"{held} of {len(recordings)} (over {limit:.0%})", f"{np.median(widths):.1f}, at most {max(widths):.1f}"]


def each_condition(judged: Mapping[str, Judged], recordings: list[Recording]) -> list[str]:
    """Return the lines of a Markdown table with a row per condition: its plateau, and points lost by each rule."""
    rows = markdown_head(["condition", "best", "plateau", *judged])
    for each in recordings:
        low, high = each.plateau
        cells = [each.condition.name, f"{each.best:.2g}", f"{low:.2g} to {high:.2g}"]
        rows.append(markdown_row(cells + [f"{of_rule.lost[each.condition.name]:.1f}" for of_rule in judged.values()]))
    return rows


def figures(judged: Mapping[str, Judged]) -> dict[str, Any]:
    """Return everything as plain values for JSON."""
    found: dict[str, Any] = {}
    for name, of_rule in judged.items():
        found[name] = {
            condition: {
                **(of_rule.answers[condition]._asdict() if condition in of_rule.answers else {}),
                "lost": round(lost, 2),
                "cost": round(of_rule.cost[condition], 2),
                "wait": round(of_rule.wait[condition], 2),
            }
            for condition, lost in of_rule.lost.items()
        }
    return found


app = new_app("Print the tables of the range test's benchmark.")


@app.command()
def main(
    aside: Annotated[bool, typer.Option("--aside", help="Show the held-out conditions.")] = False,
    recordings: Annotated[Path, typer.Option("--recordings", help="Folder of the recordings.")] = RECORDINGS,
) -> None:
    """Print the spread of the best rates, a row per rule, a row per condition, and all figures as JSON."""
    named = read_recordings(False, recordings)
    # A condition is compared with a constant chosen by other networks with its optimizer, so there must be one.
    comparable = constants_of_others(named)
    named = [each for each in named if each.condition.name in comparable]
    asked = read_recordings(True, recordings) if aside else named
    if not asked or not named:
        raise InputError(f"--recordings {recordings}: must hold a whole condition; benchmarks.lr_range.record records")
    judged = {name: judge(rule, asked) for name, rule in rules(asked, named).items()}
    if free := judge_free(asked, recordings):
        judged[FREE] = free
    kinds = Counter(str(line["processor"]) for each in asked for line in each.lines.values())
    expected = sum(condition.problem.aside is aside for condition in CONDITIONS.values())
    print(LEGEND)
    print(f"\n{len(asked)} of {expected} conditions; trainings: {dict(kinds)}; table of {date.today()}.\n")
    print("\n".join([*spread(asked), "", *table(judged, asked), "", *each_condition(judged, asked)]))
    print("\n" + json.dumps({"date": str(date.today()), "rules": figures(judged)}))


if __name__ == "__main__":
    run(app, "benchmarks.lr_range.tables")
