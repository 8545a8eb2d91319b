"""Which test examples are classified correctly: the same bits in the store, in a job's folder and in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.bits import unpack
from lth.report.correct import KEY, attach, correct_rows, encoded, hits, hits_of
from lth.report.reading import read_correct
from lth.report.rows import result_row
from lth.report.tables import CORRECT, RESULTS
from lth.store.layout import row_files
from lth.store.runs import Store

ABOUT = {"experiment": "imp", "setting": "x", "seed": 0, "schedule": "iterative"}


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_bits_come_back_from_a_cell(values):
    cell = encoded(np.packbits(values).tobytes())
    assert hits(cell, len(values)).tolist() == values


def test_a_row_of_results_knows_its_correct_examples(make_outcome, tmp_path):
    outcome = make_outcome()
    row = result_row(outcome, ABOUT)
    examples = len(outcome.spec.data.test)
    for column, kind in (("early_stop_test_accuracy", "early_stop"), ("final_test_accuracy", "final")):
        correct = hits_of(row, column)
        assert correct.tolist() == unpack(outcome.result.states["correct"][kind], [examples]).tolist()
        assert correct.mean() == pytest.approx(row[column])


def test_a_table_and_a_store_give_them_back(make_outcome, tmp_path):
    outcome = make_outcome()
    outcome.result.run = ""
    kept = Store(tmp_path / "store").train(outcome.spec)
    outcome.result.run = kept.run
    row = result_row(outcome, ABOUT)
    Store(tmp_path / "store").keep_row(RESULTS.columns_of(row))
    RESULTS.write(tmp_path, [row])
    CORRECT.write(tmp_path, correct_rows([row]))
    (stored,) = row_files(tmp_path / "store")
    for path in (tmp_path / "results.csv", stored):
        bare = RESULTS.columns_of(row)
        attach([bare], read_correct(path))
        assert bare[KEY] == row[KEY]


def test_cells_of_another_training_count_as_unknown(make_outcome):
    row = result_row(make_outcome(), ABOUT)
    assert hits_of(row | {"final_test_accuracy": row["final_test_accuracy"] - 1 / 37}, "final_test_accuracy") is None
    assert hits_of(row | {KEY: {}}, "final_test_accuracy") is None
    assert hits_of(row | {KEY: {"final": "not base64"}}, "final_test_accuracy") is None
    assert hits_of(row | {"test_examples": 999}, "final_test_accuracy") is None
