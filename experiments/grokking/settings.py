"""The settings of `lth grokking`. Imports no torch."""

from dataclasses import dataclass

from lth.core.setting import setting
from lth.lottery.names import built_in
from lth.settings import LevelSettings

METHODS = {
    "memorized": "the smallest weights of the dense network when it has memorised the training examples",
    "snip": "the least effect on the loss, |weight x gradient|, before any training (Lee et al. 2019)",
    "grasp": "the weights that reduce the gradient flow most, before any training (Wang et al. 2020)",
    "synflow": "the least synaptic flow, in 100 steps and without data, before any training (Tanaka et al. 2020)",
    "random": "weights by chance, from all layers together",
}
"""The masks beside the ticket's, in the order of results, and what each prunes."""
assert not METHODS.keys() & built_in().keys(), "a method is called as an arm is"


@dataclass
class GrokkingSettings(LevelSettings):
    """One replicate of `lth grokking`: one dense network, its ticket, and the controls."""

    experiment: str = setting("grokking", "")
    methods: list[str] = setting(
        list(METHODS), "further masks at the ticket's density", unhashed="setting", options=tuple(METHODS)
    )
    threshold: float = setting(
        0.95, "accuracy from which a split counts as learnt", unhashed_at_default=True, above=0, high=1
    )


SETTINGS = GrokkingSettings
