"""What trials and refits are trained on."""

import io

import pytest
import torch

from tune_s11.hardware import Hardware
from tune_s11.search import inputs as inputs_module
from tune_s11.search.inputs import SearchInputs
from tune_s11.search_space import load_space
from tune_s11.training.trainer import Trainer, try_out


@pytest.mark.parametrize("schedule", ["one_cycle", "triangular", "plateau"])
def test_refits_have_all_training_images_unless_a_plateau_needs_the_validation_images(schedule: str) -> None:
    config = load_space("quick").with_overrides({"schedule": schedule, "width": "2"})
    inputs = SearchInputs.checked(config.checked_for_search())
    refit = inputs.refit_data()
    assert inputs.data.validation is not None
    learnt, held_out = len(inputs.data.train), len(inputs.data.validation)
    assert len(inputs.dataset.train) == learnt + held_out
    if schedule == "plateau":
        assert refit.validation is not None
        assert (len(refit.train), len(refit.validation)) == (learnt, held_out)
    else:
        assert (len(refit.train), refit.validation) == (learnt + held_out, None)


@pytest.mark.parametrize("fields", [{}, {"optimizer": "adamw", "max_lr": "0.01"}])
def test_a_checkpoint_takes_what_is_reckoned_with(fields: dict[str, str]) -> None:
    config = load_space("quick").with_overrides({"width": "8", **fields})
    inputs = SearchInputs.checked(config.checked_for_search())
    trainer = Trainer(config.recipe, inputs.data, Hardware(device="cpu", precision="fp32", threads=1), seed=0)
    trainer.step(*next(trainer.batches(0)), lr=0.01)
    file = io.BytesIO()
    torch.save(trainer.state_dict(), file)
    assert len(file.getvalue()) == pytest.approx(inputs.trial_bytes, rel=0.1)


def test_a_refit_unlike_the_trials_is_tried_out_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(
        inputs_module, "try_out", lambda recipe, data: tried.append(recipe.width) or try_out(recipe, data)
    )
    config = load_space("quick").with_overrides({"width": "2"})
    alike = SearchInputs.checked(config.checked_for_search())
    assert tried == [2]
    assert alike.refit_bytes == alike.trial_bytes
    wider = SearchInputs.checked(config.with_overrides({"refit.width": "4"}).checked_for_search())
    assert tried == [2, 2, 4]
    assert wider.refit_bytes > wider.trial_bytes
