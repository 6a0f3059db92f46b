"""Callbacks of Ray Tune: progress, files of the trials, workers that hang, trials that fail, checkpoints."""
