"""Deep networks on CIFAR-10 with flip and crop, as users train them: on two cores, ours beside the usual ways.

Each way trains in processes of its own, which are told block by block when to train, so that the ways take turns.
"""

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lth.core.keeping import copied
from lth.core.machine import has_bfloat16, has_compiler, prepare
from lth.training.run_spec import RunSpec

from .blocks import Blocks, milliseconds, timed, trained
from .child import Child
from .networks import DEEP, Images, load_images, make_spec
from .settings import SpeedSettings
from .usual import Usual, dataset_of
from .ways import with_kernels

OURS_PAIR, OURS_COMPILED, OURS_BFLOAT16 = "ours_pair", "ours_pair_compiled", "ours_pair_bfloat16"
USUAL_PAIR, USUAL_THREADS = "usual_pair", "usual_threads"
USUAL_WAYS = (USUAL_THREADS, USUAL_PAIR)
DATA = "cifar10"
LOADERS = 2
"""Processes of the DataLoader of `usual_threads`."""
LONGER = 2
"""A block has so many times the iterations of a block on one core: two processes begin it, and both must end it."""
ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""The trainings of a process are threads, one of which runs. With a heap each, as glibc gives them, each would keep
the memory of its activations while it is held."""
Begin = Callable[[RunSpec, Images, int], Blocks]
"""Gives the blocks of a way, of a spec, images and the iterations of a block."""


@dataclass(frozen=True)
class PairWay:
    """A way of training on two cores: what it is, in how many processes it trains, and the blocks of each."""

    meaning: str
    processes: int
    begin: Begin


def usual_blocks(loaders: int) -> Begin:
    """The blocks of the usual way with so many processes that load data."""

    def begin(spec: RunSpec, images: Images, iterations: int) -> Blocks:
        dataset = dataset_of(images, "train", augment=True)
        return timed(Usual(spec, copied(spec.model), dataset, loaders).steps(), iterations)

    return begin


def our_blocks(kernels: str = "auto", **recipe: Any) -> Begin:
    """The blocks of our training with `kernels` and these keys of its recipe."""

    def begin(spec: RunSpec, images: Images, iterations: int) -> Blocks:
        changed = replace(spec, plan=replace(spec.plan, **recipe))
        return trained(with_kernels(changed, kernels), iterations)

    return begin


PAIR_WAYS: Mapping[str, PairWay] = {
    OURS_PAIR: PairWay("two seeds of ours at once, each on one core", 2, our_blocks()),
    OURS_COMPILED: PairWay("the same with recipe.compile=true", 2, our_blocks(compile=True)),
    OURS_BFLOAT16: PairWay("the same with recipe.precision=bfloat16", 2, our_blocks(precision="bfloat16")),
    USUAL_THREADS: PairWay(
        f"a script with torch's threads on both cores and a DataLoader with {LOADERS} worker processes",
        1,
        usual_blocks(LOADERS),
    ),
    USUAL_PAIR: PairWay(
        "two scripts at once, each on one core with a DataLoader in its process", 2, usual_blocks(loaders=0)
    ),
}

WITHOUT: Mapping[str, str] = {
    OURS_COMPILED: "torch.compile, which needs a C++ compiler, was not timed",
    OURS_BFLOAT16: "bfloat16, which needs a processor with arithmetic of it, was not timed",
}
"""Way -> what is said of a run without it."""


def missing() -> list[str]:
    """The ways that this machine cannot take."""
    able = {OURS_COMPILED: has_compiler(), OURS_BFLOAT16: has_bfloat16()}
    return [way for way in WITHOUT if not able[way]]


def series(densities: Sequence[float], without: Collection[str] = ()) -> dict[str, tuple[str, float]]:
    """Name -> (way, density) of what takes turns: ours at every density, the others at the highest alone.

    The usual ways multiply by a mask whatever it keeps, and products that torch compiles or that are in bfloat16 are
    dense. without: ways that this machine cannot take.
    """
    ordered = sorted(set(densities), reverse=True)
    once = [way for way in (*USUAL_WAYS, OURS_COMPILED, OURS_BFLOAT16) if way not in without]
    pairs = [*((way, ordered[0]) for way in once), *((OURS_PAIR, density) for density in ordered)]
    return {f"{way} at {density:g}": (way, density) for way, density in pairs}


@contextmanager
def trainers(settings: SpeedSettings) -> Iterator[list[Child]]:
    """Three processes: two for the ways that train in two, and one with as many threads as both for the others."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Child(_code(settings, seed, threads), "a process", ONE_HEAP))
            for seed, threads in (
                (settings.seed, settings.threads),
                (settings.seed ^ 1, settings.threads),  # another seed, which is no larger than seeds may be
                (settings.seed, 2 * settings.threads),
            )
        ]


def _code(settings: SpeedSettings, seed: int, threads: int) -> str:
    arguments = f"{settings.data.root!r}, {seed}, {threads}"
    return f"from lth.experiments.speed.pair import train_to_order; train_to_order({arguments})"


def pair_blocks(processes: Sequence[Child], network: str, way: str, density: float, settings: SpeedSettings) -> Blocks:
    """The blocks of a way in those of the `trainers` that it takes, at once: until the last of them is done."""
    iterations = DEEP[network].iterations(LONGER * settings.iterations)
    taken = processes[:2] if PAIR_WAYS[way].processes == 2 else processes[2:]
    order = f"{network} {way} {density!r} {iterations}"
    while True:
        began = time.perf_counter()
        for process in taken:
            process.order(order)
        for process in taken:
            process.answer()
        yield milliseconds(time.perf_counter() - began, len(taken) * iterations)


def train_to_order(root: str | None, seed: int, threads: int) -> None:
    """What a trainer does: a block for every line on stdin, until they end.

    A line is `network way density iterations`. A training goes on where its last block ended; a line with another
    network ends those of the one before.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the process that gives its orders
    prepare("cpu", threads)
    images, present = load_images(DATA, root), ""
    trainings: dict[str, Blocks] = {}
    for line in iter(sys.stdin.readline, ""):
        network, way, density, iterations = line.split()
        if network != present:
            _end(trainings)
            present = network
        if line not in trainings:
            spec = augmented_spec(network, images, float(density), seed)
            trainings[line] = PAIR_WAYS[way].begin(spec, images, int(iterations))
        next(trainings[line])
        print("done", flush=True)
    _end(trainings)


def _end(trainings: dict[str, Blocks]) -> None:
    for blocks in trainings.values():
        blocks.close()
    trainings.clear()


def augmented_spec(network: str, images: Images, density: float, seed: int) -> RunSpec:
    """A training of a deep network with flip and crop."""
    spec = make_spec(DEEP[network], images, density, seed)
    return replace(spec, data=replace(spec.data, augment="flip_crop"))
