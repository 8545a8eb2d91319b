"""The words of a command line, before Hydra reads any."""

import pytest

from lth.cli.words import mistakes
from lth.discovery import source_of

GOOD = [
    ["levels=3", "recipe.lr=1e-3", "-m", "seed=0,1,2"],
    ["--cfg", "job"],
    ["--cfg", "job", "--resolve", "-p", "recipe"],
    ["--info", "config"],
    ["data=mnist,kmnist", "scale=paper", "paper=null", "paper=frankle2019/lenet"],
    ["data=glob(*)", "'data=choice(mnist,kmnist)'".strip("'")],
    ["++model.args.width=8", "data.args.deep.path=x", "pruning.layer_densities.fc=0.1"],
    ["hydra.run.dir=x", "hydra/launcher=basic", "+hydra.launcher.x=1"],
    ["--config-dir", "mine", "paper=mine/first"],
]
BAD = [
    ["--foo"],
    ["--multi"],
    ["--cfg"],
    ["--cfg", "nonsense"],
    ["--cfg", "levels=3"],
    ["--info=nothing"],
    ["--config-name", "x"],
    ["-cn=x"],
    ["--config-path=/x"],
    ["--experimental-rerun", "config.pickle"],
    ["+nope=1"],
    ["++nope=1"],
    ["~data"],
    ["~recipe.lr"],
    ["experiment=deploy"],
    ["experiment=/tmp/evil"],
    ["+experiment=deploy"],
    ["++experiment=deploy"],
    ["scale=true"],
    ["paper=[1]"],
    ["paper=../../x"],
    ["recipe=5"],
    ["recipe={lr: 1}"],
    ["+data=nowhere"],
    ["data="],
    [""],
    [" "],
    ["="],
    ["=1"],
    ["abc"],
    ["levels"],
    ["levels=1\nseed=2"],
    ["levels=\x1b[31m"],
    ["levels=\udcff"],
    ["recipe.lr.x=1"],
    ["x" * 5000],
]


@pytest.mark.parametrize("words", GOOD)
def test_what_hydra_can_read_is_left_to_it(words):
    assert list(mistakes(source_of("imp"), words)) == []


@pytest.mark.parametrize("words", BAD)
def test_a_mistake_is_one_line(words):
    line, *_ = mistakes(source_of("imp"), words)
    assert line.isprintable() and ": " in line and len(line) < 500


def test_words_that_share_a_letter_with_a_key_are_no_keys_of_it():
    assert list(mistakes(source_of("imp"), ["recipe.lrx=1"])) == [
        "recipe.lrx=1: lth imp has no key recipe.lrx; did you mean recipe.lr?"
    ]
