"""What a newcomer does, in a real browser against a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.api import bring_project, make_task, zip_of
from tests.browser.conftest import watched_page
from tests.crawling import crawler_files, serve_quotes
from tests.server import PASSWORD, KumoServer

pytestmark = pytest.mark.browser

BUILD_MS = 180_000  # Scrapy and its dependencies come from the package index
DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", "100741"])
print("\\x1b[31mdeaf\\x1b[0m and with children", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a small site on loopback."""
    with serve_quotes() as address:
        yield address


def sleepers() -> list[psutil.Process]:
    """The children of the deaf script that live."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if "100741" in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_the_setup_link_makes_the_first_account(browser: Browser, tmp_path: Path) -> None:
    with KumoServer(tmp_path / "new", account=False) as server:
        for page in watched_page(browser, server):
            page.goto(server.ready_url)
            page.get_by_label("User name").fill("grace")
            for field in page.locator("input[type=password]").all():
                field.fill(PASSWORD)
            page.locator("button[type=submit]").click()
            expect(page.get_by_role("link", name="Projects")).to_be_visible()
            expect(page.get_by_role("button", name="User menu")).to_contain_text("grace")


def test_a_crawler_is_uploaded_scheduled_and_watched(page: Page, site: str, tmp_path: Path) -> None:
    archive = tmp_path / "quotes.zip"
    archive.write_bytes(zip_of(crawler_files(site)))

    page.goto("/projects")
    page.get_by_test_id("project-upload-input").set_input_files(archive)
    expect(page).to_have_url(re.compile(r"/projects/\d+$"))
    expect(page.get_by_text("scrapy.cfg")).to_be_visible()

    # Kumo has found the spider in the files.
    page.get_by_test_id("project-next-step").get_by_role("link", name="scrapy crawl quotes").click()
    page.get_by_test_id("task-name").fill("quotes, often")
    expect(page.get_by_test_id("task-command")).to_have_value("scrapy crawl quotes")
    page.get_by_test_id("trigger-add").click()
    page.get_by_test_id("trigger-expression").fill("*/5 * * * * *")
    expect(page.get_by_text(re.compile("Every fifth second|Every 5th second"))).to_be_visible()
    page.get_by_test_id("task-save").click()
    expect(page).to_have_url(re.compile(r"/tasks/\d+$"))

    # The first run waits for the environment that requirements.txt asks for.
    page.goto("/runs")
    page.get_by_role("row").filter(has_text="quotes, often").get_by_role("link").first.click()
    expect(page.get_by_test_id("run-state")).to_contain_text("Succeeded", timeout=BUILD_MS)
    expect(page.get_by_test_id("run-log")).to_contain_text("item_scraped_count")

    page.goto("/projects")
    page.get_by_test_id("project-row").filter(has_text="quotes").click()
    page.get_by_test_id("project-tab-outputs").click()
    expect(page.get_by_test_id("output-row").filter(has_text="quotes.jsonl")).to_be_visible()
    page.get_by_test_id("project-tab-tasks").click()
    page.get_by_text("quotes, often").click()
    page.get_by_test_id("task-pause").click()
    expect(page.get_by_test_id("task-resume")).to_be_visible()


def test_a_deaf_script_with_children_is_stopped_and_nothing_of_it_lives(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "deaf", {"main.py": DEAF})
    task_id = make_task(shared_server, project_id, "python main.py", stop_grace_seconds=1)

    page.goto(f"/tasks/{task_id}")
    page.get_by_test_id("task-run").first.click()
    page.goto("/runs")
    page.get_by_role("row").filter(has_text="python main.py of").get_by_role("link").first.click()
    expect(page.get_by_test_id("run-log")).to_contain_text("deaf and with children")
    assert len(sleepers()) == 3

    page.get_by_test_id("run-stop").click()
    confirm = page.get_by_role("dialog")
    if confirm.count():
        confirm.get_by_role("button", name=re.compile("Stop")).click()
    expect(page.get_by_test_id("run-state")).to_contain_text("Stopped")
    assert sleepers() == []


def test_a_file_edited_in_the_browser_is_what_the_next_run_runs(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "edited", {"main.py": "print('before')\n"})
    task_id = make_task(shared_server, project_id, "python main.py")

    page.goto(f"/projects/{project_id}")
    page.get_by_test_id("tree-item").filter(has_text="main.py").click()
    editor = page.get_by_test_id("file-editor").locator(".cm-content")
    expect(editor).to_contain_text("before")
    editor.fill("print('after the edit')")
    page.get_by_test_id("file-save").click()
    expect(page.get_by_test_id("file-save")).to_be_disabled()

    page.goto(f"/tasks/{task_id}")
    page.get_by_test_id("task-run").first.click()
    page.goto("/runs")
    page.get_by_role("row").filter(has_text="main.py of").get_by_role("link").first.click()
    expect(page.get_by_test_id("run-log")).to_contain_text("after the edit")
