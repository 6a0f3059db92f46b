"""Benchmark of what a search costs beyond its training, and of how many workers one driver can serve."""
