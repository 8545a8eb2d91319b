"""Claims about sparse training within one mask and over several, from made-up tables with known answers."""

import csv

import numpy as np
import pytest
from lth.experiments.gradient_flow.tables import TABLES as DECLARED

from lth.commands.claims import declared, load_claims, main
from lth.core.errors import LotteryError
from lth.report.claims import judge as judging
from lth.report.claims import reading
from lth.report.claims.judge import judge
from lth.report.claims.reading import read_evidence
from lth.report.claims.show import cells
from lth.report.tables import CURVES, RESULTS

FILES = {table.name: table for table in DECLARED}
CLAIMS = load_claims("evci2022")
ESTIMATORS, _ = declared("gradient_flow")
TABLES = judging.tables_of(CLAIMS, ESTIMATORS)
ARMS = {"ticket": 0.985, "reinit": 0.970, "reinit_one_init": 0.970, "rigl": 0.98, "pruned_other_seeds": 0.983}
ARMS |= {"reinit_plus": 0.975, "reinit_plus_glorot": 0.976}
AWAY = {"ticket": 2.0, "reinit": 10.0}
INITS = {"lottery": (0.004, 0.002), "scratch": (0.03, 0.02), "scratch_one_init": (0.03, 0.02)}
"""init -> (disagreement with the others, rise of the error half way to the pruned solution)."""


def mask(seed=0, runs=5, **changes):
    """The tables of one mask; `changes` add to the accuracy of an arm."""

    def result(arm, draw, accuracy):
        about = {"experiment": "gradient_flow", "setting": "s", "data": "mnist", "model": "lenet5", "seed": seed}
        about |= {"level": 1, "arm": arm, "draw": draw, "status": "done", "density": 0.05, "schedule": "gradual"}
        return (
            dict.fromkeys(RESULTS)
            | about
            | {"iterations": 1000, "run": f"{seed}{arm}{draw}", "grad_norm_init": 0.1, "test_examples": 10**8}
            | accuracy
        )

    results = [
        result(
            arm, draw, {"final_test_accuracy": accuracy + changes.get(arm, 0.0) + 0.0002 * draw, "grad_norm_init": 0.1}
        )
        for arm, accuracy in ARMS.items()
        for draw in range(runs)
    ]
    results.append(result("pruned", 0, {"final_test_accuracy": 0.985}))
    curves = [
        {**dict.fromkeys(CURVES), "run": row["run"], "iteration": at, "grad_norm": norm}
        for row in results
        for at, norm in ((0, 9.0), (50, 0.4 if "reinit_plus" in row["arm"] else 0.2), (900, 5.0))
    ]
    return {
        "results": results,
        "curves": curves,
        "table": [
            {"init": init, "seeds": runs, "test_accuracy": 0.97, "ensemble_accuracy": 0.97 + gain}
            for init, gain in (("lottery", 0.0005), ("scratch_one_init", 0.01))
        ],
        "agreement": [
            {"init": init, "draw": draw, "disagreement": share + 0.0001 * draw, "disagreement_with_pruned": share}
            for init, (share, _) in INITS.items()
            for draw in range(runs)
        ],
        "distances": [
            {"arm": arm, "draw": draw, "to": to, "l2": (l2 if to == "pruned" else 7.0) + 0.01 * draw}
            for arm, l2 in AWAY.items()
            for draw in range(runs)
            for to in ("init", "pruned")
        ],
        "lines": [
            {"init": init, "draw": draw, "at": "end", "split": "test", "alpha": alpha}
            | {"accuracy": 0.98 - (rise * 2 + 0.001 * draw) * (alpha == 0.5)}
            for init, (_, rise) in INITS.items()
            for draw in range(runs)
            for alpha in (0.0, 0.5, 1.0)
        ],
        "signal": [
            {"init": init, "sparsity": sparsity, "draw": draw, "std": (1.0 if sparsity == 0 else kept) * (1 + draw)}
            for init, kept in (("dense", 0.1), ("sparsity_aware", 0.9), ("sparsity_aware_glorot", 0.9))
            for sparsity in (0.0, 0.95)
            for draw in range(runs)
        ],
        "updates": [{"arm": "rigl", "iteration": at, "before": 1.0, "after": 1.1 + at / 1e4} for at in (1, 2, 3)],
        "map": [],
        "spectrum": [
            {"moment": moment, "kind": "smallest", "eigenvalue": value}
            for moment, first in (("before", -0.2), ("after", -0.3))
            for value in (first, -0.1)
        ],
    }


def evidence_of(*masks):
    """The evidence of some masks, with the seed in every row."""
    tables = {
        name: [{"seed": seed} | row for seed, tables in enumerate(masks) for row in tables[name]] for name in masks[0]
    }
    return reading.evidence_of(tables, CLAIMS)


def judged(*masks):
    return {x.claim.name: x for x in judge(CLAIMS, evidence_of(*masks), ESTIMATORS)}


def measured(claim):
    (level,) = claim.measured
    return level.interval


def note(claim):
    return "; ".join(claim.notes)


def test_every_claim_is_about_columns_that_there_are():
    estimators = judging.estimators_of(CLAIMS, ESTIMATORS)
    names = {"ensemble_gain", "gradient_gain", "most_negative_ratio", "disagreement_ratio"}
    assert len(estimators) == 23 and names == set(ESTIMATORS)
    for claim in CLAIMS.claims:
        table = claim.arguments.get("table", "results")
        columns = set(RESULTS if table == "results" else FILES[table])
        if "column" in claim.arguments:
            sides = (claim.arguments.get(side, {}) for side in ("of", "than"))
            assert {claim.arguments["column"], *(key for side in sides for key in side)} <= columns
    assert set(TABLES) == {"results", "curves", *FILES} - {"map"}


def test_within_one_mask_the_unit_is_the_run():
    claims = judged(mask())
    assert measured(claims["G3"]).mean == pytest.approx(1.5) and measured(claims["G3"]).n == 5
    assert measured(claims["G8"]).mean == pytest.approx(2.0)  # not the start, and not what comes late
    assert measured(claims["G6"]).mean == pytest.approx(0.1) and measured(claims["G10"]).mean == pytest.approx(10.02)
    assert measured(claims["G14"]).mean == pytest.approx(4.2) and measured(claims["G13"]).mean == pytest.approx(0.6)
    assert measured(claims["G15"]).mean == pytest.approx(0.138, abs=0.003)
    assert measured(claims["G16"]).mean == pytest.approx(-2.6)
    assert "over 5 runs within one mask" in note(claims["G3"]) and "5 draws of weights" in note(claims["G6"])
    names = ("1", "2a", "2b", "3", "4", "4b", "5", "6", "7", "7b", "8", "8b", "9b", "12", "13", "14", "15", "16")
    assert {claims[f"G{name}"].verdict for name in names} == {"reproduced"}
    single = claims["G11"], claims["G17"], claims["G18"], claims["G9a"]  # one number a mask
    assert {claim.verdict for claim in single} == {"undecided"} and "1 of at least 3 masks" in note(single[0])
    assert measured(single[0]).mean == pytest.approx(1.5)


def test_over_three_masks_the_unit_is_the_mask():
    claims = judged(*(mask(seed, reinit=0.002 * (seed - 1)) for seed in range(3)))
    assert measured(claims["G3"]).n == 3 and "over 3 masks" in note(claims["G3"])
    assert claims["G18"].verdict == claims["G9a"].verdict == "reproduced" and measured(claims["G9a"]).n == 3
    assert measured(judged(mask(), mask(1, reinit=0.5))["G3"]).mean == pytest.approx(1.5)  # two: the first alone


def test_pruned_solutions_are_the_unit_whatever_the_number_of_masks():
    """Those of later seeds are the solutions of other masks: one training is one of the values."""
    masks = [mask(seed, runs=3) for seed in range(5)]
    for seed, tables in enumerate(masks):
        for row in tables["results"]:
            if row["arm"] == "pruned_other_seeds":
                row["run"] = f"solution{seed + 1 + row['draw']}"
    claim = judged(*masks)["G1"]
    assert measured(claim).n == 7 and "over 7 pruned solutions" in note(claim) and "distinct" not in note(claim)
    assert measured(judged(*masks)["G2a"]).n == 5


def with_failed(tables, *draws):
    """The tables with runs of scratch that failed: their accuracy is that of one class."""
    scratch = ("reinit", "reinit_one_init")
    failed = [
        row | {"final_test_accuracy": 0.1135} if row["arm"] in scratch and row["draw"] in draws else row
        for row in tables["results"]
    ]
    return tables | {"results": failed}


def test_failed_runs_are_compared_with_none_and_their_rate_is_said():
    claims = judged(*(with_failed(mask(seed), 3) for seed in range(3)))
    rate = "of ticket 0 of 15 failed (0% to 22%); of reinit 3 of 15 failed (4% to 48%): compared are those that train"
    names = ("3", "4", "5", "8", "9a", "9b", "12", "14", "16")
    assert all(claims[f"G{name}"].verdict == "reproduced" for name in names)
    assert rate in note(claims["G3"]) and measured(claims["G3"]).mean == pytest.approx(1.5, abs=0.02)
    # the rows of scratch compare every run with those that failed, and average them
    assert claims["G15"].verdict == claims["G18"].verdict == "not measured"
    assert rate.replace("reinit", "reinit_one_init") in note(claims["G15"])
    assert claims["G17"].verdict == "reproduced"


def test_rows_that_leave_failed_runs_out_are_compared():
    tables = with_failed(mask(), 3)
    tables["agreement"] = [row for row in tables["agreement"] if (row["init"], row["draw"]) != ("scratch_one_init", 3)]
    tables["table"] = [row | {"seeds": 4 if row["init"] == "scratch_one_init" else 5} for row in tables["table"]]
    claims = judged(tables)
    assert measured(claims["G18"]).mean == pytest.approx(1.0) and measured(claims["G15"]).mean < 0.2


def test_disagreements_of_runs_are_no_independent_values():
    generator = np.random.default_rng(0)
    of_pairs = {}
    for init, size in (("lottery", 0.004), ("scratch_one_init", 0.03)):
        pairs = np.triu(size * np.exp(0.3 * generator.normal(size=(5, 5))), 1)
        of_pairs[init] = pairs + pairs.T
    tables = mask()
    tables["agreement"] = [
        {"init": init, "draw": draw, "disagreement": of_pairs[init][draw].sum() / 4, "disagreement_with_pruned": 0.0}
        for init in of_pairs
        for draw in range(5)
    ]
    interval = measured(judged(tables)["G15"])
    ratio = of_pairs["lottery"].sum() / of_pairs["scratch_one_init"].sum()
    assert interval.mean == pytest.approx(ratio, rel=0.02)
    left_out = [
        np.log(np.delete(np.delete(of_pairs["lottery"], run, 0), run, 1).sum())
        - np.log(np.delete(np.delete(of_pairs["scratch_one_init"], run, 0), run, 1).sum())
        for run in range(5)
    ]
    error = (4 / 5 * ((left_out - np.mean(left_out)) ** 2).sum()) ** 0.5  # the jackknife's
    assert np.log(interval.high / interval.mean) == pytest.approx(2.776445 * error, rel=1e-6)


def test_changes_of_one_runs_mask_decide_nothing():
    (claim,) = (judged(mask())[name] for name in ("G10",))
    assert (
        measured(claim).low > 0 and claim.verdict == "undecided" and "blocks of successive mask updates" in note(claim)
    )
    assert judged(*(mask(seed) for seed in range(3)))["G10"].verdict == "reproduced"


def test_a_ticket_is_compared_with_the_pruned_solution_of_its_own_mask():
    claims = judged(mask(ticket=-0.004))
    assert measured(claims["G2b"]).mean == pytest.approx(-0.36) and measured(claims["G2b"]).n == 5
    worse = mask(ticket=-0.004)
    worse["results"] = [
        row | ({"final_test_accuracy": 0.995} if row["arm"] == "pruned" else {}) for row in worse["results"]
    ]
    assert measured(judged(worse)["G2b"]).mean == pytest.approx(-1.36)


def test_what_does_not_hold_is_said_with_a_likely_reason():
    claim = judged(mask(ticket=-0.02))["G3"]
    assert claim.verdict == "not reproduced" and "from some draws of the weights" in note(claim)
    assert "TensorFlow" in note(judged(mask(rigl=-0.02))["G5"])
    assert cells(claim)[4].startswith("at 5.0%: -0.50 points")
    assert cells(judged(mask())["G2a"])[4].startswith("at 5.0%: 98.54% (98.")


def test_what_was_not_trained_is_not_measured():
    tables = mask()
    tables["results"] = [row for row in tables["results"] if row["arm"] != "rigl"]
    tables["spectrum"] = []
    claims = judged(tables)
    assert claims["G5"].verdict == claims["G11"].verdict == "not measured" and claims["G3"].verdict == "reproduced"


def written(folder, tables):
    for name, rows in tables.items():
        columns = {"results": RESULTS, "curves": CURVES, **FILES}[name]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def test_the_tables_are_read_from_the_jobs_the_latest_of_a_seed(tmp_path, capsys):
    written(tmp_path / "b", mask(runs=3))
    written(tmp_path / "b" / "c", mask(1))  # a folder within a job's is another job
    evidence = read_evidence([tmp_path], CLAIMS, TABLES, FILES)
    expected = judged(mask(runs=3), mask(1))
    assert {row["seed"] for row in evidence.tables["lines"]} == {0, 1}
    assert judge(CLAIMS, evidence, ESTIMATORS) == list(expected.values())
    for spectrum in tmp_path.rglob("spectrum.csv"):
        spectrum.unlink()
    (without,) = [
        x for x in judge(CLAIMS, read_evidence([tmp_path], CLAIMS, TABLES, FILES), ESTIMATORS) if x.claim.name == "G11"
    ]
    assert without.verdict == "not measured"
    main(["evci2022", str(tmp_path / "b" / "c"), "--to", str(tmp_path / "claims.md")])
    assert (
        "18 reproduced, 4 undecided, 1 not measured" in capsys.readouterr().out
        and "| G18 |" in (tmp_path / "claims.md").read_text()
    )


def test_without_results_of_its_network_the_command_is_named(tmp_path):
    tables = mask()
    tables["results"] = [row | {"model": "mlp"} for row in tables["results"]]
    written(tmp_path, tables)
    with pytest.raises(LotteryError, match="no results of lenet5 on mnist; run lth gradient_flow paper=evci2022"):
        read_evidence([tmp_path], CLAIMS, TABLES, FILES)


def test_two_settings_are_never_mixed(tmp_path):
    other = mask(1)
    other["results"] = [row | {"setting": "t"} for row in other["results"]]
    written(tmp_path / "a", mask())
    written(tmp_path / "b", other)
    with pytest.raises(LotteryError, match=r"results of 2 settings \(s, t\) for gradual: name the folder of one"):
        read_evidence([tmp_path], CLAIMS, TABLES, FILES)
