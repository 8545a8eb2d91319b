"""The Hessian on both sides of a change of a mask: whose weights they are, and what is kept of it."""

from dataclasses import replace

import numpy as np
import pytest

from lth.analysis.curvature import Hessian
from lth.core.errors import SettingError
from lth.flow import spectra as module
from lth.flow.runs import compare
from lth.flow.spectra import spectra
from lth.pruning.mask import kept
from lth.training.gradient import examples


def test_the_two_sides_are_rigl_with_and_without_the_change(compared, store, same_bits):
    (before, without), (spec, result) = (compared.change[moment] for moment in ("before", "after"))
    first = compared.outcomes["rigl"][0].spec
    seen = store.train(first, keep_at=[10])
    assert same_bits(result.final, seen.at(10)) and same_bits(result.mask({}), seen.mask({}, 10))
    assert not same_bits(result.mask({}), without.mask({})) and kept(result.mask({})) == kept(without.mask({}))
    for name, stays in result.mask({}).items():  # a change drops weights and starts new ones at zero, no more
        both = stays & without.mask({})[name]
        assert (result.final[name][both] == without.final[name][both]).all()
        assert not result.final[name][stays & ~both].any()
    assert before.plan.stop == spec.plan.stop == 10 and before.plan.total == first.plan.total


def test_the_side_before_the_first_change_has_the_first_mask(asked, compared, same_bits):
    before, after = asked(change_at=5).around_change(compared.level)
    assert before[2].update is None and after[2].update is not None and same_bits(before[2].mask, compared.mask)


def test_the_spectrum_is_that_of_the_exact_hessian(compared, store, monkeypatch):
    monkeypatch.setattr(module, "EXTREMES", 3)
    rows = spectra(compared, store, 40)
    for moment, (spec, result) in compared.change.items():
        hessian = Hessian(spec.model, result.final, examples(spec.data.train, 40), result.mask({}))
        own = [row for row in rows if row["moment"] == moment]
        values = sorted(map(float, np.linalg.eigvalsh(hessian.matrix())))
        largest = [row["eigenvalue"] for row in own if row["kind"] == "largest"]
        smallest = [row["eigenvalue"] for row in own if row["kind"] == "smallest"]
        assert largest == pytest.approx(values[:-4:-1], rel=1e-2) and smallest == pytest.approx(values[:3], rel=1e-2)
        nodes = [(row["eigenvalue"], row["weight"]) for row in own if row["kind"] == "node"]
        assert sum(weight for _, weight in nodes) == pytest.approx(1)
        assert hessian.size * sum(node * weight for node, weight in nodes) == pytest.approx(sum(values), rel=0.3)
        assert {row["iteration"] for row in own} == {10} and {row["arm"] for row in own} == {"rigl"}

    def never(*arguments):
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "_spectrum", never)
    assert spectra(compared, store, 40) == rows


def test_there_is_none_where_nobody_asked(asked, compared, store):
    assert (
        asked(change_at=None).around_change(compared.level)
        == []
        == asked(methods=["set"]).around_change(compared.level)
    )
    assert spectra(replace(compared, change={}), store, 40) == []


@pytest.mark.parametrize("at", [0, 7, 40])
def test_a_moment_without_a_change_is_named(asked, store, at):
    with pytest.raises(SettingError, match=f"change_at={at}: the mask does not change there"):
        compare(asked(change_at=at), store, lambda arm, number: store.train)
