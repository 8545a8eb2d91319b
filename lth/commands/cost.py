"""`lth cost TICKET`: what a ticket is worth, in parameters, FLOPs, bytes, microseconds and accuracy.

TICKET is a job's folder or a ticket.safetensors; its forms (masked, csr, packed, int8, shrunk) stand beside the dense
network. It writes cost.csv and cost_layers.csv.

    lth cost outputs/imp/TIME --level 15
    lth cost --shrink 0.5 --times 2 --model torchvision.models.resnet18 --input 3,32,32
"""

import argparse
import copy
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lth.commands.halving import SHRINK, input_shape, shrinking
from lth.commands.loaded_ticket import NOISE, WEIGHTS, LoadedTicket, open_ticket
from lth.compression.cost import BATCHES, Cost, cost
from lth.compression.export import FORMATS, export, load_exported
from lth.compression.forms import FORMS
from lth.compression.onnx import export_onnx
from lth.compression.scoring_cost import score_cost
from lth.compression.search_cost import SearchCost, pace_of, search_cost
from lth.core.errors import LotteryError, SettingError
from lth.core.machine import prepare
from lth.core.weights import load, masked
from lth.data.tensors import Split
from lth.report.cost import print_cost, print_shrinking, write_cost
from lth.report.statistics import percent

CALIBRATION = 10
"""Training batches that static int8 takes its ranges from."""


def parser() -> argparse.ArgumentParser:
    """The words that `lth cost` takes."""
    words = argparse.ArgumentParser(
        prog="lth cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("ticket", type=Path, nargs="?", help="a job's folder, or a ticket.safetensors")
    words.add_argument("--level", type=int, help="another level of the job than its last")
    words.add_argument("--weights", choices=WEIGHTS, default=WEIGHTS[0], help="of which moment (default: early_stop)")
    words.add_argument("--forms", help=f"some of {','.join(FORMS)} (default: all that can be)")
    words.add_argument("--batches", default=",".join(map(str, BATCHES)), help="batch sizes to time (default: 1,64)")
    words.add_argument("--rounds", type=int, default=25, help="blocks that a latency is the median of (default: 25)")
    words.add_argument("--examples", type=int, help="accuracy on the first so many test examples (default: all)")
    words.add_argument("--threads", type=int, default=1, help="threads to run on (default: 1)")
    words.add_argument("--model", metavar="CLASS", help="the network, where the ticket does not say: my_net.Net")
    words.add_argument("--args", nargs="*", default=[], metavar="KEY=VALUE", help="its arguments")
    words.add_argument("--config", type=Path, help="a configuration that says what network and data are")
    words.add_argument("--store", type=Path, help="where the job's trainings are kept")
    words.add_argument("--export", type=Path, metavar="FOLDER", help="also write the ticket there in every format")
    words.add_argument("--to", type=Path, metavar="FOLDER", help="where to write (default: beside the ticket)")
    shrink = words.add_argument_group("a network without a ticket, its channels removed by group norm")
    shrink.add_argument("--shrink", type=float, metavar="SHARE", help="the share of each layer's channels that goes")
    shrink.add_argument("--times", type=int, default=1, help="how often, one after the other (default: 1)")
    shrink.add_argument("--norm", type=int, default=2, help="p of the group norm, 1 or 2 (default: 2)")
    shrink.add_argument("--round-to", type=int, default=8, help="channels are kept in multiples of it (default: 8)")
    shrink.add_argument("--ignore", nargs="*", default=[], metavar="PATTERN", help="layers whose channels stay")
    alone = words.add_argument_group("a network whose data are not named: it is run on noise")
    alone.add_argument("--input", default="3,32,32", help="the shape of one input (default: 3,32,32)")
    alone.add_argument("--classes", type=int, default=10, help="of a network of lth (default: 10)")
    return words


def main(words: Sequence[str]) -> None:
    """Runs `lth cost` with the command line `words`."""
    asked = parser().parse_args(words)
    if os.getcwd() not in sys.path:  # the user's own classes lie in the current folder
        sys.path.insert(0, os.getcwd())
    prepare("cpu", at_least("threads", asked.threads))
    model = own_model(asked.model, asked.args)
    batches = [at_least("batches", whole("batches", word)) for word in asked.batches.split(",")]
    if asked.shrink is not None:
        name, rows = shrinking(asked, model, batches[0])
        print_shrinking(name, rows, batches[0], asked.threads)
        if asked.to:
            SHRINK.write(asked.to, rows)
        return
    if asked.ticket is None:
        raise LotteryError("lth cost: give a job's folder, or a ticket.safetensors")
    opened = open_ticket(
        asked.ticket,
        config=asked.config,
        model=model,
        store=asked.store,
        weights=asked.weights,
        level=asked.level,
        inputs=(input_shape(asked.input), asked.classes),
    )
    test = opened.data.test if opened.weights != "rewind" and opened.data.name != NOISE else None
    if test is not None and asked.examples is not None:
        at_least("examples", asked.examples)
        test = Split(test.images[: asked.examples], test.labels[: asked.examples])
    forms = None if asked.forms is None else asked.forms.split(",")
    found = measured(opened, test, forms, batches, asked.rounds)
    searched = search_of(opened)
    folder = asked.to or opened.path.parent
    print_cost(title(opened), found, searched, opened.level, write_cost(folder, found))
    if asked.export:
        for line in exported(opened, asked.export):
            print(line)


def measured(
    opened: LoadedTicket, test: Split | None, forms: Sequence[str] | None, batches: Sequence[int], rounds: int
) -> Cost:
    """The cost of the ticket that was opened, beside its dense network (untrained where no trained one is kept)."""
    ticket, dense = (copy.deepcopy(opened.model) for _ in range(2))
    load(ticket, opened.state, opened.mask)
    load(dense, opened.dense if opened.dense is not None else opened.ticket.state)
    size = max(1, min(opened.spec.recipe.batch_size, len(opened.data.train) // CALIBRATION))
    calibration = opened.data.train.images[: CALIBRATION * size].split(size)
    images = opened.data.test.images[: max(batches)]
    found = cost(
        dense,
        ticket,
        images,
        mask=opened.mask,
        test=test,
        calibration=calibration,
        forms=forms,
        batches=batches,
        rounds=rounds,
    )
    if opened.dense is None:
        for row in found.rows:  # the untrained dense network's accuracy would compare with nothing
            row["test_accuracy_change"] = None
            if row["form"] == "dense":
                row["test_accuracy"] = None
    return found


def exported(opened: LoadedTicket, folder: Path) -> Iterator[str]:
    """Writes the ticket in every format, reads each again, and says how far it is from the ticket's own weights."""
    expected = masked(opened.state, opened.mask)
    for form in FORMATS:
        path = export(folder / f"{form}.safetensors", opened.state, opened.mask, form)
        found = load_exported(path)
        difference = max(float((found[name] - tensor).abs().max()) for name, tensor in expected.items())
        yield f"{path}: loaded again, weights {'equal' if difference == 0 else f'within {difference:.2g}'}"
    network, path = copy.deepcopy(opened.model), folder / "model.onnx"
    load(network, opened.state, opened.mask)
    try:
        difference = export_onnx(path, network, opened.data.test.images[:64])
        yield f"{path}: run by ONNX Runtime, logits within {difference:.2g}"
    except LotteryError as error:
        yield f"{path}: not written: {error}"


def search_of(opened: LoadedTicket) -> SearchCost | None:
    """What it took to find the ticket; None where its job's rows are not there, or do not hold its mask's training."""
    if not opened.rows or opened.level is None or opened.rows[0]["schedule"].startswith("gradual"):
        return None
    train, batch_size = opened.data.train, opened.spec.recipe.batch_size
    scoring = None if opened.pruning is None else score_cost(opened.pruning, opened.model, train)
    return search_cost(opened.rows, opened.level, pace_of(opened.model, train, batch_size), scoring)


def title(opened: LoadedTicket) -> str:
    """What was measured, in a line or two."""
    about = opened.spec
    name = about.model._target_ or about.model.name
    weights = {"early_stop": "trained, at early stop", "final": "trained", "rewind": "not trained, as rewound"}
    density = sum(int(kept.sum()) for kept in opened.mask.values()) / sum(x.numel() for x in opened.mask.values())
    level = "" if opened.level is None else f", level {opened.level}"
    return (
        f"{name} on {opened.data.name}, {percent(density)}% of the weights{level}, seed {about.seed}"
        f" ({weights[opened.weights]})"
    )


def own_model(target: str | None, args: Sequence[str]) -> dict[str, object] | None:
    """The group `model` of a configuration, from --model and --args."""
    import yaml  # type: ignore[import-untyped,unused-ignore]  # it has no types of its own

    if target is None:
        if args:
            raise LotteryError("--args: are those of --model; name it")
        return None
    if bad := next((word for word in args if "=" not in word), None):
        raise LotteryError(f"--args {bad}: must be KEY=VALUE")
    values = {key: yaml.safe_load(value) for key, _, value in (word.partition("=") for word in args)}
    if "." not in target:
        return {"name": target, **values}
    return {"name": "custom", "initializer": "default", "_target_": target, "args": values}


def whole(key: str, word: str) -> int:
    """`word` as a whole number; SettingError naming `key`."""
    try:
        return int(word)
    except ValueError as error:
        raise SettingError(key, word, "must be a whole number") from error


def at_least(key: str, value: int, least: int = 1) -> int:
    """`value`, if it is not below `least`; SettingError naming `key`."""
    if value < least:
        raise SettingError(key, value, f"must be at least {least}")
    return value
