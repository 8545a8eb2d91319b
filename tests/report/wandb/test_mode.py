"""Whether W&B is on, and where it sends what it has, is for the user to say, never for a folder."""

import base64
import logging
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lth.report.wandb import guard, mode
from lth.report.wandb.mode import folder_settings, mode_without_key, user_settings, wandb_mode
from lth.report.wandb.run import RunInfo, folder_of, library, reason

pytestmark = pytest.mark.usefixtures("no_account", "elsewhere")
KEY = "a" * 40


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A current folder of the test's own, where no warning has been given."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    mode._say.cache_clear()
    return folder


def settings_file(folder: Path, text: str, name: str = "wandb") -> None:
    """A settings file of W&B in `folder`."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "settings").write_text(f"[default]\n{text}\n")


def user_file(tmp_path: Path, text: str) -> None:
    """The user's own settings file of W&B."""
    (tmp_path / "wandb_home").mkdir(exist_ok=True)
    (tmp_path / "wandb_home" / "settings").write_text(f"[default]\n{text}\n")


@pytest.fixture
def key(no_account, monkeypatch):
    """Somebody who is logged in."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("place", [".", "outputs", "directory", "user"])
@pytest.mark.parametrize("name", ["wandb", ".wandb"])
def test_wandb_disabled_and_offline_are_followed_wherever_they_were_said(tmp_path, monkeypatch, place, name):
    monkeypatch.setenv("WANDB_DIR", "directory")
    for text, expected in (("mode = offline", "offline"), ("mode=disabled", "disabled"), ("mode = dryrun", "offline")):
        user_file(tmp_path, text) if place == "user" else settings_file(Path(place), text, name)
        assert wandb_mode("auto", Path("outputs")) == mode_without_key("auto", Path("outputs")) == expected
        assert wandb_mode("online", Path("outputs")) == "online"  # said for this very command
    monkeypatch.setenv("WANDB_MODE", "online")
    assert wandb_mode("auto", Path("outputs")) == "online"  # the environment wins over files


@pytest.mark.usefixtures("key")
def test_the_lowest_of_the_files_holds_and_none_raises_the_mode(tmp_path, monkeypatch):
    user_file(tmp_path, "mode = offline")
    settings_file(Path(), "mode = online")
    assert wandb_mode("auto") == "offline"
    settings_file(Path(), "disabled = true")
    assert wandb_mode("auto") == "disabled"
    monkeypatch.delenv("WANDB_API_KEY")
    settings_file(Path(), f"mode = online\napi_key = {KEY}")
    user_file(tmp_path, "")
    assert wandb_mode("auto") == "offline"  # the key of a folder is nobody's


@pytest.mark.parametrize(
    "content", ["", "mode = offline", "[default", "[default]\nmode", "[other]\nmode = offline", "\0"]
)
def test_a_file_that_is_no_settings_file_says_nothing(content):
    Path("wandb").mkdir()
    Path("wandb", "settings").write_text(content)
    assert folder_settings() == {} and wandb_mode("auto") == "offline"


def pipe(path: Path) -> None:
    """A named pipe, whose reader waits for a writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("make", [pipe, lambda path: path.mkdir(parents=True), lambda path: path.symlink_to(path)])
def test_neither_a_pipe_nor_a_folder_nor_a_loop_holds_anything(tmp_path, make):
    for file in (tmp_path / "netrc", tmp_path / "wandb_home" / "settings", Path("wandb", "settings")):
        file.parent.mkdir(exist_ok=True)
        make(file)
    assert wandb_mode("auto") == "offline" and user_settings() == {}


def test_without_a_home_there_is_no_key_and_no_file_of_the_users(monkeypatch):
    for variable in ("HOME", "NETRC", "WANDB_CONFIG_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does for a user whom the machine lacks
    settings_file(Path("~/.config"), f"api_key = {KEY}")
    Path("~/.netrc").write_text(f"machine api.wandb.ai login user password {KEY}")
    assert user_settings() == {} and wandb_mode("auto") == "offline"


@pytest.mark.parametrize(
    "server", ["http://[", "nonsense", "http://app.wandb.ai", "ftp://x", "http://example.org:port"]
)
@pytest.mark.parametrize("password", [KEY, "short", "''"])
def test_a_malformed_address_or_key_is_no_traceback(tmp_path, monkeypatch, server, password):
    monkeypatch.setenv("WANDB_BASE_URL", server)
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {password}\n")
    assert wandb_mode("auto") == "offline"


def test_the_default_server_is_the_librarys(tmp_path):
    from urllib.parse import urlsplit

    import wandb

    host = urlsplit(wandb.Settings().base_url).netloc
    (tmp_path / "netrc").write_text(f"machine {host} login user password {KEY}\n")
    assert wandb_mode("auto") == "online"
    user_file(tmp_path, "base_url = http://example.org")
    assert wandb_mode("auto") == "offline"
    (tmp_path / "netrc").write_text(f"machine example.org login user password {KEY}\n")
    assert wandb_mode("auto") == "online"


def test_the_environment_names_the_run_and_its_folder(monkeypatch):
    info = RunInfo("run0", "name", "group", "imp")
    assert {info.arguments()[key] for key in ("name", "group", "job_type")} == {"name", "group", "imp"}
    assert info.arguments("users")["project"] == "users" and folder_of(Path("outputs")) == Path("outputs").resolve()
    for variable in ("WANDB_NAME", "WANDB_RUN_GROUP", "WANDB_JOB_TYPE", "WANDB_DIR"):
        monkeypatch.setenv(variable, "theirs")
    assert {info.arguments()[key] for key in ("name", "group", "job_type")} == {None}
    assert folder_of(Path("outputs")) == Path("theirs").resolve()


@pytest.fixture
def visits():
    """A server that a folder names, and what is sent to it: (address, the Authorization headers so far)."""
    headers = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            headers.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", headers
        server.shutdown()


@pytest.fixture
def new_library(monkeypatch):
    """W&B's library as it is at the beginning of a process, without its own process; it is put back."""
    from wandb.sdk import wandb_setup

    monkeypatch.setattr(wandb_setup, "_singleton", None)
    monkeypatch.setattr(wandb_setup._WandbSetup, "ensure_service", lambda _: None)
    monkeypatch.setattr(guard, "_caller", None)


@pytest.mark.usefixtures("key", "new_library")
@pytest.mark.parametrize("place", [".", "outputs"])
def test_a_folder_names_no_server_no_key_and_no_owner(tmp_path, visits, place, caplog):
    address, _ = visits
    text = f"base_url = {address}\nentity = stranger\nproject = strange\nx_extra_http_headers = {{}}\nmode = online"
    for name in ("wandb", ".wandb"):
        settings_file(Path(place), text, name)
    user_file(tmp_path, "entity = friend")
    for _ in range(2):
        settings = library(Path("outputs")).setup().settings
    assert address not in repr(settings) and "strange" not in repr(settings)
    assert settings.entity == "friend" and settings.base_url.startswith("https://api.")
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 2 and all("'base_url', 'entity', 'project', 'x_extra_http_headers'" in line for line in lines)
    assert "read_alone" not in repr(type(settings).read_system_settings)  # the user's own use of it is as it was


@pytest.mark.usefixtures("key", "new_library")
def test_the_users_own_server_is_followed(tmp_path, visits):
    address, _ = visits
    user_file(tmp_path, f"base_url = {address}")
    assert library().setup().settings.base_url == address


@pytest.mark.usefixtures("new_library")
@pytest.mark.parametrize(
    ("variable", "value"),
    [("MODE", "foo"), ("PROJECT", "a/b"), ("TAGS", f"a,,{80 * 'x'}"), ("API_KEY", " canary"), ("BASE_URL", "http://[")],
)
def test_whatever_the_environment_holds_is_a_line_without_the_value_of_a_key(monkeypatch, variable, value):
    monkeypatch.setenv(f"WANDB_{variable}", value)
    with pytest.raises(Exception, match=r".") as error:
        library()
    line = reason(error.value)
    assert line and "\n" not in line and "canary" not in line and "type=" not in line


ONLINE = """\
import sys
from pathlib import Path
from lth.commands import dashboard
from lth.report.wandb import guard
from lth.report.wandb.run import RunInfo
from lth.report.wandb.tracking import Ending, Wandb
guard.SECONDS = 20.0
if sys.argv[1] == "dashboard":
    dashboard.main([])
tracker = Wandb(Path("outputs"), "online", RunInfo("run0", "name", "group", "imp"))
tracker.start()
tracker.finish(Ending([]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["run", "dashboard"])
def test_no_key_goes_to_the_server_that_a_folder_names(command, tmp_path, visits, elsewhere, what):
    address, headers = visits
    for folder in (elsewhere, elsewhere / "outputs"):
        settings_file(folder, f"base_url = {address}")
    command(what, cwd=elsewhere, code=ONLINE, check=False, WANDB_MODE=None, WANDB_API_KEY=KEY)
    assert not headers
    command("run", cwd=elsewhere, code=ONLINE, WANDB_MODE=None, WANDB_API_KEY=KEY, WANDB_BASE_URL=address)
    assert KEY in base64.b64decode(next(filter(None, headers)).split()[1]).decode()  # the test would see it
