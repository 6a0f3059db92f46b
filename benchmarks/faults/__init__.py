"""Benchmark of the faults that a search survives."""
