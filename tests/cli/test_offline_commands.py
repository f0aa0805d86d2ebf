"""Commands that work on the data directory without a server."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from kumo.cli.server import SERVER_FILE
from kumo.settings import Settings
from tests.cli.conftest import Kumo
from tests.rights import close
from tests.server import KumoServer

PASSWORD = "correct horse battery\n"


def test_an_account_and_a_token_are_made_before_the_first_start(kumo: Kumo, home: Path) -> None:
    made = kumo("user", "create", "ada", "--password-stdin", "--json", stdin=PASSWORD)
    assert json.loads(made.out) == {"id": 1, "username": "ada"}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700

    token = json.loads(kumo("token", "create", "--user", "Ada", "--json").out)
    assert token["token"].startswith("kumo_")
    assert kumo("token", "create", "--user", "ada").out.startswith("kumo_")
    assert json.loads(kumo("user", "list", "--json").out) == [{"id": 1, "username": "ada", "role": "admin"}]
    assert "ada" in kumo("user", "list").out


def test_a_new_password_is_set(kumo: Kumo) -> None:
    kumo("user", "create", "ada", "--password-stdin", stdin=PASSWORD)
    changed = kumo("user", "passwd", "ada", "--password-stdin", stdin="an even better one\n")
    assert (changed.code, changed.out) == (0, "The password of ada is changed.\n")


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (("user", "create", "ada", "--password-stdin"), "short\n", "at least 10 characters"),
        (("user", "create", "a b", "--password-stdin"), PASSWORD, "A username has"),
        (("user", "passwd", "eve", "--password-stdin"), PASSWORD, "There is no account 'eve'"),
        (("token", "create", "--user", "eve"), "", "There is no account 'eve'"),
        (("run", "nightly"), "", "No Kumo is running"),
        (("serve", "--host", "192.0.2.1"), "", "cannot listen on 192.0.2.1"),
    ],
)
def test_a_failure_is_one_sentence_on_standard_error(
    kumo: Kumo, arguments: tuple[str, ...], typed: str, words: str
) -> None:
    refused = kumo(*arguments, stdin=typed)
    assert refused.code == 1
    assert refused.out == ""
    assert words in refused.err
    assert refused.err.startswith("kumo: ")
    assert refused.err.count("\n") == 1


def test_a_port_in_use_is_said(kumo: Kumo, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = kumo("serve", "--port", str(taken.getsockname()[1]))
    assert refused.code == 1
    assert "Address already in use" in refused.err
    assert not home.exists()


def refused_without_rights(home: Path, closed: Path, mode: int, command: str) -> str:
    """The one sentence of a command that may not do with a path what its mode does not allow."""
    program = (*close(closed, mode), sys.executable, "-m", "kumo")
    refused = KumoServer(home, command=program).run_command(*command.split())
    closed.chmod(0o700)
    assert (refused.returncode, refused.stdout) == (1, "")
    sentence: str
    (sentence,) = refused.stderr.splitlines()
    return sentence


def test_a_directory_without_rights_is_said(tmp_path: Path) -> None:
    home = tmp_path / "closed" / "home"
    home.parent.mkdir()
    for command, words in [("user list", "made"), ("db upgrade", "used"), ("serve --port 0", "used")]:
        said = refused_without_rights(home, home.parent, 0o555, command)
        assert said.startswith(f"kumo: The data directory {home} cannot be {words}: Permission denied.")


def test_what_may_not_be_read_is_said(tmp_path: Path) -> None:
    settings, address = tmp_path / "config.toml", tmp_path / SERVER_FILE
    for path, content in [(address, "{}"), (settings, "port = 1\n")]:
        path.write_text(content)
        said = refused_without_rights(tmp_path, path, 0o000, "status")
        assert said == f"kumo: {path} cannot be read: Permission denied."
    assert refused_without_rights(tmp_path, tmp_path, 0o000, "doctor").startswith(f"kumo: {settings} cannot be read")


def test_a_file_in_the_directory_s_place_is_said(kumo: Kumo, home: Path) -> None:
    home.write_text("not a directory")
    for arguments in (("user", "list"), ("serve", "--port", "0")):
        refused = kumo(*arguments)
        assert refused.code == 1
        assert str(home) in refused.err
        assert "Traceback" not in refused.err


def test_a_broken_database_is_said(kumo: Kumo, home: Path) -> None:
    home.mkdir()
    (home / "kumo.db").write_text("This is a shopping list. " * 100)
    refused = kumo("user", "list")
    assert refused.err == "kumo: The database cannot be used: file is not a database.\n"


def test_a_wrong_setting_is_named(kumo: Kumo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_PORT", "many")
    refused = kumo("serve")
    assert refused.code == 1
    assert "KUMO_PORT" in refused.err


def test_the_database_is_upgraded_once(kumo: Kumo, home: Path) -> None:
    assert "from nothing" in kumo("db", "upgrade").out
    assert "already" in kumo("db", "upgrade").out
    engine = create_engine(f"sqlite:///{home / 'kumo.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "made by a newer Kumo" in kumo("db", "upgrade").err


def test_the_openapi_document_is_printed_without_a_server_or_a_directory(kumo: Kumo, home: Path) -> None:
    printed = kumo("openapi").out
    assert json.loads(printed)["info"]["title"] == "Kumo"
    assert printed == kumo("openapi").out
    assert not home.exists()


def test_doctor_says_what_to_mend(kumo: Kumo, home: Path) -> None:
    healthy = {finding["name"]: finding for finding in json.loads(kumo("doctor", "--json").out)}
    assert healthy["uv"]["ok"]
    assert healthy["database"] == {
        "name": "database", "ok": True, "found": "none yet; the first start makes it", "advice": None
    }  # fmt: skip
    assert not home.exists()

    home.mkdir()
    (home / "kumo.db").write_text("This is a shopping list. " * 100)
    # As a server that was killed leaves it.
    (home / SERVER_FILE).write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": 1}))
    ill = kumo("doctor")
    assert ill.code == 1
    assert "BAD  database: The database cannot be used" in ill.out
    assert "runs at" not in ill.out


def test_a_server_that_was_killed_does_not_answer(kumo: Kumo, home: Path) -> None:
    kumo("user", "create", "ada", "--password-stdin", stdin=PASSWORD)
    (home / SERVER_FILE).write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": 1}))
    refused = kumo("runs")
    assert refused.code == 1
    assert "does not answer" in refused.err
    assert refused.err.count("\n") == 1


def test_status_without_a_server_is_one_sentence(kumo: Kumo, home: Path) -> None:
    nothing = kumo("status")
    assert (nothing.code, nothing.out, nothing.err.count("\n")) == (1, "", 1)
    assert nothing.err.startswith(f"kumo: No Kumo is running on {home}. Start it with: kumo serve.")
    assert not home.exists()

    home.mkdir()
    # As a server that was killed leaves it.
    (home / SERVER_FILE).write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": 1}))
    killed = kumo("status")
    assert (killed.code, killed.out) == (1, "")
    assert killed.err.startswith("kumo: Kumo at http://127.0.0.1:9 does not answer: ")
    for_programs = kumo("status", "--json")
    assert (for_programs.code, for_programs.err) == (1, "")
    assert json.loads(for_programs.out) == {"running": False, "reason": killed.err.removeprefix("kumo: ").rstrip("\n")}


def test_another_program_on_the_server_s_old_port_is_no_kumo(kumo: Kumo, home: Path) -> None:
    kumo("user", "create", "ada", "--password-stdin", stdin=PASSWORD)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Greeter) as other:
        threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        (home / SERVER_FILE).write_text(json.dumps({"url": url, "pid": 1}))
        for command in ("status", "runs"):
            refused = kumo(command)
            assert (refused.code, refused.out) == (1, "")
            assert refused.err == f"kumo: What answers at {url} is not Kumo.\n"
        other.shutdown()


class _Greeter(BaseHTTPRequestHandler):
    """Says hello, whatever it is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>Hello</h1>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_help_loads_neither_server_nor_database(settings: Settings) -> None:
    program = (
        "import sys; sys.argv = ['kumo', '--help']\n"
        "from kumo.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('fastapi', 'uvicorn', 'sqlalchemy', 'alembic', 'argon2') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("[]\n")
