"""Benchmark of how well a range test finds the learning rate, over networks, optimizers, momenta and batches."""
