"""The history of a project, and the trash, as a person goes back in both."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.server import KumoServer

pytestmark = pytest.mark.browser


def test_a_project_is_compared_brought_back_thrown_away_and_found_again(page: Page, shared_server: KumoServer) -> None:
    api = shared_server.client
    made = api.post("/projects", json={"name": "history"}).raise_for_status().json()
    for path, content in (("main.py", "one\ntwo\n"), ("main.py", "one\n2\n"), ("more.py", "more\n")):
        api.put(f"/projects/{made['id']}/files/{path}", json={"content": content}).raise_for_status()

    page.goto(f"/projects/{made['id']}?tab=history")
    rows = page.get_by_test_id("snapshot-row")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("Changed more.py")
    rows.nth(2).get_by_test_id("snapshot-pin").click()
    expect(rows.nth(2).get_by_test_id("snapshot-pinned")).to_be_visible()

    # What one state changed; then all since another one.
    rows.nth(1).get_by_test_id("snapshot-compare").click()
    file = page.locator("[data-testid=file-diff][data-path='main.py']")
    expect(file.locator("[data-kind=added]")).to_contain_text("2")
    expect(file.locator("[data-kind=removed]")).to_contain_text("two")
    page.get_by_test_id("diff-state").click()
    page.get_by_role("option", name="Changed more.py").click()
    expect(page.locator("[data-testid=file-diff][data-path='more.py']")).to_be_visible()
    with page.expect_download() as download:
        rows.nth(2).get_by_test_id("snapshot-download").click()
    assert Path(download.value.path()).stat().st_size > 0

    rows.nth(2).get_by_test_id("snapshot-restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("Restored state")

    page.get_by_test_id("project-tab-settings").click()
    page.get_by_test_id("project-delete").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("history")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_test_id("project-trash").click()
    expect(page.get_by_test_id("trash-row").filter(has_text="history")).to_be_visible()
    page.get_by_role("row", name="history").get_by_test_id("trash-restore").click()
    expect(page.get_by_role("heading", name="history")).to_be_visible()
