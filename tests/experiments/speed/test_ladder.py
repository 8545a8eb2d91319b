"""A search is trained level by level in each of our ways, and at some levels in the usual one."""

from dataclasses import replace

import pytest
from lth.experiments.speed import ladder as module
from lth.experiments.speed.ladder import Ladder, UsualTraining, climb
from lth.experiments.speed.networks import NETWORKS, plan_of
from lth.experiments.speed.ways import DENSE, OURS, USUAL

from lth.core.seeds import Seeds
from lth.data.preparation import prepare
from lth.models.initialize import initialize
from lth.pruning.mask import density
from lth.training.run_spec import RunSpec

SOME = 2
"""The usual way trains at each second level here."""


@pytest.fixture
def few(images):
    """The images, with fewer to evaluate on."""
    return replace(images, prepared={5_000: prepare("mnist", dict(images.tensors), validation=200)})


def test_each_level_is_trained_in_turn_from_the_same_weights(few, monkeypatch):
    trained, done = [], []
    real = module._train

    def train(way, spec, usual):
        trained.append((way, spec))
        return None if way == USUAL else real(way, spec, usual)

    monkeypatch.setattr(module, "_train", train)
    monkeypatch.setattr(module, "SOME", SOME)
    monkeypatch.setattr(module, "usual_evaluation", lambda model, dataset: (1.0, 0.5))
    ladder = climb(few, SOME, iterations=2, seed=0, done=done.append)
    assert {way for way, _ in trained[:3]} == {OURS, DENSE, USUAL}  # none is timed: they warm up
    timed = trained[3:]
    counts = {way: [name for name, _ in timed].count(way) for way in (OURS, DENSE, USUAL)}
    assert counts == {OURS: SOME + 1, DENSE: SOME + 1, USUAL: 2} == {way: len(x) for way, x in ladder.seconds.items()}
    ours, dense = ([spec for name, spec in timed if name == way] for way in (OURS, DENSE))
    for one, other in zip(ours, dense, strict=True):
        assert one.mask is other.mask and one.initial_state is other.initial_state and one.plan == other.plan
    left = [density(spec.mask) for spec in ours]
    assert left[0] == 1 and left == sorted(left, reverse=True) and left[-1] == pytest.approx(0.8**SOME, abs=0.01)
    assert len(done) == len(timed)


def test_the_search_of_a_way_that_trained_at_some_levels_takes_their_mean_at_each():
    ladder = Ladder({OURS: [1.0, 2.0, 3.0], USUAL: [10.0]}, {OURS: [0.5, 0.5, 0.5]})
    assert ladder.total(OURS) == pytest.approx(6) and ladder.total(USUAL) == pytest.approx(30)
    assert ladder.evaluation_share(OURS) == pytest.approx(25)


def test_the_usual_training_evaluates_when_ours_does(images, monkeypatch):
    network, data = NETWORKS["lenet_300_100"], images.data()
    model = network.build(data)
    plan = plan_of(network, data, iterations=5, evaluate_every=2)
    spec = RunSpec(model, initialize(model, "glorot_normal", 0), {}, data, plan, Seeds().resolved(0))
    usual, looked = UsualTraining(images, data), []
    monkeypatch.setattr(module, "usual_evaluation", lambda model, dataset: looked.append(dataset) or (1.0, 0.5))
    usual.train(spec)
    assert looked == [usual.validation] * 4 + [usual.test] * 2  # after 0, 2, 4, 5; then the early stop and the last
    assert [len(part) for part in (usual.train_set, usual.validation, usual.test)] == [300, 5_000, 100]
