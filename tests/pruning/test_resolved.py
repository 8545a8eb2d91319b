"""A pruning resolved for a network: layers, competition and counts belong together, whatever they were made from."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import digest
from lth.pruning.mask import dense, kept
from lth.pruning.resolved import collapsed, prune_to, resolve
from lth.pruning.schedule import Pruning
from lth.pruning.scores.inputs import ScoreInputs
from tests.networks import Net, hidden, hidden_and_out, images_to_classes, tied_language


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


VECTORS, IMAGES = torch.zeros(2, 12), torch.zeros(2, 3, 8, 8)
CLASSIFIERS: dict[str, tuple[nn.Module, torch.Tensor, list[str]]] = {
    "a convolution before pooling": (images_to_classes(nn.Conv2d(8, 4, 1)), IMAGES, ["features.weight"]),
    "a transposed one": (images_to_classes(nn.ConvTranspose2d(8, 4, 2)), IMAGES, ["features.weight"]),
    "one that is flattened": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 6), nn.Flatten()),
        IMAGES,
        ["0.weight"],
    ),
    "a layer before another": (
        Net(lambda n, x: n.out(hidden(n, x)), **hidden_and_out(side=nn.Linear(10, 4))),
        VECTORS,
        ["hidden.weight", "side.weight"],
    ),
    "two heads": (
        Net(lambda n, x: n.out(hidden(n, x)) + n.skip(x), **hidden_and_out(skip=nn.Linear(12, 4))),
        VECTORS,
        ["hidden.weight"],
    ),
    "an embedding": (tied_language(), torch.zeros(2, 5), ["hidden.weight"]),
    "a weight of the first layer, transposed": (
        Net(lambda n, x: functional.linear(torch.relu(n.encoder(x)), n.encoder.weight.t()), encoder=nn.Linear(12, 7)),
        VECTORS,
        ["encoder.weight"],
    ),
}


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_channels_that_are_the_classes_are_never_pruned(case: str) -> None:
    model, examples, layers = CLASSIFIERS[case]
    resolved = resolve(model, Pruning(granularity="output"), 1, examples=examples)
    assert [layer.name for layer in resolved.layers] == layers == list(resolved.dense())
    traced = [name for name in resolved.outputs if name not in layers or name == "encoder.weight"]
    assert list(resolved.outputs) == traced != []
    single = resolve(model, Pruning(fraction=0.5, fractions={"output": 0.25}), 1, examples=examples)
    for layer in single.layers:
        lost = 0.25 if layer.name in single.outputs else 0.5
        assert single.level_counts[1][layer.name] == layer.size - round(lost * layer.size)


def test_input_channels_that_are_the_classes_stay_too() -> None:
    model, examples, _ = CLASSIFIERS["a weight of the first layer, transposed"]
    with pytest.raises(SettingError, match=r"pruning\.granularity=input: leaves nothing to prune"):
        resolve(model, Pruning(granularity="input"), 1, examples=examples)
    model, examples, _ = CLASSIFIERS["two heads"]
    resolved = resolve(model, Pruning(granularity="input"), 1, examples=examples)
    assert {layer.name for layer in resolved.layers} == {"out.weight", "hidden.weight", "skip.weight"}


@pytest.mark.parametrize("examples", [None, IMAGES])
def test_where_the_outputs_are_not_clear_and_matter_they_are_asked_for(examples: torch.Tensor | None) -> None:
    """Without examples the classifier may be any layer; with them, autograd records nothing of this one."""
    parts = {"features": nn.Conv2d(3, 8, 3), "classifier": nn.Conv2d(8, 4, 1)}
    model = Net(lambda n, x: n.classifier(n.features(x)).mean((2, 3)).detach(), **parts)
    question = r"pruning\.output=None: name the layer whose outputs are the classes, of features, classifier: "
    with pytest.raises(SettingError, match=question):
        resolve(model, Pruning(granularity="output"), 1, examples=examples)
    named = resolve(model, Pruning(granularity="output", output="classifier"), 1, examples=examples)
    assert [layer.name for layer in named.layers] == ["features.weight"] and named.outputs == ["classifier.weight"]
    assert len(resolve(model, Pruning(), 1, examples=examples).layers) == 2
    by_kind = [Pruning(fractions={"output": 0.1}), Pruning(layer_densities={"output": 1.0, "conv": 0.5})]
    for pruning in by_kind if examples is not None else []:
        with pytest.raises(SettingError, match=question):
            resolve(model, pruning, 1, examples=examples)


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
