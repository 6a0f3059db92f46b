"""Benchmark of what each addition to the seed's recipe brings."""
