"""Adapters for Ray Tune: a trial as a trainable, Optuna as a searcher, and a pruning policy as a scheduler."""
