"""Benchmark of the tuned recipe on CIFAR-10."""
