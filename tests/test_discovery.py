"""Experiments are found without importing them: with lth, in installed packages, in folders."""

import os
from importlib import metadata

import pytest

import lth.experiments
from lth import discovery
from lth.cli.defaults import defaults_of, options_of, starting_values
from lth.core.errors import LotteryError
from lth.discovery import source_of, sources
from tests.counting import HELP, write_experiment


@pytest.fixture
def no_folders(monkeypatch):
    """No experiment is named by the environment, and what a test names is forgotten."""
    monkeypatch.setenv(lth.experiments.VARIABLE, "")


def test_the_experiments_that_come_with_lth_are_found_by_name(no_folders):
    assert {"imp", "at_init", "gradient_flow", "grokking", "stability", "deploy", "speed"} <= set(sources())
    source = source_of("imp")
    assert source.summary.startswith("Iterative magnitude pruning") and not source.outside
    assert source.config is not None and source.config.name == "imp.yaml" and source.command == "imp"


def test_a_folder_is_found_by_its_path_and_then_by_its_name(no_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path / "counting")
    with pytest.raises(LotteryError, match=r"its folder is run as \./counting"):
        source_of("counting")
    source = source_of("./counting")
    assert source.summary == "Counts the weights of networks." and source.outside
    assert source_of("counting") == source == source_of(str(tmp_path / "counting"))
    assert source.command == "./counting" and source.settings.__name__ == "Counting"
    assert source.settings.__module__ == "lth.experiments.counting.settings"


def test_a_folder_without_a_configuration_starts_from_the_shared_base(no_folders, tmp_path):
    source = source_of(str(write_experiment(tmp_path / "counting")))
    assert source.config is None
    values = starting_values(source)
    assert (values["data"]["name"], values["recipe"]["optimizer"], values["times"]) == ("mnist1d", "adam", 2)
    assert "mnist" in options_of(source)["data"] and "pruning" not in options_of(source)


def test_a_folder_s_configuration_and_groups_join_those_of_lth(no_folders, tmp_path):
    config = "defaults:\n- schema_counting\n- base\n- data: digits\n- _self_\n- scale: quick\ntimes: 5\n"
    folder = write_experiment(tmp_path / "counting", config)
    (folder / "data").mkdir()
    (folder / "data" / "mine.yaml").write_text("name: mine\n")
    source = source_of(str(folder))
    assert [entry.option for entry in defaults_of(source)] == ["schema_counting", "base", "digits", "_self_", "quick"]
    values = starting_values(source)
    assert values["times"] == 5 and values["data"]["validation"] == 200
    assert {"mine", "mnist"} <= set(options_of(source)["data"])


def test_nothing_is_imported_to_read_the_help_text(no_folders, tmp_path):
    folder = write_experiment(tmp_path / "counting", help_text=f"{HELP}\nraise RuntimeError('imported')\n")
    assert source_of(str(folder)).docstring.endswith("one network")
    (folder / "__init__.py").write_text("def")
    assert source_of(str(folder)).docstring.startswith("cannot be read")


@pytest.mark.parametrize(
    ("name", "problem"),
    [("imp", "rename the folder"), ("my-experiment", "one that Python can import")],
)
def test_a_folder_whose_name_cannot_be_used_is_refused(no_folders, tmp_path, name, problem):
    with pytest.raises(LotteryError, match=problem):
        source_of(str(write_experiment(tmp_path / name)))


def test_a_folder_without_a_package_is_refused(no_folders, tmp_path):
    with pytest.raises(LotteryError, match=r"a folder with an __init__\.py"):
        source_of(str(tmp_path))


def test_installed_packages_are_found_by_their_entry_points(no_folders, tmp_path, monkeypatch):
    package = write_experiment(tmp_path / "package_of_theirs" / "counting")
    (package.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        metadata.EntryPoint("counting", "package_of_theirs.counting", discovery.GROUP),
        metadata.EntryPoint("second", "package_of_theirs.counting:OTHER", discovery.GROUP),
        metadata.EntryPoint("imp", "package_of_theirs.counting", discovery.GROUP),
        metadata.EntryPoint("gone", "no_such_package.experiment", discovery.GROUP),
    ]
    monkeypatch.setattr(discovery.metadata, "entry_points", lambda group: points if group == discovery.GROUP else [])
    known = sources()
    assert known["counting"].file == package / "__init__.py" and known["counting"].attribute == "EXPERIMENT"
    assert known["second"].attribute == "OTHER" and "gone" not in known
    assert known["imp"].module == "lth.experiments.imp"  # those that come with lth come first


def test_an_experiment_without_a_declaration_says_so(no_folders, tmp_path):
    folder = write_experiment(tmp_path / "undeclared")
    (folder / "experiment.py").write_text("")
    with pytest.raises(LotteryError, match="an experiment declares EXPERIMENT"):
        source_of(str(folder)).load()


@pytest.mark.slow
def test_a_sweep_finds_a_folder_in_every_process(no_folders, command, tmp_path, prepared_mnist1d):
    write_experiment(tmp_path / "counting")
    words = ["./counting", "-m", "times=3,4", "hydra.sweep.dir=sweep", "hydra.launcher.n_jobs=2"]
    command(*words, cwd=tmp_path, LTH_DATA=str(prepared_mnist1d))
    assert [(tmp_path / "sweep" / job / "counted.txt").read_text() for job in "01"] == ["3 mnist1d", "4 mnist1d"]
    wrong = command("./counting", "tims=3", cwd=tmp_path, check=False)
    assert "tims=3: lth ./counting has no key tims; did you mean times?" in wrong.stderr
    assert "times=2" in command("./counting", "--help", cwd=tmp_path).stdout
    named = command("list", cwd=tmp_path, **{lth.experiments.VARIABLE: str(tmp_path / "counting")})
    assert os.path.join(".", "counting") in named.stdout and "Counts the weights of networks." in named.stdout
