"""A network that cannot be trained on its data is named before anything is trained, in one line."""

import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.data.preparation import prepare
from lth.data.tensors import Data
from lth.training.trial import check_network
from tests.networks import Net


def examples(**changes: Tensor) -> Data:
    """Twelve features, three classes, 40 examples to train and 20 to test."""
    inputs, labels = torch.randn(60, 12, generator=rng(0, "inputs")), torch.arange(60) % 3
    tensors = {"train_images": inputs[:40], "train_labels": labels[:40]}
    return prepare("n", tensors | {"test_images": inputs[40:], "test_labels": labels[40:]} | changes, normalize="none")


def layers(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(12, 8), nn.ReLU(), *more, nn.Linear(8, 3))


def of(function: Callable[[Any, Tensor], Any], **parts: Any) -> Net:
    """A network 12 -> 8 -> 3 whose logits are made into something else, and that keeps `parts`."""
    net = Net(lambda net, x: function(net, net.out(torch.relu(net.hidden(x)))), **parts)
    net.hidden, net.out = nn.Linear(12, 8), nn.Linear(8, 3)
    return net


def on(function: Callable[[Any, Tensor], Tensor]) -> Net:
    """A network 12 -> 3 that does something to its inputs first."""
    return Net(lambda net, x: net.out(function(net, x)), out=nn.Linear(12, 3))


def frozen(model: nn.Module, count: int) -> nn.Module:
    """`model` with its first parameters frozen."""
    for parameter in list(model.parameters())[:count]:
        parameter.requires_grad_(False)
    return model


def changed(model: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        next(model.parameters())[0, 0] = value
    return model


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(layers())


def quantised() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(layers(), {nn.Linear}, torch.qint8)


def looked_up(**how: Any) -> Net:
    words = lambda net, x: net.out(net.words((x.abs() * 3).long().clamp(max=9)).mean(1))  # noqa: E731
    return Net(words, words=nn.Embedding(10, 8, **how), out=nn.Linear(8, 3))


class Extra(nn.Linear):
    """A layer that keeps something other than tensors in its state dict."""

    def get_extra_state(self) -> Any:
        return {"steps": 3}

    def set_extra_state(self, state: Any) -> None:
        """Nothing is set."""


class Uncopied(nn.Linear):
    """A layer that refuses to be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("not me")


USED: dict[str, Callable[[], nn.Module]] = {
    "plain": layers,
    "in evaluation mode": lambda: layers(nn.BatchNorm1d(8)).eval(),
    "more outputs than classes": lambda: nn.Linear(12, 9),
    "a lock": lambda: of(lambda net, x: x, held=threading.Lock()),
    "a file": lambda: of(lambda net, x: x, held=sys.__stderr__),
    "a generator": lambda: of(lambda net, x: x, held=iter([1])),
    "some frozen": lambda: frozen(layers(), 2),
    "an embedding": looked_up,
    "weight norm": lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(12, 8)), nn.Linear(8, 3)),
    "whole numbers as a parameter": lambda: of(lambda net, x: x, k=nn.Parameter(torch.ones(2).long(), False)),
    "a class that is ruled out": lambda: of(lambda net, x: x.masked_fill(torch.arange(3) == 2, -torch.inf)),
    "outputs in half precision": lambda: of(lambda net, x: x.half()),
    "squeezed": lambda: of(lambda net, x: x.squeeze()),
}


@pytest.mark.parametrize("name", USED)
def test_networks_that_can_be_trained_pass_and_stay_as_they_were(name: str) -> None:
    model = USED[name]()
    before, generator = {key: x.clone() for key, x in model.state_dict().items()}, torch.get_rng_state()
    check_network(model, examples(), 10)
    assert all(torch.equal(x, before[key]) for key, x in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "float64": (lambda: layers().double(), r"0\.weight is torch.float64, .* in float32: give model\.float\(\)"),
    "float16": (lambda: layers().half(), r"float16, .*model\.float\(\)"),
    "a layer in bfloat16": (lambda: layers(nn.Linear(8, 8).bfloat16()), r"2\.weight is torch.bfloat16"),
    "complex": (lambda: nn.Linear(12, 3, dtype=torch.complex64), "weight is torch.complex64: only real weights"),
    "meta": (lambda: nn.Linear(12, 3, device="meta"), "lies on the meta device and has no values"),
    "lazy": (lambda: layers(nn.LazyLinear(8)), r"2\.weight has no shape yet"),
    "a lazy buffer": (lambda: layers(nn.LazyBatchNorm1d(affine=False)), r"2\.running_mean has no shape yet"),
    "a weight of NaN": (lambda: changed(layers(), torch.nan), r"0\.weight holds NaN or infinite weights"),
    "all frozen": (lambda: frozen(layers(), 4), "every parameter of the model is frozen"),
    "pruned by torch": (
        lambda: layers(prune.l1_unstructured(nn.Linear(8, 8), "weight", 0.5)),
        r"torch.nn.utils.prune has pruned the model: .*prune\.remove.*lth\.from_torch_pruning",
    ),
    "scripted": (scripted, "is a TorchScript module"),
    "quantised": (quantised, "0 is quantised: give the model as it was before"),
    "more than tensors": (lambda: nn.Sequential(Extra(12, 3)), r"0\._extra_state in .* is a dict: only tensors"),
    "not copied": (lambda: Uncopied(12, 3), "cannot be copied, .* copy.deepcopy raises TypeError: not me"),
    "other inputs": (lambda: nn.Linear(5, 3), r"does not take images of shape \(12,\): mat1 and mat2"),
    "no forward": (lambda: nn.ModuleList([nn.Linear(12, 3)]), 'does not take images .* "forward" function'),
    "an embedding of floats": (
        lambda: Net(lambda net, x: net.out(net.words(x).mean(1)), words=nn.Embedding(9, 8), out=nn.Linear(8, 3)),
        r"does not take images.*needs inputs\.long\(\) in forward",
    ),
    "sparse gradients": (lambda: looked_up(sparse=True), r"words\.weight gets sparse gradients.*sparse=False"),
    "a tuple": (lambda: of(lambda net, x: (x, 1)), "gives a tuple of 2: it should give one tensor of logits"),
    "a dict": (lambda: of(lambda net, x: {"logits": x}), "gives a dict of logits: it should give one tensor"),
    "nothing at all": (lambda: of(lambda net, x: None), "gives None: it should give one tensor"),
    "a tuple in training": (
        lambda: of(lambda net, x: (x, x) if net.training else x),
        "gives a tuple of 2 in training mode: .*aux_logits=False",
    ),
    "a loss in training": (lambda: of(lambda net, x: x.mean() if net.training else x), r"gives \(\) .* training mode"),
    "too few": (lambda: nn.Linear(12, 2), r"gives \(2, 2\) for 2 images of 3 classes; it should give \(2, classes\)"),
    "no batch": (lambda: of(lambda net, x: x.mean(0)), r"gives \(3,\) for 2 images"),
    "whole numbers": (lambda: of(lambda net, x: x.long()), "gives torch.int64: .* before any argmax"),
    "NaN": (lambda: of(lambda net, x: x * torch.nan), "gives NaN or infinite outputs for finite inputs"),
    "NaN in training": (
        lambda: of(lambda net, x: x * (torch.nan if net.training else 1)),
        "in training mode for finite",
    ),
    "detached": (lambda: of(lambda net, x: x.detach()), "outputs depend on no parameter that trains"),
    "no backward": (lambda: of(lambda net, x: x.exp().mul_(2).exp().mul_(x)), "its backward pass fails: RuntimeError"),
    "inputs changed": (lambda: on(lambda net, x: x.mul_(2)), "changes its inputs in place"),
    "inputs changed in training": (lambda: on(lambda net, x: x.add_(1) if net.training else x), "inputs in place"),
    "an error in training": (lambda: on(lambda net, x: x[99] if net.training else x), "in training mode it does not"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_cannot_be_trained_are_one_line(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(LotteryError, match=message) as raised:
        check_network(make(), examples(), 10)
    assert "\n" not in str(raised.value)


def test_what_training_alone_needs_is_not_asked_of_a_network_that_is_not_trained() -> None:
    for name in ("a tuple in training", "detached", "sparse gradients"):
        check_network(REFUSED[name][0](), examples())


@pytest.mark.parametrize("model", [layers(nn.BatchNorm1d(8)), of(lambda net, x: x.squeeze())])
def test_a_batch_of_one_is_tried_where_one_is_met(model: nn.Module) -> None:
    data = examples()
    check_network(model, data, 2)
    with pytest.raises(LotteryError, match=r"batch of 1|for 1 image"):
        check_network(model, data, 1)
    alone = replace(data, test=replace(data.test, images=data.test.images[:1], labels=data.test.labels[:1]))
    if not isinstance(model, nn.Sequential):
        with pytest.raises(LotteryError, match="for 1 image"):
            check_network(model, alone, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels + 1, "labels go from 1 to 3 and not from 0, so give labels - 1"),
        (lambda labels: labels * 5, "only 3 of the labels up to 10 occur, so number the classes from 0"),
        (lambda labels: torch.arange(len(labels)) % 4, r"2 images of 4 classes; it should give \(2, classes\)$"),
    ],
)
def test_labels_that_a_network_has_too_few_outputs_for_come_with_the_mend(
    change: Callable[[Tensor], Tensor], message: str
) -> None:
    data = examples(train_labels=change(torch.arange(40) % 3), test_labels=change(torch.arange(20) % 3))
    with pytest.raises(LotteryError, match=message):
        check_network(layers(), data, 10)
