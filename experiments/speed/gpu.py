"""Deep networks on CIFAR-10 with flip and crop on a GPU: ours with its settings for GPUs, beside a script.

Each is one training in this process, dense, and has the GPU to itself while it is timed.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lth.core.keeping import copied
from lth.core.machine import has_compiler
from lth.training.run_spec import RunSpec

from .blocks import Blocks, timed, trained
from .networks import DEEP, Images
from .usual import Usual, dataset_of

OURS_GPU, OURS_GPU_COMPILED = "ours_gpu", "ours_gpu_compiled"
OURS_GPU_CHANNELS, OURS_GPU_BFLOAT16 = "ours_gpu_channels_last", "ours_gpu_bfloat16"
OURS_GPU_ALL, USUAL_GPU = "ours_gpu_all", "usual_gpu"
LONGER = 100
"""A block has so many times the iterations of a block on one core of a CPU."""
MOST_LOADERS = 8
"""Processes of the script's DataLoader, where there are as many cores."""


@dataclass(frozen=True)
class GpuWay:
    """A way of training on a GPU: what it is, and its blocks, of a spec on the GPU, images and the iterations."""

    meaning: str
    begin: Callable[[RunSpec, Images, int], Blocks]


def _ours(**recipe: Any) -> Callable[[RunSpec, Images, int], Blocks]:
    """The blocks of our training with these keys of its recipe."""

    def begin(spec: RunSpec, images: Images, iterations: int) -> Blocks:
        plan = replace(spec.plan, kernels="dense", **recipe)
        return trained(replace(spec, model=copied(spec.model), plan=plan), iterations)

    return begin


def loaders() -> int:
    """The processes of the script's DataLoader."""
    return min(MOST_LOADERS, os.cpu_count() or 1)


def _script(spec: RunSpec, images: Images, iterations: int) -> Blocks:
    """The blocks of a script."""
    dataset = dataset_of(images, "train", augment=True)
    return timed(Usual(spec, copied(spec.model), dataset, loaders()).steps(), iterations)


GPU_WAYS: Mapping[str, GpuWay] = {
    OURS_GPU: GpuWay("ours", _ours()),
    OURS_GPU_CHANNELS: GpuWay("the same with recipe.memory_format=channels_last", _ours(memory_format="channels_last")),
    OURS_GPU_BFLOAT16: GpuWay("the same with recipe.precision=bfloat16", _ours(precision="bfloat16")),
    OURS_GPU_COMPILED: GpuWay("the same with recipe.compile=true", _ours(compile=True)),
    OURS_GPU_ALL: GpuWay(
        "the same with all three", _ours(memory_format="channels_last", precision="bfloat16", compile=True)
    ),
    USUAL_GPU: GpuWay(f"a script with a DataLoader with up to {MOST_LOADERS} worker processes", _script),
}


def gpu_ways() -> list[str]:
    """The ways that this machine can take: without a compiler, none that compiles."""
    return [way for way in GPU_WAYS if has_compiler() or way not in (OURS_GPU_COMPILED, OURS_GPU_ALL)]


def gpu_blocks(spec: RunSpec, images: Images, network: str, iterations: int) -> dict[str, Blocks]:
    """Way -> its blocks of training `spec`, whose data lie on the GPU.

    iterations: those of a block of Lenet-300-100 on a CPU.
    """
    count = DEEP[network].iterations(LONGER * iterations)
    return {way: GPU_WAYS[way].begin(spec, images, count) for way in gpu_ways()}
