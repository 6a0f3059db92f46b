"""The winner as a module: normalisation, its network, logit scale and softmax, in this order."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn as nn
from PIL import Image
from torch import Tensor

from tune_s11.data import scale_and_shift
from tune_s11.data.dataset import Channels, Pixels
from tune_s11.data.decoding import to_pixels


class Logits(nn.Module):
    """A network that includes its normalisation and its logit scale: the module that is exported.

    Args:
        network: Network from normalised images (N, 3, H, W) to logits (N, K).
        mean: Mean of each channel of the training images, where full intensity is 1.
        std: Standard deviation of each channel, on the same scale.
        logit_scale: Factor on the network's logits, as in the loss that it was trained with.
    """

    scale: Tensor
    shift: Tensor
    logit_scale: Tensor

    def __init__(self, network: nn.Module, mean: Channels, std: Channels, logit_scale: float) -> None:
        super().__init__()
        self.network = network
        scale, shift = scale_and_shift(mean, std)
        self.register_buffer("scale", torch.tensor(scale).view(3, 1, 1))
        self.register_buffer("shift", torch.tensor(shift).view(3, 1, 1))
        self.register_buffer("logit_scale", torch.tensor(logit_scale))

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits, float32 (N, K), of RGB images, uint8 (N, 3, H, W)."""
        logits: Tensor = self.network(images.float() * self.scale + self.shift)
        return logits.float() * self.logit_scale

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of a SHA-256 over all weights, normalisation and logit scale included."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]


class Classifier(nn.Module):
    """A module that computes the class probabilities of images.

    Attributes:
        logits: Module that computes the logits before the softmax.
        classes: Names of the classes, (K,).
        image_size: Height and width in pixels of the images that the network was trained on.
    """

    def __init__(self, logits: Logits, classes: Sequence[str], image_size: int) -> None:
        super().__init__()
        self.logits, self.classes, self.image_size = logits, tuple(classes), image_size
        self.eval()

    def forward(self, images: Tensor | Image.Image | Sequence[Image.Image]) -> Tensor:
        """Classify images on the device of the weights.

        Args:
            images: RGB images, uint8 (N, 3, image_size, image_size); or Pillow images of any size and mode, which are
                converted to RGB and resized as the training images were.

        Returns:
            Probabilities, float32 (N, K); (1, K) for a single Pillow image.

        Raises:
            ValueError: The images are of another kind or shape, or there are none.
        """
        on_device = self._prepared(images).to(self.logits.scale.device)
        probabilities: Tensor = self.logits(on_device).softmax(dim=1)
        return probabilities

    def of_pixels(self, pixels: Pixels) -> Tensor:
        """Classify pixels, uint8 (N, image_size, image_size, 3); see :meth:`forward`."""
        return self.forward(torch.tensor(pixels).permute(0, 3, 1, 2))

    def _prepared(self, images: Tensor | Image.Image | Sequence[Image.Image]) -> Tensor:
        if isinstance(images, Tensor):
            side = self.image_size
            if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (3, side, side):
                found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
                raise ValueError(f"images: must be uint8 (N, 3, {side}, {side}) (got {found})")
            return images
        opened = [images] if isinstance(images, Image.Image) else list(images)
        if not all(isinstance(image, Image.Image) for image in opened):
            raise ValueError("images: must be a uint8 tensor, a Pillow image or a list of Pillow images")
        if not opened:
            raise ValueError("images: must hold at least one image")
        pixels = np.stack([to_pixels(image, self.image_size)[0] for image in opened])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)
