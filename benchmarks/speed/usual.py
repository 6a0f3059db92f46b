"""The usual way to train: images one by one through a DataLoader, augmented by a library's transforms."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset
from torchvision.transforms import v2

from benchmarks.speed.noise import MEAN, STD, noise, wait
from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.data.pipeline import recipe_pipeline
from tune_s11.hardware import Hardware, usable_cores
from tune_s11.models import build_model
from tune_s11.training.optimizer import build_optimizer


class NoiseDataset(VisionDataset):  # type: ignore[misc]  # untyped
    """Images in memory, returned as torchvision's CIFAR10 does."""

    def __init__(self, images: Images, transform: Callable[[Any], Tensor]) -> None:
        super().__init__(root="", transform=transform)
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        assert self.transform is not None
        return self.transform(Image.fromarray(self._images.pixels[index])), int(self._images.labels[index])


def albumentations_transform(recipe: Recipe) -> Callable[[Any], Tensor]:
    pipeline = A.Compose([recipe_pipeline(recipe, MEAN), A.Normalize(MEAN, STD), ToTensorV2()])
    return partial(_through, pipeline)


def _through(pipeline: A.Compose, image: Image.Image) -> Tensor:
    result: Tensor = pipeline(image=np.asarray(image))["image"]
    return result


def torchvision_transform(recipe: Recipe) -> Callable[[Any], Tensor]:
    share = (recipe.cutout / recipe.image_size) ** 2
    pipeline: Callable[[Any], Tensor] = v2.Compose(
        [
            v2.RandomCrop(recipe.image_size, padding=recipe.pad, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.RandomErasing(p=1, scale=(share, share), ratio=(1, 1)),
        ]
    )
    return pipeline


class Usual:
    """Images one by one in a DataLoader with a worker for each core, and a fused optimizer. A call trains a stretch.

    A stretch starts when the first batch is requested from workers that are already running. All of its images are
    augmented within it, as in an epoch, and none beforehand.

    Args:
        recipe: Recipe to train.
        hardware: Hardware to train on.
        steps: Steps of a stretch.
        transform: Transform of one image.
        tuned: Whether the network trains in the hardware's precision and in channels-last format, as experts would;
            otherwise in fp32 and NCHW, as in torch's tutorials.
    """

    def __init__(
        self, recipe: Recipe, hardware: Hardware, steps: int, transform: Callable[[Any], Tensor], *, tuned: bool = False
    ) -> None:
        self._device, self._batch = torch.device(hardware.device), recipe.batch_size
        self._bf16 = tuned and hardware.precision == "bf16"
        self._format = torch.channels_last if tuned else torch.contiguous_format
        torch.manual_seed(0)
        model = build_model(recipe, 10)
        self._model = model.to(self._device, memory_format=self._format)  # type: ignore[call-overload]
        self._optimizer = build_optimizer(self._model, recipe)
        self._loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            NoiseDataset(noise(steps * self._batch), transform),
            self._batch,
            shuffle=True,
            drop_last=True,
            num_workers=usable_cores(),
            persistent_workers=True,
            pin_memory=hardware.device == "cuda",
        )

    def __call__(self) -> float:
        """Train one stretch; return the images per second."""
        self._model.train()
        begun, count = time.perf_counter(), 0
        for images, labels in self._loader:
            images = images.to(self._device, memory_format=self._format, non_blocking=True)
            labels = labels.to(self._device, non_blocking=True)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
                logits = self._model(images)
            loss = F.cross_entropy(logits.float(), labels)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            count += len(labels)
        wait(self._device)
        return count / (time.perf_counter() - begun)
