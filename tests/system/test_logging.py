"""The server's own log: structured, with ids, in two places."""

from __future__ import annotations

import json
import subprocess
import sys

from kumo.settings import Settings

PROGRAM = r"""
import logging, sys, structlog
from kumo.settings import load_settings
from kumo.structured_logging import set_up_logging
set_up_logging(load_settings(home=sys.argv[1], log_format=sys.argv[2], log_level="info"))
structlog.contextvars.bind_contextvars(request_id="abc")
structlog.get_logger("kumo.test").info("a run began", run_id=7)
structlog.get_logger("kumo.test").debug("too quiet")
logging.getLogger("uvicorn.error").warning("from %s", "uvicorn", extra={"color_message": "from \x1b[36m%s\x1b[0m"})
logging.getLogger("uvicorn.access").info("GET /setup?token=secret")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("kumo.test").exception("it failed")
"""


def _log(settings: Settings, log_format: str) -> str:
    program = [sys.executable, "-c", PROGRAM, str(settings.home), log_format]
    return subprocess.run(program, capture_output=True, text=True, check=True).stderr


def test_the_file_holds_json_with_ids_and_tracebacks(settings: Settings) -> None:
    _log(settings, "console")
    began, foreign, failed = map(json.loads, (settings.home / "logs" / "kumo.log").read_text("utf-8").splitlines())
    assert (began["event"], began["run_id"], began["request_id"]) == ("a run began", 7, "abc")
    assert began["timestamp"].endswith("Z")
    assert (foreign["event"], foreign["logger"]) == ("from uvicorn", "uvicorn.error")
    assert "ZeroDivisionError" in failed["exception"]


def test_standard_error_is_for_people_or_for_programs(settings: Settings) -> None:
    for_people = _log(settings, "console")
    assert "a run began" in for_people
    assert "run_id=7" in for_people
    assert "x1b" not in for_people.replace("\x1b", "x1b")
    assert [json.loads(line)["level"] for line in _log(settings, "json").splitlines()] == ["info", "warning", "error"]


def test_addresses_with_tokens_are_not_logged(settings: Settings) -> None:
    assert "token" not in _log(settings, "json") + (settings.home / "logs" / "kumo.log").read_text("utf-8")
