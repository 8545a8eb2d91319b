"""The Hessian on both sides of a change of a mask: whose weights they are, and what is kept of it."""

from dataclasses import replace

import numpy as np
import pytest
from lth.experiments.gradient_flow import spectra as module
from lth.experiments.gradient_flow.spectra import spectra
from lth.experiments.gradient_flow.trainings import train_plan

from lth.analysis.curvature import Hessian
from lth.core.errors import SettingError
from lth.pruning.mask import kept
from lth.pruning.updates import Rewiring, RigL, UpdateContext
from lth.training.gradient import examples


def test_the_two_sides_are_rigl_with_and_without_the_change(trained, store, same_bits):
    (before, without), (spec, result) = (trained.change[moment] for moment in ("before", "after"))
    first = trained.outcomes["rigl"][0].spec
    full = store.train(first, keep_at=[10])
    assert same_bits(result.final, full.at(10)) and same_bits(result.mask({}), full.mask({}, 10))
    assert not same_bits(result.mask({}), without.mask({})) and kept(result.mask({})) == kept(without.mask({}))
    for name, stays in result.mask({}).items():  # a change drops weights and starts new ones at zero, no more
        both = stays & without.mask({})[name]
        assert (result.final[name][both] == without.final[name][both]).all()
        assert not result.final[name][stays & ~both].any()
    assert before.plan.stop == spec.plan.stop == 10 and before.plan.total == first.plan.total


def test_the_side_before_the_first_change_has_the_first_mask(make_plan, trained, same_bits):
    before, after = make_plan(change_at=5).around_change(trained.level)
    assert before.spec.update is None and after.spec.update is not None and same_bits(before.spec.mask, trained.mask)


def test_without_the_change_the_share_of_the_others_stays(make_plan, trained):
    """A share that follows the learning rate does not depend on the stop: kept trainings are found. A cosine does."""
    plan = make_plan(change_at=15)
    before, after = (training.spec.update for training in plan.around_change(trained.level))
    assert before == replace(after, stop=10) and "anneal" not in before.fingerprint()
    cosine = replace(plan, context=replace(plan.context, rewiring=Rewiring(every=5)))
    before, after = (training.spec.update for training in cosine.around_change(trained.level))
    assert after == RigL(0.3, 5, 22) and [n for n in range(1, 31) if before.due(n)] == [5, 10]
    now = UpdateContext(10, {}, {}, 1.0, 0, lambda count: {}, 30)
    assert before.share(now) == after.share(now) and before.fingerprint() != after.fingerprint()


@pytest.mark.slow
def test_the_spectrum_is_that_of_the_exact_hessian(trained, store, monkeypatch):
    monkeypatch.setattr(module, "EXTREMES", 3)
    rows = spectra(trained, store, 40)
    for moment, (spec, result) in trained.change.items():
        hessian = Hessian(spec.model, result.final, examples(spec.data.train, 40), result.mask({}))
        at_moment = [row for row in rows if row["moment"] == moment]
        values = sorted(map(float, np.linalg.eigvalsh(hessian.matrix())))
        largest = [row["eigenvalue"] for row in at_moment if row["kind"] == "largest"]
        smallest = [row["eigenvalue"] for row in at_moment if row["kind"] == "smallest"]
        assert largest == pytest.approx(values[:-4:-1], rel=1e-2) and smallest == pytest.approx(values[:3], rel=1e-2)
        nodes = [(row["eigenvalue"], row["weight"]) for row in at_moment if row["kind"] == "node"]
        assert sum(weight for _, weight in nodes) == pytest.approx(1)
        assert hessian.size * sum(node * weight for node, weight in nodes) == pytest.approx(sum(values), rel=0.3)
        assert {row["iteration"] for row in at_moment} == {10} and {row["arm"] for row in at_moment} == {"rigl"}

    def never(*arguments):
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "_spectrum", never)
    assert spectra(trained, store, 40) == rows


def test_there_is_none_where_nobody_make_plan(make_plan, trained, store):
    assert (
        make_plan(change_at=None).around_change(trained.level)
        == []
        == make_plan(methods=["set"]).around_change(trained.level)
    )
    assert spectra(replace(trained, change={}), store, 40) == []


@pytest.mark.parametrize("at", [0, 7, 40])
def test_a_moment_without_a_change_is_named(make_plan, store, at):
    with pytest.raises(SettingError, match=f"change_at={at}: the mask does not change there"):
        train_plan(make_plan(change_at=at), store, lambda training: store.train(training.spec))
