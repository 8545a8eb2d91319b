"""What the tests share: one thread, hypothesis without a clock, a small network, small generated data, `lth` itself."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import nn

from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.weights import Mask, clone
from lth.data.preparation import prepare
from lth.data.tensors import Data
from lth.models.initialize import initialize
from lth.models.lenet import mlp
from lth.pruning.mask import dense, prunable
from lth.training.optimizer import make_optimizer
from lth.training.recipe import Plan, Recipe, plan
from lth.training.run_spec import RunSpec
from tests import kills
from tests.files import write_data
from tests.sketches import leave_unrendered

torch.set_num_threads(1)
settings.register_profile("laws", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("laws")

CLASSES, SIDE = 3, 6
MAIN = "from lth.cli import main; main()"
QUIET = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}  # buffered, as users have it


def images_of(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` noisy copies of one picture a class, float (N, 1, 6, 6), and their labels."""
    pictures = torch.randn(CLASSES, 1, SIDE, SIDE, generator=rng(0, "pictures"))
    labels = torch.randint(CLASSES, (count,), generator=rng(seed, "labels"))
    noise = torch.randn(count, 1, SIDE, SIDE, generator=rng(seed, "noise"))
    return pictures[labels] + 1.5 * noise, labels


ALL_SLOW = re.compile(r"^pytestmark = .*\bmark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file whose tests are all slow is not read where those are left out: what it imports takes seconds."""
    fast = config.option.markexpr == "not slow" and collection_path.name.startswith("test_")
    return True if fast and ALL_SLOW.search(collection_path.read_text()) else None


def pytest_collection_finish() -> None:
    """No bytecode is kept of modules that tests write: of one that is written twice in a second it would be stale."""
    sys.dont_write_bytecode = True


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that kills forks in training runs in a process of its own where those of this one cannot train."""
    if not hasattr(pyfuncitem.module, "kill_everywhere") or kills.can_train():
        return None
    words = ["-m", "pytest", "-p", "no:xdist", "-o", "addopts=--import-mode=importlib -q", pyfuncitem.nodeid]
    done = subprocess.run([sys.executable, *words], cwd=pyfuncitem.config.rootpath, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return True


@pytest.fixture(scope="session")
def tensors() -> dict[str, torch.Tensor]:
    """The four tensors of a data set: 127 training and 37 test examples of 3 classes, both prime."""
    (x, y), (x_test, y_test) = images_of(127, 1), images_of(37, 2)
    return {"train_images": x, "train_labels": y, "test_images": x_test, "test_labels": y_test}


@pytest.fixture(scope="session")
def make_data(tensors: dict[str, torch.Tensor]) -> Callable[..., Data]:
    """Prepared data: 104 to train, 23 for validation, 37 to test; its arguments are those of `prepare`."""
    return lambda **how: prepare("small", tensors, **({"validation": 23} | how))


@pytest.fixture(scope="session")
def data(make_data: Callable[..., Data]) -> Data:
    """The small data set, without augmentation."""
    return make_data()


@pytest.fixture(scope="session")
def make_network() -> Callable[[], nn.Module]:
    """A new 36-12-8-3 network: fc1, fc2, output; 552 prunable weights."""
    return lambda: mlp((1, SIDE, SIDE), CLASSES, (12, 8))


@pytest.fixture(scope="session")
def make_rich_network() -> Callable[[], nn.Module]:
    """A new network with all that has a state of its own: convolution, BatchNorm and dropout."""
    return lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64, CLASSES),
    )


@pytest.fixture(scope="session")
def half_mask() -> Callable[[nn.Module], Mask]:
    """A mask that keeps about half of each prunable layer of a network, by chance."""

    def make(model: nn.Module) -> Mask:
        return {
            name: torch.rand(kept.shape, generator=rng(0, "half", name)) < 0.5
            for name, kept in dense(prunable(model)).items()
        }

    return make


@pytest.fixture(scope="session")
def make_job(data: Data, make_network: Callable[[], nn.Module]) -> Callable[..., RunSpec]:
    """A dense training of the small network, 30 iterations of Adam; keywords change the job or its recipe."""

    def make(rewind: int | str = 0, stop: int | str | None = None, **changes: Any) -> RunSpec:
        recipe = {"iterations": 30, "batch_size": 20, "lr": 0.01, "evaluate_every": 7}
        kept = {key: changes.pop(key) for key in ("model", "initial_state", "mask", "data", "seeds") if key in changes}
        examples = len(kept.get("data", data).train)
        model = kept.get("model") or make_network()
        start = kept.get("initial_state") or initialize(model, "glorot_normal", 0)
        asked = plan(Recipe(**(recipe | changes)), examples, rewind, stop)
        return replace(RunSpec(model, clone(start), {}, data, asked, Seeds().resolved()), **kept)

    return make


@pytest.fixture(scope="module")
def rich_job(
    make_job: Callable[..., RunSpec],
    make_data: Callable[..., Data],
    make_rich_network: Callable[[], nn.Module],
    half_mask: Callable[[nn.Module], Mask],
) -> Callable[..., RunSpec]:
    """A spec with BatchNorm, dropout, augmentation and a mask; keywords change its recipe."""
    model, data = make_rich_network(), replace(make_data(), augment="flip_crop")
    return lambda **recipe: make_job(model=model, mask=half_mask(model), data=data, **recipe)


@pytest.fixture
def wild_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings diverge: settings allow no rate that is sure to break a network."""

    def make(model: nn.Module, plan: Plan, *values: Any) -> torch.optim.Optimizer:
        return make_optimizer(model, replace(plan, lr=1e30), *values)

    monkeypatch.setattr("lth.training.steps.make_optimizer", make)
    monkeypatch.setattr(Plan, "rate", lambda plan, iteration: 1e30)


@pytest.fixture(scope="session")
def same_bits() -> Callable[..., bool]:
    """Whether two states have the same names, dtypes, shapes and bytes."""

    def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
        return set(first) == set(second) and all(
            first[name].dtype == second[name].dtype and torch.equal(first[name], second[name]) for name in first
        )

    return same


@pytest.fixture(scope="session")
def prepared_mnist1d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder with a prepared mnist1d.safetensors of the real sizes, of generated noise: nothing to wait for."""
    return write_data(tmp_path_factory.mktemp("data"), "mnist1d", (1, 1, 40), train=4_000, test=1_000)


@pytest.fixture(autouse=True)
def unrendered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are sketched, but a pixel is written for each. A test marked `rendered` renders them."""
    if "rendered" not in request.keywords:
        leave_unrendered(monkeypatch.setattr)


HANGS = 600  # seconds without an end: far more than any takes on a busy machine


class Running:
    """A process that `tests/forks.py` has forked."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.pid = int(self._when("pid", HANGS))

    def _when(self, name: str, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while not (self.place / name).exists():
            if time.monotonic() > deadline:
                errors = self.place / "err"
                said = errors.read_text() if errors.exists() else "it has not begun"
                raise TimeoutError(f"no {name} after {seconds} s: {said}")
            time.sleep(0.01)
        return (self.place / name).read_text()

    def poll(self) -> int | None:
        """Its exit status, None before its end."""
        return int(self._when("code", 0)) if (self.place / "code").exists() else None

    def wait(self, seconds: float = HANGS) -> subprocess.CompletedProcess[str]:
        """Its exit status and what it printed, once it has ended; after `seconds` it is killed."""
        try:
            code = int(self._when("code", seconds))
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            raise
        out, err = ((self.place / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess([], code, out, err)


@pytest.fixture(scope="session")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """`begin(*words, cwd, code, **environment)` starts `lth words`, or other `code`, in another process.

    A variable of the environment that is None is left out there.
    """
    command = [sys.executable, str(Path(__file__).parent / "forks.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env={**os.environ, **QUIET}) as forks:
        assert forks.stdin is not None

        def start(*words: str, cwd: Path, code: str = MAIN, **environment: str | None) -> Running:
            place = tmp_path_factory.mktemp("process")
            kept = {key: value for key, value in ({**os.environ, **QUIET} | environment).items() if value is not None}
            asked = {"code": code, "words": words, "cwd": str(cwd), "place": str(place), "environment": kept}
            forks.stdin.write(json.dumps(asked) + "\n")  # in one piece: threads may ask at once
            forks.stdin.flush()
            return Running(place)

        yield start


@pytest.fixture(scope="session")
def command(begin: Callable[..., Running]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`command(*words, cwd, code, check, **environment)` runs `lth words`, or other `code`, in another process."""

    def run(*words: str, check: bool = True, **how: Any) -> subprocess.CompletedProcess[str]:
        done = begin(*words, **how).wait()
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No W&B key, mode, project, sweep or cache of the tester's own."""
    for key in [key for key in os.environ if key.startswith("WANDB_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for key in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(key, str(tmp_path / "wandb_home"))
