"""The command line as `kumo` runs it, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kumo.cli import main


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command has left."""

    code: int
    out: str
    err: str


Kumo = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def kumo(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kumo:
    """Run `kumo …` on the data directory, with something on its standard input."""
    monkeypatch.setenv("KUMO_HOME", str(home))

    def run(*arguments: str, stdin: str = "") -> Outcome:
        typed = home.parent / "stdin"
        typed.write_text(stdin)
        capfd.readouterr()
        with typed.open() as opened, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", opened)
            patch.setattr(sys, "argv", ["kumo", *arguments])
            code = 0
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
        said = capfd.readouterr()
        return Outcome(code=code, out=said.out, err=said.err)

    return run
