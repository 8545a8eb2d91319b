"""`lth cost` as its user meets it: a job's folder, a ticket's file, custom networks, and what is missing."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import save_file
from torch import nn

from lth.commands import loaded_ticket
from lth.commands.cost import FORMS, WEIGHTS, main, model_settings, parser
from lth.commands.loaded_ticket import open_ticket
from lth.commands.shrink import shrink_repeatedly, untrained
from lth.compression import forms
from lth.compression.export import FORMATS
from lth.compression.tables import BATCHES
from lth.core.errors import LotteryError
from lth.core.seeds import Seeds
from lth.from_settings import build_model, load_data, network_provenance
from lth.lottery.plan import ImpPlan
from lth.lottery.ticket import Ticket, load_ticket
from lth.models.lenet import mlp
from lth.pruning.schedule import Pruning
from lth.report.rows import result_row
from lth.report.tables import RESULTS
from lth.searching import search
from lth.settings import DataSettings, ModelSettings, TrainingSettings
from lth.store.runs import Store
from lth.training.recipe import Recipe

QUICK = ["--rounds", "3", "--batches", "1", "--forms", "csr"]

BILINEAR = ["in1_features=2", "in2_features=2", "out_features=2"]


@pytest.fixture(scope="module")
def make_job(tensors: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A job's folder as `lth imp` leaves it, of two prunings of a small network, with its store."""

    def make(model: ModelSettings, trained: bool = True) -> Path:
        root = tmp_path_factory.mktemp("outputs")
        save_file(tensors, root / "small.safetensors")
        spec = TrainingSettings(
            outputs=str(root),
            experiment="imp",
            data=DataSettings("small", str(root), 23),
            model=model,
            recipe=Recipe(iterations=40, batch_size=20, lr=0.01, evaluate_every=10, test="always"),
        )
        data = load_data(spec)
        network, fresh = build_model(spec, data, Seeds().resolved())
        folder, store = root / "imp" / "job", Store(root / ("store" if trained else "elsewhere"))
        about = {"setting": "s", "seed": 0, "data": "small", "model": model.name, "schedule": "iterative"}
        procedure = ImpPlan(spec.recipe, Pruning(fraction=0.6), 2, arms=("ticket", "shuffle"))
        outcomes = list(search(network, fresh(0), data, Seeds().resolved(), procedure, store.train, fresh))
        RESULTS.write(folder, [result_row(outcome, about) for outcome in outcomes])
        last = outcomes[-1].level
        last.ticket(setting="s", seed=0, **network_provenance(spec)).save(folder / "ticket.safetensors")
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(asdict(spec)))
        return folder

    return make


@pytest.fixture(scope="module")
def job(make_job: Callable[..., Path]) -> Path:
    return make_job(ModelSettings("mlp", widths=[12, 8]))


def results(folder: Path) -> dict[int, dict[str, str]]:
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    return {int(row["level"]): row for row in rows if row["arm"] == "ticket"}


def costs(folder: Path) -> dict[str, dict[str, str]]:
    return {row["form"]: row for row in csv.DictReader((folder / "cost.csv").read_text().splitlines())}


def test_a_job_s_ticket_scores_what_its_results_say(job: Path, tmp_path: Path, capsys: Any) -> None:
    for level, folder in ((2, tmp_path / "last"), (1, tmp_path / "first")):
        main([str(job), "--level", str(level), *QUICK, "--to", str(folder)])
        rows, known = costs(folder), results(job)
        assert float(rows["masked"]["test_accuracy"]) == float(known[level]["early_stop_test_accuracy"])
        assert float(rows["dense"]["test_accuracy"]) == float(known[0]["early_stop_test_accuracy"])
        assert 1 - float(rows["masked"]["sparsity"]) == pytest.approx(float(known[level]["density"]))
    shown = capsys.readouterr().out
    assert "Masked zeros do not speed up dense kernels" in shown
    assert "To find the ticket of level 2 took 2 trainings: 80 iterations, 16.0" in " ".join(shown.split())
    layers = {
        row["layer"]: row for row in csv.DictReader((tmp_path / "last" / "cost_layers.csv").read_text().splitlines())
    }
    assert list(layers) == ["fc1", "fc2", "output"] and layers["fc1"]["shape"] == "12x36"


@pytest.mark.slow
def test_the_tables_fit_eighty_columns(job: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main([str(job), "--rounds", "3", "--to", str(tmp_path)])  # with every form
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("In ")) <= 80
    named = [line.split()[0] for line in lines if line.startswith(" int8_dynamic ")]
    assert len(named) == 2, "no cell is broken over lines"


def test_a_ticket_s_file_alone_is_rebuilt_from_what_it_keeps(job: Path, tmp_path: Path, monkeypatch: Any) -> None:
    alone = tmp_path / "away" / "ticket.safetensors"
    ticket = load_ticket(job / "ticket.safetensors")
    ticket.save(alone)
    monkeypatch.setenv("LTH_DATA", str(job.parent.parent))
    main([str(alone), *QUICK])
    rows = costs(alone.parent)
    assert rows["masked"]["test_accuracy"] == "", "rewound weights have no accuracy to speak of"
    assert int(rows["masked"]["nonzero"]) == sum(int(kept.sum()) for kept in ticket.mask.values())
    opened = open_ticket(alone, store=job.parent.parent / "store")
    assert opened.weights == "early_stop" and opened.dense is None


def test_custom_code_runs_only_where_the_user_names_it(make_job: Callable[..., Path]) -> None:
    job = make_job(ModelSettings("custom", "default", None, f"{__name__}.network", {"width": 5}))
    with pytest.raises(
        LotteryError, match=r"model is custom code, .*: to run it, confirm it by --config .*config.yaml"
    ):
        main([str(job), *QUICK])
    opened = open_ticket(job, config=job / ".hydra" / "config.yaml")
    assert [layer.out_features for layer in opened.model if isinstance(layer, nn.Linear)] == [5, 3]
    main([str(job), *QUICK, "--model", f"{__name__}.network", "--args", "width=5"])
    with pytest.raises(LotteryError, match="the ticket does not fit"):
        main([str(job), *QUICK, "--model", f"{__name__}.network", "--args", "width=6"])
    with pytest.raises(LotteryError, match="the ticket does not fit"):
        main([str(job), *QUICK, "--model", "lenet_300_100"])


def test_a_ticket_found_in_python_takes_its_network_from_the_command_line(job: Path, tmp_path: Path) -> None:
    ticket = load_ticket(job / "ticket.safetensors")
    bare = Ticket(ticket.mask, ticket.state).save(tmp_path / "ticket.safetensors")
    words = ["--model", "lth.models.lenet.mlp", "--args", "shape=[1,6,6]", "classes=3", "widths=[12,8]"]
    main([str(bare), *QUICK, *words, "--input", "1,6,6", "--classes", "3"])
    rows = costs(tmp_path)
    assert rows["masked"]["test_accuracy"] == "" and float(rows["csr"]["difference"]) < 1e-5


def network(width: int) -> nn.Module:
    return mlp((1, 6, 6), 3, [width])


def test_what_is_missing_is_said_in_a_line(job: Path, tmp_path: Path) -> None:
    for words, named in (
        ([str(tmp_path / "nowhere")], "there is no ticket.safetensors"),
        ([], "give a job's folder"),
        ([str(job), "--level", "7"], r"--level 7: .* has \[0, 1, 2\]"),
        ([str(job), "--batches", "1,x"], "batches=x: must be an integer"),
        ([str(job), *QUICK, "--forms", "coo"], "forms=coo: unknown"),
        ([str(job), "--args", "width=5"], "--args: they are arguments of --model"),
        (["--shrink", "0.5"], "--shrink: name a network"),
        (["--shrink", "1.5", "--model", "lenet5", "--input", "1,28,28"], "share=1.5: must be between 0 and 1"),
        (["--shrink", "0.5", "--model", "lenet5", "--input", "1,x"], "input=1,x: must be the shape"),
        (["--shrink", "0.5", "--model", "lenet5", "--times", "0"], "times=0: must be at least 1"),
        (["--shrink", "0.5", "--model", "torch.nn.Bilinear", "--args", *BILINEAR], "does not take inputs of shape"),
        (["--shrink", "0.5", "--model", "lenet5", "--args", "width=5"], r"model.width=5.0: is for resnet20, vgg11"),
        (["--shrink", "0.5", "--model", "vgg11", "--args", "depth=5"], "args=depth: is no argument of vgg11"),
        (["--shrink", "0.5", "--model", "vgg11", "--args", "width=-1"], r"model.width=-1.0: must lie above 0"),
        (["--shrink", "0.5", "--model", "mlp", "--args", "widths=[0]"], "model.widths=0: must be at least 1"),
        ([str(job), *QUICK, "--store", str(tmp_path / "gone")], "--store .*gone: there is no such folder"),
        (
            ["--shrink", "0.5", "--model", "lenet5", "--input", "9999,9999,9999"],
            "input=9999,9999,9999: 256 such inputs",
        ),
        (["--shrink", "0.5", "--model", "lenet5", "--classes", "0"], "classes=0: must be at least 1"),
        (
            ["--shrink", "0.5", "--model", "mlp", "--args", "widths=[100000,100000]"],
            "model.widths=.*: the weights would take",
        ),
        ([str(job), "--threads", "0"], "threads=0: must be at least 1"),
        ([str(job), "--level", "1", "--store", str(tmp_path)], "--level 1: its trained weights are not in"),
    ):
        with pytest.raises(LotteryError, match=named) as error:
            main([*words, "--to", str(tmp_path)])
        assert "\n" not in str(error.value)
    bare = load_ticket(job / "ticket.safetensors")
    Ticket(bare.mask, bare.state).save(tmp_path / "bare.safetensors")
    with pytest.raises(LotteryError, match="does not say what its network and data are"):
        main([str(tmp_path / "bare.safetensors")])


@pytest.mark.slow
def test_resnet18_halved_and_halved_again(tmp_path: Path, capsys: Any) -> None:
    """The parameters and multiply-adds are those that Torch-Pruning 1.6.1 gives for torchvision's, measured apart."""
    words = ["--model", "torchvision.models.resnet18", "--input", "3,32,32", "--rounds", "3", "--batches", "1"]
    main(["--shrink", "0.5", "--times", "2", *words, "--to", str(tmp_path)])
    rows = list(csv.DictReader((tmp_path / "shrink.csv").read_text().splitlines()))
    assert [row["parameters"] for row in rows] == ["11689512", "3055880", "831096"]
    assert [f"{int(row['multiply_adds']) / 1e6:.2f}" for row in rows] == ["37.69", "10.19", "2.94"]
    shown = capsys.readouterr().out
    assert "11,689,512" in shown and "3,055,880" in shown and "831,096" in shown


@pytest.mark.parametrize("name", ["resnet20", "vgg11"])
def test_a_built_in_network_is_shrunk_at_the_width_that_the_command_line_names(name: str) -> None:
    words = ["--shrink", "0.5", "--round-to", "1", "--rounds", "3", "--input", "3,16,16", "--model", name]
    arguments = parser().parse_args([*words, "--args", "width=0.0625"])
    _, network, images = untrained(arguments, model_settings(name, arguments.args))
    (_, _), (row, _) = shrink_repeatedly(network, images, arguments)
    assert row["channels_removed"] > 0 and row["parameters"] < sum(x.numel() for x in network.parameters())


def test_the_help_is_quick_and_names_what_there_is() -> None:
    """It imports no torch, and so cannot take the names from where they are defined."""
    assert tuple(forms.FORMS) == FORMS and parser().get_default("batches") == ",".join(map(str, BATCHES))
    assert parser().get_default("weights") == WEIGHTS[0]
    code = "import sys; from lth.commands.cost import parser; parser().format_help(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_exported_files_are_read_again(job: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    main([str(job), *QUICK, "--to", str(tmp_path), "--export", str(tmp_path / "files")])
    shown = capsys.readouterr().out
    assert shown.count("read again, weights equal") == 3 and shown.count("read again, weights within 0.0") == 2
    assert "not written: onnx is not installed: pip install 'lth[onnx]'" in shown
    assert sorted(path.stem for path in (tmp_path / "files").iterdir()) == sorted(FORMATS)


@pytest.fixture
def anyones(job: Path, tmp_path: Path) -> Callable[..., Path]:
    """A job's folder from anyone: a copy of a ticket, with a configuration that is changed."""

    def make(change: Callable[[dict[str, Any]], object]) -> Path:
        folder = tmp_path / "anyones"
        (folder / ".hydra").mkdir(parents=True)
        for name in ("ticket.safetensors", "results.csv"):
            shutil.copy(job / name, folder / name)
        config = yaml.safe_load((job / ".hydra" / "config.yaml").read_text())
        change(config)
        (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
        return folder

    return make


SECRET = "${oc.env:LTH_SECRET}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda config: config["data"].update(root=f"/tmp/{SECRET}"), r"data.root=/tmp/\$\{oc.env:LTH_SECRET\} refers"),
        (lambda config: config["data"].update(name="${seed}"), r"data.name=\$\{seed\} refers"),
        (lambda config: config["data"].update(args={"a": [{SECRET: 1}]}), "data.args.a=.* refers to another value"),
        (lambda config: config["model"].update(_target_=SECRET), "model._target_=.* refers to another value"),
        (lambda config: config.update(outputs=SECRET), "outputs=.* refers to another value"),
        (lambda config: config.update(pruning={"score": SECRET}), "pruning.score=.* refers to another value"),
        (lambda config: config["data"].update(_target_="os.system"), "data is custom code, os.system: to run it"),
        (lambda config: config["model"].update(_target_="os.system", name="custom"), "model is custom code, os.system"),
        (lambda config: config["model"].update(widths=[10**9, 8]), "model.widths=1000000000: must be at least 1"),
        (lambda config: config["model"].update(widths=[12] * 100), "does not fit: model.widths names 100"),
        (
            lambda config: config["recipe"].update(milestones=[1] * 10**4),
            "recipe.milestones: .* holds more values than",
        ),
        (lambda config: config["data"].update(name="../small"), "data.name=.*is no name of a data set"),
        (lambda config: config.update(data=["small"]), "cannot be read as a configuration"),
        (lambda config: config.update(model="mlp"), "cannot be read as a configuration"),
        (lambda config: config.update(pruning=["score"]), "pruning cannot be read"),
    ],
)
def test_a_stored_configuration_runs_no_code_reads_no_environment_and_builds_nothing_huge(
    anyones: Callable[..., Path], change: Any, named: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("LTH_SECRET", "canary")
    with pytest.raises(LotteryError, match=named) as error:
        main([str(anyones(change)), *QUICK])
    assert "\n" not in str(error.value) and "canary" not in str(error.value)


def test_a_stored_score_is_not_imported(anyones: Callable[..., Path], caplog: Any, monkeypatch: Any) -> None:
    (folder := anyones(lambda config: config.update(pruning={"score": "planted:score"}))).joinpath("planted.py").touch()
    monkeypatch.chdir(folder)
    main([str(folder), *QUICK])
    assert "planted" not in sys.modules and "its score is custom code, planted:score" in caplog.text


def test_the_folders_of_a_stored_configuration_are_read_and_never_made(
    anyones: Callable[..., Path], job: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("LTH_DATA", str(job.parent.parent))
    places = {name: str(tmp_path / "away" / name) for name in ("data", "outputs")}

    def change(config: dict[str, Any]) -> None:
        config["data"]["root"] = places["data"]
        config.update(outputs=places["outputs"], threads=10**9, device="meta", levels=10**9, store={"x": SECRET})

    main([str(anyones(change)), *QUICK])
    assert not (tmp_path / "away").exists()


@pytest.mark.parametrize("run", ["../../x", 7, "", "/dev/zero"])
def test_a_run_is_a_name_and_no_path(tmp_path: Path, run: Any) -> None:
    assert loaded_ticket._trained(tmp_path, run, "final") == ("rewind", None)
