"""Benchmarks and their inputs; each folder answers one question."""
