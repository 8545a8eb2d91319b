"""Deep networks on CIFAR-10 with flip and crop on a GPU: ours with its settings for GPUs, beside a script.

Each is one training in this process, dense, and has the GPU to itself while it is timed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lth.core.machine import has_compiler
from lth.training.run_spec import RunSpec

from .blocks import Blocks
from .networks import DEEP, Images
from .pair import Begin, our_blocks, usual_blocks

OURS_GPU, OURS_GPU_COMPILED = "ours_gpu", "ours_gpu_compiled"
OURS_GPU_CHANNELS, OURS_GPU_BFLOAT16 = "ours_gpu_channels_last", "ours_gpu_bfloat16"
OURS_GPU_ALL, USUAL_GPU = "ours_gpu_all", "usual_gpu"
LONGER = 100
"""A block has so many times the iterations of a block on one core of a CPU."""
MOST_LOADERS = 8
"""Processes of the script's DataLoader, where there are as many cores."""


@dataclass(frozen=True)
class GpuWay:
    """A way of training on a GPU: what it is, and its blocks."""

    meaning: str
    begin: Begin


def loaders() -> int:
    """The processes of the script's DataLoader."""
    return min(MOST_LOADERS, os.cpu_count() or 1)


GPU_WAYS: Mapping[str, GpuWay] = {
    OURS_GPU: GpuWay("ours", our_blocks("dense")),
    OURS_GPU_CHANNELS: GpuWay(
        "the same with recipe.memory_format=channels_last", our_blocks("dense", memory_format="channels_last")
    ),
    OURS_GPU_BFLOAT16: GpuWay("the same with recipe.precision=bfloat16", our_blocks("dense", precision="bfloat16")),
    OURS_GPU_COMPILED: GpuWay("the same with recipe.compile=true", our_blocks("dense", compile=True)),
    OURS_GPU_ALL: GpuWay(
        "the same with all three",
        our_blocks("dense", memory_format="channels_last", precision="bfloat16", compile=True),
    ),
    USUAL_GPU: GpuWay(
        f"a script with a DataLoader with up to {MOST_LOADERS} worker processes",
        lambda *training: usual_blocks(loaders())(*training),
    ),
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
