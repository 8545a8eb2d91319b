"""Where experiments are: with lth, in installed packages, in folders; found without importing them. Imports no torch.

An installed package adds one by an entry point of the group `lth.experiments`, whose value is the package, or
`package:EXPERIMENT`. A folder is named on the command line (`lth ./my_experiment`) or by LTH_EXPERIMENTS.
"""

import ast
import importlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import lth.experiments
from lth.core.errors import LotteryError
from lth.core.reading import read_bytes
from lth.core.registry import nearest, search_current_folder

if TYPE_CHECKING:
    from lth.experiment import Experiment

log = logging.getLogger(__name__)

GROUP = "lth.experiments"
"""The entry points by which installed packages add experiments."""


@dataclass(frozen=True)
class Source:
    """An experiment that has been found. module: its package; file: the package's `__init__.py`.

    Its declaration is `attribute` of `module.experiment`, where there is such a module, else of the package itself.
    """

    name: str
    module: str
    file: Path
    attribute: str = "EXPERIMENT"

    @property
    def docstring(self) -> str:
        """The help text, read without importing the package."""
        try:
            return ast.get_docstring(ast.parse(read_bytes(self.file))) or ""
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"cannot be read: {error}"

    @property
    def summary(self) -> str:
        """The first line of the help text."""
        return self.docstring.partition("\n")[0]

    @property
    def folder(self) -> Path | None:
        """The folder of the package, which may hold its configuration and claims; None for a module of one file."""
        return self.file.parent if self.file.name == "__init__.py" else None

    @property
    def command(self) -> str:
        """The word by which `lth` runs it: its name, or the path of its folder."""
        named = self.name in lth.experiments.folders() and self.file.parent == lth.experiments.folders()[self.name]
        return f".{os.sep}{os.path.relpath(self.file.parent)}" if named else self.name

    @property
    def outside(self) -> bool:
        """Whether it does not come with lth."""
        return str(self.file.parents[1]) not in lth.experiments.__path__

    @property
    def config_folders(self) -> list[Path]:
        """The folders that its configuration is searched in: lth's, then its own where it comes from outside."""
        return [place("conf"), *([self.folder] if self.outside and self.folder else [])]

    @property
    def config(self) -> Path | None:
        """The file of its primary configuration; None where it has none."""
        files = [folder / f"{self.name}.yaml" for folder in self.config_folders]
        return next((file for file in files if file.is_file()), None)

    @property
    def settings(self) -> type:
        """The dataclass of its settings: SETTINGS in its module `settings`, else what it declares."""
        if self.has("settings"):
            settings = getattr(self._module(f"{self.module}.settings"), "SETTINGS", None)
            if isinstance(settings, type):
                return settings
        return self.load().settings

    def load(self) -> "Experiment":
        """The declaration. LotteryError where there is none."""
        name = f"{self.module}.experiment" if self.has("experiment") else self.module
        experiment = getattr(self._module(name), self.attribute, None)
        if experiment is None:
            raise LotteryError(f"{self.file}: an experiment declares {self.attribute} = Experiment(...)")
        return experiment  # type: ignore[no-any-return]

    def _module(self, name: str) -> ModuleType:
        """The module `name` of the package; LotteryError where it, or what it imports, cannot be imported."""
        if self.name in lth.experiments.folders():
            search_current_folder()
        try:
            return importlib.import_module(name)
        except (ImportError, SyntaxError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise LotteryError(f"{self.file.parent} cannot be imported: {type(error).__name__}: {reason}") from error

    def has(self, part: str) -> bool:
        """Whether the package has a module `part`."""
        return self.folder is not None and (self.folder / f"{part}.py").is_file()


def place(folder: str) -> Path:
    """Where `conf` or `experiments` lie: in the package (installed from a wheel), else beside it (a checkout)."""
    package = Path(__file__).parent
    return next(path for path in (package / folder, package.parent / folder) if path.is_dir())


def sources() -> dict[str, Source]:
    """Name -> experiment: those that come with lth, those of installed packages, those of named folders."""
    known: dict[str, Source] = {}
    for source in (*_ours(), *_installed(), *_named()):
        known.setdefault(source.name, source)
    return known


def source_of(word: str, others: Iterable[str] = ()) -> Source:
    """The experiment that `word` names, or whose folder it is the path of.

    A folder is remembered in the environment, so that the processes of a sweep find it. Raises LotteryError where there
    is none, with the nearest of the experiments and of `others`, the other words that may have been meant.
    """
    if os.sep in word or word.startswith("."):
        return _from_folder(Path(word))
    ours = {source.name: source for source in _ours()}
    if word in ours:  # without a look at what is installed
        return ours[word]
    known = sources()
    if word in known:
        return known[word]
    hint = f" (its folder is run as ./{word})" if (Path(word) / "__init__.py").is_file() else ""
    raise LotteryError(f"no experiment is called {word!r}{hint}; {nearest(word, [*known, *others])}")


def source_named(name: str) -> Source:
    """The experiment called `name`, which is never a path; LotteryError where there is none."""
    known = sources()
    if name not in known:
        raise LotteryError(f"no experiment is called {name!r}; {nearest(str(name), known)}")
    return known[name]


def _from_folder(folder: Path) -> Source:
    folder = folder.absolute()
    if not (folder / "__init__.py").is_file():
        raise LotteryError(f"{folder}: an experiment is a folder with an __init__.py, and this is none")
    if not folder.name.isidentifier():
        raise LotteryError(f"{folder}: the name of an experiment's folder is one that Python can import")
    known = sources().get(folder.name)
    if known is not None and known.file.parent.resolve() != folder.resolve():
        raise LotteryError(f"{folder}: an experiment of this name is in {known.file.parent} already; rename the folder")
    if known is None:
        named = os.environ.get(lth.experiments.VARIABLE)
        os.environ[lth.experiments.VARIABLE] = os.pathsep.join([str(folder), *([named] if named else [])])
    return known or next(source for source in _named() if source.name == folder.name)


def _ours() -> Iterator[Source]:
    files = [file for folder in lth.experiments.__path__ for file in Path(folder).glob("[a-z]*/__init__.py")]
    for file in sorted(files, key=lambda file: file.parent.name):
        yield Source(file.parent.name, f"lth.experiments.{file.parent.name}", file)


def _installed() -> Iterator[Source]:
    for point in metadata.entry_points(group=GROUP):
        try:
            spec = _spec(point.module)
        except Exception as error:  # one broken package does not keep the others from being listed
            log.warning("the package of the experiment %s cannot be searched: %s", point.name, error)
            continue
        if spec is not None and spec.origin is not None:
            yield Source(point.name, point.module, Path(spec.origin), point.attr or "EXPERIMENT")


def _named() -> Iterator[Source]:
    for name, folder in lth.experiments.folders().items():
        if (folder / "__init__.py").is_file():
            yield Source(name, f"lth.experiments.{name}", folder / "__init__.py")


def _spec(module: str) -> ModuleSpec | None:
    """Where `module` is; neither it nor the packages that it lies in are imported."""
    name, path, spec = "", None, None
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path) for finder in finders)), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec
