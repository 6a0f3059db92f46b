"""What trials and refits are trained on."""

import pytest

from tune_s11.search.material import Material
from tune_s11.search_space import load_space


@pytest.mark.parametrize("schedule", ["one_cycle", "triangular", "plateau"])
def test_refits_have_all_training_images_unless_a_plateau_needs_the_validation_images(schedule: str) -> None:
    config = load_space("quick").with_overrides({"schedule": schedule, "width": "2"})
    material = Material.checked(config.checked_for_search())
    refit = material.refit_data()
    assert material.data.validation is not None
    learnt, held_out = len(material.data.train), len(material.data.validation)
    assert len(material.dataset.train) == learnt + held_out
    if schedule == "plateau":
        assert refit.validation is not None
        assert (len(refit.train), len(refit.validation)) == (learnt, held_out)
    else:
        assert (len(refit.train), refit.validation) == (learnt + held_out, None)
