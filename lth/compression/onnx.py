"""A network as an ONNX file, and its logits from ONNX Runtime, whose kernels are dense: zeros save no time there."""

import copy
import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, first_line
from lth.core.files import write_bytes
from lth.core.reading import read_bytes
from lth.core.weights import modes_kept

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def check_installed() -> None:
    """Raises LotteryError naming a missing package, with the command that installs it."""
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise LotteryError(f"{name} is not installed: pip install 'lth[onnx]'") from error


def onnx_content(model: nn.Module, example: Tensor) -> bytes:
    """The bytes of an ONNX file of `model` in evaluation mode, for batches of any size; `example`: inputs (N, ...).

    Raises LotteryError where the extra `onnx` is not installed, or torch.export does not support the model.
    """
    check_installed()
    network = copy.deepcopy(model).cpu().eval()
    inputs = example[:2].cpu() if len(example) > 1 else example.cpu().repeat(2, *[1] * (example.ndim - 1))
    with _quiet():
        try:
            program: Any = torch.onnx.export(
                network,
                (inputs,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["inputs"],
                output_names=["logits"],
                verbose=False,
            )
        except Exception as error:  # torch.export may raise anything for a user's network
            raise LotteryError(f"ONNX export does not support the model: {first_line(error)}") from error
    content: bytes = program.model_proto.SerializeToString()
    return content


def export_onnx(path: str | Path, model: nn.Module, example: Tensor) -> float:
    """Writes `model` to `path` as ONNX; the largest difference between ONNX Runtime's logits for `example` and torch's.

    Raises what `onnx_content` raises, and LotteryError where the file cannot be written.
    """
    content = onnx_content(model, example)
    write_bytes(Path(path), content)
    with torch.no_grad(), modes_kept(model):
        expected = model.eval()(example)
    return float((OnnxNetwork(read_bytes(path))(example) - expected).abs().max())


class OnnxNetwork(nn.Module):
    """An ONNX file that ONNX Runtime runs on the CPU: inputs (N, ...) -> logits (N, classes)."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        check_installed()
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def forward(self, inputs: Tensor) -> Tensor:
        """The logits, on the CPU."""
        return torch.from_numpy(self.session.run(["logits"], {"inputs": inputs.numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's progress, notices and warnings."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [log.level for log in logs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for log in logs:
                log.setLevel(logging.ERROR)
            yield
        finally:
            for log, level in zip(logs, before, strict=True):
                log.setLevel(level)
