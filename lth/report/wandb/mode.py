"""Whether W&B's runs are online, offline or disabled: as the user has set it, and as a key allows.

The environment and the user's own settings file are followed whole. A settings file in a folder is whoever's made the
folder: it may switch W&B off or offline, as `wandb disabled` and `wandb offline` do, and nothing else is taken from it,
since its `base_url` could send the key anywhere. W&B's library is imported only where there may be a key.
"""

import configparser
import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lth.core.reading import read_text, regular

log = logging.getLogger(__name__)

OLDER_MODES = {"dryrun": "offline", "run": "online"}
LOWER = ("online", "offline", "disabled")
"""The modes, each lower than the one before."""
TRUE = ("1", "true", "yes", "on", "t", "y")
"""What W&B reads as true in a variable of the environment."""


def wandb_mode(mode: str, outputs: Path | None = None) -> str:
    """online, offline or disabled: as WANDB_DISABLED or WANDB_MODE say, else `mode`, else settings files and the key.

    `auto` is online where W&B finds a key and no settings file says otherwise: the user's own, or one of the current
    folder, of WANDB_DIR and of `outputs`, where W&B's runs go. It may import wandb, which takes a second.
    """
    chosen = mode_without_key(mode, outputs)
    if chosen != "auto":
        return chosen
    return "online" if has_key(user_settings()) else "offline"


def mode_without_key(mode: str, outputs: Path | None = None) -> str:
    """`wandb_mode`, but `auto` where a key decides. Imports nothing."""
    if os.environ.get("WANDB_DISABLED", "").strip().lower() in TRUE:
        return "disabled"
    mode = os.environ.get("WANDB_MODE") or mode
    mode = OLDER_MODES.get(mode, mode)
    if mode != "auto":
        return mode
    modes = [_mode_of(user_settings()), *(_mode_of(values) for values in folder_settings(outputs).values())]
    lowest = max((LOWER.index(mode) for mode in modes if mode in LOWER), default=0)
    return LOWER[lowest] if lowest else "auto"


def _mode_of(values: Mapping[str, str]) -> str:
    """The mode that a settings file names; older versions of W&B wrote `disabled = true`."""
    mode = values.get("mode", "")
    return "disabled" if values.get("disabled", "").lower() in TRUE else OLDER_MODES.get(mode, mode)


def has_key(settings: Mapping[str, str]) -> bool:
    """Whether there is a key for the W&B server: in the environment, in the user's `settings`, or where W&B finds it.

    What cannot be read or is no key counts as none.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or settings.get("api_key"):
        return True
    places = [os.environ["NETRC"]] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    if not any(_is_regular(os.path.expanduser(place)) for place in places):
        return False
    try:
        import wandb
        from wandb.sdk.lib import wbauth  # what the library itself asks

        host = os.environ.get("WANDB_BASE_URL") or settings.get("base_url") or wandb.Settings().base_url
        return bool(wbauth.read_netrc_auth(host=host))
    except Exception as error:  # an address or a key that is none, another version of the library, no home folder
        log.debug("W&B finds no key: %s", error)
        return False


def _is_regular(path: str) -> bool:
    try:
        regular(path)
    except OSError:
        return False
    return True


def user_file() -> Path:
    """The user's own settings file of W&B; it may not be there."""
    folder = os.path.expanduser(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")
    return Path(os.devnull if folder.startswith("~") else folder, "settings")  # without a home there is none


def user_settings() -> dict[str, str]:
    """What the user's own settings file says."""
    return _read(user_file())


def folder_settings(outputs: Path | None = None) -> dict[Path, dict[str, str]]:
    """File -> what it says, of the settings files in the current folder, WANDB_DIR and `outputs`."""
    folders = [Path(), *([Path(directory)] if (directory := os.environ.get("WANDB_DIR")) else [])]
    folders += [outputs] if outputs is not None else []
    files = {Path(os.path.abspath(folder / name / "settings")) for folder in folders for name in ("wandb", ".wandb")}
    return {file: values for file in sorted(files - {user_file()}) if (values := _read(file))}


def _read(file: Path) -> dict[str, str]:
    """The settings in `file`; none where it is missing, or cannot be read as settings."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(file))
        return dict(parser["default"])
    except (OSError, ValueError, KeyError, configparser.Error):
        return {}


def say_ignored(outputs: Path | None = None) -> None:
    """One line about each settings file of a folder that sets more than the mode, once in this process."""
    for file, values in folder_settings(outputs).items():
        if ignored := sorted(values.keys() - {"mode", "disabled"}):
            _say(str(file), ", ".join(map(ascii, ignored)))


@cache
def _say(file: str, keys: str) -> None:
    log.warning(
        "W&B does not follow %s in %r: a folder may only switch it off or offline; the rest belongs into %s",
        keys,
        file,
        user_file(),
    )


def read_user_settings_alone(wandb: Any) -> None:
    """Sets the library up without a word, from the environment and the user's own settings file.

    Of itself it reads `wandb/settings` in the current folder, too. Raises RuntimeError for a version that cannot be
    kept from it, where there is such a file.
    """
    settings = wandb.Settings
    read = getattr(settings, "read_system_settings", None)
    if read is None and any(values.keys() - {"mode"} for values in folder_settings().values()):
        raise RuntimeError(f"wandb {wandb.__version__} would read {next(iter(folder_settings()))}; remove it")
    file = str(user_file()) if _is_regular(str(user_file())) else os.devnull

    def read_alone(values: Any) -> Any:
        from wandb.sdk.lib.settings_file import SettingsFiles

        return SettingsFiles(global_settings=Path(file), local_settings=Path(os.devnull))

    try:
        if read is not None:
            settings.read_system_settings = read_alone
        wandb.setup(settings(silent=True, settings_system=file))  # a run's own settings come too late for the login
    finally:
        if read is not None:
            settings.read_system_settings = read
