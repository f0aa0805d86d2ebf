"""Finding a line among the logs of many runs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.acceptance.api import bring_project, make_task, run_to_end
from tests.server import KumoServer

pytestmark = pytest.mark.browser

PRINTS = """
import sys
print("starting", sys.argv[1])
print("\\x1b[31mNeedle\\x1b[0m of the " + sys.argv[1] + " <haystack>")
"""


@pytest.fixture
def farm(request: pytest.FixtureRequest, shared_server: KumoServer) -> str:
    """A word that two runs have printed in lines of their own: first the one of the task `barn …`, then of `loft …`."""
    word = str(request.node.name).rpartition("_")[2]
    project_id = bring_project(shared_server, word, {"main.py": PRINTS})
    for name in ("barn", "loft"):
        task_id = make_task(shared_server, project_id, f"python main.py '{name} {word}'", name=f"{name} {word}")
        assert run_to_end(shared_server, task_id)["state"] == "succeeded"
    return word


def found(page: Page) -> Locator:
    return page.get_by_test_id("found-run")


def search_for(page: Page, words: str) -> None:
    page.get_by_test_id("logs-words").fill(words)
    page.get_by_test_id("logs-words").press("Enter")


def leave_unanswered(_route: Route) -> None:
    """A search that takes long."""


def test_a_line_is_found_among_many_runs_and_opened(page: Page, farm: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Log search").click()
    page.get_by_test_id("logs-words").fill(f"Needle of the barn {farm}")
    page.get_by_test_id("logs-search").click()
    # A code for the terminal lies between the words.
    expect(page.get_by_text("Nothing found")).to_be_visible()

    search_for(page, f"{farm} <HAYSTACK>")
    expect(page).to_have_url(re.compile(r"/logs\?q="))
    expect(found(page)).to_have_count(2)
    expect(found(page).first.locator("mark")).to_have_text(f"{farm} <haystack>")
    expect(found(page).first).to_contain_text(f"Needle of the loft {farm} <haystack>")
    expect(page.get_by_test_id("logs-progress")).to_contain_text("Runs found: 2. Everything is searched")

    page.get_by_test_id("logs-task").click()
    page.get_by_role("option", name=f"barn {farm}").click()
    expect(found(page)).to_have_count(1)
    page.get_by_test_id("logs-case").click()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_test_id("logs-case").click()
    expect(found(page)).to_have_count(1)
    page.get_by_role("button", name="Clear the filters").click()
    expect(found(page)).to_have_count(2)

    found(page).first.get_by_role("link", name="line 2").click()
    expect(page).to_have_url(re.compile(r"/runs/\d+\?attempt=1&q="))
    expect(page.get_by_test_id("run-log")).to_contain_text(f"Needle of the loft {farm}")
    page.go_back()
    expect(found(page)).to_have_count(2)


def test_an_expression_is_searched_for_and_a_bad_one_refused(page: Page, farm: str) -> None:
    page.goto("/logs")
    page.get_by_test_id("logs-regex").click()
    search_for(page, "(barn")
    expect(page.get_by_role("search")).to_contain_text("This is no regular expression")
    search_for(page, f"the (barn|attic) {farm}")
    expect(found(page)).to_have_count(1)
    expect(page.get_by_role("search")).not_to_contain_text("This is no regular expression")


def test_a_search_is_stopped_and_goes_on_later(page: Page, farm: str) -> None:
    page.route("**/api/v1/logs/search*", leave_unanswered)
    page.goto(f"/logs?q={farm} <haystack>")
    page.get_by_test_id("logs-cancel").click()
    expect(page.get_by_test_id("logs-go-on")).to_be_visible()
    expect(found(page)).to_have_count(0)
    page.unroute("**/api/v1/logs/search*")
    page.get_by_test_id("logs-go-on").click()
    expect(found(page)).to_have_count(2)
    expect(page.get_by_test_id("logs-go-on")).to_have_count(0)
