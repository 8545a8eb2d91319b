"""A network exported to ONNX gives the same logits in ONNX Runtime, at any batch size."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lth.compression.onnx import OnnxNetwork, export_onnx, onnx_content
from lth.core.errors import LotteryError


@pytest.mark.slow
def test_run_by_onnx_runtime_it_is_the_same(make_rich_network: Callable[[], nn.Module], tmp_path: Path) -> None:
    model, path = make_rich_network(), tmp_path / "model.onnx"
    assert export_onnx(path, model, torch.randn(1, 1, 6, 6)) < 1e-5
    images = torch.randn(7, 1, 6, 6)
    torch.testing.assert_close(OnnxNetwork(path.read_bytes())(images), model.eval()(images))
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LotteryError, match=r"onnxruntime is not installed: pip install 'lth\[onnx\]'"):
        onnx_content(nn.Linear(2, 2), torch.zeros(1, 2))
