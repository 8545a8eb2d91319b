"""The analyses of the trained networks give the networks' own numbers."""

from dataclasses import replace

import pytest
from lth.experiments.gradient_flow.analyses import GradientFlowAnalyses
from lth.experiments.gradient_flow.arms import INITS

from lth.core.weights import masked


def test_the_table_is_that_of_the_networks(trained, store, data):
    analyses = GradientFlowAnalyses(trained, data, store)
    rows = {row["init"]: row for row in analyses.table()}
    assert list(rows) == list(INITS) and rows == {row["init"]: row for row in analyses.table()}
    for init, arm in INITS.items():
        accuracies = [outcome.result.points[-1].test_accuracy for outcome in trained.done(arm)]
        assert rows[init]["seeds"] == len(accuracies) and rows[init]["failed"] == trained.failed(arm)
        assert rows[init]["test_accuracy"] == pytest.approx(sum(accuracies) / len(accuracies), abs=1e-12)
    pruned = rows["pruned"]
    assert pruned["disagreement_with_pruned"] == 0 == pruned["distance_to_pruned"] and pruned["disagreement"] is None


def with_accuracies(trained, arm, *accuracies):
    """The same trainings, as if the runs of `arm` were those of reinit and ended with these accuracies."""
    outcomes = []
    for outcome, accuracy in zip(trained.outcomes[arm], accuracies, strict=True):
        points = [*outcome.result.points[:-1], replace(outcome.result.points[-1], test_accuracy=accuracy)]
        outcomes.append(replace(outcome, result=replace(outcome.result, points=points)))
    return replace(trained, outcomes={**trained.outcomes, "reinit": outcomes})


def test_runs_that_failed_are_compared_only_where_all_did(trained):
    test = trained.level.spec.data.test
    share = int(test.labels.bincount().max()) / len(test)
    one = with_accuracies(trained, "reinit", share, 1.0)
    assert [outcome.draw for outcome in one.done("reinit")] == [1] and one.failed("reinit") == 1
    both = with_accuracies(trained, "reinit", share, share)
    assert len(both.done("reinit")) == both.failed("reinit") == 2
    assert one.failed("luck") == 0 and one.done("luck") == []


def test_the_agreement_of_runs_averages_to_the_table(trained, store, data):
    analyses = GradientFlowAnalyses(trained, data, store)
    rows, table = analyses.agreement(), {row["init"]: row for row in analyses.table()}
    for init, arm in INITS.items():
        row_runs = [row for row in rows if row["init"] == init]
        assert [row["draw"] for row in row_runs] == [outcome.draw for outcome in trained.done(arm)]
        for column in ("disagreement", "disagreement_with_pruned"):
            values = [row[column] for row in row_runs]
            assert values == [None] or table[init][column] == pytest.approx(sum(values) / len(values))
    (pruned,) = [row for row in rows if row["init"] == "pruned"]
    assert pruned["kl_with_pruned"] == 0 and pruned["kl"] is None


def test_lines_begin_and_end_at_the_networks_themselves(trained, store, data):
    rows = GradientFlowAnalyses(trained, data, store).lines()
    ends = {
        (row["init"], row["at"], row["draw"]): row["accuracy"]
        for row in rows
        if row["split"] == "test" and row["alpha"] == 0
    }
    runs = {init: trained.done(INITS[init]) for init in ("lottery", "scratch")}
    assert len(ends) == 2 + sum(map(len, runs.values()))  # two starts, and the ends of all runs
    for init, outcomes in runs.items():
        for outcome in outcomes:
            assert ends[init, "end", outcome.draw] == outcome.result.points[-1].test_accuracy
    assert len({row["loss"] for row in rows if row["alpha"] == 1 and row["split"] == "train"}) == 1
    few = GradientFlowAnalyses(trained, data, store, 10).lines()
    assert len(few) == len(rows) and few != rows


def test_the_map_has_every_start_of_runs_that_share_none(trained, store, data):
    starts = [
        {(row["point"], row["draw"]) for row in GradientFlowAnalyses(one, data, store).map() if "start" in row["point"]}
        for one in (with_accuracies(trained, arm, 1.0, 1.0) for arm in ("reinit", "reinit_other_inits"))
    ]
    assert starts[0] == {("lottery_start", 0), ("scratch_start", 0)}
    assert starts[1] == starts[0] | {("scratch_start", 1)}


def test_distances_and_updates(trained, store, data):
    analyses = GradientFlowAnalyses(trained, data, store)
    rows = {(row["arm"], row["draw"], row["to"]): row for row in analyses.distances()}
    assert rows["pruned", 0, "pruned"]["l2"] == 0 and ("small_dense", 0, "pruned") not in rows
    start = masked(trained.start, trained.mask)
    final = trained.outcomes["ticket"][1].result.final
    squares = sum(float((start[name] - final[name]).double().square().sum()) for name in start)
    assert rows["ticket", 1, "init"]["l2"] == pytest.approx(squares**0.5)
    assert analyses.updates() == []  # nothing was observed around updates
