"""What was measured, by table."""

from lth.report.results import Results


def test_a_table_that_was_not_measured_has_no_rows() -> None:
    results = Results({"results": ({"level": 0},)})
    assert results["results"] == [{"level": 0}] and results["probes"] == []


def test_a_table_can_be_changed_without_changing_the_results() -> None:
    results = Results({"results": [{"level": 0}]})
    results["results"].append({"level": 1})
    assert len(results["results"]) == 1
