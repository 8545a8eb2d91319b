"""What a run was made on: kept with it, and what a checkpoint must find again to go on bit by bit."""

import os
import platform
from functools import cache

import torch

from lth.core.errors import SettingError


@cache
def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe(device: torch.device) -> dict[str, str | int]:
    """Versions, processor, device and thread count: where they agree, the same question gives the same bits."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }


def pick(device: str, number: int = 0) -> torch.device:
    """The device that `device` names; `auto` is a GPU where there is one, else the CPU.

    Of several GPUs, job `number` of a sweep takes the next.
    """
    if device != "auto":
        return torch.device(device)
    return (
        torch.device("cuda", number % torch.cuda.device_count()) if torch.cuda.is_available() else torch.device("cpu")
    )


def prepare(device: str, threads: int, number: int = 0) -> torch.device:
    """Sets this process to `threads` threads and deterministic kernels; the device that job `number` works on.

    Raises SettingError for a device that is not there.
    """
    torch.set_num_threads(threads)
    try:
        chosen = pick(device, number)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise SettingError("device", device, f"cannot be used: {str(error).splitlines()[0]}") from error
    if chosen.type != "cpu" or threads > 1:  # one CPU thread has one order of summation, and asking takes seconds
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return chosen
