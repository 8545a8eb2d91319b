"""A ticket goes to a file and comes back bit by bit; what is not wholly a ticket is refused by name."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.sealed import write_sealed
from lth.core.weights import Mask, clone, digest, masked, shared_names
from lth.lottery.ticket import Ticket, load_ticket
from lth.training.checkpoint import Checkpoint, Snapshot
from tests.networks import SHARED


@pytest.fixture
def ticket(make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask]) -> Ticket:
    """A ticket with buffers, taken at iteration 500."""
    model = make_rich_network()
    return Ticket(half_mask(model), clone(model.state_dict()), 500, {"seed": 3, "run": "abc", "é": [1.5, None]})


def parts(ticket: Ticket) -> tuple:
    return list(ticket.mask), digest(ticket.mask), digest(ticket.state), ticket.rewind, dict(ticket.provenance)


def test_a_ticket_comes_back_bit_by_bit(ticket: Ticket, tmp_path: Path) -> None:
    path = ticket.save(tmp_path / "new" / "t.safetensors")
    assert parts(load_ticket(path)) == parts(load_ticket(str(path))) == parts(ticket)
    assert load_ticket(path).density == ticket.density and os.listdir(path.parent) == ["t.safetensors"]


@given(st.lists(st.integers(0, 5), max_size=3), st.integers(0, 9))
def test_masks_of_any_shape_are_packed_and_unpacked(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], seed: int
) -> None:
    mask = {"w": torch.rand(shape, generator=rng(seed)) < 0.5, "v": torch.ones(3, dtype=torch.bool)}
    ticket = Ticket(mask, {"w": torch.zeros(shape), "v": torch.zeros(3)})
    path = tmp_path_factory.getbasetemp() / "packed.safetensors"
    assert parts(load_ticket(ticket.save(path))) == parts(ticket)


def test_saving_changes_nothing_and_takes_any_layout(ticket: Ticket, tmp_path: Path) -> None:
    tied = torch.arange(6.0).reshape(2, 3)
    odd = Ticket({"a": torch.ones(2, 3, dtype=torch.bool).T}, {"a": nn.Parameter(tied).T, "b": tied.T})
    for each in (ticket, odd):
        before = parts(each)
        assert parts(load_ticket(each.save(tmp_path / "t"))) == before == parts(each)


def test_a_file_cut_anywhere_is_an_error_that_names_it(ticket: Ticket, tmp_path: Path) -> None:
    path = ticket.save(tmp_path / "t.safetensors")
    content = path.read_bytes()
    for end in (*range(0, len(content), 61), len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(LotteryError, match=re.escape(str(path))):
            load_ticket(path)


@pytest.mark.parametrize("bit", [0, 3])
def test_a_bit_flipped_anywhere_is_noticed_or_means_nothing(tmp_path: Path, bit: int) -> None:
    """In the header too, where rewind, shapes and provenance are."""
    ticket = Ticket({"w": torch.tensor([[True, False, True]])}, {"w": torch.ones(1, 3)}, 17, {"seed": 3})
    path = ticket.save(tmp_path / "t.safetensors")
    content, wrong = path.read_bytes(), []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :])
        try:
            noticed = parts(load_ticket(path)) == parts(ticket)
        except Exception as error:
            noticed = isinstance(error, LotteryError) and str(path) in str(error)
        if not noticed:
            wrong.append(content[max(0, place - 8) : place + 4])
    assert wrong == []


def test_another_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a ticket")
    (tmp_path / "folder").mkdir()
    save_file({"x": torch.zeros(1)}, tmp_path / "bare")
    save_file({"x": torch.zeros(1)}, tmp_path / "other", metadata={"format": "pt"})
    save_file({"x": torch.zeros(1)}, tmp_path / "claims", metadata={"format": "lth-ticket-1"})
    Checkpoint(tmp_path / "checkpoint", 0, {}).write(Snapshot(0, {}, {}, {}))
    for name in ("text", "folder", "bare", "other", "claims", "checkpoint", "missing"):
        with pytest.raises(LotteryError, match=re.escape(str(tmp_path / name))):
            load_ticket(tmp_path / name)


def test_a_ticket_has_the_same_bytes_from_save_to_save(ticket: Ticket, tmp_path: Path) -> None:
    """In one process or another: Rust's maps are in another order in each."""
    contents = {ticket.save(tmp_path / str(number)).read_bytes() for number in range(8)}
    assert len(contents) == 1 and load_ticket(tmp_path / "0").save(tmp_path / "again").read_bytes() in contents


def test_a_ticket_of_an_older_version_is_read(ticket: Ticket, tmp_path: Path) -> None:
    """Its checksum was under a key of its own."""
    path = ticket.save(tmp_path / "t")
    with safe_open(path, framework="pt") as file:
        checksum, text = file.metadata()["lth"].split(" ", 1)
    save_file(load_file(path), tmp_path / "old", metadata={"sealed": text, "checksum": checksum})
    assert parts(load_ticket(tmp_path / "old")) == parts(ticket)


WEIGHTS, BITS = torch.ones(3, 3), torch.tensor([0b10110011, 0b10000000], dtype=torch.uint8)
IMPOSSIBLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # what differs in its tensors, and in its body
    "a mask of another shape": ({}, {"shapes": [["w", [9]]]}),
    "a mask of a negative shape": ({}, {"shapes": [["w", [-3, -3]]]}),
    "a mask of fractions": ({}, {"shapes": [["w", [1.5, 6]]]}),
    "a huge mask": ({}, {"shapes": [["w", [2**40, 2**40]]]}),
    "a mask of numbers": ({"mask/w": torch.ones(3, 3)}, {}),
    "too few bits": ({"mask/w": BITS[:1]}, {}),
    "a mask without weights": ({"mask/v": BITS}, {"shapes": [["w", [3, 3]], ["v", [3, 3]]]}),
    "a mask that is not there": ({}, {"shapes": [["w", [3, 3]], ["b", [3]]]}),
    "a mask that is not listed": ({"mask/b": BITS[:1]}, {}),
    "no mask": ({"mask/w": None}, {"shapes": []}),
    "no weights": ({"state/w": None}, {}),
    "something else": ({"other": torch.ones(1)}, {}),
    "integer weights": ({"state/w": torch.ones(3, 3, dtype=torch.int64)}, {}),
    "NaN weights": ({"state/w": torch.full((3, 3), float("nan"))}, {}),
    "infinite weights": ({"state/w": torch.full((3, 3), float("inf"))}, {}),
    "a NaN elsewhere": ({"state/b": torch.full((3,), float("nan"))}, {}),
    "shapes of another kind": ({}, {"shapes": 7}),
    "shapes by number": ({}, {"shapes": [[1, [3, 3]]]}),
    "another density": ({}, {"density": 0.5}),
    "a density of words": ({}, {"density": "dense"}),
    "no density": ({}, {"density": None}),
    "a negative rewind": ({}, {"rewind": -1}),
    "a fractional rewind": ({}, {"rewind": 0.5}),
    "a NaN rewind": ({}, {"rewind": float("nan")}),
    "a huge rewind": ({}, {"rewind": 10**40}),
    "a true rewind": ({}, {"rewind": True}),
    "provenance of words": ({}, {"provenance": "mine"}),
    "provenance in a list": ({}, {"provenance": [1]}),
    "no provenance": ({}, {"provenance": None}),
    "a run of numbers": ({}, {"provenance": {"run": 7}}),
    "a level of words": ({}, {"provenance": {"level": "deep"}}),
    "a true seed": ({}, {"provenance": {"seed": True}}),
    "a model in a list": ({}, {"provenance": {"model": [1]}}),
    "same of another kind": ({}, {"same": [1]}),
    "same as nothing": ({}, {"same": {"v": "nothing"}}),
    "same of what is there": ({}, {"same": {"w": "b"}}),
    "same by number": ({}, {"same": {"v": [1]}}),
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_impossible_contents_are_an_error_that_names_the_file_whatever_their_checksum(
    tmp_path: Path, kind: str
) -> None:
    tensors: dict[str, Any] = {"state/w": WEIGHTS, "state/b": torch.zeros(3), "mask/w": BITS}
    body: dict[str, Any] = {"format": "lth-ticket-1", "shapes": [["w", [3, 3]]], "rewind": 5, "density": 6 / 9}
    body["provenance"] = {"run": "abc", "level": 1, "model": {"name": "mlp"}}
    write_sealed(tmp_path / "right", tensors, body)
    assert load_ticket(tmp_path / "right").density == 6 / 9
    other_tensors, other = IMPOSSIBLE[kind]
    tensors = {name: tensor for name, tensor in (tensors | other_tensors).items() if tensor is not None}
    write_sealed(tmp_path / "wrong", tensors, body | other)
    with pytest.raises(LotteryError, match=f"{tmp_path}/wrong cannot be read as a ticket") as raised:
        load_ticket(tmp_path / "wrong")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize("body", ["7", "[]", "null", '{"digest": 1}', "[" * 100_000, "9" * 10_000, '{"body": 1}'])
def test_a_seal_around_something_else_is_an_error_that_names_the_file(tmp_path: Path, body: str) -> None:
    checksum = hashlib.sha256(body.encode()).hexdigest()
    save_file({"x": torch.zeros(1)}, tmp_path / "new", metadata={"lth": f"{checksum} {body}"})
    save_file({"x": torch.zeros(1)}, tmp_path / "old", metadata={"sealed": body, "checksum": checksum})
    save_file({"x": torch.zeros(1)}, tmp_path / "bare", metadata={"lth": body})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("new", "old", "bare", "pipe", "loop"):
        with pytest.raises(LotteryError, match=f"{tmp_path}/{name} cannot be read as a ticket"):
            load_ticket(tmp_path / name)


def test_a_ticket_that_cannot_be_written_is_an_error_that_names_it(ticket: Ticket, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LotteryError, match=str(tmp_path / "file" / "t")):
        ticket.save(tmp_path / "file" / "t")


def test_apply_puts_in_the_masked_state_and_gives_the_model(
    ticket: Ticket, make_rich_network: Callable[[], nn.Module]
) -> None:
    model = make_rich_network()
    assert ticket.apply(model) is model
    assert digest(model.state_dict()) == digest(masked(ticket.state, ticket.mask))
    before = digest(ticket.state)
    with torch.no_grad():
        model[0].weight.fill_(5)
    assert digest(ticket.state) == before


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_apply_sees_through_what_wraps_a_network(
    ticket: Ticket, make_rich_network: Callable[[], nn.Module], prefix: str
) -> None:
    expected = digest(ticket.apply(make_rich_network()).state_dict())
    wrapped = replace(
        ticket,
        mask={prefix + name: kept for name, kept in ticket.mask.items()},
        state={prefix + name: tensor for name, tensor in ticket.state.items()},
    )
    for wrap in (nn.Sequential, nn.DataParallel, torch.compile):
        model = make_rich_network()
        outer = model if wrap is nn.Sequential else wrap(model)
        assert wrapped.apply(outer) is outer and digest(model.state_dict()) == expected


def test_apply_prunes_shared_weights_too() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    mask = {"0.weight": torch.rand(4, 4, generator=rng(0)) < 0.5}
    Ticket(mask, clone(model.state_dict())).apply(model)
    assert not model[0].weight[~mask["0.weight"]].any() and model[0].weight[mask["0.weight"]].all()


def test_apply_refuses_what_does_not_fit_and_leaves_the_model(ticket: Ticket) -> None:
    others = {
        "wider": nn.Sequential(nn.Conv2d(1, 5, 3, bias=False), nn.BatchNorm2d(5)),
        "fewer": nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4)),
        "more": nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), *[nn.Identity()] * 3, nn.Linear(64, 3)),
    }
    problems = {"wider": r"0\.weight is \(4, 1, 3, 3\), the model has \(5, ", "fewer": "nothing of that name"}
    for name, model in others.items():
        before = digest(model.state_dict())
        with pytest.raises(LotteryError, match=problems.get(name, r"also has 0\.bias")):
            ticket.apply(model)
        assert digest(model.state_dict()) == before


@pytest.mark.parametrize(
    "mask", [{"weight": torch.zeros(1, 3, dtype=torch.bool)}, {"wieght": torch.zeros(2, 3).bool()}]
)
def test_apply_refuses_a_mask_that_does_not_fit_its_state(mask: Mask) -> None:
    """Else it is stretched over the weights, or prunes nothing without a word."""
    model = nn.Linear(3, 2)
    before = clone(model.state_dict())
    with pytest.raises(LotteryError, match=next(iter(mask))):
        Ticket(mask, {"weight": torch.ones(2, 3), "bias": torch.ones(2)}).apply(model)
    assert digest(model.state_dict()) == digest(before)


def test_density_is_kept_over_prunable() -> None:
    mask = {"a": torch.tensor([True, False, False, False]), "b": torch.ones(4, dtype=torch.bool)}
    assert Ticket(mask, {}).density == 5 / 8


@pytest.mark.parametrize("kind", SHARED)
def test_a_shared_weight_is_stored_once_and_comes_back_under_all_of_its_names(
    kind: str, half_mask: Callable[[nn.Module], Mask], tmp_path: Path
) -> None:
    model = SHARED[kind]()
    ticket = Ticket(half_mask(model), clone(model.state_dict()))
    path = ticket.save(tmp_path / "t.safetensors")
    stored = {key.removeprefix("state/"): x for key, x in load_file(path).items() if key.startswith("state/")}
    weights = [x.numel() for x in stored.values() if x.ndim > 1]
    assert sum(weights) == sum(x.numel() for x in model.parameters() if x.ndim > 1)
    assert parts(load_ticket(path)) == parts(ticket)
    again = load_ticket(path).apply(SHARED[kind]())
    for name, first in shared_names(again.state_dict()).items():
        tensor = again.state_dict()[name]
        assert tensor.data_ptr() == again.state_dict()[first].data_ptr()
        assert not tensor[~ticket.mask[first]].any() if first in ticket.mask else True


@pytest.mark.parametrize("kind", SHARED)
def test_a_ticket_of_a_network_that_shares_nothing_does_not_fit_one_that_does(
    kind: str, half_mask: Callable[[nn.Module], Mask]
) -> None:
    model = SHARED[kind]()
    mask, state, shared = half_mask(model), clone(model.state_dict()), shared_names(model.state_dict())
    name, first = next((name, first) for name, first in shared.items() if first in mask)
    before = digest(model.state_dict())
    with pytest.raises(LotteryError, match=f"{name} and {first} are one tensor in the model, and have different"):
        Ticket(mask, state | {name: state[name] + 1}).apply(model)
    with pytest.raises(LotteryError, match=f"{name} and {first} are one tensor in the model, and are pruned"):
        Ticket(mask | {name: ~mask[first]}, state).apply(model)
    assert digest(model.state_dict()) == before
    by_both = Ticket(mask | {name: mask[first]}, state).apply(SHARED[kind]())
    assert not by_both.state_dict()[first][~mask[first]].any()
