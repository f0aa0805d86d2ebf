"""The interpreters of this machine, and how often they are looked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kumo.environments.interpreters import Interpreters
from kumo.environments.uv import Uv
from kumo.settings import Settings


@pytest.fixture
def known(interpreters: Interpreters, settings: Settings) -> Interpreters:
    """What was found long ago, on a machine where nobody can look again."""
    found = Interpreters(Uv(settings))
    found._found = interpreters._found
    found._uv._binary = "/nonexistent/uv"
    return found


async def test_a_run_does_not_wait_until_interpreters_are_looked_for_again(known: Interpreters) -> None:
    default = await known.default()
    assert default.is_default
    with pytest.raises(FileNotFoundError):
        await known.list()


async def test_a_default_interpreter_that_is_gone_is_looked_for(known: Interpreters, tmp_path: Path) -> None:
    known._found = tuple(replace(one, path=tmp_path / "gone") for one in known._found)
    with pytest.raises(FileNotFoundError):
        await known.default()
