"""A problem whose trials take moments."""

from functools import cache

from benchmarks.race.problems import PROBLEMS, Inputs, Problem, load_inputs
from benchmarks.tools.recording import recording_hardware
from tune_s11.hardware import Hardware

FIELDS = {**PROBLEMS["digits-s11"].fields, "epochs": 3, "peak_epoch": 1.0, "train_images": 130, "batch_size": 32}
TINY = Problem("tiny", FIELDS, 100)


@cache
def inputs() -> Inputs:
    return load_inputs(TINY)[0]


@cache
def hardware() -> Hardware:
    chosen = recording_hardware()
    chosen.activate()
    return chosen
