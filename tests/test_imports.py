"""Imports flow one way. The layers themselves are import-linter's contracts in pyproject.toml."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
EXPERIMENTS = sorted(path.parent.name for path in CHECKOUT.glob("experiments/*/__init__.py"))
QUICK = ["lth", "lth.cli", "lth.cli.jobs", "lth.cli.config", "lth.settings", "lth.experiment", "lth.core.registry"]
QUICK += ["lth.core.tables", *(f"lth.experiments.{name}" for name in EXPERIMENTS)]
QUICK += [f"lth.experiments.{name}.settings" for name in EXPERIMENTS]
SLOW = {"torch", "matplotlib", "wandb", "scipy", "pandas", "numba"}
UNNEEDED = {"torch._dynamo", "torch._inductor", "torchvision", "sklearn", "scipy.stats", "wandb", "pandas", "IPython"}

OF_TABLES = ["lth.commands.claims", "lth.commands.store", "lth.commands.dashboard"]
OF_TABLES += [
    f"lth.experiments.{name}.experiment" for name in ("imp", "at_init", "gradient_flow", "grokking", "stability")
]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """What a file imports: the module, and how many levels up a relative import begins (0: it is absolute)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module or ''}.{alias.name}".lstrip("."), node.level) for alias in node.names)


def test_the_command_line_and_the_experiments_help_import_no_torch():
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        f"    if slow := {SLOW!r} & set(sys.modules): sys.exit(f'{{name}} imports {{slow}}')"
    )
    done = subprocess.run([sys.executable, "-c", code, *QUICK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_imports_neither_torchs_compiler_nor_what_is_off(command, tmp_path, prepared_mnist1d):
    """They take longer than all the rest: the compiler comes with the first call of an optimiser, unless that is kept
    from it, and with what counts FLOPs."""
    code = f"import sys\nfrom lth.cli import main\nmain()\nsys.exit(str({UNNEEDED!r} & set(sys.modules) or 0))"
    words = ["imp", "scale=smoke", "data=mnist1d", "levels=1", "arms=[ticket]", "recipe.iterations=4"]
    done = command(*words, cwd=tmp_path, code=code, check=False, LTH_DATA=str(prepared_mnist1d))
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, ["0"])


@pytest.mark.slow
def test_what_is_made_of_tables_imports_no_torch(tmp_path):
    """Reports, claims and what experiments declare for them: torch takes most of their time and of their memory."""
    code = (
        "import importlib, sys\n"
        "from lth.cli import main\n"
        "main()\n"
        f"for name in {OF_TABLES!r}: importlib.import_module(name)\n"
        f"sys.exit(str({{'torch', *{UNNEEDED!r}}} & set(sys.modules) or 0))"
    )
    words = ["report", str(CHECKOUT / "outputs" / "reference" / "imp"), "--to", str(tmp_path / "report")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, ["0"]), done.stderr
    assert list((tmp_path / "report" / "figures").glob("*.pdf"))


@pytest.mark.slow
def test_declarations_of_experiments_import_no_scipy():
    """Intervals alone need it, which a run does not take."""
    names = [f"lth.experiments.{name}.experiment" for name in EXPERIMENTS]
    code = (
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nsys.exit('scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_imports_no_other(name):
    folder = CHECKOUT / "experiments" / name
    for path in folder.rglob("*.py"):
        depth = len(path.relative_to(folder).parts)
        for module, level in imports(path):
            assert not module.startswith(("experiments", "lth.experiments")) or level, f"{path} imports {module}"
            assert level <= depth, f"{path} imports what lies beside its experiment: {module}"


def test_the_library_imports_no_experiment_by_name():
    for path in (CHECKOUT / "lth").rglob("*.py"):
        named = [module for module, _ in imports(path) if module.startswith(("experiments.", "lth.experiments."))]
        assert not named, f"{path} imports {named}"


def test_every_module_has_its_layer():
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {module.strip("() ") for layer in layers for module in layer.replace(":", "|").split("|")}
    modules = {path.name for path in (CHECKOUT / "lth").iterdir() if (path / "__init__.py").exists()}
    modules |= {path.stem for path in (CHECKOUT / "lth").glob("[a-z]*.py")}
    assert {f"lth.{name}" for name in modules} | {"experiments"} == placed
