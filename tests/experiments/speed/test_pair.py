"""Deep networks on two cores: the usual way flips and crops, trainers do a block for every order, both at once."""

import io
import sys
from dataclasses import replace

import pytest
import torch
from lth.experiments.speed import pair
from lth.experiments.speed.child import Child
from lth.experiments.speed.networks import DEEP, Network
from lth.experiments.speed.pair import (
    OURS_BFLOAT16,
    OURS_COMPILED,
    OURS_PAIR,
    PAIR_WAYS,
    USUAL_PAIR,
    USUAL_THREADS,
    USUAL_WAYS,
)
from lth.experiments.speed.settings import DEEP as NAMES
from lth.experiments.speed.settings import SpeedSettings
from lth.experiments.speed.usual import Usual, dataset_of, transform_of
from torch.nn.functional import pad
from torchvision.transforms.functional import to_pil_image

from lth.core.errors import LotteryError
from lth.data.batches import PADDING
from tests.experiments.speed.conftest import images_of

TINY = Network("lenet5", "cifar10", {"batch_size": 4, "optimizer": "sgd", "lr": 0.01}, 1.0)


@pytest.fixture(scope="module")
def pictures():
    return images_of("cifar10", 5_100)


def test_the_usual_way_flips_and_crops_each_image(pictures):
    picture, side = pictures.tensors["train_images"][7], 32
    normal = transform_of(pictures).transforms[-1]
    shifts, dataset = 2 * PADDING + 1, dataset_of(pictures, "train", augment=True)
    variants = torch.stack([
        normal(padded[:, row : row + side, column : column + side] / 255)
        for padded in (pad(one, (PADDING,) * 4) for one in (picture, picture.flip(2)))
        for row in range(shifts)
        for column in range(shifts)
    ])  # fmt: skip
    drawn = set()
    for image, _ in (dataset[7] for _ in range(20)):
        (number,) = ((variants - image).abs().amax((1, 2, 3)) < 1e-5).nonzero().flatten().tolist()
        drawn.add(number)
    assert len(drawn) > 10 and {number // shifts**2 for number in drawn} == {0, 1}
    plain = transform_of(pictures)(to_pil_image(picture))
    assert torch.equal(dataset_of(pictures, "train")[7][0], plain)  # and does not where it is not asked to


def test_ours_flips_and_crops_too_and_is_the_network_that_is_named(pictures, monkeypatch):
    assert tuple(DEEP) == NAMES
    monkeypatch.setitem(DEEP, "tiny", TINY)
    spec = pair.augmented_spec("tiny", pictures, 0.5, seed=3)
    assert spec.data.augment == "flip_crop" and spec.data.train.images is pictures.data().train.images


def test_trainers_do_a_block_for_every_line_and_go_on_with_their_trainings(pictures, monkeypatch, capsys):
    begun, blocks = [], []

    def begin(way):
        def training(spec, images, iterations):
            begun.append((way, spec.seeds.order, float(spec.mask["conv1.weight"].float().mean()), iterations))
            try:
                while True:
                    blocks.append(way)
                    yield 1.0
            finally:
                blocks.append(f"end of {way}")

        return training

    monkeypatch.setattr(pair, "PAIR_WAYS", {way: replace(PAIR_WAYS[way], begin=begin(way)) for way in PAIR_WAYS})
    for name in ("tiny", "other"):
        monkeypatch.setitem(DEEP, name, TINY)
    monkeypatch.setattr(pair, "load_images", lambda name, root: pictures)
    monkeypatch.setattr(pair.signal, "signal", lambda *about: None)
    words = ["tiny ours_pair 0.5 2", "tiny usual_pair 1.0 2", "tiny ours_pair 0.5 2", "other ours_pair 1.0 3"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(words) + "\n"))
    pair.train_to_order(None, seed=5, threads=1)
    assert capsys.readouterr().out.split() == ["done"] * 4
    ends = ["end of ours_pair", "end of usual_pair"]
    assert blocks == [OURS_PAIR, USUAL_PAIR, OURS_PAIR, *ends, OURS_PAIR, ends[0]]
    assert begun == [(OURS_PAIR, 5, 0.5, 2), (USUAL_PAIR, 5, 1.0, 2), (OURS_PAIR, 5, 1.0, 3)]


@pytest.mark.parametrize("way", PAIR_WAYS)
def test_every_way_trains_on_what_it_says(way, pictures, monkeypatch):
    if way == USUAL_THREADS:
        monkeypatch.setattr(Usual, "_loader", lambda training: iter([next(iter(_in_process(training)))]))
    monkeypatch.setitem(DEEP, "tiny", TINY)
    spec, compiled = pair.augmented_spec("tiny", pictures, 1.0, seed=0), []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)  # compiling takes long
    blocks = PAIR_WAYS[way].begin(spec, pictures, 1)
    assert next(blocks) > 0
    blocks.close()
    assert len(compiled) == (way == OURS_COMPILED)


def _in_process(training):
    """The loader of `training` without processes of its own."""
    assert training.loaders == pair.LOADERS
    return torch.utils.data.DataLoader(training.dataset, training.plan.batch_size)


class Notebook:
    """A process that notes what it is told."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def order(self, line):
        self.notes.append((self.name, line))

    def answer(self):
        self.notes.append((self.name, "answer"))


@pytest.mark.parametrize("way", PAIR_WAYS)
def test_the_processes_of_a_way_train_at_the_same_time(way, monkeypatch):
    names = "c" if way == USUAL_THREADS else "ab"
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(pair.time, "perf_counter", lambda: next(clock))
    notes: list[tuple[str, str]] = []
    processes = [Notebook(name, notes) for name in "abc"]
    blocks = pair.pair_blocks(processes, "vgg11", way, 0.07, SpeedSettings(iterations=75))
    assert next(blocks) == 1000 / len(names)  # 3 s of 3 iterations in each process
    assert notes == [*((name, f"vgg11 {way} 0.07 3") for name in names), *((name, "answer") for name in names)]


def test_a_child_answers_and_says_when_it_has_ended():
    with Child("print(2 * input())", "a process") as child:
        child.order("ab")
        assert child.answer() == "abab"
        with pytest.raises(LotteryError, match="a process of lth speed has ended"):
            child.answer()
        child.process.wait()
        with pytest.raises(LotteryError, match="a process of lth speed has ended"):
            child.order("ab")


def test_ways_whose_time_is_that_of_dense_products_take_turns_once_and_ours_at_every_density():
    assert list(pair.series([0.1, 1.0, 0.1]).values()) == [
        *((way, 1.0) for way in (*USUAL_WAYS, OURS_COMPILED, OURS_BFLOAT16)), (OURS_PAIR, 1.0), (OURS_PAIR, 0.1),
    ]  # fmt: skip
    left = {way for way, _ in pair.series([1.0], without=[OURS_BFLOAT16]).values()}
    assert left == set(PAIR_WAYS) - {OURS_BFLOAT16}


@pytest.mark.parametrize("able", [True, False])
def test_ways_that_the_machine_cannot_take_are_left_out(able, monkeypatch):
    monkeypatch.setattr(pair, "has_compiler", lambda: able)
    monkeypatch.setattr(pair, "has_bfloat16", lambda: not able)
    assert pair.missing() == [OURS_BFLOAT16 if able else OURS_COMPILED]
