"""Children start from the same bits and differ in order and augmentation; what would be equal is refused."""

from dataclasses import replace

import pytest
import torch
from lth.experiments.stability.children import augmentation_of, check_children, child, children, order_of

from lth.core.errors import LotteryError, SettingError
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.training.checkpoint import Checkpoint
from lth.training.loop import train


@pytest.fixture
def augmented(data):
    """The small data set, to be flipped and cropped."""
    return replace(data, augment="flip_crop")


@pytest.mark.parametrize("rewind", [0, 7])
def test_children_start_from_equal_bits_and_differ_in_order_and_augmentation_alone(
    make_job, augmented, same_bits, rewind
):
    spec = make_job(rewind, data=augmented)
    specs = [spec, *children(spec, 3)]
    assert all(same_bits(one.initial_state, spec.initial_state) and one.plan == spec.plan for one in specs)
    for noise in (order_of, augmentation_of):
        drawn = [noise(one) for one in specs]
        assert not any(torch.equal(x, y) for n, x in enumerate(drawn) for y in drawn[:n])
    seeds = {(one.seeds.order, one.seeds.augment) for one in specs}
    others = [replace(one.seeds, order=0, augment=0) for one in specs]
    assert len(seeds) == 4 and all(other == others[0] for other in others)


def test_a_child_is_one_training_whatever_it_is_asked_for_by(make_job):
    """Its noise depends on its number alone: the same network at another level, or as another arm, shares it."""
    spec = make_job()
    other = replace(spec, level=3, arm="shuffle")
    names = {fingerprint(fingerprint_inputs(child(one, 1))) for one in (spec, other)}
    assert len(names) == 1 and fingerprint(fingerprint_inputs(spec)) not in names


class Killed(Exception):
    """Ends a training right after a checkpoint."""


class Killing(Checkpoint):
    """A checkpoint that is due at the fifth step, and the last thing that a training does."""

    steps = 5

    def due(self):
        self.steps -= 1
        return self.steps == 0

    def write(self, snapshot):
        super().write(snapshot)
        raise Killed


def test_a_child_that_is_killed_goes_on_to_the_same_bits(make_job, augmented, same_bits, tmp_path):
    spec = child(make_job(7, data=augmented), 1)
    unbroken = train(spec).final
    with pytest.raises(Killed):
        train(spec, checkpoint=Killing(tmp_path / "c", 0, {}))
    resumed = Checkpoint(tmp_path / "c", 0, {})
    assert 7 < resumed.read().iteration < 30
    assert same_bits(train(spec, checkpoint=resumed).final, unbroken)


def test_equal_children_are_refused(make_job, augmented, data):
    spec, full = make_job(), len(data.train)
    with pytest.raises(LotteryError, match="meet the training examples in the same order"):
        check_children([child(spec, 0), child(spec, 0)])
    one, other = (child(make_job(data=augmented), number) for number in range(2))
    with pytest.raises(LotteryError, match="augment the training examples alike"):
        check_children([one, replace(other, seeds=replace(other.seeds, augment=one.seeds.augment))])
    with pytest.raises(LotteryError, match="start from different weights"):
        check_children([child(spec, 0), child(make_job(rewind=5), 1)])
    with pytest.raises(SettingError, match=f"recipe.batch_size={full}: takes all training examples in every step"):
        children(make_job(batch_size=full), 2)
    assert len(children(make_job(batch_size=full, data=augmented), 2)) == 2
