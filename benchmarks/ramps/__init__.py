"""Benchmark of bounds read off ramps alone, which the program used until its range test trained cycles."""
