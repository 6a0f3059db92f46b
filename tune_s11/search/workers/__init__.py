"""Starts or joins Ray's workers, checks and times them, and gives them parts of a stage to run."""
