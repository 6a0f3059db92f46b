"""Benchmark of the gain from each addition to the seed's recipe."""
