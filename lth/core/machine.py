"""The machine that a training runs on: kept with the run, and checked before a checkpoint is resumed bit by bit."""

import os
import platform
import shlex
import shutil
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch

from lth.core.errors import SettingError, first_line
from lth.core.reading import read_text


@cache
def _processor() -> str:
    try:
        lines = read_text("/proc/cpuinfo").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, ValueError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def has_bfloat16() -> bool:
    """Whether this processor has arithmetic of bfloat16: torch emulates it on others, several times more slowly."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def has_compiler() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs: the one that CXX names, else the system's."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(shlex.split(os.environ.get("CXX") or usual)[0]) is not None


def memory() -> int:
    """The bytes of this machine's main memory; more than any has where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2**63


def describe(device: torch.device) -> dict[str, str | int]:
    """Versions, processor, device and thread count: where they agree, the same training gives the same bits."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a TorchVersion otherwise, which tables of W&B do not take
        "numba": _version("numba"),  # which compiles the sparse products
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }


def pick(device: str, number: int = 0) -> torch.device:
    """The torch device named `device`; `auto`: a GPU where there is one, else the CPU.

    With several GPUs, job `number` of a sweep takes number modulo their count.

    >>> pick("cpu")
    device(type='cpu')
    """
    if device != "auto":
        return torch.device(device)
    return (
        torch.device("cuda", number % torch.cuda.device_count()) if torch.cuda.is_available() else torch.device("cpu")
    )


def prepare(device: str, threads: int, number: int = 0) -> torch.device:
    """The device for job `number` of a sweep; sets this process to `threads` threads and deterministic kernels.

    Raises SettingError for a device that cannot be used.
    """
    torch.set_num_threads(threads)
    try:
        chosen = pick(device, number)
        torch.ones(1, device=chosen).item()  # meta has no values
    except Exception as error:  # torch's kinds of devices differ in what they raise
        raise SettingError("device", device, f"cannot be used: {first_line(error)}") from error
    if chosen.type != "cpu" or threads > 1:  # one CPU thread is deterministic, and the call takes seconds
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # else torch fills all new memory with NaN, a kernel each: nothing here reads what it did not write
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return chosen
