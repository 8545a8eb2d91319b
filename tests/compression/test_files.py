"""What is written is the ticket, or it is an error."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from torch import nn

from lth.compression.export import content, load_exported
from lth.compression.files import write_and_verify
from lth.compression.forms import FORMS, Form, Subject
from lth.compression.onnx import OnnxNetwork, onnx_content
from lth.core.errors import LotteryError
from lth.core.weights import Mask, clone, load, shared_names
from tests.networks import SHARED


@pytest.mark.slow
def test_files_are_read_again_and_wrong_ones_are_named(
    make_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask], tmp_path: Path
) -> None:
    model, images = make_network(), torch.randn(5, 1, 6, 6)
    mask, unpruned = half_mask(model), clone(model.state_dict())
    load(model, unpruned, mask)
    subject = Subject(model.eval(), mask, images)
    made = {form: FORMS[form](subject) for form in ("masked", "csr", "packed", "packed_int8", "onnx")}
    files = write_and_verify(tmp_path, {**made, "shrunk": Form("not available: no channel")}, mask, images)
    assert list(files) == list(made) and all(
        path.read_bytes() == made[form].content for form, (path, _) in files.items()
    )
    assert [files[form][1] for form in ("masked", "csr", "packed")] == [0, 0, 0] and files["packed_int8"][1] > 0
    assert files["onnx"][0].name == "model.onnx" and files["onnx"][1] < 1e-5
    other = {name: 2 * tensor for name, tensor in unpruned.items()}
    damaged = Form("", content(other, mask, "packed"), model)
    with pytest.raises(LotteryError, match=r"packed.safetensors: read again, its logits differ from .* by "):
        write_and_verify(tmp_path, {**made, "packed": damaged}, mask, images)
    problems: dict[str, str] = {}
    kept = write_and_verify(tmp_path, {**made, "packed": damaged}, mask, images, problems)  # the others stay
    assert list(problems) == ["packed"] and "its logits differ" in problems["packed"]
    assert list(kept) == [form for form in made if form != "packed"] and not (tmp_path / "packed.safetensors").exists()
    regrown = Form("", content(unpruned, {}, "dense"), model)
    with pytest.raises(LotteryError, match=r"packed_int8.safetensors: fc1.weight is not zero where it is pruned"):
        write_and_verify(tmp_path, {**made, "packed_int8": regrown}, mask, images)


@pytest.mark.parametrize("kind", SHARED)
def test_a_shared_weight_is_once_in_every_file_and_comes_back_under_all_of_its_names(
    kind: str, half_mask: Callable[[nn.Module], Mask], tmp_path: Path
) -> None:
    model, images = SHARED[kind](), (torch.arange(60.0).reshape(5, 12) * 7) % 12
    mask = half_mask(model)
    load(model, clone(model.state_dict()), mask)
    subject = Subject(model.eval(), mask, images)
    shared = shared_names(model.state_dict())
    names = ["masked", "csr", "packed", "packed_int8", "int8_dynamic"]
    made = {form: FORMS[form](subject) for form in names}
    files = write_and_verify(tmp_path, made, mask, images)
    for form, (path, _) in files.items():
        stored = safetensors.torch.load_file(path)
        assert not {key.split("/")[0] for key in stored} & set(shared), form
        state = load_exported(path)
        assert set(state) == set(model.state_dict())
        assert all(state[name] is state[first] for name, first in shared.items())
        again = SHARED[kind]()
        again.load_state_dict(state)
        network = made[form].network
        assert network is not None
        if form != "int8_dynamic":  # it quantises activations too
            torch.testing.assert_close(again.eval()(images), network(images))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    held = sum(x.numel() for x in safetensors.torch.load_file(files["masked"][0]).values())
    assert held == parameters


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.slow
def test_onnx_holds_a_shared_weight_once(kind: str) -> None:
    model, images = SHARED[kind]().eval(), (torch.arange(60.0).reshape(5, 12) * 7) % 12
    content = onnx_content(model, images)
    torch.testing.assert_close(OnnxNetwork(content)(images), model(images))
    held = sum(np.prod(tensor.dims) for tensor in onnx.load_from_string(content).graph.initializer if tensor.dims)
    assert held <= sum(parameter.numel() for parameter in model.parameters()) + 2
