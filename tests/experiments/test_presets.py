"""A paper's preset is a sweep without -m, and runs at scale=smoke."""

import pytest

from tests.files import read_csv, write_data


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv2", "conv4", "conv6"])
def test_the_conv_presets_run(tmp_path, here, name):
    write_data(tmp_path, "cifar10", (3, 32, 32), train=70, test=20)
    words = [f"paper=frankle2019/{name}", "scale=smoke", "hydra.mode=RUN", "arms=[ticket]", "levels=1"]
    words += ["recipe.iterations=1", "recipe.test=improved", "data.validation=5"]
    folder, _ = here(tmp_path, tmp_path, "imp", *words, figures=False)
    assert "conv1" in (folder / "layers.csv").read_text()


@pytest.mark.slow
def test_the_lenet_preset_runs_over_seeds_and_schedules_in_parallel(command, tmp_path):
    write_data(tmp_path, "mnist", (1, 28, 28), train=5_070, test=20)
    words = ["imp", "paper=frankle2019/lenet", "scale=smoke", "levels=1", "recipe.iterations=20"]
    command(*words, cwd=tmp_path, LTH_DATA=str(tmp_path))
    asked, trained = [], set()
    for path in tmp_path.glob("outputs/imp/*/*/results.csv"):
        rows = read_csv(path)
        asked.append((rows[0]["schedule"], rows[0]["seed"]))
        trained |= {row["run"] for row in rows}
        assert {row["arm"] for row in rows} == {"ticket", "reinit", "shuffle"}
    assert sorted(asked) == [("iterative", "0"), ("iterative", "1"), ("one_shot", "0"), ("one_shot", "1")]
    # the dense network and the first level are one training for both schedules
    assert len(trained) == len(list(tmp_path.glob("outputs/store/*/*/run.json"))) == 2 * 4
