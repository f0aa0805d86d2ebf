"""Variables, as a person sets, uses, changes and deletes them; and that nobody is shown a secret."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.api import bring_project, make_task
from tests.server import KumoServer

pytestmark = pytest.mark.browser

SECRET = "precious-token-100742"
PRINTS = "import os\nprint('got', os.environ['SHOP_URL'], len(os.environ['SHOP_TOKEN']))\n"


def write(page: Page, name: str, value: str, *, secret: bool = False) -> None:
    """Fill the form of a new variable and save it."""
    page.get_by_test_id("variable-new").first.click()
    page.get_by_test_id("variable-name").fill(name)
    if secret:
        page.get_by_test_id("variable-secret").click()
    page.get_by_test_id("variable-value-input").fill(value)
    page.get_by_test_id("variable-save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))


def test_variables_are_set_given_to_a_script_changed_and_deleted(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "shop", {"main.py": PRINTS})
    task_id = make_task(shared_server, project_id, "python main.py")

    page.goto(f"/projects/{project_id}?tab=variables")
    write(page, "SHOP_TOKEN", SECRET, secret=True)
    page.goto(f"/tasks/{task_id}")
    page.get_by_role("tab", name="Variables").click()
    write(page, "SHOP_URL", "https://shop.example.com")
    expect(row_of(page, "SHOP_URL")).to_contain_text("https://shop.example.com")
    expect(row_of(page, "SHOP_TOKEN")).to_contain_text("Secret")
    expect(row_of(page, "SHOP_TOKEN").get_by_role("link", name="shop")).to_be_visible()

    page.get_by_test_id("task-run").first.click()
    page.goto("/runs")
    page.get_by_role("row").filter(has_text="main.py of").get_by_role("link").first.click()
    expect(page.get_by_test_id("run-log")).to_contain_text(f"got https://shop.example.com {len(SECRET)}")

    # No page, form or history has the secret: neither in its elements nor in a field.
    page.goto(f"/variables?project={project_id}")
    expect(row_of(page, "SHOP_TOKEN")).to_be_visible()
    assert SECRET not in page.content()
    row_of(page, "SHOP_TOKEN").get_by_test_id("variable-history").click()
    expect(page.get_by_test_id("variable-version")).to_contain_text("Secret")
    assert SECRET not in page.content()
    page.keyboard.press("Escape")
    row_of(page, "SHOP_TOKEN").get_by_test_id("variable-edit").click()
    expect(page.get_by_test_id("variable-value-input")).to_have_value("")
    assert SECRET not in page.content()

    # It is opened by a new value alone.
    page.get_by_test_id("variable-secret").click()
    page.get_by_test_id("variable-save").click()
    expect(page.get_by_text("Give that value.")).to_be_visible()
    page.get_by_test_id("variable-value-input").fill("no secret any more")
    page.get_by_test_id("variable-save").click()
    expect(row_of(page, "SHOP_TOKEN")).to_contain_text("no secret any more")

    row_of(page, "SHOP_TOKEN").get_by_test_id("variable-delete").click()
    confirm = page.get_by_role("dialog")
    expect(confirm).to_contain_text(re.compile("the runs of the project “shop”"))
    confirm.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No variable fits the filters")).to_be_visible()
