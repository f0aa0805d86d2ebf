"""That the schedule never lies, as a person sees it: the ledger of a task, and what a down time did."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.api import bring_project, make_task, until
from tests.browser.conftest import sign_in, watched_page
from tests.server import KumoServer

pytestmark = pytest.mark.browser

EVERY_SECOND = {"type": "cron", "expression": "* * * * * *", "timezone": "Europe/Berlin"}
EVERY_TEN_MINUTES = {"type": "cron", "expression": "*/10 * * * *"}
SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(1000)\n"


def test_the_ledger_sums_up_narrows_and_warns(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "slow", {"main.py": SLOW})
    task_id = make_task(shared_server, project_id, "python main.py", triggers=[EVERY_SECOND], overlap="skip")
    slots = f"/tasks/{task_id}/slots"
    until(lambda: shared_server.client.get(slots).json()["summary"]["expected"] >= 5, what="five due moments")
    runs = f"/runs?task_id={task_id}&state=running"
    until(lambda: shared_server.client.get(runs).json()["items"], what="the start of the only run")

    page.goto(f"/tasks/{task_id}")
    expect(page.get_by_test_id("task-cadence")).to_contain_text("It is due every second, but only one run began.")
    page.get_by_test_id("task-cadence").get_by_role("link").click()
    shared_server.client.post(f"/tasks/{task_id}/pause").raise_for_status()
    expect(page.get_by_test_id("slots-sentence")).to_have_text(re.compile(r"expected \d+, ran 1, \d+ skipped: overlap"))
    expect(page.get_by_test_id("slots-warning")).to_contain_text("It is due every second, but only one run began.")
    ran = page.get_by_role("cell", name="Ran")
    expect(ran).to_have_count(1)

    page.get_by_test_id("slots-skipped").click()
    expect(page).to_have_url(re.compile(r"show=skipped"))
    expect(ran).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="The run before it was still going.").first).to_be_visible()
    page.get_by_test_id("slots-run").click()
    expect(ran).to_have_count(1)
    page.get_by_role("row").get_by_role("link").click()
    expect(page.get_by_test_id("run-log")).to_contain_text("begun")

    # The way back leads to what was shown.
    page.go_back()
    expect(page.get_by_test_id("slots-run")).to_have_attribute("aria-pressed", "true")
    page.get_by_test_id("range").click()
    page.get_by_role("option", name="From – to").click()
    page.get_by_test_id("range-to").fill("2020-01-01T00:00:00")
    expect(page.get_by_text("The end must come after the beginning.")).to_be_visible()
    page.get_by_test_id("range-from").fill("2019-12-31T00:00:00")
    expect(page.get_by_test_id("slots-sentence")).to_have_text("expected 0, ran 0")


def be_down_for_two_hours(server: KumoServer) -> None:
    """Stop the server, and start it where it stood two hours ago."""
    port = server.port
    server.stop()
    with closing(sqlite3.connect(server.home / "kumo.db")) as connection, connection:
        connection.execute("UPDATE uptimes SET seen_at = strftime('%Y-%m-%d %H:%M:%f000', seen_at, '-2 hours')")
        connection.execute(
            "UPDATE triggers SET next_due_at = strftime('%Y-%m-%d %H:%M:%f000', next_due_at, '-2 hours')"
        )
    server.start(port=port)


def wait_for_report(server: KumoServer) -> dict[str, Any]:
    def made() -> dict[str, Any] | None:
        report: dict[str, Any] = server.client.get("/schedule/boot-report").raise_for_status().json()
        return report if report["missed"] and report["queued"] else None

    return until(made, what="what came due in the down time")


def test_a_down_time_is_told_and_what_waits_is_given_up(browser: Browser, server: KumoServer) -> None:
    project_id = bring_project(server, "slow", {"main.py": SLOW})
    rules = {"triggers": [EVERY_TEN_MINUTES], "overlap": "queue", "catch_up": "all", "catch_up_window_seconds": 86_400}
    for name in ("first", "second"):
        make_task(server, project_id, "python main.py", name=name, **rules)
    make_task(server, project_id, "python main.py", name="leaves out", **rules | {"catch_up": "skip"})
    be_down_for_two_hours(server)
    report = wait_for_report(server)
    assert report["task_count"] == 3

    for page in watched_page(browser, server):
        sign_in(page)
        page.goto("/")
        banner = page.get_by_test_id("boot-report")
        expect(banner).to_contain_text("Kumo was down for 2h")
        expect(banner).to_contain_text(f"{report['missed']} missed, {report['caught_up']} caught up")
        page.get_by_test_id("boot-report-see").click()

        rows = page.get_by_role("row")
        expect(rows.filter(has_text="leaves out").get_by_role("button")).to_have_count(0)
        rows.filter(has_text="first").get_by_test_id("purge-task").click()
        question = page.get_by_role("dialog")
        expect(question).to_contain_text("Runs of first that are taken out of the queue")
        question.get_by_role("button", name="Do not catch up").click()
        expect(rows.filter(has_text="first").get_by_test_id("purge-task")).to_have_count(0)
        assert stopped_tasks(server) == {"first"}
        page.get_by_test_id("purge-all").click()
        page.get_by_role("dialog").get_by_role("button", name="Do not catch up").click()
        expect(page.get_by_test_id("purge-all")).to_have_count(0)
        assert stopped_tasks(server) == {"first", "second"}

        # The figures lead to the moments behind them, with the down time as their reason.
        rows.filter(has_text="leaves out").get_by_role("link").nth(1).click()
        expect(page.get_by_role("cell", name="The server was down")).to_be_visible()

        page.goto("/")
        page.get_by_test_id("boot-report-close").click()
        expect(banner).to_have_count(0)
        page.reload()
        expect(page.get_by_test_id("dashboard-down")).to_be_visible()
        expect(banner).to_have_count(0)
        be_down_for_two_hours(server)
        page.goto("/")
        expect(banner).to_be_visible()


def stopped_tasks(server: KumoServer) -> set[str]:
    """The tasks of which runs have been stopped."""
    runs = server.client.get("/runs?state=stopped&limit=500").raise_for_status().json()["items"]
    return {run["task_name"] for run in runs}
