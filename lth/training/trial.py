"""A trial of a network that users bring, before anything is trained: it takes the data, gives logits, and can learn.

Everything is tried on a copy of the network and on two examples, or one where training or evaluation meets one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lth.core.errors import LotteryError, SettingError, first_line, reason_of
from lth.core.keeping import copied, kept
from lth.core.rng import global_rng
from lth.core.trees import call, first_tensor, tensors_in, tree_map
from lth.core.users import users_code
from lth.core.weights import is_finite
from lth.data.arrays import kind_of
from lth.data.checks import NUMBERED
from lth.data.tensors import Data, Split
from lth.pruning.parameters import check_parameters
from lth.training.evaluate import chunk_of


def check_network(model: nn.Module, data: Data, batch_size: int | None = None) -> None:
    """Raises LotteryError where `model` does not take the inputs of `data`, or gives no logit for each class.

    batch_size: that of the training that is to come, where one is: then also where the model cannot be trained, such
    as one whose parameters are all frozen, whose gradients are sparse, or that gives something else in training mode.
    """
    check_weights(model)
    weights = getattr(data.task, "class_weights", ())
    if weights and len(weights) != data.classes:
        problem = f"are {len(weights)}, and the data have {data.classes} classes: give one for each"
        raise SettingError("task.class_weights", list(weights), problem)
    with _copy(model) as (probe, device):
        few = data.train.take(slice(2)).to(device)
        probe.eval()
        with torch.no_grad():
            single = any(len(split) % chunk_of(model, split) == 1 for split in (data.train, data.validation, data.test))
            for count in (2, 1) if single else (2,):
                some = few.take(slice(count))
                _check_outputs(_outputs(probe, some.images, data), some, data)
        if batch_size is not None:
            probe.train()
            _check_training(probe, few.take(slice(batch_size)), data)


def check_weights(model: nn.Module) -> None:
    """Raises LotteryError where the weights of `model` cannot be trained, kept or pruned."""
    if prune.is_pruned(model):
        mend = "lth.make_permanent(model), as prune.remove, ends that"
        problem = f"torch.nn.utils.prune has pruned the model: {mend}"
        raise LotteryError(f"{problem}; lth.from_torch_pruning(model) gives its masks as a ticket")
    check_parameters(model)
    _check_tensors(model)


@contextmanager
def _copy(model: nn.Module) -> Iterator[tuple[nn.Module, torch.device]]:
    """(a copy of the model, its device); what a pass through it changes elsewhere is put back."""
    probe = copied(model)
    device = next(probe.parameters()).device
    compiled = any(hasattr(module, "_orig_mod") for module in probe.modules())
    with global_rng(0, "trial"), kept(probe, shared=True):
        if not compiled:
            yield probe, device
        else:
            with torch.compiler.set_stance("force_eager"):  # compiling takes long
                yield probe, device


def _check_tensors(model: nn.Module) -> None:
    """Raises LotteryError for parameters and buffers that cannot be trained, kept or pruned."""
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        if parameter.is_complex():
            raise LotteryError(f"{name} is {parameter.dtype}: only real weights can be trained and pruned")
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            raise LotteryError(f"{name} is {parameter.dtype}, and networks are trained in float32: give model.float()")
        if not is_finite(parameter):
            raise LotteryError(f"{name} holds NaN or infinite weights before any training")
    devices = sorted({str(parameter.device) for parameter in parameters.values()})
    if len(devices) > 1:
        raise LotteryError(
            f"the model lies on several devices, {', '.join(devices)}: bring it to one, by model.to(...)"
        )
    if not parameters:
        raise LotteryError("the model has no parameters: there is nothing to train and to prune")
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise LotteryError("every parameter of the model is frozen (requires_grad=False): there is nothing to train")
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise LotteryError(f"{name} in the model's state dict is {kind_of(tensor)}: only tensors can be rewound")
    if missing := [name for name in parameters if name not in tensors]:
        raise LotteryError(f"{missing[0]} is not in the model's state dict, by which weights are rewound")


def _outputs(model: nn.Module, images: Any, data: Data) -> Any:
    """What the model gives for `images`; LotteryError where it raises an error, or changes the images."""
    inputs = tree_map(torch.clone, images)
    try:
        outputs = call(model, inputs)
    except (Exception, SystemExit) as error:  # whatever a user's own network raises
        mode = "in training mode it does not" if model.training else "the model does not"
        count = f" in a batch of {len(first_tensor(images))}" if len(first_tensor(images)) == 1 else ""
        reason = f"{first_line(error)}{_hint(model, images)}"
        raise LotteryError(f"{mode} take images of shape {data.shape}{count}: {reason}") from error
    pairs = zip(tensors_in(inputs), tensors_in(images), strict=True)
    if not all(torch.equal(after, before) for (_, after), (_, before) in pairs):
        problem = "which would change the data set: in forward, work on inputs.clone(), or without inplace=True"
        raise LotteryError(f"the model changes its inputs in place, {problem}")
    return outputs


def _hint(model: nn.Module, images: Any) -> str:
    """What to do where a network does not take inputs of their type."""
    if not isinstance(images, Tensor):
        return "; a dict of inputs is passed as keywords, a tuple as arguments"
    if images.is_floating_point() and any(isinstance(x, (nn.Embedding, nn.EmbeddingBag)) for x in model.modules()):
        return "; inputs come as float32, so that an Embedding needs inputs.long() in forward, or data.normalize=none"
    return "" if images.is_floating_point() else f"; inputs are {images.dtype}: give inputs.float() for numbers"


def _check_outputs(outputs: Any, some: Split, data: Data, mode: str = "") -> None:
    """Raises LotteryError where `outputs` do not fit the task's targets; mode: the network's, in words."""
    if data.task.targets == "any":
        return
    count = len(some)
    if not isinstance(outputs, Tensor):
        kind = _kind(outputs)
        mend = "switch auxiliary outputs off, as by aux_logits=False" if mode else "wrap it in a module that selects it"
        shapes = {"classes": "logits, (N, classes)", "values": "numbers, (N, ...)"}
        wanted = shapes.get(data.task.targets, f"logits, (N, {data.task.targets})")
        raise LotteryError(f"the model gives {kind}{mode}: it should give one tensor of {wanted}; {mend}")
    if data.task.targets == "classes":
        _check_logits(outputs, count, data, mode)
    elif problem := _misfit(tuple(outputs.shape), tuple(some.labels.shape), data):
        raise LotteryError(f"the model gives {tuple(outputs.shape)}{mode}; {problem}")
    if not outputs.is_floating_point():
        raise LotteryError(f"the model gives {outputs.dtype}{mode}: it should give logits, before any argmax")
    if not outputs.amax(-1).isfinite().all() or outputs.isnan().any():
        raise LotteryError(f"the model gives NaN or infinite outputs{mode} for finite inputs, before any training")


def _check_logits(outputs: Tensor, count: int, data: Data, mode: str) -> None:
    shape = tuple(outputs.shape)
    if len(shape) != 2 or shape[0] != count or shape[1] < data.classes:
        mend = _mend(shape, data) if len(shape) == 2 and shape[0] == count else ""
        classes = f"{count} image{'s' * (count > 1)} of {data.classes} classes{mode}"
        raise LotteryError(f"the model gives {shape} for {classes}; it should give ({count}, classes){mend}")


def _misfit(outputs: tuple[int, ...], targets: tuple[int, ...], data: Data) -> str:
    """Why outputs of this shape do not fit targets of that shape, in words; empty where they do."""
    if data.task.targets == "tokens":
        fits = outputs[:-1] == targets and outputs[-1] >= data.classes
        return "" if fits else f"it should give ({', '.join(map(str, targets))}, {data.classes} tokens or more)"
    fits = outputs == targets or (data.task.targets == "values" and outputs == (*targets, 1))
    return "" if fits else f"it should give {targets}, as the targets are"


def _kind(outputs: Any) -> str:
    if isinstance(outputs, Mapping):
        return f"{kind_of(outputs)} of {', '.join(map(str, outputs))}"
    return f"{kind_of(outputs)} of {len(outputs)}" if isinstance(outputs, (tuple, list)) else kind_of(outputs)


def _mend(shape: tuple[int, ...], data: Data) -> str:
    """What to do about labels that a network has too few outputs for."""
    labels = torch.cat([split.labels for split in (data.train, data.validation, data.test)]).unique()
    low, high = int(labels[0]), int(labels[-1])
    if low > 0 and high - low < shape[1]:
        return f": labels go from {low} to {high} and not from 0, so give labels - {low}"
    if len(labels) <= shape[1]:
        return f": only {len(labels)} of the labels up to {high} occur, so {NUMBERED}"
    return ""


def _check_training(model: nn.Module, some: Split, data: Data) -> None:
    """Raises LotteryError where the model, in training mode, cannot make a step on `some` examples."""
    mode = " in training mode"
    outputs = _outputs(model, some.images, data)
    _check_outputs(outputs, some, data, mode)
    if isinstance(outputs, Tensor) and not outputs.requires_grad:
        problem = "is there a detach(), a no_grad() or a .data in its forward?"
        raise LotteryError(f"the model's outputs depend on no parameter that trains: {problem}")
    with users_code("the task's loss"):
        loss = data.task.loss(outputs, some.labels)
    _check_loss(loss)
    try:
        loss.backward()
    except Exception as error:  # whatever a user's own network raises
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise LotteryError(f"the model cannot be trained, its backward pass fails: {reason}") from error
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.grad.layout != torch.strided:
            raise LotteryError(f"{name} gets sparse gradients, which cannot be masked: build it with sparse=False")


def _check_loss(loss: Any) -> None:
    """Raises LotteryError where a task's loss of two examples is none that a training can lower."""
    if not isinstance(loss, Tensor):
        raise LotteryError(
            f"the task's loss is {kind_of(loss)}: it should be a tensor without axes, the mean of a batch"
        )
    if loss.ndim:
        mend = "give its mean, as by loss.mean()"
        raise LotteryError(f"the task's loss has the shape {tuple(loss.shape)}: it should be one number; {mend}")
    if not bool(loss.isfinite()):
        raise LotteryError(f"the task's loss is {loss.item()} of the untrained network: it should be a finite number")
    if not loss.requires_grad:
        raise LotteryError("the task's loss does not depend on the outputs: is there a detach() or an item() in it?")
