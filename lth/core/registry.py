"""Open registries: what this package defines, what installed packages add, and what a dotted path names.

Imports no torch.
"""

import difflib
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Generic, TypeVar

from lth.core.errors import SettingError, reason_of

log = logging.getLogger(__name__)

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name: registered here, by the entry points `group` of installed packages, or by path.

    kind: what they are, as in an error text ("arm"). load: imports the module that registers this package's own;
    called before the first look-up, so that importing a registry stays cheap. make: turns what an entry point or a
    dotted path gives (a decorated function, say) into a registered thing.

    >>> registry: Registry[int] = Registry("number", "lth.numbers")
    >>> registry.add("one", 1)
    1
    >>> registry.get("one", "key")
    1
    """

    def __init__(
        self,
        kind: str,
        group: str,
        *,
        load: Callable[[], object] | None = None,
        make: Callable[[object, str], T] | None = None,
    ) -> None:
        self.kind, self.group = kind, group
        self._load, self._make = load, make
        self._known: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Registers `thing` under `name`, and gives it back."""
        self._known[name] = thing
        return thing

    def get(self, name: str, key: str) -> T:
        """The thing called `name`: a known name, or `package.module:attribute`.

        Raises SettingError naming the setting `key`, with the nearest known name, where there is none.
        """
        self._ready()
        if name in self._known:
            return self._known[name]
        point = next((point for point in self._points() if point.name == name), None)
        if point is not None:
            return self.add(name, self._made(self._loaded(point, key), name))
        if ":" in name:
            return self.add(name, self._made(imported(name, key), name))
        raise SettingError(key, name, f"is no {self.kind}; {nearest(name, self)}")

    def known(self) -> list[T]:
        """Those that are loaded: this package's own, and others that were looked up already."""
        self._ready()
        return list(self._known.values())

    def __contains__(self, name: object) -> bool:
        self._ready()
        return name in self._known or any(point.name == name for point in self._points())  # searching takes 20 ms

    def __iter__(self) -> Iterator[str]:
        """Every name: this package's own in order of definition, then those of installed packages."""
        self._ready()
        return iter(dict.fromkeys([*self._known, *(point.name for point in self._points())]))

    def _ready(self) -> None:
        if self._load is not None:
            load, self._load = self._load, None
            load()

    def _points(self) -> Iterable[metadata.EntryPoint]:
        return metadata.entry_points(group=self.group)

    def _loaded(self, point: metadata.EntryPoint, key: str) -> object:
        try:
            return point.load()
        except Exception as error:  # whatever a broken package raises
            package = point.dist.name if point.dist else point.module
            problem = f"comes from the package {package}, which cannot be imported ({type(error).__name__}: {error})"
            raise SettingError(key, point.name, problem) from error

    def _made(self, thing: object, name: str) -> T:
        return self._make(thing, name) if self._make is not None else thing  # type: ignore[return-value]


def imported(path: str, key: str) -> object:
    """What `package.module:attribute`, or `package.module.attribute`, names; the current folder is searched too, last.

    Raises SettingError naming the setting `key` where it cannot be imported.
    """
    module, _, attribute = path.rpartition(":" if ":" in path else ".")
    search_current_folder()
    shadow = _shadow(module)
    try:
        thing = importlib.import_module(module)
        value = getattr(thing, attribute)
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        expected = isinstance(error, (ImportError, AttributeError, TypeError, ValueError))  # TypeError: a relative path
        reason = reason_of(error) if expected else f"{type(error).__name__}: {reason_of(error)}"
        problem = f"cannot be imported ({reason}); installed packages and the current folder are searched{shadow}"
        raise SettingError(key, path, problem) from error
    if shadow:
        log.warning("%s=%s: %s is taken%s", key, path, getattr(thing, "__file__", None) or "Python's own", shadow)
    return value


def search_current_folder() -> None:
    """Lets Python find modules of the current folder, after all that is installed; for what the user has named."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()


def _shadow(module: str) -> str:
    """What to say of a file of the current folder that has the name of an installed module; empty where none has."""
    top = module.partition(".")[0]
    beside = next((path for path in (Path(f"{top}.py"), Path(top) / "__init__.py") if top and path.is_file()), None)
    try:
        spec = importlib.util.find_spec(top) if beside else None
    except (ImportError, ValueError):
        return ""
    if beside is None or spec is None or (spec.origin and Path(spec.origin).resolve() == beside.resolve()):
        return ""
    return f", not ./{beside}, whose name an installed module has: rename it"


def nearest(name: str, known: Iterable[str]) -> str:
    """Which of the `known` names `name` was probably meant to be, and all of them: the end of an error text."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(names)}"
