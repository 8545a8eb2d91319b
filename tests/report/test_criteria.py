"""Margins of verdicts: in range, from the jobs' configurations, or from the command line."""

import pytest

from lth.core.errors import LotteryError, SettingError
from lth.core.files import write_text
from lth.report.criteria import Criteria
from lth.report.reading import criteria_of


@pytest.mark.parametrize(("margin", "slower"), [(-0.1, 1.1), (float("nan"), 1.1), (0.2, 0), (0.2, float("inf"))])
def test_a_margin_out_of_range_is_named(margin, slower):
    with pytest.raises(SettingError, match=r"report\.(margin|slower)"):
        Criteria(margin, slower)


def configured(folder, margin, slower=1.1):
    write_text(folder / ".hydra" / "config.yaml", f"report: {{margin: {margin}, slower: {slower}}}\n")
    return folder


def test_margins_are_those_of_the_jobs(tmp_path):
    jobs = [configured(tmp_path / name, 0.5, 1.2) for name in "ab"]
    assert criteria_of(jobs, {}) == Criteria(0.5, 1.2)
    assert criteria_of(jobs, {"margin": 0.0}) == Criteria(0.0, 1.2)
    assert criteria_of([tmp_path / "without"], {}) == Criteria()


def test_jobs_that_differ_in_a_margin_ask_for_one(tmp_path):
    jobs = [configured(tmp_path / "a", 0.5), tmp_path / "b"]
    with pytest.raises(LotteryError, match=r"report\.margin differs between jobs: 0\.5 in .*a and 0\.2 in .*b; give"):
        criteria_of(jobs, {})
    assert criteria_of(jobs, {"margin": 0.3}) == Criteria(0.3)
