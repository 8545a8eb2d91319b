"""Tickets to `torch.nn.utils.prune` and back, bit by bit; what is not wholly such a model is refused by name."""

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import clone, digest, masked
from lth.lottery.interchange import from_torch_pruning, make_permanent, to_torch_pruning
from lth.lottery.ticket import Ticket
from lth.models.lenet import lenet5, mlp
from tests.networks import SHARED, tied_layers


@pytest.fixture
def pruned(make_rich_network: Callable[[], nn.Module]) -> nn.Module:
    """A network that torch pruned: half of its convolution, then a third of what is left; the rest is whole."""
    model = make_rich_network()
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    prune.random_unstructured(model[0], "weight", amount=0.3)
    return model


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_prefixes_of_wrappers_are_seen_through(
    pruned: nn.Module, make_rich_network: Callable[[], nn.Module], prefix: str, tmp_path: Path
) -> None:
    expected = from_torch_pruning(pruned)
    state_dict = {prefix + name: tensor for name, tensor in pruned.state_dict().items()}
    torch.save(state_dict, tmp_path / "pruned.pt")
    parallel = nn.DataParallel(pruned)
    for ticket in (
        from_torch_pruning(state_dict, make_rich_network()),
        from_torch_pruning(tmp_path / "pruned.pt", make_rich_network()),
        from_torch_pruning(parallel),
        from_torch_pruning(parallel.state_dict(), nn.DataParallel(make_rich_network())),
    ):
        assert digest(ticket.mask) == digest(expected.mask) and digest(ticket.state) == digest(expected.state)
    model = nn.DataParallel(make_rich_network())
    assert to_torch_pruning(expected, model) is model
    assert digest(model.module.state_dict()) == digest(to_torch_pruning(expected, make_rich_network()).state_dict())


def test_what_is_no_state_dict_is_one_line(make_rich_network: Callable[[], nn.Module], tmp_path: Path) -> None:
    model = make_rich_network()
    for value in (3, {}, {"epoch": 3}, [1]):
        with pytest.raises(LotteryError, match="is no state dict"):
            from_torch_pruning(value, model)
    torch.save({"epoch": 3, "model": model.state_dict()}, tmp_path / "checkpoint.pt")
    with pytest.raises(LotteryError, match=r"checkpoint\.pt holds no state dict: .*its entry 'model' is one"):
        from_torch_pruning(tmp_path / "checkpoint.pt", model)


def test_a_model_that_torch_pruned_is_a_ticket(
    pruned: nn.Module, make_rich_network: Callable[[], nn.Module], tmp_path: Path
) -> None:
    before = digest(pruned.state_dict())
    torch.save(pruned.state_dict(), tmp_path / "pruned.pt")
    plain = make_rich_network()
    tickets = [
        from_torch_pruning(pruned),
        from_torch_pruning(pruned.state_dict(), plain),
        from_torch_pruning(tmp_path / "pruned.pt", plain),
        from_torch_pruning(str(tmp_path / "pruned.pt"), pruned),
    ]
    assert len({digest(ticket.mask) for ticket in tickets}) == len({digest(ticket.state) for ticket in tickets}) == 1
    ticket = tickets[0]
    assert torch.equal(ticket.mask["0.weight"], pruned[0].weight_mask.bool()) and ticket.mask["5.weight"].all()
    assert torch.equal(ticket.state["0.weight"], pruned[0].weight_orig)
    assert list(ticket.mask) == ["0.weight", "5.weight"] and set(ticket.state) == set(plain.state_dict())
    assert int(ticket.mask["0.weight"].sum()) == 13  # of 36: 18, less round(5.4)
    ticket.apply(plain).eval(), pruned.eval()
    images = torch.randn(3, 1, 6, 6, generator=rng(0))
    assert torch.equal(plain(images), pruned(images)) and digest(pruned.state_dict()) == before


def test_there_and_back_no_bit_is_lost(
    make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], dict]
) -> None:
    model = make_rich_network()
    ticket = Ticket(half_mask(model), clone(model.state_dict()))
    there = to_torch_pruning(ticket, make_rich_network())
    assert prune.is_pruned(there) and torch.equal(there[0].weight_orig, ticket.state["0.weight"])
    back = from_torch_pruning(there)
    assert digest(back.mask) == digest(ticket.mask) and digest(back.state) == digest(ticket.state)
    permanent = make_permanent(there)
    assert not prune.is_pruned(permanent)
    expected = masked(ticket.state, ticket.mask)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in permanent.state_dict().items())
    assert set(permanent.state_dict()) == set(expected)


def test_torch_trains_a_ticket_masked(half_mask: Callable[[nn.Module], dict]) -> None:
    model = mlp((4,), 3, (5,))
    ticket = Ticket(half_mask(model), clone(model.state_dict()))
    to_torch_pruning(ticket, model)
    model(torch.randn(8, 4, generator=rng(0))).square().sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.1 * parameter.grad)
    assert not torch.equal(model.fc1.weight_orig, ticket.state["fc1.weight"])
    make_permanent(model)
    assert all(not model.state_dict()[name][~kept].any() for name, kept in ticket.mask.items())


def test_what_torch_pruned_globally_is_a_ticket_of_exactly_that_density() -> None:
    model = lenet5((1, 32, 32), 10)
    modules = [(model.get_submodule(name), "weight") for name in ("conv1", "conv2", "fc1", "fc2", "output")]
    prune.global_unstructured(modules, prune.L1Unstructured, amount=0.2)
    ticket = from_torch_pruning(model)
    assert sum(int((~kept).sum()) for kept in ticket.mask.values()) == 12_294
    assert ticket.density == (61_470 - 12_294) / 61_470


def test_a_bare_layer_is_a_model_too() -> None:
    layer = nn.Linear(4, 3)
    ticket = from_torch_pruning(prune.l1_unstructured(layer, "weight", amount=5))
    assert list(ticket.mask) == ["weight"] and int(ticket.mask["weight"].sum()) == 7
    assert torch.equal(to_torch_pruning(ticket, nn.Linear(4, 3)).weight, layer.weight)


def test_a_buffer_that_is_called_a_mask_is_no_mask(pruned: nn.Module) -> None:
    pruned.register_buffer("attention_mask", torch.ones(2))
    assert "attention_mask" in from_torch_pruning(pruned).state


def less(state: dict, *names: str) -> dict:
    return {name: x for name, x in state.items() if name not in names}


BROKEN = {
    "no mask": (lambda s: less(s, "0.weight_mask"), "has 0.weight_orig and not 0.weight_mask: half of"),
    "no weights": (lambda s: less(s, "0.weight_orig"), "has 0.weight_mask and not 0.weight_orig: half of"),
    "both": (lambda s: s | {"0.weight": s["0.weight_orig"]}, "0.weight is pruned and unpruned at once"),
    "a name more": (lambda s: s | {"9.weight": torch.zeros(1)}, "another architecture: the model has no 9.weight"),
    "a name less": (lambda s: less(s, "5.bias"), "5.bias is not in the state dict, .*another architecture"),
    "a shape": (lambda s: s | {"5.weight": torch.zeros(3, 65)}, r"another architecture: 5.weight is \(3, 65\), not"),
    "mask shape": (lambda s: s | {"0.weight_mask": torch.ones(4, 1, 3)}, r"0.weight_mask is \(4, 1, 3\), not"),
    "mask values": (lambda s: s | {"0.weight_mask": s["0.weight_orig"]}, "0.weight_mask holds other values than 0"),
    "nothing left": (lambda s: s | {"0.weight_mask": s["0.weight_mask"] * 0}, "layer collapse: nothing is left of 0"),
    "unpruned": (
        lambda s: less(s, "0.weight_mask", "0.weight_orig") | {"0.weight": s["0.weight_orig"]},
        "has no mask",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_state_dict_that_is_not_wholly_a_pruned_model_is_one_line(
    pruned: nn.Module, make_rich_network: Callable[[], nn.Module], case: str
) -> None:
    change, problem = BROKEN[case]
    with pytest.raises(LotteryError, match=problem) as caught:
        from_torch_pruning(change(pruned.state_dict()), make_rich_network())
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_state_dict_is_an_error_that_names_it(tmp_path: Path, pruned: nn.Module) -> None:
    (tmp_path / "text").write_text("not a state dict")
    (tmp_path / "folder").mkdir()
    torch.save([1, 2], tmp_path / "list")
    torch.save(pruned, tmp_path / "model")  # would run code
    complete = tmp_path / "whole"
    torch.save(pruned.state_dict(), complete)
    (tmp_path / "cut").write_bytes(complete.read_bytes()[:300])
    for name in ("text", "folder", "list", "model", "cut", "missing"):
        with pytest.raises(LotteryError, match=re.escape(str(tmp_path / name))):
            from_torch_pruning(tmp_path / name, pruned)
    with pytest.raises(LotteryError, match="give model="):
        from_torch_pruning(complete)


def test_a_ticket_that_does_not_fit_changes_nothing(pruned: nn.Module) -> None:
    ticket = from_torch_pruning(pruned)
    other = mlp((4,), 3, (5,))
    before = digest(other.state_dict())
    with pytest.raises(LotteryError, match="does not fit"):
        to_torch_pruning(ticket, other)
    assert digest(other.state_dict()) == before and not prune.is_pruned(other)
    with pytest.raises(LotteryError, match="torch has already pruned the model"):
        to_torch_pruning(ticket, pruned)
    with pytest.raises(LotteryError, match="nothing to make permanent"):
        make_permanent(other)


PAIRS = {"two layers": ("a", "b"), "an embedding and the output": ("embedding", "decoder")}
"""The modules that share a weight, the first name first."""


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("source", ["model", "state dict", "file"])
def test_a_shared_weight_that_torch_pruned_in_one_of_its_modules_is_refused(
    kind: str, which: int, source: str, tmp_path: Path
) -> None:
    model = SHARED[kind]()
    prune.l1_unstructured(model.get_submodule(PAIRS[kind][which]), "weight", 0.5)
    torch.save(model.state_dict(), tmp_path / "pruned.pt")
    given = {"model": model, "state dict": model.state_dict(), "file": tmp_path / "pruned.pt"}[source]
    first, other = PAIRS[kind]
    for plain in (SHARED[kind](), *([None] if source == "model" else [])):
        with pytest.raises(LotteryError, match=f"{other}.weight and {first}.weight are one .* pruned differently"):
            from_torch_pruning(given, plain)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_shared_weight_that_torch_pruned_alike_is_a_ticket_with_the_same_outputs(kind: str) -> None:
    model = SHARED[kind]()
    for name in PAIRS[kind]:
        prune.l1_unstructured(model.get_submodule(name), "weight", 0.5)
    inputs = (torch.arange(60.0).reshape(5, 12) * 7) % 12
    first = f"{PAIRS[kind][0]}.weight"
    for ticket in (from_torch_pruning(model), from_torch_pruning(model.state_dict(), SHARED[kind]())):
        assert first in ticket.mask and f"{PAIRS[kind][1]}.weight" not in ticket.mask
        assert 2 * int(ticket.mask[first].sum()) == ticket.mask[first].numel()
        torch.testing.assert_close(ticket.apply(SHARED[kind]())(inputs), model(inputs), rtol=0, atol=0)


def test_a_shared_weight_of_which_torch_has_two_values_is_refused() -> None:
    model = tied_layers()
    prune.l1_unstructured(model.first, "weight", 0.5)
    state = model.state_dict() | {"b.weight": torch.ones(12, 12)}
    with pytest.raises(LotteryError, match=r"b\.weight and a\.weight are one tensor .* have different values"):
        from_torch_pruning(state, tied_layers())


@pytest.mark.parametrize("kind", SHARED)
def test_torch_is_not_given_a_shared_weight(kind: str, half_mask: Callable[[nn.Module], dict]) -> None:
    model = SHARED[kind]()
    with pytest.raises(LotteryError, match="is shared by two modules"):
        to_torch_pruning(Ticket(half_mask(model), clone(model.state_dict())), model)
    assert not prune.is_pruned(model)


def test_a_changed_byte_of_a_file_of_torch_is_noticed_or_changes_nothing(pruned: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "pruned.pt"
    torch.save(pruned.state_dict(), path)
    content, expected, noticed = path.read_bytes(), from_torch_pruning(path, pruned), 0
    for place in range(0, len(content), 61):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            ticket = from_torch_pruning(path, pruned)
        except LotteryError as error:
            noticed += 1
            assert "\n" not in str(error)
        else:
            assert digest(ticket.state) == digest(expected.state) and digest(ticket.mask) == digest(expected.mask)
    assert noticed > len(content) // 61 / 2


def _odd(pruned: nn.Module, kind: str) -> Any:
    state = dict(pruned.state_dict())
    name = next(name for name in state if name.endswith("_orig"))
    tensor = state[name]
    odd: dict[str, Any] = {
        "nan": state | {name: torch.full_like(tensor, float("nan"))},
        "infinity": state | {name: torch.full_like(tensor, float("inf"))},
        "nan mask": state | {name.replace("_orig", "_mask"): torch.full_like(tensor, float("nan"))},
        "complex": state | {name: tensor.to(torch.complex64)},
        "sparse": state | {name: tensor.to_sparse()},
        "meta": state | {name: tensor.to("meta")},
        "a number": state | {name: 3},
        "a list": [tensor],
        "a checkpoint": {"state_dict": state, "epoch": 3},
        "numbered": dict(enumerate(state.values())),
        "one dimension more": state | {name: tensor[None]},
        "nothing": {},
        "text": "hello",
    }
    return odd[kind]


KINDS = ("nan", "infinity", "nan mask", "complex", "sparse", "meta", "a number", "a list", "a checkpoint", "numbered")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "one dimension more", "nothing", "text"])
def test_a_file_of_anything_else_is_one_line(pruned: nn.Module, kind: str, legacy: bool, tmp_path: Path) -> None:
    torch.save(_odd(pruned, kind), tmp_path / "odd.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(LotteryError) as raised:
        from_torch_pruning(tmp_path / "odd.pt", pruned)
    assert "\n" not in str(raised.value)


def test_a_file_of_torch_that_is_no_regular_file_holds_nobody(pruned: nn.Module, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "loop.pt").symlink_to("loop.pt")
    (tmp_path / "folder.pt").mkdir()
    for name in ("pipe", "loop", "folder", "none"):
        with pytest.raises(LotteryError, match=f"{name}.pt cannot be read as a state dict"):
            from_torch_pruning(tmp_path / f"{name}.pt", pruned)
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    with pytest.raises(LotteryError, match="compressed archive"):
        from_torch_pruning(tmp_path / "bomb.pt", pruned)
