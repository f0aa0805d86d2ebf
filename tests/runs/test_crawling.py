from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kumo import throttle
from kumo.runs.crawling import with_rate_limit
from kumo.runs.preparation import lay_out_support
from kumo.tasks.policies import RateLimit

_SLOW = RateLimit(request_interval_ms=250)


@pytest.mark.parametrize(
    "command",
    [
        "scrapy crawl shop",
        "/env/bin/scrapy runspider spider.py -o out.json",
        "python3.11 -m scrapy crawl shop -a page=2",
    ],
)
def test_a_crawl_gets_scrapys_own_settings(command: str) -> None:
    given = command.split()
    arguments = with_rate_limit(given, _SLOW)
    assert list(arguments[: len(given)]) == given
    assert "DOWNLOAD_DELAY=0.25" in arguments
    assert "CONCURRENT_REQUESTS=1" in arguments


@pytest.mark.parametrize(
    "command", ["python main.py", "scrapy list", "scrapy", "/bin/sh -c scrapy", "python -m scrapy"]
)
def test_nothing_else_is_touched(command: str) -> None:
    assert with_rate_limit(command.split(), _SLOW) == tuple(command.split())


def test_without_a_limit_nothing_is_added() -> None:
    assert with_rate_limit(["scrapy", "crawl", "shop"], RateLimit()) == ("scrapy", "crawl", "shop")


def test_the_stricter_limit_counts_and_named_settings_stay() -> None:
    rate = RateLimit(request_interval_ms=100, max_requests_per_second=2)
    arguments = with_rate_limit(["scrapy", "crawl", "shop", "-s", "DOWNLOAD_DELAY=9"], rate)
    assert [word for word in arguments if word.startswith("DOWNLOAD_DELAY")] == ["DOWNLOAD_DELAY=9"]
    assert "RANDOMIZE_DOWNLOAD_DELAY=False" in with_rate_limit(["scrapy", "crawl", "shop"], rate)
    assert "DOWNLOAD_DELAY=0.5" in with_rate_limit(["scrapy", "crawl", "shop"], rate)


# --- kumo.throttle, in a script's own interpreter --------------------------------------------------------------------

_ASKS = """
import json, threading, time
from kumo.throttle import throttle
times = []
def ask():
    for _ in range(5):
        throttle()
        times.append(time.monotonic())
threads = [threading.Thread(target=ask) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
times.sort()
print(json.dumps([later - earlier for earlier, later in zip(times, times[1:])]))
"""


# Not the one of these tests, whose environment has the package itself.
_PYTHON = os.path.realpath(sys.executable)


@pytest.fixture
def support(tmp_path: Path) -> str:
    return str(lay_out_support(tmp_path))


def run(script: str, support: str, **environment: str) -> str:
    told = {"PATH": os.environ["PATH"], "PYTHONPATH": support} | environment
    # Not where the test's own package `kumo` lies.
    done = subprocess.run([_PYTHON, "-c", script], env=told, cwd="/", capture_output=True, text=True, check=True)
    return done.stdout


def test_all_threads_together_keep_to_the_pace(support: str) -> None:
    gaps = json.loads(run(_ASKS, support, REQUEST_INTERVAL_MS="20"))
    assert len(gaps) == 19
    # Each turn is 20 ms after the one before; a thread may wake up late for one, and then be nearer to the next.
    assert sum(gaps) >= 19 * 0.02 - 0.02


def test_without_a_limit_it_never_waits(support: str) -> None:
    assert run("import time; from kumo.throttle import Throttle; print(Throttle().seconds)", support) == "0.0\n"


def test_it_wraps_blocks_and_functions(support: str) -> None:
    script = "from kumo.throttle import Throttle\nwith Throttle(0.01) as t: print(t.seconds)\nprint(t(len)('abc'))"
    assert run(script, support) == "0.01\n3\n"


def test_the_helper_is_written_for_old_pythons_too() -> None:
    ast.parse(Path(throttle.__file__).read_text(), feature_version=(3, 6))


def test_a_package_of_the_same_name_in_the_environment_goes_first(tmp_path: Path, support: str) -> None:
    theirs = tmp_path / "site"
    package = theirs / "kumo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("NAME = 'theirs'\n")
    assert run("import kumo; print(kumo.NAME)", f"{support}{os.pathsep}{theirs}") == "theirs\n"
