"""What a person reads of runs, in a real browser against a real server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.api import bring_project, make_task, outputs_of, request_run, run_to_end, until
from tests.server import KumoServer

pytestmark = pytest.mark.browser

_WAIT = """
import os, time
def wait_for(name):
    while not os.path.exists(os.path.join(os.environ["OUTPUT_DIR"], name)):
        time.sleep(0.05)
"""
_FLAKY = """
import os, sys
from wait import wait_for
attempt = os.environ["KUMO_ATTEMPT"]
print("this is attempt", attempt, flush=True)
wait_for(attempt)
sys.exit(3 if attempt == "1" else 0)
"""
_GREEDY = """
import time
from wait import wait_for
print("holds 20 MB", flush=True)
held = [bytearray(20_000_000)]
wait_for("measured")
held.append(bytearray(300_000_000))
time.sleep(600)
"""


def samples_of(server: KumoServer, run_id: int) -> list[Any]:
    """What a run has used so far."""
    items: list[Any] = server.client.get(f"/runs/{run_id}/samples").raise_for_status().json()["items"]
    return items


def test_a_run_that_is_tried_again_is_followed_and_its_first_log_is_read(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "flaky", {"main.py": _FLAKY, "wait.py": _WAIT})
    retry = {"max_attempts": 2, "delay_seconds": 4, "backoff": 1}
    run_id = request_run(shared_server, make_task(shared_server, project_id, "python main.py", retry=retry))

    page.goto(f"/runs/{run_id}")
    expect(page.get_by_test_id("run-log")).to_contain_text("this is attempt 1")
    (outputs_of(shared_server, project_id) / "1").touch()
    waits = page.get_by_test_id("run-retrying")
    expect(waits).to_contain_text(re.compile(r"Attempt 2 of 2 in 00:0\d"))
    expect(waits).to_contain_text("Attempt 1 failed: It ended with exit code 3.")

    # The page goes on to the second attempt by itself.
    expect(page.get_by_test_id("run-log")).to_contain_text("this is attempt 2")
    attempts = page.get_by_test_id("run-attempts")
    expect(attempts.get_by_role("link", name="Attempt 2")).to_have_attribute("aria-current", "true")

    # Who has gone back to the first one is left there when the second one ends.
    attempts.get_by_role("link", name="Attempt 1").click()
    expect(page).to_have_url(re.compile(r"\?attempt=1$"))
    expect(page.get_by_test_id("run-log")).to_contain_text("this is attempt 1")
    (outputs_of(shared_server, project_id) / "2").touch()
    expect(page.get_by_test_id("run-state")).to_contain_text("Succeeded")
    expect(page.get_by_test_id("run-log")).to_contain_text("this is attempt 1")

    page.reload()
    expect(page.get_by_test_id("run-log")).to_contain_text("this is attempt 1")
    expect(attempts.get_by_role("row").filter(has_text="Attempt 1")).to_contain_text("It ended with exit code 3.")


def test_a_run_that_fails_is_compared_with_the_one_that_went_well(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "compared", {"main.py": "print('fine')\n"})
    task_id = make_task(shared_server, project_id, "python main.py")
    good = run_to_end(shared_server, task_id)
    shared_server.client.put(f"/projects/{project_id}/files/main.py", json={"content": "raise SystemExit(2)\n"})
    bad = run_to_end(shared_server, task_id)
    assert bad["state"] == "failed"

    page.goto(f"/runs/{bad['id']}")
    page.get_by_test_id("run-compare").click()
    expect(page).to_have_url(re.compile(rf"\?compare={good['id']}$"))
    comparison = page.get_by_test_id("run-comparison")
    expect(comparison.get_by_role("row", name="Files")).to_contain_text(f"snapshot #{good['snapshot_id']}")
    expect(comparison.get_by_role("row", name="Exit code")).to_contain_text(re.compile("2.*0"))
    expect(comparison.get_by_text("Interpreter")).not_to_be_visible()
    comparison.get_by_text("are the same in both").click()
    expect(comparison.get_by_text("Interpreter")).to_be_visible()

    # What went well is repeated with the files that it had.
    page.goto(f"/runs/{good['id']}")
    page.get_by_test_id("run-again-more").click()
    page.get_by_role("menuitem", name="Run again exactly").click()
    expect(page).not_to_have_url(re.compile(rf"/runs/{good['id']}$"))
    expect(page.get_by_test_id("run-exact-of")).to_have_text(f"Run #{good['id']}")
    expect(page.get_by_test_id("run-log")).to_contain_text("fine")
    repetition = int(page.url.rpartition("/")[2])
    page.get_by_test_id("run-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/runs$"))
    assert shared_server.client.get(f"/runs/{repetition}").status_code == 404
    assert shared_server.client.get(f"/runs/{good['id']}").is_success


def test_a_run_that_a_limit_ended_says_so_and_shows_what_it_used(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "greedy", {"main.py": _GREEDY, "wait.py": _WAIT})
    task_id = make_task(shared_server, project_id, "python main.py", limits={"memory_bytes": 1 << 27})
    run_id = request_run(shared_server, task_id)
    until(lambda: len(samples_of(shared_server, run_id)) > 1, what="two samples")
    (outputs_of(shared_server, project_id) / "measured").touch()

    page.goto(f"/runs/{run_id}")
    expect(page.get_by_test_id("run-limit")).to_contain_text("Ended by a limit")
    expect(page.get_by_test_id("run-limit")).to_contain_text("of 128 MiB of memory")
    expect(page.get_by_role("img", name=re.compile("Memory: at most .*; the limit is 128 MiB"))).to_be_visible()
    expect(page.get_by_test_id("run-curves").locator("svg")).to_have_count(2)

    page.get_by_test_id("log-times").click()
    expect(page.get_by_test_id("run-log").locator("time[datetime]").first).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    page.get_by_test_id("log-search-regex").click()
    page.get_by_test_id("log-search").fill("holds [0-9")
    page.get_by_test_id("log-search").press("Enter")
    expect(page.get_by_test_id("log-search-complaint")).to_contain_text("This is no regular expression")
    page.get_by_test_id("log-search").fill(r"holds \d+")
    page.get_by_test_id("log-search").press("Enter")
    expect(page.locator(".log-mark")).to_have_text("holds 20")
