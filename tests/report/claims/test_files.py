"""Claims files are checked when they are read; what is wrong is one line that names the file."""

import math

import pytest

from lth.core.errors import LotteryError
from lth.report.claims.files import read_claims

HEAD = 'title = "T"\nexperiment = "imp"\ncommand = "lth imp"\ndata = "digits"\nmodel = "mlp"\n'
CLAIM = '[[claim]]\nname = "A"\ntext = "a text"\nestimator = "value"\nof = { arm = "ticket" }\n'


def read(tmp_path, text):
    path = tmp_path / "paper.toml"
    path.write_text(text)
    return read_claims(path)


def test_what_is_no_field_of_a_claim_is_an_argument_of_its_estimator(tmp_path):
    claims = read(tmp_path, HEAD + CLAIM + "at_least = 0.5\nfrom = 30.0\nto = 2.0\n")
    (claim,) = claims.claims
    assert (claims.title, claims.unit, claims.within, claims.density_arm) == ("T", "seed", "", "ticket")
    assert claim.arguments == {"of": {"arm": "ticket"}} and (claim.densest, claim.sparsest) == (30.0, 2.0)
    assert claim.at_least == 0.5 and claim.at_most == math.inf and claim.paper is None


def test_a_claim_has_the_defaults_that_it_does_not_give_itself(tmp_path):
    defaults = 'within = "runs"\n[defaults]\ncolumn = "c"\notherwise = "because"\nat_least = 1.0\n'
    first, second = read(tmp_path, HEAD + defaults + CLAIM + CLAIM + 'within = ""\ncolumn = "d"\n').claims
    assert (first.arguments["column"], first.within, first.otherwise) == ("c", "runs", "because")
    assert (second.arguments["column"], second.within, second.otherwise) == ("d", "", "because")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + CLAIM, "claim A has neither at_least nor at_most"),
        (HEAD + '[[claim]]\nname = "A"\nat_most = 1.0\n', "missing 2 required .* 'text' and 'estimator'"),
        (CLAIM + "at_least = 1.0\n", "'title', 'experiment', 'command', 'data', and 'model'"),
        (HEAD + "colour = 1\n", "unexpected keyword argument 'colour'"),
        ("title = ", "is not a TOML file"),
        (f"title = {'[' * 10_000}", "is not a TOML file"),
        (HEAD.replace('"T"', "3"), "title=3: must be a text"),
        (HEAD + "claim = 3\n", "claim a list of tables"),
        (HEAD + "claim = [3]\n", "claim a list of tables"),
        ("defaults = 3\n" + HEAD, "defaults must be a table"),
        (HEAD + CLAIM + 'at_least = "1"\n', "claim A: at_least=1: must be a number"),
        (HEAD + CLAIM + "at_least = nan\n", "claim A: at_least=nan: must be a number"),
        (HEAD + CLAIM + "at_least = 1.0\ndensities = [[1.0]]\n", "densities=.*: must be a list, each a number"),
        (HEAD + CLAIM + "at_least = 1.0\nwhere = [1]\n", "where=.*: must be a table of values"),
        (HEAD + CLAIM + "at_least = 1.0\niterations = 1.5\n", "iterations=1.5: must be a whole number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path, text, problem):
    with pytest.raises(LotteryError, match=rf"paper\.toml: .*{problem}"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LotteryError, match=r"nowhere\.toml: No such file"):
        read_claims(tmp_path / "nowhere.toml")
