"""`lth cost --shrink 0.5 --times 2 --model CLASS`: channels of a network are removed again and again."""

import math
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lth.commands.loaded_ticket import NOISE_INPUTS
from lth.compression.channels import channel_mask, torch_pruning
from lth.compression.latency import latencies
from lth.compression.measure import counts
from lth.compression.shrink import removal, shrunk
from lth.core.checked import built
from lth.core.errors import LotteryError, SettingError
from lth.core.machine import memory
from lth.core.rng import rng
from lth.core.tables import Column, Row, Table
from lth.data.sources import call
from lth.lottery.context import FreshInit, network_of
from lth.models import SCALABLE, build
from lth.report.cost import print_shrinking
from lth.settings import ModelSettings

SHRINK = Table(
    "shrink",
    (
        Column("times", int, "", "how often channels were removed; 0 is the network as it was given", at_least=0),
        Column("parameters", int, "", "all parameters", at_least=0),
        Column(
            "multiply_adds",
            int,
            "",
            "of one input as Torch-Pruning counts them, with norms, biases and pooling",
            at_least=0,
        ),
        Column(
            "conv_linear_multiply_adds", int, "", "of one input, in convolutions and Linear layers alone", at_least=0
        ),
        Column("channels_removed", int, "", "channels that were removed this time", at_least=0),
        Column("seconds", float, "s", "median latency of a forward pass"),
        Column("low", float, "s", "lower quartile of the latency"),
        Column("high", float, "s", "upper quartile of the latency"),
        Column("speedup", float, "", "how many times faster than the network as it was given", at_least=0),
    ),
    key=("times",),
    meaning="A row for the network and each time that channels were removed from it.",
)


def shrink(arguments: Namespace, model: Mapping[str, Any] | None, batch: int) -> None:
    """Shrinks the network that the command line names, prints a table, and writes it where --to says."""
    name, rows = shrink_rows(arguments, model, batch)
    print_shrinking(name, rows, batch, arguments.threads)
    if arguments.to:
        SHRINK.write(arguments.to, rows)


def input_shape(text: str) -> tuple[int, ...]:
    """The shape of one input, from --input; SettingError for anything else.

    >>> input_shape("3,32,32")
    (3, 32, 32)
    """
    try:
        shape = tuple(int(word) for word in text.split(","))
    except ValueError:
        shape = (0,)
    if min(shape) < 1:
        raise SettingError("input", text, "must be the shape of one input, as 3,32,32")
    if 4 * NOISE_INPUTS * math.prod(shape) > memory():
        raise SettingError("input", text, f"{NOISE_INPUTS} such inputs are more than this machine's memory holds")
    return shape


def untrained(arguments: Namespace, model: Mapping[str, Any] | None) -> tuple[str, nn.Module, Tensor]:
    """(name, network initialised by seed 0, two inputs from N(0, 1)), from --model, --input and --classes."""
    if model is None:
        raise LotteryError("--shrink: name a network, as --model resnet18 or --model torchvision.models.resnet18")
    shape, classes = input_shape(arguments.input), arguments.classes
    target = model.get("_target_")
    name = target or model["name"]
    built_in = {"name": name} if target else dict(model)
    if unknown := sorted(built_in.keys() - {"name", "widths", "width"}):
        takers = f"mlp takes widths, {', '.join(SCALABLE)} take width"
        raise SettingError("args", unknown[0], f"is no argument of {name}; of the built-in networks, {takers}")
    sizes = built(ModelSettings, built_in, "model.")

    def construct() -> nn.Module:
        if target is None:
            return build(name, shape, classes, sizes.widths, sizes.width)
        return network_of(call(target, model["args"], "model"), f"model={target}")

    network = FreshInit(construct, "default").constructed(0)
    return name, network, torch.randn(2, *shape, generator=rng(0, "shrink", "inputs"))


def shrink_repeatedly(network: nn.Module, images: Tensor, arguments: Namespace) -> Iterator[tuple[Row, nn.Module]]:
    """(row of SHRINK without latencies, network), of `network` itself and each time that it was shrunk."""
    library = torch_pruning()
    channels_removed = None
    for times in range(arguments.times + 1):
        if times:
            mask = channel_mask(
                network,
                images,
                arguments.shrink,
                norm=arguments.norm,
                round_to=arguments.round_to,
                ignore=arguments.ignore,
            )
            removed = removal(network, mask, images)
            network, channels_removed = shrunk(network, mask, images, removed), removed.count  # compares the outputs
        counted = counts(network, images)  # raises for an input that does not fit
        multiply_adds, _ = library.utils.count_ops_and_params(network, images[:1])
        row = SHRINK.row(
            times=times,
            parameters=counted.parameters,
            multiply_adds=math.floor(multiply_adds),
            conv_linear_multiply_adds=counted.flops // 2,
            channels_removed=channels_removed,
        )
        yield row, network


def shrink_rows(arguments: Namespace, model: Mapping[str, Any] | None, batch: int) -> tuple[str, list[Row]]:
    """(name of the network, rows of SHRINK); latencies are those of a batch of `batch` inputs."""
    if arguments.times < 1:
        raise SettingError("times", arguments.times, "must be at least 1")
    name, network, images = untrained(arguments, model)
    steps = list(shrink_repeatedly(network, images, arguments))
    networks = {str(row["times"]): network.eval() for row, network in steps}
    measured = latencies(networks, images[:1].expand(batch, *images.shape[1:]).contiguous(), arguments.rounds)
    for row, _ in steps:
        latency = measured[str(row["times"])]
        row |= {"seconds": latency.median, "low": latency.quantile(0.25), "high": latency.quantile(0.75)}
        row["speedup"] = latency.speedup(measured["0"])
    return name, [row for row, _ in steps]
