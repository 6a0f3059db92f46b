"""Benchmark of the speed of a training step, and of how it compares with what the machine could do."""
