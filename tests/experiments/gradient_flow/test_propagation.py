"""The signal through untrained networks: its masks, its initialisers, and how it fades."""

import torch
from lth.experiments.gradient_flow.propagation import layer_scaled, random_mask, signal_rows

from lth.core.rng import rng
from lth.models.initialize import LayerScaled, glorot_normal, initialize
from lth.pruning.mask import kept, prunable


def test_a_random_mask_has_its_counts_and_at_least_one_weight(make_network):
    layers = prunable(make_network())
    for density in (1.0, 0.3, 1e-6):
        counts = kept(random_mask(layers, density, 0, 0))
        assert counts == {layer.name: max(1, round(density * layer.size)) for layer in layers}
    first, second = (random_mask(layers, 0.3, 0, draw) for draw in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_layer_scaled_is_the_initialiser_of_that_name(make_network):
    model = make_network()
    mask = random_mask(prunable(model), 0.25, 0, 0)
    state = initialize(model, "glorot_normal", 3)
    scaled = layer_scaled(state, mask)
    for name, module in (("fc1.weight", model.fc1), ("output.weight", model.output)):
        expected = LayerScaled(glorot_normal)(module, mask[name], rng(3, "init", *name.rsplit(".", 1)))
        assert torch.allclose(scaled[name], expected)
    assert torch.equal(scaled["fc1.bias"], state["fc1.bias"])


def test_the_signal_fades_with_the_dense_initialiser_alone(make_network, data):
    model = make_network()
    rows = signal_rows(model, lambda seed: initialize(model, "glorot_normal", seed), data, 0, 2)
    std = {
        (init, sparsity): sum(r["std"] for r in rows if (r["init"], r["sparsity"]) == (init, sparsity)) / 2
        for init, sparsity in {(row["init"], row["sparsity"]) for row in rows}
    }
    assert std["dense", 0.8] < 0.3 * std["dense", 0.0] and std["sparsity_aware", 0.8] > 0.5 * std["sparsity_aware", 0.0]
    assert std["sparsity_aware_glorot", 0.8] > 0.5 * std["sparsity_aware_glorot", 0.0]
    assert std["dense", 0.0] == std["layer_scaled", 0.0]
