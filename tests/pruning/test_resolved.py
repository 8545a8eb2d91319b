"""A pruning resolved for a network: layers, competition and counts belong together, whatever they were made from."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import digest
from lth.pruning.mask import dense, kept
from lth.pruning.resolved import collapsed, prune_to, resolve
from lth.pruning.schedule import Pruning
from lth.pruning.scores.inputs import ScoreInputs


def test_counts_begin_with_what_the_mask_keeps(
    make_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], dict]
) -> None:
    model = make_network()
    mask = half_mask(model)
    resolved = resolve(model, Pruning(fraction=0.5), 2, mask)
    assert resolved.level_counts[0] == kept(mask) and resolved.levels == 2
    assert resolve(model, Pruning(fraction=0.5), 2).level_counts[0] == kept(resolved.dense())
    together = resolve(model, Pruning(scope="global"), 1, mask)
    assert together.level_counts[0] == {"": sum(kept(mask).values())}
    with pytest.raises(LotteryError, match=r"the mask does not fit: fc1\.weight is in one of the mask and the layers"):
        resolve(model, Pruning(exclude=["fc1*"]), 1, mask)


def test_densities_that_are_measured_later_replace_the_counts_and_nothing_else(
    make_network: Callable[[], nn.Module],
) -> None:
    model = make_network()
    before = resolve(model, Pruning(layer_densities="sensitivity", fraction=0.5), 2)
    densities = {"fc1.weight": 0.1, "fc2.weight": 0.5, "output.weight": 1.0}
    after = before.with_layer_densities(densities)
    given = resolve(model, Pruning(layer_densities=densities, fraction=0.5), 2)
    assert before.to_be_measured and not after.to_be_measured
    assert after.level_counts == given.level_counts != before.level_counts
    assert (after.layers, after.selection) == (before.layers, before.selection)
    assert [after.weights_left(level) for level in range(3)] == [sum(x.values()) for x in after.level_counts]


def test_the_output_layer_keeps_its_channels(make_network: Callable[[], nn.Module]) -> None:
    resolved = resolve(make_network(), Pruning(granularity="output"), 1)
    assert [layer.name for layer in resolved.layers] == ["fc1.weight", "fc2.weight"]
    with pytest.raises(SettingError, match=r"pruning\.granularity=output: leaves nothing to prune"):
        resolve(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), Pruning(granularity="output"), 1)


def test_every_step_of_a_random_score_draws_the_same_numbers(make_network: Callable[[], nn.Module]) -> None:
    """So that more steps change nothing, and the generator that is handed in stays as it was."""
    model = make_network()
    weights = {name: x.detach() for name, x in model.named_parameters() if x.ndim > 1}
    masks = []
    for steps in (1, 3):
        resolved, generator = resolve(model, Pruning(score="random", steps=steps), 1), rng(7)
        masks.append(prune_to(resolved, resolved.level_counts[1], ScoreInputs(weights, resolved.dense(), generator)))
        assert torch.equal(generator.get_state(), rng(7).get_state())
    assert digest(masks[0]) == digest(masks[1])


def test_a_layer_without_weights_left_has_collapsed(make_network: Callable[[], nn.Module]) -> None:
    before = dense(resolve(make_network(), Pruning(), 1).layers)
    after = before | {"fc2.weight": torch.zeros_like(before["fc2.weight"])}
    assert collapsed(before, after) == ["fc2.weight"] and collapsed(after, after) == []
