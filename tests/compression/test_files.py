"""What is written is the ticket, or it is an error."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lth.compression.export import content
from lth.compression.files import write_and_verify
from lth.compression.forms import FORMS, Form, Subject
from lth.core.errors import LotteryError
from lth.core.weights import Mask, clone, load


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
    regrown = Form("", content(unpruned, {}, "dense"), model)
    with pytest.raises(LotteryError, match=r"packed_int8.safetensors: fc1.weight is not zero where it is pruned"):
        write_and_verify(tmp_path, {**made, "packed_int8": regrown}, mask, images)
