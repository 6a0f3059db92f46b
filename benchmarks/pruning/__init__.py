"""Benchmark of what pruning saves and loses: replays and simulations on recorded learning curves."""
