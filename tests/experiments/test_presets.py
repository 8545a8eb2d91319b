"""A paper's preset is a sweep without -m, and runs at scale=smoke."""

import csv
import os
import subprocess
import sys

import pytest


@pytest.fixture
def fake_mnist(tmp_path_factory):
    """A root folder with a prepared mnist.safetensors of noise, small enough to be quick."""
    import torch
    from safetensors.torch import save_file

    from lth.core.rng import rng

    root = tmp_path_factory.mktemp("mnist")
    tensors = {}
    for part, count in (("train", 5_300), ("test", 200)):
        tensors[f"{part}_images"] = torch.randint(256, (count, 1, 28, 28), generator=rng(0, part)).to(torch.uint8)
        tensors[f"{part}_labels"] = torch.randint(10, (count,), generator=rng(1, part))
    save_file(tensors, root / "mnist.safetensors")
    return root


def test_the_lenet_preset_runs_over_seeds_and_schedules_in_parallel(tmp_path, fake_mnist):
    words = ["imp", "paper=frankle2019/lenet", "scale=smoke", "levels=1", "recipe.iterations=20"]
    done = subprocess.run(
        [sys.executable, "-c", "from lth.cli import main; main()", *words],
        cwd=tmp_path,
        env={**os.environ, "LTH_DATA": str(fake_mnist), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
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
