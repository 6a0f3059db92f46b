"""Reads, splits, normalises and augments the images of a recipe."""

from tune_s11.data.augmentation import Augmentation, BatchedAugmentation, build_augmentation
from tune_s11.data.cache import cache_dir
from tune_s11.data.dataset import Dataset, Images
from tune_s11.data.loading import load_dataset
from tune_s11.data.normalisation import normalise, scale_and_shift
from tune_s11.data.pipeline import AlbumentationsAugmentation
from tune_s11.data.split import split

__all__ = [
    "AlbumentationsAugmentation",
    "Augmentation",
    "BatchedAugmentation",
    "Dataset",
    "Images",
    "build_augmentation",
    "cache_dir",
    "load_dataset",
    "normalise",
    "scale_and_shift",
    "split",
]
