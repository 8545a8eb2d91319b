"""`lth cost --shrink 0.5 --times 2 --model CLASS`: a network shrunk again and again, and what is left of it."""

import math
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lth.compression.channels import channel_mask, torch_pruning
from lth.compression.latency import latencies
from lth.compression.measure import counts
from lth.compression.shrink import removal, shrunk
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.tables import Column, Table
from lth.data.sources import call
from lth.lottery.context import FreshInit
from lth.models import build

SHRINK = Table(
    "shrink",
    (
        Column("times", int, "", "how often channels were removed; 0 is the network as it was given"),
        Column("parameters", int, "", "all parameters"),
        Column("multiply_adds", int, "", "of one input as Torch-Pruning counts them, with norms, biases and pooling"),
        Column("conv_linear_multiply_adds", int, "", "of one input, in convolutions and Linear layers alone"),
        Column("channels_removed", int, "", "channels that were removed this time"),
        Column("seconds", float, "s", "median latency of a forward pass"),
        Column("low", float, "s", "lower quartile of the latency"),
        Column("high", float, "s", "upper quartile of the latency"),
        Column("speedup", float, "", "how many times faster than the network as it was given"),
    ),
    key=("times",),
    meaning="A row for the network and each time that channels were removed from it.",
)


def input_shape(text: str) -> tuple[int, ...]:
    """The shape of one input that --input gives."""
    try:
        shape = tuple(int(word) for word in text.split(","))
    except ValueError:
        shape = (0,)
    if min(shape) < 1:
        raise SettingError("input", text, "must be the shape of one input, as 3,32,32")
    return shape


def untrained(asked: Namespace, model: dict[str, Any] | None) -> tuple[str, nn.Module, Tensor]:
    """(name, network with fresh weights under seed 0, two inputs of N(0, 1)) that --model, --input, --classes name."""
    if model is None:
        raise LotteryError("--shrink: name a network, as --model resnet18 or --model torchvision.models.resnet18")
    shape, classes = input_shape(asked.input), asked.classes
    target = model.get("_target_")
    name = target or model["name"]
    if target is None and (unknown := sorted(model.keys() - {"name", "widths"})):
        raise SettingError("args", unknown[0], f"is no argument of {name}; of lth's networks, mlp takes widths")

    def construct() -> nn.Module:
        made = call(target, model["args"], "model") if target else build(name, shape, classes, model.get("widths"))
        if not isinstance(made, nn.Module):
            raise SettingError("model", name, "does not give a torch.nn.Module")
        return made

    network = FreshInit(construct, "default").constructed(0)
    return name, network, torch.randn(2, *shape, generator=rng(0, "shrink", "inputs"))


def halvings(network: nn.Module, images: Tensor, asked: Namespace) -> Iterator[dict[str, Any]]:
    """A row for `network` and each time that it was shrunk, with SHRINK but those of time.

    `multiply_adds` are Torch-Pruning's count, which has norms, biases and pooling in it; `conv_linear_multiply_adds`
    those of convolutions and Linear layers alone. The key `network` holds the network itself.
    """
    library = torch_pruning()
    gone = None
    for times in range(asked.times + 1):
        if times:
            mask = channel_mask(
                network, images, asked.shrink, norm=asked.norm, round_to=asked.round_to, ignore=asked.ignore
            )
            removed = removal(network, mask, images)
            network, gone = shrunk(network, mask, images, removed), removed.count  # compares their outputs
        counted = counts(network, images)  # names an input that does not fit
        products, _ = library.utils.count_ops_and_params(network, images[:1])
        yield {
            "times": times,
            "parameters": counted.parameters,
            "multiply_adds": math.floor(products),
            "conv_linear_multiply_adds": counted.flops // 2,
            "channels_removed": gone,
            "network": network,
        }


def shrinking(asked: Namespace, model: dict[str, Any] | None, batch: int) -> tuple[str, list[dict[str, Any]]]:
    """(name of the network, rows with SHRINK), latencies at the size `batch` among them."""
    if asked.times < 1:
        raise SettingError("times", asked.times, "must be at least 1")
    name, network, images = untrained(asked, model)
    rows = list(halvings(network, images, asked))
    networks = {str(row["times"]): row.pop("network").eval() for row in rows}
    measured = latencies(networks, images[:1].expand(batch, *images.shape[1:]).contiguous(), asked.rounds)
    for row in rows:
        found = measured[str(row["times"])]
        row |= {"seconds": found.median, "low": found.quantile(0.25), "high": found.quantile(0.75)}
        row["speedup"] = found.speedup(measured["0"])
    return name, rows
