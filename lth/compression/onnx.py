"""A network as ONNX, and its logits from ONNX Runtime: dense kernels, which take no notice of zeros either."""

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

from lth.core.errors import LotteryError
from lth.core.files import write_bytes

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def check_installed() -> None:
    """Raises LotteryError with the command that installs what is missing."""
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise LotteryError(f"{name} is not installed: pip install 'lth[onnx]'") from error


def onnx_content(model: nn.Module, example: Tensor) -> bytes:
    """`model` in evaluation mode as an ONNX file, for batches of any size; `example`: inputs (N, ...).

    Raises LotteryError where the extra is not installed, or torch.export cannot follow the model.
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
        except Exception as error:  # whatever torch.export makes of a user's own network
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            raise LotteryError(f"ONNX cannot follow the model: {reason}") from error
    content: bytes = program.model_proto.SerializeToString()
    return content


def export_onnx(path: str | Path, model: nn.Module, example: Tensor) -> float:
    """Writes `model` to `path` as ONNX; the largest difference of its logits for `example`, run by ONNX Runtime."""
    content = onnx_content(model, example)
    write_bytes(Path(path), content)
    was = model.training
    with torch.no_grad():
        expected = model.eval()(example)
    model.train(was)
    return float((OnnxNetwork(Path(path).read_bytes())(example) - expected).abs().max())


class OnnxNetwork(nn.Module):
    """An ONNX file as it runs in ONNX Runtime on the CPU: inputs (N, ...) -> logits (N, classes)."""

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
    """Within, the exporter keeps its progress and its notices to itself."""
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
