"""The winner of a search in use: as a module that takes images, exported to files, and described in a model card."""

from tune_s11.winner.classifier import Classifier, Logits
from tune_s11.winner.loading import Best, load_best, read_best

__all__ = ["Best", "Classifier", "Logits", "load_best", "read_best"]
