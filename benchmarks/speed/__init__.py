"""Benchmark of the speed of a training step, compared with what the machine can do."""
