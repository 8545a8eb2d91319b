"""`lth claims`: finds the papers of every experiment, fits a terminal of 80 columns, and reproduces the references."""

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lth import discovery
from lth.commands.claims import claim_files, declared, load_claims, main
from lth.core.errors import LotteryError, SettingError
from lth.core.files import write_csv
from lth.report.tables import RESULTS

REFERENCE = Path(__file__).parents[2] / "outputs" / "reference"


def test_every_experiment_has_its_papers():
    places = {paper: path.parts[-3] for paper, path in claim_files().items()}
    papers = {
        "imp": ("frankle2019", "frankle2019_conv2", "paul2023", "renda2020", "renda2020_resnet20"),
        "gradient_flow": ("evci2022",),
        "at_init": ("frankle2021",),
        "grokking": ("minegishi2023_mlp", "minegishi2023_transformer"),
        "stability": ("frankle2020_lenet", "frankle2020_resnet20"),
    }
    assert places == {paper: experiment for experiment, each in papers.items() for paper in each}
    for paper, experiment in places.items():
        claims = load_claims(paper)
        command = f"lth {experiment} paper={paper.partition('_')[0]}/"
        assert claims.experiment == experiment and claims.command.startswith(command)
        assert all(claim.short for claim in claims.claims)
        assert len({claim.name for claim in claims.claims}) == len(claims.claims)


def test_an_unknown_paper_suggests_the_nearest():
    with pytest.raises(SettingError, match=r"paper=frankle2022: .*did you mean frankle20\d\d\? known: evci2022, "):
        load_claims("frankle2022")
    with pytest.raises(LotteryError, match=r"nowhere\.toml: No such file"):
        load_claims("nowhere.toml")


@pytest.mark.parametrize(
    ("paper", "place", "page"),
    [
        ("frankle2019", "frankle2019", "claims.md"),
        ("frankle2021", "frankle2021", "claims.md"),
        ("evci2022", "evci2022", "claims.md"),
        ("evci2022", "evci2022/results.csv", "claims_mask0.md"),
    ],
)
def test_the_references_give_their_claims_again(paper, place, page, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    main([paper, str(REFERENCE / place), "--to", str(tmp_path / page)])
    assert (tmp_path / page).read_text() == (REFERENCE / paper / page).read_text()
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    claims = load_claims(paper)
    assert all(
        len(re.findall(rf"^ {claim.name} .* (?:yes|no|undecided|unmeasured) *$", printed, re.M)) == 1
        for claim in claims.claims
    )
    table = printed[: printed.index("yes: the 95% interval")]
    assert len(table.splitlines()) == 3 + len(claims.claims) + 2  # a line each, with title and head


def test_what_was_not_trained_is_not_measured(tmp_path, capsys):
    lines = (REFERENCE / "frankle2019" / "results.csv").read_text().splitlines(keepends=True)
    (tmp_path / "results.csv").write_text(
        "".join(line for line in lines if ",reinit," not in line and "one_shot" not in line)
    )
    main(["frankle2019", str(tmp_path)])
    printed = capsys.readouterr().out
    assert {line.split()[0] for line in printed.splitlines() if line.rstrip().endswith(" unmeasured")} == {
        "L4", "L5", "L6", "L7a", "L8", "L9", "L10",
    }  # fmt: skip
    assert "or with scale=paper" in " ".join(printed.split())


CLAIMS = """\
title = "A paper"
experiment = "other"
command = "lth other"
data = "digits"
model = "mlp"
[[claim]]
name = "O1"
text = "tickets are right on everything"
estimator = "certainty"
at_least = 100.0
"""
ESTIMATORS = '''
from lth.report.claims.estimators import estimator

@estimator(unit="%")
def certainty(evidence):
    """Always 100%."""
    return {1: {(seed, 0): 100.0 for seed in range(3)}}
'''


def test_an_experiment_from_outside_brings_claims_and_estimators(tmp_path, monkeypatch, capsys):
    package = tmp_path / "outside_experiment"
    (package / "claims").mkdir(parents=True)
    (package / "__init__.py").write_text('"""Another experiment."""')
    (package / "claims" / "nobody2030.toml").write_text(CLAIMS)
    (package / "estimators.py").write_text(ESTIMATORS)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [metadata.EntryPoint("other", "outside_experiment", "lth.experiments")]
    points.append(metadata.EntryPoint("broken", "no_such_package.experiment:EXPERIMENT", "lth.experiments"))
    monkeypatch.setattr(discovery.metadata, "entry_points", lambda group: points if group == discovery.GROUP else [])
    assert "nobody2030" in claim_files() and list(declared("other")[0]) == ["certainty"]
    about = {"experiment": "other", "setting": "s", "data": "digits", "model": "mlp", "schedule": "iterative"}
    about |= {"seed": 0, "level": 1, "arm": "ticket", "draw": 0, "status": "done", "density": 0.8, "iterations": 1}
    write_csv(tmp_path / "results.csv", RESULTS, [dict.fromkeys(RESULTS) | about | {"run": "r"}])
    main(["nobody2030", str(tmp_path / "results.csv")])
    printed = capsys.readouterr().out
    assert "A paper, at 80.0% of the weights" in printed and "100.00 [100.00, 100.00]" in printed
    main([str(package / "claims" / "nobody2030.toml"), str(tmp_path / "results.csv")])
    assert "1 reproduced" in capsys.readouterr().out
    sys.modules.pop("outside_experiment.estimators", None)
