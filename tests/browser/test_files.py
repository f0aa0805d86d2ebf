"""Working on a project's files in a real browser: arrange, edit, be second, search, try out."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import sign_in, watched_page
from tests.server import KumoServer

pytestmark = pytest.mark.browser

FILES = {
    "main.py": "print('before')\r\nprint('the end')\r\n",
    "quotes/items.py": "FIELDS = ['text', 'author']\n",
    "drawing.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='x'</script></svg>",
    "waits.sh": "#!/bin/sh\necho waiting\nsleep 1000\n",
}


@pytest.fixture
def project(page: Page) -> dict[str, Any]:
    """A project of its own with a few files."""
    headers = csrf(page)
    name = f"worked on in the browser {uuid.uuid4().hex[:6]}"
    made: dict[str, Any] = page.request.post("/api/v1/projects", data={"name": name}, headers=headers).json()
    for path, content in FILES.items():
        url = f"/api/v1/projects/{made['id']}/files/{path}"
        assert page.request.put(url, data={"content": content}, headers=headers).ok
    return made


def csrf(page: Page) -> dict[str, str]:
    cookies = {cookie.get("name"): cookie.get("value", "") for cookie in page.context.cookies()}
    return {"X-CSRF-Token": str(cookies["kumo_csrf"])}


def type_over(page: Page, text: str) -> None:
    content = page.get_by_test_id("file-editor").locator("visible=true").locator(".cm-content")
    content.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def stored(page: Page, project: dict[str, Any], path: str) -> bytes:
    return page.request.get(f"/api/v1/projects/{project['id']}/files/{path}?raw=true").body()


def test_who_saves_second_sees_both_and_what_is_saved_is_tried_out(
    page: Page, project: dict[str, Any], browser: Browser, shared_server: KumoServer
) -> None:
    address = f"/projects/{project['id']}"
    page.goto(f"{address}?file=main.py")
    expect(page.get_by_test_id("file-status")).to_contain_text("CRLF")

    # A file is edited and saved by its key; the ends of its lines stay.
    type_over(page, "print('mine')\nprint('the end')\n")
    expect(page.get_by_test_id("file-tab-dirty")).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("file-tab-dirty")).to_have_count(0)
    assert stored(page, project, "main.py") == b"print('mine')\r\nprint('the end')\r\n"

    # Somebody else saves the same file in another window; whoever is second sees both, and decides.
    for other in watched_page(browser, shared_server):
        sign_in(other)
        other.goto(f"{address}?file=main.py")
        type_over(other, "print('theirs')\n")
        other.keyboard.press("Control+s")
        expect(other.get_by_test_id("file-tab-dirty")).to_have_count(0)
    type_over(page, "print('mine, later')\n")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("file-conflict")).to_be_visible()
    page.get_by_test_id("conflict-differences").click()
    expect(page.get_by_test_id("file-differences")).to_contain_text("print('theirs')")
    expect(page.get_by_test_id("file-differences")).to_contain_text("print('mine, later')")
    page.keyboard.press("Escape")
    page.get_by_test_id("conflict-overwrite").click()
    expect(page.get_by_test_id("file-conflict")).to_have_count(0)
    assert stored(page, project, "main.py") == b"print('mine, later')\r\n"

    # It is tried out, with its log below.
    page.get_by_test_id("file-run").click()
    expect(page.get_by_test_id("scratch-state")).to_have_attribute("data-state", "succeeded")
    expect(page.get_by_test_id("run-log")).to_contain_text("mine, later")

    # A script that does not end by itself is stopped.
    page.locator("[data-path='waits.sh']").click()
    page.get_by_test_id("file-run").locator("visible=true").click()
    expect(page.get_by_test_id("run-log")).to_contain_text("waiting")
    page.get_by_test_id("scratch-stop").click()
    expect(page.get_by_test_id("scratch-state")).to_have_attribute("data-state", "stopped")
    page.get_by_test_id("scratch-close").click()


def test_files_are_arranged_found_and_shown(page: Page, project: dict[str, Any]) -> None:
    page.goto(f"/projects/{project['id']}")

    # A folder is opened, a file in it renamed by the keyboard, and found again by what is in it.
    page.locator("[data-path='quotes']").click()
    page.locator("[data-path='quotes/items.py']").click()
    page.get_by_role("tree").focus()
    page.keyboard.press("F2")
    page.get_by_test_id("file-path").fill("lib/fields.py")
    page.get_by_test_id("file-create").click()
    expect(page).to_have_url(re.compile("file=lib/fields.py"))
    expect(page.locator("[data-path='lib/fields.py']")).to_be_visible()
    page.get_by_test_id("files-search").click()
    page.get_by_test_id("search-words").fill("AUTHOR")
    page.get_by_test_id("search-words").press("Enter")
    expect(page.get_by_test_id("search-match")).to_contain_text("author")
    page.get_by_test_id("files-search").click()

    # A drawing is shown, and what is in it does nothing.
    page.locator("[data-path='drawing.svg']").click()
    expect(page.get_by_test_id("file-image")).to_be_visible()
    expect(page).not_to_have_title("x")

    # Files come by the menu, and a file that is not saved is not left unasked.
    page.get_by_test_id("file-upload").set_input_files({"name": "new.txt", "mimeType": "text/plain", "buffer": b"new"})
    page.locator("[data-path='new.txt']").click()
    type_over(page, "changed")
    page.get_by_test_id("project-tab-tasks").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_test_id("file-tab-dirty")).to_be_visible()
    page.locator("[data-path='new.txt']").click(button="right")
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("[data-path='new.txt']")).to_have_count(0)
