"""Measures the training loop beside a usual one and beside its bare matrix products."""

import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from lth.core.errors import LotteryError
from lth.core.files import write_csv, write_json
from lth.core.machine import describe, prepare
from lth.core.rng import rng, seeds_from
from lth.core.tables import Column
from lth.core.weights import load, masked
from lth.data import sources, tensors
from lth.lottery.pruned import prune
from lth.models import build
from lth.models.initialize import initialize
from lth.report.progress import Progress
from lth.training.loop import train
from lth.training.recipe import Recipe, plan
from lth.training.run_spec import RunSpec

from .settings import SpeedSettings

BESIDE = "ours, 2 workers"
WORKERS = "two seeds at once / in turn"
TARGETS = {
    "usual / ours": "at least 5",
    "ours / floor": "at most 2",
    WORKERS: "at most 0.6",
    "evaluation": "at most 40",
}
ENDLESS = 10**8  # iterations of a training that is never done
DIGITS = {"ms per iteration": 3, "times": 2, "%": 1}
COLUMNS = ("measure", "unit", "median", "quartile_1", "quartile_3", "target")


def run(spec: SpeedSettings, folder: Path) -> None:
    """Measures, prints the table, and leaves `speed.csv` and `speed.json` in `folder`."""
    device = prepare(spec.device, spec.threads)
    images, source = mnist(spec.data.root)
    run_spec = make_job(images, spec)
    others = {"usual": usual(run_spec, MNIST(images)), "floor": floor(run_spec)}
    with Companion(spec) as companion:
        turns = Turns(others, companion, spec.blocks, spec.iterations)
        train(run_spec, [turns])
    turns.bars.close()
    times = {name: values[1:] for name, values in turns.times.items()}
    rows = [row(name, "ms per iteration", values) for name, values in times.items()]
    for above, below in (("usual", "ours"), ("ours", "floor")):
        ratios = [a / b for a, b in zip(times[above], times[below], strict=True)]
        rows.append(row(f"{above} / {below}", "times", ratios))
    pairs = zip(times[BESIDE], times["ours"], strict=True)
    rows.append(row(WORKERS, "times", [together / (2 * alone) for together, alone in pairs]))
    rows.append(row("evaluation", "%", [evaluation_share(run_spec, spec.level_iterations)]))
    machine = describe(device)
    asked = {"blocks": spec.blocks, "iterations": spec.iterations, "level_iterations": spec.level_iterations}
    write_csv(folder / "speed.csv", COLUMNS, rows)
    write_json(folder / "speed.json", asked | {"data": source, "machine": machine, "rows": rows, "ms": times})
    console = Console()
    console.print(table(rows))
    where = f"threads {machine['threads']}, torch {machine['torch']}, {machine['processor']}"
    words = f"{spec.blocks} blocks of {spec.iterations} iterations; {source}; {where}. Written to {folder}"
    console.print(words, highlight=False, soft_wrap=True)


def mnist(root: str | None) -> tuple[dict[str, Tensor], str]:
    """MNIST's four tensors where they are there, else random ones of their shape; and which they are."""
    place = Path(root).expanduser() if root else sources.default_root()
    files = (place / "mnist.safetensors", place / "MNIST" / "raw" / "train-images-idx3-ubyte")
    if any(file.exists() for file in files):
        return sources.load("mnist", place), "MNIST"
    made = {}
    for part, count in (("train", 60_000), ("test", 10_000)):
        shape, draw = (count, 1, 28, 28), rng(0, part)
        made[f"{part}_images"] = torch.randint(256, shape, generator=draw, dtype=torch.uint8)
        made[f"{part}_labels"] = torch.randint(10, (count,), generator=draw)
    return made, f"random images, for there is no MNIST in {place}"


def make_job(images: Mapping[str, Tensor], spec: SpeedSettings) -> RunSpec:
    """Our training: all blocks, alone and beside another, and one iteration more, after which alone it evaluates."""
    data = tensors.prepare("mnist", dict(images), validation=5_000)
    model = build("lenet_300_100", data.shape, data.classes)
    start = initialize(model, "glorot_normal", spec.seed)
    load(model, start)
    length = 2 * (spec.blocks + 1) * spec.iterations + 1
    recipe = Recipe(iterations=length, evaluate_every=length)
    return RunSpec(model, start, prune(model, 0.8), data, plan(recipe, len(data.train)), seeds_from(spec.seed))


class Turns:
    """An observer of our training: it stops the clock after each block, and lets the others run a block each.

    Our blocks come in turn alone and beside `companion`; the others run after those alone.
    """

    columns: ClassVar[dict[str, Column]] = {}

    def __init__(self, others: Mapping[str, Iterator[None]], companion: "Companion", blocks: int, iterations: int):
        self.key, self.every, self.others, self.turns = "turns", iterations, others, blocks + 1
        self.companion = companion
        self.times: dict[str, list[float]] = {name: [] for name in ("ours", *others, BESIDE)}  # ms per iteration
        self.bars = Progress(len(self.times) * self.turns, "blocks", "block")
        self.began = 0.0

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        seconds = time.perf_counter() - self.began
        if self.began and len(self.times[BESIDE]) < self.turns:  # the last look comes after the evaluation
            if len(self.times["ours"]) == len(self.times[BESIDE]):
                self._add("ours", seconds)
                self._let_others()
                self.companion.work()
            else:
                self._add(BESIDE, seconds)
                self.companion.rest()
        self.began = time.perf_counter()
        return {}

    def _let_others(self) -> None:
        torch.use_deterministic_algorithms(False)
        for name, steps in self.others.items():
            began = time.perf_counter()
            for _ in islice(steps, self.every):
                pass
            self._add(name, time.perf_counter() - began)
        torch.use_deterministic_algorithms(True, warn_only=True)

    def _add(self, name: str, seconds: float) -> None:
        self.times[name].append(1e3 * seconds / self.every)
        self.bars.done(f"{name} {self.times[name][-1]:.3f} ms")


class Companion:
    """The second worker: another process with a training of its own, which goes on only when it is told to."""

    def __init__(self, spec: SpeedSettings) -> None:
        code = f"from lth.jobs import load; load('speed').accompany({spec.data.root!r}, {spec.seed}, {spec.threads})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Companion":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def work(self) -> int:
        """Returns when the other process trains: how often it has looked at its orders."""
        return self._tell("work")

    def rest(self) -> int:
        """Returns when the other process waits: how often it has looked at its orders."""
        return self._tell("rest")

    def _tell(self, word: str) -> int:
        assert self.process.stdin and self.process.stdout
        try:
            print(word, file=self.process.stdin, flush=True)
            return int(self.process.stdout.readline())
        except (BrokenPipeError, ValueError):
            raise LotteryError("the second worker of lth speed has ended; its error is above") from None


def accompany(root: str | None, seed: int, threads: int) -> None:
    """What the second worker does: trains and waits as the lines on stdin say, until they end."""
    prepare("cpu", threads)
    spec = make_job(mnist(root)[0], SpeedSettings(seed=seed, iterations=ENDLESS))
    train(spec, [Obedience()])


class Obedience:
    """An observer that lets its training go on only after the line `work`, and holds it at the line `rest`."""

    key, every = "obedience", 10
    columns: ClassVar[dict[str, Column]] = {}

    def __init__(self) -> None:
        self.working, self.looks = False, 0

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        self.looks += 1
        ordered = bool(select.select([sys.stdin], [], [], 0)[0])
        while ordered or not self.working:
            line = sys.stdin.readline()
            if not line:
                sys.exit()
            self.working, ordered = line.strip() == "work", False
            print(self.looks, flush=True)
        return {}


class MNIST(datasets.MNIST):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's MNIST, an image at a time through PIL, with its files read already."""

    def __init__(self, images: Mapping[str, Tensor]) -> None:
        steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        super(datasets.MNIST, self).__init__("", transform=transforms.Compose(steps))
        self.data, self.targets = images["train_images"][:, 0], images["train_labels"]


def usual(spec: RunSpec, dataset: MNIST) -> Iterator[None]:
    """Trains the network of `spec` as most scripts do, an iteration at a time, without end."""
    model = build("lenet_300_100", spec.data.shape, spec.data.classes)
    load(model, masked(spec.initial_state, spec.mask))
    optimizer = torch.optim.Adam(model.parameters(), lr=spec.plan.lr)
    while True:
        for images, labels in DataLoader(dataset, batch_size=spec.plan.batch_size, shuffle=True, num_workers=0):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if name in spec.mask:
                        parameter.mul_(spec.mask[name])
            yield


def floor(spec: RunSpec) -> Iterator[None]:
    """The matrix products of an iteration, without end: 3 forward, 3 weight gradients, 2 input gradients."""
    products = []
    for number, name in enumerate(spec.mask):
        weight, draw = spec.initial_state[name], rng(0, name)
        above, below = (torch.randn(spec.plan.batch_size, width, generator=draw) for width in weight.shape)
        products += [(below, weight.t()), (above.t(), below)] + ([(above, weight)] if number else [])
    outputs = [torch.empty(left.shape[0], right.shape[1]) for left, right in products]
    while True:
        for (left, right), output in zip(products, outputs, strict=True):
            torch.mm(left, right, out=output)
        yield


def evaluation_share(spec: RunSpec, iterations: int) -> float:
    """Percent of a training's time; its one look at the training split, when all is over, is not counted."""
    ended: list[float] = []
    began = time.perf_counter()
    recipe = Recipe(iterations=iterations, evaluate_every=100)
    longer = replace(spec, plan=plan(recipe, len(spec.data.train)))
    trace = train(longer, progress=lambda iteration: ended.append(time.perf_counter()))
    return 100 * trace.evaluation_seconds / (ended[-1] - began)


def row(measure: str, unit: str, values: list[float]) -> dict[str, Any]:
    """A row of `speed.csv`: the median and the quartiles of `values`."""
    low, median, high = np.percentile(values, (25, 50, 75)).round(4).tolist()
    figures = (median, low, high) if len(values) > 1 else (median, None, None)
    return dict(zip(COLUMNS, (measure, unit, *figures, TARGETS.get(measure)), strict=True))


def table(rows: list[dict[str, Any]]) -> Table:
    """The measures as the terminal shows them."""
    shown = Table(title="Lenet-300-100, batch 60, Adam, CPU", title_justify="left", header_style="bold")
    for column in ("", "median", "quartiles", "target"):
        shown.add_column(column, justify="right" if column else "left")
    for row in rows:
        digits = DIGITS[row["unit"]]
        median, low, high = ("" if row[key] is None else f"{row[key]:.{digits}f}" for key in COLUMNS[2:5])
        shown.add_row(f"{row['measure']}, {row['unit']}", median, f"{low} to {high}" if low else "", row["target"])
    return shown
