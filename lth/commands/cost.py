"""What a ticket saves in parameters, FLOPs, file size and latency, and its accuracy.

TICKET is a job's folder or a ticket.safetensors. Each form of the ticket is
compared with the dense network, in cost.csv and cost_layers.csv. With --shrink,
channels are removed from a network, without a ticket.

    lth cost outputs/imp/TIME --level 15
    lth cost --shrink 0.5 --times 2 --model torchvision.models.resnet18 --input 3,32,32
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lth.compression.tables import BATCHES
from lth.core.errors import LotteryError, SettingError

NUMBER = re.compile(r"[+-]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|nan)")
WEIGHTS = ("early_stop", "final", "rewind")
FORMS = ("masked", "csr", "packed", "packed_int8", "int8_dynamic", "int8_static", "shrunk", "onnx")


def parser() -> argparse.ArgumentParser:
    """The arguments of `lth cost`. Imports no torch, so that --help is quick."""
    parser = argparse.ArgumentParser(
        prog="lth cost",
        usage="lth cost TICKET [options]\n       lth cost --shrink SHARE --model CLASS [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "ticket", metavar="TICKET", type=Path, nargs="?", help="a job's folder, or a ticket.safetensors"
    )
    parser.add_argument("--level", type=int, help="a level of the job (default: that of the ticket)")
    parser.add_argument("--weights", choices=WEIGHTS, default=WEIGHTS[0], help="which weights (default: early_stop)")
    parser.add_argument("--forms", help=f"comma-separated: {', '.join(FORMS)} (default: all available ones but onnx)")
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)), help="batch sizes to time (default: 1,64)")
    parser.add_argument("--rounds", type=int, default=25, help="blocks of calls per latency, at least 3 (default: 25)")
    parser.add_argument("--examples", type=int, help="measure accuracy on the first N test examples (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--model", metavar="CLASS", help="the network, if the ticket does not name it: my_net.Net")
    parser.add_argument("--args", nargs="*", default=[], metavar="KEY=VALUE", help="keyword arguments of --model")
    parser.add_argument("--config", type=Path, help="configuration file that names network and data")
    parser.add_argument("--store", type=Path, help="folder of the job's trainings (default: that of the job)")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="also write the ticket there in every format")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="output folder (default: beside the ticket)")
    shrink = parser.add_argument_group("remove channels of a network by group norm, without a ticket")
    shrink.add_argument("--shrink", type=float, metavar="SHARE", help="share of each layer's channels to remove, 0..1")
    shrink.add_argument("--times", type=int, default=1, help="how many times in succession (default: 1)")
    shrink.add_argument("--norm", type=int, default=2, help="p of the group norm, 1 or 2 (default: 2)")
    shrink.add_argument("--round-to", type=int, default=8, help="keep channels in multiples of this (default: 8)")
    shrink.add_argument("--ignore", nargs="*", default=[], metavar="PATTERN", help="layers that keep their channels")
    alone = parser.add_argument_group("a network without data, which is run on noise")
    alone.add_argument("--input", default="3,32,32", help="shape of one input (default: 3,32,32)")
    alone.add_argument("--classes", type=int, default=10, help="classes of a built-in network (default: 10)")
    return parser


def main(words: Sequence[str]) -> None:
    """Runs `lth cost` with the command line `words`."""
    arguments = parser().parse_args(words)
    threads = at_least("threads", arguments.threads, most=1024)
    at_least("classes", arguments.classes)
    batches = [at_least("batches", integer("batches", word)) for word in arguments.batches.split(",")]
    model = model_settings(arguments.model, arguments.args)
    from lth.core.machine import prepare

    prepare("cpu", threads)
    if arguments.shrink is not None:
        from lth.commands.shrink import shrink

        shrink(arguments, model, batches[0])
    elif arguments.ticket is None:
        raise LotteryError("lth cost: give a job's folder, or a ticket.safetensors")
    else:
        from lth.commands.ticket_cost import ticket_cost

        ticket_cost(arguments, model, batches)


def model_settings(target: str | None, words: Sequence[str]) -> dict[str, Any] | None:
    """The group `model` of a configuration, from --model and the KEY=VALUE `words` of --args; None without --model.

    >>> model_settings("mlp", ["widths=[300,100]"])
    {'name': 'mlp', 'widths': [300, 100]}
    """
    if target is None:
        if words:
            raise LotteryError("--args: they are arguments of --model, which is missing")
        return None
    if bad := next((word for word in words if "=" not in word), None):
        raise LotteryError(f"--args {bad}: must be KEY=VALUE")
    values = {key: argument(key, value) for key, _, value in (word.partition("=") for word in words)}
    if "." not in target:
        return {"name": target, **values}
    return {"name": "custom", "initializer": "default", "_target_": target, "args": values}


def argument(key: str, text: str) -> Any:
    """The value of an argument as YAML has it, but with numbers as Python reads them; LotteryError for what is none.

    >>> argument("rates", "[1e-1, 1_000, a]")
    [0.1, 1000, 'a']
    """
    from lth.core.plain_yaml import parse_yaml

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(item) for item in value]
        if isinstance(value, dict):
            return {name: read(item) for name, item in value.items()}
        return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value

    try:
        return read(parse_yaml(text))
    except ValueError as error:
        raise LotteryError(f"--args {key}={text}: {error}") from error


def integer(key: str, word: str) -> int:
    """`word` as an integer; SettingError naming `key`.

    >>> integer("batches", "64")
    64
    """
    try:
        return int(word)
    except ValueError as error:
        raise SettingError(key, word, "must be an integer") from error


def at_least(key: str, value: int, least: int = 1, most: int = 10**9) -> int:
    """`value`, if it is not below `least` and not above `most`; SettingError naming `key`."""
    if not least <= value <= most:
        raise SettingError(key, value, f"must be at least {least}{f' and at most {most}' if value > most else ''}")
    return value
