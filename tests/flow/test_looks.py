"""What is seen of the trained networks: equal to the networks' own numbers."""

import pytest

from lth.core.weights import masked
from lth.flow.looks import Looks
from lth.flow.runs import INITS


def test_the_table_is_that_of_the_networks(compared, store, data):
    looks = Looks(compared, data, store)
    rows = {row["init"]: row for row in looks.table()}
    assert list(rows) == list(INITS) and rows == {row["init"]: row for row in looks.table()}
    for init, arm in INITS.items():
        accuracies = [outcome.result.points[-1].test_accuracy for outcome in compared.outcomes[arm]]
        assert rows[init]["seeds"] == len(accuracies)
        assert rows[init]["test_accuracy"] == pytest.approx(sum(accuracies) / len(accuracies), abs=1e-12)
    pruned = rows["pruned"]
    assert pruned["disagreement_with_pruned"] == 0 == pruned["distance_to_pruned"] and pruned["disagreement"] is None


def test_the_agreement_of_runs_averages_to_the_table(compared, store, data):
    looks = Looks(compared, data, store)
    rows, table = looks.agreement(), {row["init"]: row for row in looks.table()}
    for init, arm in INITS.items():
        own = [row for row in rows if row["init"] == init]
        assert [row["draw"] for row in own] == [outcome.draw for outcome in compared.outcomes[arm]]
        for column in ("disagreement", "disagreement_with_pruned"):
            values = [row[column] for row in own]
            assert values == [None] or table[init][column] == pytest.approx(sum(values) / len(values))
    (pruned,) = [row for row in rows if row["init"] == "pruned"]
    assert pruned["kl_with_pruned"] == 0 and pruned["kl"] is None


def test_lines_begin_and_end_at_the_networks_themselves(compared, store, data):
    rows = Looks(compared, data, store).lines()
    ends = {
        (row["init"], row["at"], row["draw"]): row["accuracy"]
        for row in rows
        if row["split"] == "test" and row["alpha"] == 0
    }
    assert len(ends) == 6  # two starts, and the ends of two runs each
    for init in ("lottery", "scratch"):
        for outcome in compared.outcomes[INITS[init]]:
            assert ends[init, "end", outcome.draw] == outcome.result.points[-1].test_accuracy
    assert len({row["loss"] for row in rows if row["alpha"] == 1 and row["split"] == "train"}) == 1
    few = Looks(compared, data, store, 10).lines()
    assert len(few) == len(rows) and few != rows


def test_distances_and_updates(compared, store, data):
    looks = Looks(compared, data, store)
    rows = {(row["arm"], row["draw"], row["to"]): row for row in looks.distances()}
    assert rows["pruned", 0, "pruned"]["l2"] == 0 and ("small_dense", 0, "pruned") not in rows
    start = masked(compared.start, compared.mask)
    final = compared.outcomes["ticket"][1].result.final
    squares = sum(float((start[name] - final[name]).double().square().sum()) for name in start)
    assert rows["ticket", 1, "init"]["l2"] == pytest.approx(squares**0.5)
    assert looks.updates() == []  # nobody looked
