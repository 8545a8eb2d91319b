"""`lth speed` runs, measures what it says, and keeps what it measured. How fast anything is, no test asks."""

import json

import pytest
import torch
from lth.experiments.speed.companion import Companion
from lth.experiments.speed.loops import MNIST, floor, usual
from lth.experiments.speed.run import Turns
from lth.experiments.speed.settings import SpeedSettings
from lth.experiments.speed.training import make_spec, mnist
from safetensors.torch import save_file

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.report.progress import Progress
from lth.training.loop import train
from tests.files import read_csv

MEASURES = [
    *("ours", "usual", "floor", "ours, 2 workers"),
    *("usual / ours", "ours / floor", "two seeds at once / in turn", "evaluation"),
]


@pytest.fixture(scope="module")
def images():
    """Four tensors in MNIST's shape: 5,300 training images, of which 300 are left beside the validation split."""
    tensors = {}
    for part, count in (("train", 5_300), ("test", 100)):
        tensors[f"{part}_images"] = torch.randint(256, (count, 1, 28, 28), generator=rng(0, part), dtype=torch.uint8)
        tensors[f"{part}_labels"] = torch.arange(count) % 10
    return tensors


@pytest.mark.slow
def test_it_prints_and_keeps_three_times_two_ratios_and_a_share(command, tmp_path, images):
    save_file(images, tmp_path / "mnist.safetensors")
    done = command("speed", "scale=smoke", "blocks=3", cwd=tmp_path, LTH_DATA=str(tmp_path))
    assert "warning" not in done.stderr, done.stderr
    for words in (
        *MEASURES,
        "at least 5",
        "at most 2",
        "at most 0.6",
        "at most 40",
        "3 blocks of 5 iterations, 1 thread.",
    ):
        assert words in " ".join(done.stdout.split())
    (folder,) = tmp_path.glob("outputs/speed/*")
    rows = {row["measure"]: row for row in read_csv(folder / "speed.csv")}
    assert list(rows) == MEASURES and all(float(row["median"]) > 0 for row in rows.values())
    kept = json.loads((folder / "speed.json").read_text())
    assert {name: len(times) for name, times in kept["ms"].items()} == {
        "ours": 3, "usual": 3, "floor": 3, "ours, 2 workers": 3,
    }  # fmt: skip
    assert kept["machine"]["threads"] == 1 and kept["data"] == "MNIST" and kept["blocks"] == 3
    assert float(rows["ours"]["median"]) == pytest.approx(sorted(kept["ms"]["ours"])[1], abs=1e-4)


def test_without_mnist_it_makes_images_and_says_so(tmp_path):
    made, says = mnist(str(tmp_path))
    assert "random images" in says and str(tmp_path) in says and not list(tmp_path.iterdir())
    assert made["train_images"].shape == (60_000, 1, 28, 28) and made["train_images"].dtype == torch.uint8


def test_the_usual_way_reads_an_image_at_a_time_as_torchvision_does(images):
    dataset = MNIST(images)
    image, label = dataset[7]
    assert len(dataset) == 5_300 and label == int(images["train_labels"][7])
    torch.testing.assert_close(image, (images["train_images"][7] / 255 - 0.1307) / 0.3081)


class Notebook:
    """Notes what the second worker is told."""

    def __init__(self):
        self.told = []

    def work(self):
        self.told.append("work")

    def rest(self):
        self.told.append("rest")


@pytest.mark.slow
def test_the_second_worker_trains_when_it_is_told_to(tmp_path, images):
    save_file(images, tmp_path / "mnist.safetensors")
    spec = SpeedSettings()
    spec.data.root = str(tmp_path)
    with Companion(spec) as companion:
        first = companion.work()
        assert companion.work() > first  # it has trained on between two orders
        waiting = companion.rest()
        assert companion.rest() == waiting  # and now it does not
        assert companion.work() == waiting
        assert companion.rest() > waiting
        companion.process.kill()
        companion.process.wait()
        with pytest.raises(LotteryError, match="the second worker of lth speed has ended"):
            companion.work()


def test_the_three_do_the_work_that_they_are_timed_for(images, monkeypatch):
    spec = make_spec(images, SpeedSettings(blocks=2, iterations=2))
    stepped, multiplied = [], []

    def steps():
        while True:
            stepped.append(torch.are_deterministic_algorithms_enabled())
            yield

    companion = Notebook()
    turns = Turns({"usual": steps()}, companion, blocks=2, iterations=2, progress=Progress(0, "speed"))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        trace = train(spec, [turns])
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert stepped == [False] * 6  # a warming turn and two that count
    assert {name: len(times) for name, times in turns.times.items()} == {"ours": 3, "usual": 3, "ours, 2 workers": 3}
    assert companion.told == ["work", "rest"] * 3
    assert [point.iteration for point in trace.points] == [0, 13]  # evaluated before the first block, after the last
    real = torch.mm
    monkeypatch.setattr(
        torch, "mm", lambda left, right, out: multiplied.append(out.shape) or real(left, right, out=out)
    )
    next(floor(spec))
    forward, weights, inputs = (
        [(60, 300), (60, 100), (60, 10)],
        [(300, 784), (100, 300), (10, 100)],
        [(60, 300), (60, 100)],
    )
    assert sorted(multiplied) == sorted(forward + weights + inputs)


def test_the_usual_way_trains_the_masked_network(images, monkeypatch):
    spec = make_spec(images, SpeedSettings())
    monkeypatch.setattr("lth.experiments.speed.loops.build", lambda *_: spec.model)
    steps = usual(spec, MNIST(images))
    next(steps)
    next(steps)
    state = spec.model.state_dict()
    for name, kept in spec.mask.items():
        assert not state[name][~kept].any() and not torch.equal(state[name][kept], spec.initial_state[name][kept])


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ({"blocks": 0}, "blocks=0: must be at least 1"),
        ({"iterations": -1}, "iterations=-1: must be at least 1"),
        ({"level_iterations": 0}, "level_iterations=0: must be at least 1"),
        ({"threads": 0}, "threads=0: must be at least 1"),
        ({"device": "cuda"}, "device=cuda: must be cpu: that is what is measured"),
    ],
)
def test_a_bad_setting_is_one_line(setting, problem):
    with pytest.raises(SettingError) as error:
        SpeedSettings(**setting)
    assert str(error.value).startswith(problem)
