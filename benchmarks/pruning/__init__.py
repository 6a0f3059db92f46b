"""Benchmark of the epochs that pruning saves and the accuracy it costs, on recorded learning curves."""
