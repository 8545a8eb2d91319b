"""The words of a command line, checked before Hydra reads them: flags, keys, options of groups. Imports no Hydra."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from lth.cli.defaults import GROUPS, options_of, paper_of
from lth.cli.keys import Key, keys_of
from lth.core.registry import nearest
from lth.core.shown import brief
from lth.discovery import Source

OVERRIDE = re.compile(r"(\+{0,2})([\w./]+)=(.*)", re.DOTALL)
CHOICE = re.compile(r"(choice|glob|sort|shuffle|range|extend_list)\(.*\)|\$\{.*\}|'.*'|\".*\"", re.DOTALL)
"""Options of a group in Hydra's own grammar, as data=glob(*); it reads them."""

FLAGS = ("-h", "--help", "-m", "--multirun", "-r", "--run", "--resolve", "--hydra-help")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
VALUES: dict[str, Sequence[str]] = {
    **dict.fromkeys(("-c", "--cfg"), ("job", "hydra", "all")),
    **dict.fromkeys(("-i", "--info"), INFO),
    **dict.fromkeys(("-p", "--package", "-cd", "--config-dir"), ()),
}
"""Hydra's flags, and what follows those that something follows; (): any word."""


def mistakes(source: Source, words: Sequence[str]) -> Iterator[str]:
    """What is wrong with `words`, one line for each: unknown flags, keys and options, with the nearest there is.

    Values in Hydra's grammar are left to Hydra.
    """
    keys, groups = list(keys_of(source.settings, internal=True)), options_of(source)
    if any(word.startswith(("-cd", "--config-dir", "hydra.searchpath=")) for word in words):
        groups = {}  # with options of the user's, which Hydra finds
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            flag, equals, value = word.partition("=")
            if flag in VALUES and not equals:
                value = next(rest, "")
            problem = _mistaken_flag(source, flag, value)
        else:
            problem = _mistake(source, word, keys, groups) or _mistaken_option(source, word, groups)
        if problem:
            yield problem


def _mistaken_flag(source: Source, flag: str, value: str) -> str | None:
    if flag in ("-cn", "--config-name", "-cp", "--config-path", "--experimental-rerun"):
        return f"{flag}: lth {source.command} has a configuration of its own; --config-dir adds options to groups"
    if flag not in (*FLAGS, *VALUES):
        return f"{brief(flag)}: is no flag of lth {source.command}; {nearest(flag, (*FLAGS, *VALUES))}"
    values = VALUES.get(flag, ())
    if flag in VALUES and (value not in values if values else not value):
        return f"{flag} {brief(value)}: must be followed by {', '.join(values) or 'a name'}"
    return None


def _mistake(source: Source, word: str, keys: Sequence[Key], groups: Mapping[str, Sequence[str]]) -> str | None:
    """What is wrong with an override; None where that is for Hydra to say."""
    problem = _problem(source, word, keys, groups)
    return problem and f"{brief(word) or repr(word)}: {problem}"


def _problem(source: Source, word: str, keys: Sequence[Key], groups: Mapping[str, Sequence[str]]) -> str | None:
    free = tuple(f"{key.name}." for key in keys if key.type in ("dict", "any"))
    bare = word.lstrip("+~")
    if not word.isprintable() or any("\ud800" <= sign <= "\udfff" for sign in word):
        return "has characters that cannot be printed"
    if bare.startswith(("hydra.", "hydra/", *free)):
        return None
    if word.startswith("~"):
        return "a key cannot be taken away; set it to another value, as null"
    if "=" not in word:
        return f"is no KEY=VALUE; lth {source.command} --help lists the keys"
    override = OVERRIDE.fullmatch(word)
    if override is None:
        return None if word.partition("=")[0].strip() else "names no key"
    name = override[2]
    if name == "experiment":
        return f"the experiment is the first word, as in lth {source.command}, and no key"
    names = {key.name for key in keys} | {key.name.rpartition(".")[0] for key in keys} | {*(groups or GROUPS)}
    if name not in names:
        close = difflib.get_close_matches(name, [*(key.name for key in keys if key.meaning), *groups], n=1)
        hint = f"did you mean {close[0]}?" if close else f"lth {source.command} --help lists the keys"
        return f"lth {source.command} has no key {name}; {hint}"
    return None


def _mistaken_option(source: Source, word: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """What is wrong with the options of a group, with the first that it does not have."""
    group, _, value = word.lstrip("+").partition("=")
    if group not in groups or CHOICE.fullmatch(value):
        return None
    for option in value.split(","):
        if group == "paper" and option not in groups[group] and (experiment := paper_of(source, option)):
            return f"paper={option}: is a paper of lth {experiment}, not of lth {source.command}"
        if option not in (*groups[group], "null"):
            return f"{group}={brief(option)}: is no option of {group}; {nearest(option, groups[group])}"
    return None
