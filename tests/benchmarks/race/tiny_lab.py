"""A problem whose trials take moments."""

from functools import cache

from benchmarks.race.problems import PROBLEMS, Inputs, Problem, load_inputs
from tune_s11.hardware import Hardware, choose_hardware

FIELDS = {**PROBLEMS["digits-s11"].fields, "epochs": 3, "peak_epoch": 1.0, "train_images": 130, "batch_size": 32}
TINY = Problem("tiny", FIELDS, 100)


@cache
def inputs() -> Inputs:
    return load_inputs(TINY)[0]


@cache
def hardware() -> Hardware:
    chosen = choose_hardware(threads=1, gpu=False)
    chosen.activate()
    return chosen
