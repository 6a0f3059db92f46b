"""Benchmark of bounds read off ramps alone, as the program's range test did before it trained cycles."""
