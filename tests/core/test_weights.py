"""States and masks as data: masked puts zeros, digests see every byte."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth.core.keeping import copied
from lth.core.weights import (
    clone,
    digest,
    for_file,
    is_finite,
    load,
    masked,
    modes_kept,
    on_cpu,
    shared_names,
    under_all_names,
)
from tests.networks import SHARED


def test_masked_puts_zero_where_pruned_and_keeps_the_rest() -> None:
    state = {"w": torch.tensor([[1.0, -2.0], [float("nan"), 4.0]]), "b": torch.tensor([5.0])}
    result = masked(state, {"w": torch.tensor([[True, False], [False, True]])})
    assert torch.equal(result["w"], torch.tensor([[1.0, 0.0], [0.0, 4.0]])) and torch.equal(result["b"], state["b"])


def test_masked_and_clone_copy() -> None:
    state = {"w": torch.ones(2, 2), "b": torch.ones(2)}
    for other in (masked(state, {"w": torch.ones(2, 2, dtype=torch.bool)}), clone(state), on_cpu(state)):
        for tensor in other.values():
            tensor.zero_()
        assert all(bool((tensor == 1).all()) for tensor in state.values())


def test_masked_keeps_each_dtype() -> None:
    state = {"w": torch.ones(3, dtype=torch.float64), "n": torch.tensor(3), "h": torch.ones(3, dtype=torch.bfloat16)}
    keep = torch.tensor([True, False, True])
    result = masked(state, {"w": keep, "h": keep})
    assert {name: tensor.dtype for name, tensor in result.items()} == {name: x.dtype for name, x in state.items()}


def test_a_clone_is_out_of_the_graph_and_a_cpu_copy_contiguous() -> None:
    parameter = nn.Parameter(torch.ones(2, 3))
    assert not clone({"w": parameter})["w"].requires_grad and not masked({"w": parameter}, {})["w"].requires_grad
    assert on_cpu({"w": parameter.T})["w"].is_contiguous()


@given(st.integers(0, 11), st.integers(0, 7))
def test_a_digest_changes_with_any_bit(byte: int, bit: int) -> None:
    state = {"w": torch.arange(3.0), "b": torch.zeros(2)}
    changed = clone(state)
    changed["w"].view(torch.uint8)[byte] ^= 1 << bit
    assert digest(changed) != digest(state)


def test_a_digest_changes_with_name_dtype_shape_and_set() -> None:
    w = torch.zeros(4)
    others = [
        {"w": w},
        {"v": w},
        {"w": w.int()},
        {"w": w.reshape(2, 2)},
        {"w": w.reshape(4, 1)},
        {"w": w, "v": torch.zeros(0)},
        {"w": torch.zeros(0)},
        {"w": torch.zeros(0, 2)},
        {},
    ]
    assert len({digest(state) for state in others}) == len(others)


def test_a_digest_depends_on_contents_not_on_order_or_layout() -> None:
    a, b = torch.randn(3, 4), torch.arange(5)
    turned = a.T.contiguous().T
    assert digest({"a": a, "b": b}) == digest({"b": b.clone(), "a": turned}) == digest({"a": nn.Parameter(a), "b": b})
    assert digest({"x": torch.tensor(True)}) != digest({"x": torch.tensor(False)})


def test_load_prunes_shared_weights_under_either_name() -> None:
    model, kept = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), torch.arange(16).reshape(4, 4) % 3 == 0
    model[1].weight = model[0].weight
    load(model, clone(model.state_dict()), {"0.weight": kept})
    assert bool((model[1].weight == 0).eq(~kept).all()) and model[0].weight.requires_grad


def test_modes_are_kept_module_by_module_and_after_an_error() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Dropout())
    model[1].eval()
    with pytest.raises(KeyError), modes_kept(model):
        model.eval()
        model[1].train()
        raise KeyError
    assert [module.training for module in model.modules()] == [True, True, False]


def test_load_copies() -> None:
    model, state = nn.Linear(2, 1), {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
    load(model, state)
    with torch.no_grad():
        model.weight.zero_()
    assert torch.equal(state["weight"], torch.ones(1, 2)) and torch.equal(model.bias, torch.ones(1))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", ["weight norm", "an activation", "activations in a list"])
def test_a_copy_also_has_what_a_network_has_computed(kind: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    if kind == "weight norm":
        nn.utils.weight_norm(model[0])
    else:
        activation = model(torch.ones(2, 3))
        model.kept = activation if kind == "an activation" else {"all": [activation]}
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    same, before = copied(model), digest(model.state_dict())
    assert torch.equal(same(inputs), model(inputs)) and same[1].weight is not model[1].weight
    same(inputs).sum().backward()
    assert model[1].weight.grad is None and digest(model.state_dict()) == before
    assert (copied(copied(model))[1].weight == model[1].weight).all()


@pytest.mark.parametrize("kind", SHARED)
def test_further_names_lead_to_the_first_by_which_parameters_go(kind: str) -> None:
    model = SHARED[kind]()
    state, parameters = model.state_dict(), dict(model.named_parameters())
    shared = shared_names(state)
    assert shared and set(shared.values()) <= set(parameters) and not set(shared) & set(parameters)
    every = dict(model.named_parameters(remove_duplicate=False))
    assert all(every[name] is parameters[first] for name, first in shared.items())
    assert set(parameters) | set(shared) == set(state)
    mask = {name: torch.ones(1) for name in parameters}
    assert set(under_all_names(mask, shared)) == set(state)
    assert under_all_names({}, shared) == {} == shared_names(clone(state))


def test_empty_tensors_and_views_of_another_shape_are_not_shared() -> None:
    weight = torch.ones(2, 3)
    state = {"a": weight, "b": weight.T, "c": weight[:1], "d": torch.zeros(0), "e": torch.zeros(0), "f": weight}
    assert shared_names(state) == {"f": "a"}


def test_what_goes_to_a_file_is_copied_only_where_it_must_be() -> None:
    memory = torch.arange(12.0)
    state = {
        "whole": memory,
        "part": memory[:4],
        "turned": torch.rand(3, 4).t(),
        "alone": torch.rand(2),
        "none": memory[:0],
    }
    written = for_file(state)
    assert digest(written) == digest(state) and all(tensor.is_contiguous() for tensor in written.values())
    shared = {
        name for name, tensor in written.items() if tensor.numel() and tensor.data_ptr() == state[name].data_ptr()
    }
    assert shared == {"whole", "alone"}


@given(st.lists(st.floats(width=32), max_size=5))
def test_a_tensor_is_finite_as_torch_says(values: list[float]) -> None:
    for tensor in (torch.tensor(values), torch.tensor(values, dtype=torch.bfloat16), torch.ones(3, dtype=torch.int64)):
        assert is_finite(tensor) == bool(tensor.isfinite().all())
