"""Each seed can be set alone; what is not set is the seed of the replicate, but for the split."""

from lth.core.seeds import Seeds


def test_seeds_default_to_the_seed_but_for_the_split() -> None:
    assert Seeds().resolved(4) == Seeds(init=4, order=4, augment=4, mask=4, split=0)
    assert Seeds(order=0, split=2).resolved(4) == Seeds(init=4, order=0, augment=4, mask=4, split=2)


def test_resolved_seeds_stay() -> None:
    assert Seeds(mask=1).resolved(3).resolved(5) == Seeds(mask=1).resolved(3)
