"""Computes Grad-CAM heat maps: which regions of an image are evidence for a class.

Selvaraju et al., "Grad-CAM" (arXiv:1610.02391), as the grad-cam library computes it. Nothing here draws.
"""

import copy

import numpy as np
import numpy.typing as npt
import torch
import torch.nn as nn
from torch import Tensor

from tune_s11.config import InputError

BATCH = 64
"""Images per forward and backward pass."""


def choose_layer(model: nn.Module, image: Tensor) -> str:
    """Return the layer to explain by default: the one that the network names, or else the last one that outputs maps.

    Args:
        model: Network. It may name a layer in an attribute ``gradcam_layer``, the dotted name of a module.
        image: One normalised image, (1, 3, H, W).

    Raises:
        InputError: The network names no layer, and no module outputs maps, (N, C, h, w), larger than 1 x 1.
    """
    if isinstance(named := getattr(model, "gradcam_layer", None), str):
        return named
    last = ""

    def look(name: str, output: object) -> None:
        nonlocal last
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            last = name

    hooks = [
        module.register_forward_hook(lambda module, inputs, output, name=name: look(name, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            model(image)
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise InputError("the network has no layer that outputs maps (N, C, h, w)")
    return last


def heat_maps(model: nn.Module, images: Tensor, classes: Tensor, layer: str) -> npt.NDArray[np.float32]:
    """Return one heat map for each image, for the class given with it.

    Args:
        model: Network from images to logits (N, num_classes). It is left unchanged.
        images: Normalised images (N, 3, H, W) on the model's device.
        classes: Class to explain for each image, (N,).
        layer: Dotted name of the module from whose output, (N, C, h, w), the heat maps are computed.

    Returns:
        Heat maps, (N, H, W), each scaled to [0, 1]; all 0 if there is no evidence for the class.

    Raises:
        InputError: The network has no such layer, or the layer outputs no maps.
    """
    # The library switches to evaluation mode, fills .grad and hooks the layer, and an in-place activation after the
    # layer would overwrite what the hook saw. So it gets a copy without in-place activations.
    model = copy.deepcopy(model).eval().requires_grad_(True)
    for module in model.modules():
        if getattr(module, "inplace", False):
            setattr(module, "inplace", False)  # noqa: B010 (no attribute of nn.Module)
    target = _find_layer(model, layer)
    _check_maps(model, images[:1], target, layer)
    return np.concatenate(
        [_batch(model, *batch, target) for batch in zip(images.split(BATCH), classes.split(BATCH), strict=True)]
    )


def _batch(model: nn.Module, images: Tensor, classes: Tensor, target: nn.Module) -> npt.NDArray[np.float32]:
    # Slow to import: it imports torchvision, scikit-learn and OpenCV.
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = GradCAM(model, [target])
    maps = cam(images, [ClassifierOutputTarget(label) for label in classes.tolist()])
    cam.activations_and_grads.release()
    clipped: npt.NDArray[np.float32] = np.clip(maps, 0.0, 1.0, dtype=np.float32)
    return clipped


def _find_layer(model: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if not name or name not in modules:
        children = ", ".join(child for child, _ in model.named_children())
        raise InputError(
            f"--layer {name!r}: the network has no such layer; expected one of {children} or a layer inside"
        )
    return modules[name]


def _check_maps(model: nn.Module, image: Tensor, target: nn.Module, name: str) -> None:
    outputs: list[object] = []
    with torch.no_grad(), target.register_forward_hook(lambda module, inputs, output: outputs.append(output)):
        model(image)
    if not outputs:
        raise InputError(f"--layer {name!r}: the network does not use it")
    shape = tuple(outputs[0].shape) if isinstance(outputs[0], Tensor) else type(outputs[0]).__name__
    if len(shape) != 4:
        raise InputError(f"--layer {name!r}: its output is {shape}; expected a layer that outputs maps (N, C, h, w)")
