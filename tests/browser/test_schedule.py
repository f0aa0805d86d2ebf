"""That the schedule never lies, as a person sees it: the ledger of a task."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.api import bring_project, make_task, until
from tests.server import KumoServer

pytestmark = pytest.mark.browser

EVERY_SECOND = {"type": "cron", "expression": "* * * * * *", "timezone": "Europe/Berlin"}
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
