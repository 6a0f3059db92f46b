"""Several narrow trials trained as one: their networks are stacked, and each operator computes all of them at once."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from tune_s11.training.trainer import Trainer


class FusedTrials:
    """K trials trained at once with SGD; they may differ only in seed, schedule, momentum and weight decay.

    Each keeps its own weights and batches, so it computes what its trainer would on its own
    (tests/benchmarks/speed/test_fused.py). The stacking follows torch's tutorial on model ensembling; the update is
    that of ``torch.optim.SGD``.

    Attributes:
        params: Weights by name, (K, ...).
        buffers: Batch norm statistics by name, (K, ...).
        averages: EMA of the weights and then of the floating-point buffers.

    Args:
        trainers: One for each trial; none may have trained yet.
    """

    def __init__(self, trainers: list[Trainer]) -> None:
        self.trainers = trainers
        first = trainers[0]
        self._hardware, self._recipe = first.hardware, first.recipe
        self._decay = first.average.decay
        self._network = copy.deepcopy(first.model).to("meta")
        params, self.buffers = stack_module_state([trainer.model for trainer in trainers])
        self.params: dict[str, Tensor] = {name: value.detach() for name, value in params.items()}
        self._moving = [*self.params.values(), *(b for b in self.buffers.values() if b.is_floating_point())]
        self.averages = [each.clone() for each in self._moving]
        self._velocities = [torch.zeros_like(value) for value in self.params.values()]

        def each(field: str) -> list[Tensor]:
            values = torch.tensor([getattr(trainer.recipe, field) for trainer in trainers], device=first.device)
            return [values.view(-1, *[1] * (value.dim() - 1)) for value in self.params.values()]

        self._momenta, self._weight_decays = each("momentum"), each("weight_decay")
        self._gradients = vmap(grad_and_value(self._loss, has_aux=True), randomness="different")

    def _loss(
        self, params: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return one trial's loss, and its loss and accuracy, (2,)."""
        with torch.autocast(self._hardware.device, torch.bfloat16, enabled=self._hardware.precision == "bf16"):
            logits = functional_call(self._network, (params, buffers), (images,))
        logits = logits.float() * self._recipe.logit_scale
        loss = F.cross_entropy(logits, labels, label_smoothing=self._recipe.label_smoothing)
        return loss, torch.stack([loss.detach(), (logits.argmax(1) == labels).float().mean()])

    @torch.no_grad()
    def step(self, images: Tensor, labels: Tensor, lrs: Tensor) -> Tensor:
        """Train one step and move the averages.

        Args:
            images: Augmented images, (K, B, 3, H, W).
            labels: Labels, (K, B).
            lrs: Learning rates, (K,).

        Returns:
            Loss and accuracy of each trial, (K, 2).
        """
        self._network.train()
        figures: Tensor
        gradients, (_, figures) = self._gradients(self.params, self.buffers, images, labels)
        weights = list(self.params.values())
        grads = [gradients[name] for name in self.params]
        rates = [lrs.view(-1, *[1] * (weight.dim() - 1)) for weight in weights]
        torch._foreach_addcmul_(grads, weights, self._weight_decays)
        torch._foreach_mul_(self._velocities, self._momenta)
        torch._foreach_add_(self._velocities, grads)
        if self._recipe.nesterov:
            torch._foreach_addcmul_(grads, self._velocities, self._momenta)
        else:
            grads = self._velocities
        torch._foreach_addcmul_(weights, grads, rates, value=-1)
        torch._foreach_lerp_(self.averages, self._moving, 1 - self._decay)
        return figures

    def run_epoch(self, epoch: int) -> Tensor:
        """Train one epoch of all trials; return the mean loss and accuracy of each, (K, 2)."""
        totals = torch.zeros(len(self.trainers), 2, device=self.trainers[0].device)
        steps = self.trainers[0].steps_per_epoch
        for k, batches in enumerate(zip(*(trainer.batches(epoch) for trainer in self.trainers), strict=True)):
            images, labels = (torch.stack(each) for each in zip(*batches, strict=True))
            lrs = [trainer.schedule.lr(epoch + k / steps) for trainer in self.trainers]
            totals += self.step(images, labels, torch.tensor(lrs, device=images.device))
        return totals / steps
