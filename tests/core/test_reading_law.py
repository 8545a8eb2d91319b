"""The law of reading: every file goes through lth.core.reading, so that no pipe or device can hold a command."""

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOOR = CHECKOUT / "lth" / "core" / "reading.py"
METHODS = {"read_text", "read_bytes"}
"""Methods of paths that read."""
BY_NAME = {"safe_open", "load_file", "torch.load"}
"""What takes a file by its name, and is to be given `regular(...)`."""
READERS = {
    *("open", "io.open", "gzip.open", "codecs.open", "os.open", "open_code", "netrc.netrc", "OmegaConf.load"),
    *("np.load", "np.fromfile", "np.loadtxt", "np.genfromtxt", "np.memmap", "pd.read_csv", "linecache.getlines"),
    *("torch.from_file", "pickle.load", "json.load", "tomllib.load", "yaml.load_all", "runpy.run_path"),
}
"""What else reads files."""
WRITING = ("w", "a", "x", "+", "O_WRONLY", "O_RDWR", "O_DIRECTORY", "O_NONBLOCK")
"""In the arguments of what opens a file for another thing than reading it, or waits for nobody."""


def name_of(function: ast.expr) -> str:
    """The name that a call goes by: `open`, `torch.load`, or `.read_text` of anything else."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        return f"{function.value.id}.{function.attr}" if isinstance(function.value, ast.Name) else f".{function.attr}"
    return ""


def opens_for_writing(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    modes = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    flags = [node.attr for argument in given for node in ast.walk(argument) if isinstance(node, ast.Attribute)]
    letters = {letter for mode in modes if {*mode} <= {*"rwaxbt+"} for letter in mode}
    return bool({*letters, *flags} & {*WRITING})


def other_doors(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, call) of every call that reads a file in another way."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        attribute = name.rpartition(".")[2] if "." in name else ""
        checked = bool(node.args) and isinstance(node.args[0], ast.Call) and name_of(node.args[0].func) == "regular"
        by_method = attribute in METHODS or (attribute == "open" and name not in READERS)
        if (name in BY_NAME and not checked) or ((by_method or name in READERS) and not opens_for_writing(node)):
            yield node.lineno, ast.unparse(node)


def test_every_file_is_read_through_the_one_door() -> None:
    files = [path for folder in ("lth", "experiments") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
    others = [
        f"{path.relative_to(CHECKOUT)}:{line}: {call}"
        for path in files
        if path != DOOR
        for line, call in other_doors(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not others, "use lth.core.reading:\n" + "\n".join(others)


def test_the_law_sees_what_it_forbids() -> None:
    forbidden = 'path.read_text(); open("x.y"); path.open(); torch.load(path); safe_open(path); os.open(p, os.O_RDONLY)'
    allowed = 'read_text(path); open("x", "w"); path.open("rb+"); torch.load(regular(path)); os.open(p, os.O_WRONLY)'
    assert len([*other_doors(ast.parse(forbidden))]) == 6 and not [*other_doors(ast.parse(allowed))]
