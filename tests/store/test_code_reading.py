"""The user's code is a part of the architecture: files, helpers, what runs though no file says so, and notebooks."""

import importlib
import json
import subprocess
import sys
import textwrap
import types

import pytest
import torch
from torch import nn

from lth.store.architecture import architecture

NET = """
from torch import nn
{imports}

SCALE = 2


class Net(nn.Module):
    factor = 3

    def __init__(self, width=4):
        super().__init__()
        self.fc = nn.Linear(8, width)

    def forward(self, x, shift=0):
        return {forward}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes the files of a user's project, imports `net` anew and gives it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = set()

    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
            written.add(name.split("/")[0])
        for name in [name for name in sys.modules if name.split(".")[0] in written]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return importlib.import_module("net")

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] in written]:
        del sys.modules[name]


def net(forward="self.fc(x)", imports=""):
    return NET.format(forward=forward, imports=imports)


def test_a_class_that_runs_as_its_file_says_is_its_file_alone(project):
    made = architecture(project(net=net("self.fc(x) * SCALE * self.factor")).Net())
    assert set(made) == {"modules", "sources", "frozen"} and set(made["sources"]) == {"net.Net"}


HELPERS = {
    "from": ("from acts import act", "act(x)", "acts"),
    "import": ("import acts", "acts.act(x)", "acts"),
    "as": ("import acts as a", "a.act(x)", "acts"),
    "package": ("from kit import act", "act(x)", "kit/inner"),
    "submodule": ("import kit.inner", "kit.inner.act(x)", "kit/inner"),
    "by name": ("import importlib\na = importlib.import_module('acts')", "a.act(x)", "acts"),
    "two away": ("from near import act", "act(x)", "acts"),
    "when it is called": ("", "__import__('acts').act(x)", "acts"),
    "never called": ("import near", "x", "acts"),
}


@pytest.mark.parametrize("case", HELPERS)
def test_another_file_that_is_edited_changes_the_architecture(project, case):
    imports, forward, edited = HELPERS[case]
    files = {"kit/__init__": "from .inner import act\n", "near": "from acts import act\n"}
    files |= dict.fromkeys(("acts", "kit/inner"), "def act(x):\n    return x\n")
    seen = []
    for factor in (1, 2, 1):
        code = f"def act(x):\n    return x * {factor}\n"
        made = project(**(files | {edited: code, "net": net(forward, imports)}))
        seen.append(architecture(made.Net()))
    assert seen[0] == seen[2] != seen[1] and edited.replace("/", ".") in seen[0]["helpers"]


def test_libraries_are_no_helpers(project):
    made = project(net=net("functional.relu(self.fc(x))", "import json\nimport numpy\nfrom torch.nn import functional"))
    assert "helpers" not in architecture(made.Net())


def patched_method(module):
    module.Net.forward = lambda self, x: x


def patched_function(module):
    module.act = lambda x: x


def patched_constant(module):
    module.SCALE = 5


def patched_attribute(module):
    module.Net.factor = 5


def new_attribute(module):
    module.Net.more = 5


def patched_default(module):
    module.Net.forward.__defaults__ = (1,)


def changed_in_place(module):
    module.SIZES.append(3)


def of_another_library(module):
    module.relu = torch.tanh


@pytest.mark.parametrize(
    "change",
    [
        *(patched_method, patched_function, patched_constant, patched_attribute, new_attribute, patched_default),
        *(changed_in_place, of_another_library),
    ],
)
def test_what_is_set_from_outside_counts(project, change):
    imports = "from torch import relu\nSIZES = [1, 2]\n\ndef act(x):\n    return x\n"
    module = project(net=net("act(relu(self.fc(x))) * SCALE * len(SIZES)", imports))
    before = architecture(module.Net())
    change(module)
    after = architecture(module.Net())
    assert before != after and "code" not in before and "code" in after


def test_a_file_that_was_edited_since_it_was_imported_does_not_say_what_runs(project, tmp_path):
    """In a notebook that goes on after an edit, say: what runs is the old code."""
    module = project(net=net("self.fc(x)"))
    (tmp_path / "net.py").write_text(net("self.fc(x) * 2"))
    running = architecture(module.Net())
    fresh = architecture(project(net=net("self.fc(x) * 2")).Net())
    assert running["sources"] == fresh["sources"] and running != fresh


def test_an_attribute_of_a_class_of_another_file_brings_its_file(project):
    seen = []
    for factor in (1, 2):
        act = f"class Act:\n    def __call__(self, x):\n        return x * {factor}\n"
        module = project(acts=act, net=net())
        model = module.Net()
        model.act = importlib.import_module("acts").Act()
        seen.append(architecture(model))
    assert seen[0] != seen[1] and "acts" in seen[0]["helpers"]


def cell(code, **variables):
    """What a notebook's cell defines: classes without a file."""
    namespace = {"__name__": "notebook", "nn": nn, "torch": torch, **variables}
    exec(textwrap.dedent(code), namespace)
    return types.SimpleNamespace(**namespace)


CELL = """
def act(x):
    return x * SCALE

class Base(nn.Module):
    shift = {shift}

class Net(Base):
    def __init__(self, width=4):
        super().__init__()
        self.fc = nn.Linear(8, width)

    @property
    def double(self):
        return self.fc.weight * {double}

    @staticmethod
    def same(x, times={times}):
        return x

    def forward(self, x):
        return act(self.fc(x)) + self.shift if x is not None else {last}
"""
PLAIN = {"shift": 0, "double": 2, "times": 1, "last": None}


@pytest.mark.parametrize("changed", [*PLAIN, "SCALE"])
def test_everything_in_a_cell_counts(changed):
    first = cell(CELL.format(**PLAIN), SCALE=2)
    again = cell(CELL.format(**PLAIN), SCALE=2)
    other = cell(CELL.format(**PLAIN | {changed: 7}), SCALE=7 if changed == "SCALE" else 2)
    assert architecture(first.Net()) == architecture(again.Net()) != architecture(other.Net())


@pytest.mark.slow
def test_a_console_has_one_architecture_in_every_process():
    code = "import json, torch\nfrom torch import nn\nfrom lth.store.architecture import architecture\nSCALE = {1, 2}\n"
    code += textwrap.dedent(CELL.format(**PLAIN)) + "print(json.dumps(architecture(Net())))"
    shown = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(shown) == 1 and "unread" not in json.loads(shown.pop())


def test_a_function_that_is_set_in_a_library_counts(monkeypatch):
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    before = architecture(model)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x * 2)
    assert architecture(model) != before
    made = cell("def act(x):\n    return torch.nn.functional.elu(x)\n").act
    model.act = made
    before = architecture(model)
    monkeypatch.setattr(nn.functional, "elu", lambda x: x * 2)
    assert architecture(model) != before


def test_two_cells_of_one_name_are_both_read():
    first, other = (cell("def act(x):\n    return x * SCALE\n", SCALE=scale).act for scale in (1, 2))
    models = [nn.Linear(2, 2) for _ in range(2)]
    models[0].acts, models[1].acts = [first, first], [first, other]
    assert architecture(models[0]) != architecture(models[1])


def test_a_property_that_is_computed_once_can_be_read(project):
    twice = "    @functools.cached_property\n    def twice(self):\n        return 2\n\n    def forward"
    code = net(imports="import functools\n").replace("    def forward", twice)
    assert "unread" not in architecture(project(net=code).Net())
