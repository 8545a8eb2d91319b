"""What is exported is loaded again: bit by bit, from int8 to half a level; sizes are closed forms."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as parse
from safetensors.torch import save_file
from torch import nn

from lth.compression.export import FORMATS, content, export, load_exported, sizes
from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, clone, masked, shared_names, under_all_names
from tests.networks import SHARED


@pytest.fixture
def ticket(make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask]):
    model = make_rich_network()
    return clone(model.state_dict()), half_mask(model)


@pytest.mark.parametrize("form", FORMATS)
def test_loaded_again_the_weights_are_the_masked_ones(form: str, ticket, tmp_path: Path, same_bits) -> None:
    state, mask = ticket
    expected, loaded = masked(state, mask), load_exported(export(tmp_path / "weights", state, mask, form))
    assert list(sorted(loaded)) == sorted(expected)
    if "int8" not in form:
        assert same_bits(loaded, expected)
    for name, kept in mask.items():
        assert not loaded[name][~kept].any(), "a pruned weight is zero"
        half = expected[name].flatten(1).abs().amax(1) / 127 / 2
        difference = (loaded[name] - expected[name]).flatten(1).abs().amax(1)
        assert (difference <= half * 1.001).all()
    others = {name: tensor for name, tensor in loaded.items() if name not in mask}
    assert same_bits(others, {name: expected[name] for name in others})


def test_the_bytes_are_counted(ticket) -> None:
    """Bytes of the tensors, without the header: 1 bit a weight, 4 bytes a kept value, and so on."""
    state, mask = ticket
    name, kept = "0.weight", int(mask["0.weight"].sum())
    one, rows, size = {name: mask[name]}, 4, 36

    def held(form: str) -> int:
        tensors = parse(content({name: state[name]}, one, form))
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())

    assert held("dense") == 4 * size
    assert held("csr") == 4 * (rows + 1) + 8 * kept
    assert held("packed") == -(-size // 8) + 4 * kept
    assert held("int8") == size + 4 * rows
    assert held("packed_int8") == -(-size // 8) + kept + 4 * rows
    raw, zipped = sizes(state, mask, "dense")
    assert raw == len(content(state, mask, "dense")) and zipped < raw


def test_bad_formats_masks_and_files_are_named(ticket, tmp_path: Path) -> None:
    state, mask = ticket
    with pytest.raises(SettingError, match="format=coo"):
        content(state, mask, "coo")
    with pytest.raises(LotteryError, match=r"no 9\.weight"):
        content(state, {"9.weight": torch.ones(2, dtype=torch.bool)}, "csr")
    path = tmp_path / "other"
    save_file({"x": torch.ones(2)}, path)
    with pytest.raises(LotteryError, match="other is not a file of weights"):
        load_exported(path)
    complete = content(state, mask, "packed")
    path.write_bytes(complete[:-9])
    with pytest.raises(LotteryError, match="other cannot be read"):
        load_exported(path)
    tensors = parse(complete)
    tensors["0.weight/values"] = tensors["0.weight/values"][:-1]  # fewer values than bits
    about = {"kind": "lth-weights-1", "format": "packed", "shapes": {"0.weight": [4, 1, 3, 3]}}
    save_file(tensors, path, metadata={"about": json.dumps(about)})
    with pytest.raises(LotteryError, match="other cannot be read"):
        load_exported(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", SHARED)
def test_a_shared_weight_is_masked_under_all_of_its_names_and_stored_once(
    form: str, kind: str, half_mask: Callable[[nn.Module], Mask], tmp_path: Path
) -> None:
    """From copies of its tensors too, which do not share memory, where they are said to be one."""
    model = SHARED[kind]()
    state, mask = model.state_dict(), half_mask(model)
    shared = shared_names(state)
    assert content(state, mask, form) == content(clone(state), mask, form, shared)
    loaded = load_exported(export(tmp_path / "weights", clone(state), mask, form, shared))
    expected = masked(clone(state), under_all_names(mask, shared))
    assert set(loaded) == set(expected)
    for name, tensor in expected.items():
        close = {"rtol": 0, "atol": float(tensor.abs().max()) / 254} if "int8" in form else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(loaded[name], tensor, **close)
        assert loaded[name] is loaded[shared.get(name, name)]
