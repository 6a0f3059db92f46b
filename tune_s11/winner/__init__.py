"""Puts the winner of a search to use: as a module that takes images, in exported files, and in a model card."""

from tune_s11.winner.classifier import Classifier, Logits
from tune_s11.winner.loading import Best, load_best, read_best

__all__ = ["Best", "Classifier", "Logits", "load_best", "read_best"]
