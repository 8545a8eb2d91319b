"""A paper's preset is a sweep without -m, and runs at scale=smoke."""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lth.core.rng import rng


def write_noise(folder: Path, name: str, shape: tuple[int, int, int], train: int = 5_070) -> None:
    """Writes a prepared file of noise, small enough to be quick."""
    tensors = {}
    for part, count in (("train", train), ("test", 20)):
        tensors[f"{part}_images"] = torch.randint(256, (count, *shape), generator=rng(0, part), dtype=torch.uint8)
        tensors[f"{part}_labels"] = torch.randint(10, (count,), generator=rng(1, part))
    save_file(tensors, folder / f"{name}.safetensors")


@pytest.mark.parametrize(
    "name", ["conv2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("conv4", "conv6"))]
)
def test_the_conv_presets_run(tmp_path, here, name):
    write_noise(tmp_path, "cifar10", (3, 32, 32), train=70)
    words = [f"paper=frankle2019/{name}", "scale=smoke", "hydra.mode=RUN", "arms=[ticket]", "levels=1"]
    words += ["recipe.iterations=1", "recipe.test=improved", "data.validation=5"]
    folder, _ = here(tmp_path, tmp_path, "imp", *words, figures=False)
    assert "conv1" in (folder / "layers.csv").read_text()


@pytest.mark.slow
def test_the_lenet_preset_runs_over_seeds_and_schedules_in_parallel(command, tmp_path):
    write_noise(tmp_path, "mnist", (1, 28, 28))
    words = ["imp", "paper=frankle2019/lenet", "scale=smoke", "levels=1", "recipe.iterations=20"]
    command(*words, cwd=tmp_path, LTH_DATA=str(tmp_path))
    asked, trained = [], set()
    for path in tmp_path.glob("outputs/imp/*/*/results.csv"):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        asked.append((rows[0]["schedule"], rows[0]["seed"]))
        trained |= {row["run"] for row in rows}
        assert {row["arm"] for row in rows} == {"ticket", "reinit", "shuffle"}
    assert sorted(asked) == [("iterative", "0"), ("iterative", "1"), ("one_shot", "0"), ("one_shot", "1")]
    # the dense network and the first level are one training for both schedules
    assert len(trained) == len(list(tmp_path.glob("outputs/store/*/*/run.json"))) == 2 * 4
