"""Modular addition: the whole table, each pair once, right."""

import pytest
import torch

from lth.core.errors import SettingError
from lth.core.seeds import Seeds
from lth.data.modular import modular
from lth.from_settings import build_model, load_data
from lth.settings import DataSettings, ModelSettings, TrainingSettings
from lth.training.recipe import Recipe


@pytest.mark.parametrize("p", [2, 5, 67])
@pytest.mark.parametrize("symmetric", [True, False])
def test_every_pair_is_in_one_split_with_its_sum(p: int, symmetric: bool) -> None:
    table = modular(p, 0.4, symmetric, seed=3)
    pairs = torch.cat([table["train_images"], table["test_images"]])
    labels = torch.cat([table["train_labels"], table["test_labels"]])
    expected = {(a, b) for a in range(p) for b in range(a if symmetric else 0, p)}
    assert len(pairs) == len(expected) == (p * (p + 1) // 2 if symmetric else p * p)
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert labels.tolist() == [(a + b) % p for a, b in pairs.tolist()]
    assert len(table["train_labels"]) == int(0.4 * len(expected))
    assert pairs.dtype == labels.dtype == torch.int64


def test_the_split_is_drawn_by_its_seed_and_the_table_is_one_data_set() -> None:
    first, again, other = (modular(11, 0.4, True, seed) for seed in (0, 0, 1))
    assert torch.equal(first["train_images"], again["train_images"])
    assert not torch.equal(first["train_images"], other["train_images"]) and first.digest == other.digest
    assert len({first.digest, *(modular(11, *how, 0).digest for how in ((0.5, True), (0.4, False)))}) == 3


def test_a_fraction_that_leaves_nothing_is_one_line() -> None:
    with pytest.raises(SettingError, match=r"data\.train_fraction=0\.1: leaves one of the splits empty, of 3 pairs"):
        modular(2, 0.1, True, 0)


@pytest.mark.parametrize(("model", "width"), [("modular_mlp", 6.0), ("transformer", 8.0)])
def test_settings_give_the_table_with_noise_and_a_network_for_it(model: str, width: float) -> None:
    settings = TrainingSettings(
        "imp",
        data=DataSettings("modular", normalize="none", validation=4, p=7, label_noise=0.5),
        model=ModelSettings(model, "default", width=width, depth=1, embedding=9),
        recipe=Recipe(iterations=4, batch_size=2),
    )
    data = load_data(settings)
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (7, 4, 17, 7)
    assert int((data.train.images.sum(1) % 7 != data.train.labels).sum()) == round(0.5 * 7)
    assert bool((data.validation.images.sum(1) % 7 == data.validation.labels).all())
    network, fresh = build_model(settings, data, Seeds().resolved())
    assert network(data.test.images).shape == (17, 7) and fresh(0).keys() == network.state_dict().keys()
