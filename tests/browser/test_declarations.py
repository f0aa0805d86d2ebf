"""Tasks as code, as a person writes, applies and changes them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.api import bring_project, make_task
from tests.server import KumoServer

pytestmark = pytest.mark.browser


def save_file(server: KumoServer, project_id: int, text: str) -> None:
    answer = server.client.put(f"/projects/{project_id}/files/kumo.toml", json={"content": text})
    assert answer.is_success, answer.text


def test_a_file_declares_the_tasks_and_what_is_changed_by_hand_is_seen(page: Page, shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "blueprint", {"main.py": "print('hello')\n"})
    make_task(shared_server, project_id, "python main.py", name="weekly report", priority=5)

    # The tasks that there are become the file, and it becomes theirs.
    page.goto(f"/projects/{project_id}?tab=declaration")
    page.get_by_test_id("declaration-write").click()
    expect(page.get_by_test_id("plan-step")).to_have_attribute("data-action", "adopt")
    expect(page.get_by_test_id("plan-step")).to_contain_text("weekly report")
    page.get_by_test_id("declaration-apply").click()
    expect(page.get_by_test_id("declaration-state")).to_have_text("Everything is as the file says")

    # A file that cannot be applied says where and why; the page follows it without being loaded again.
    save_file(shared_server, project_id, '[tasks.nightly]\ncommand = "python main.py"\ntimeout = "10m"\n')
    problem = page.get_by_test_id("declaration-problem")
    expect(problem).to_contain_text("tasks.nightly.timeout")
    expect(problem).to_contain_text("Do you mean timeout_seconds?")
    expect(problem.get_by_role("link")).to_have_text("kumo.toml, line 3")

    # What it removes is asked for.
    save_file(shared_server, project_id, '[tasks.nightly]\ncommand = "python main.py"\ntimeout_seconds = "10m"\n')
    expect(page.get_by_test_id("plan-step")).to_have_count(2)
    page.get_by_test_id("declaration-apply").click()
    expect(page.get_by_role("dialog")).to_contain_text("weekly report")
    page.get_by_role("dialog").get_by_role("button", name="Apply and remove").click()
    expect(page.get_by_test_id("declaration-state")).to_have_text("Everything is as the file says")
    expect(page.get_by_text(re.compile("Applied .* by "))).to_be_visible()

    # A change by hand is marked on the task, and taken back there.
    (task,) = shared_server.client.get("/tasks", params={"project_id": project_id}).json()["items"]
    shared_server.client.patch(f"/tasks/{task['id']}", json={"timeout_seconds": 60})
    page.goto(f"/tasks?project={project_id}")
    expect(page.get_by_test_id("task-declared")).to_have_text("Differs from kumo.toml")
    page.get_by_role("link", name="nightly").click()
    drift = page.get_by_test_id("task-drift")
    expect(drift.get_by_test_id("field-change")).to_have_text(re.compile("60.*600"))
    drift.get_by_test_id("drift-take").click()
    expect(drift).to_have_count(0)
    expect(page.get_by_test_id("task-declared")).to_have_text("kumo.toml")

    # By itself: no button is pressed any more.
    page.goto(f"/projects/{project_id}?tab=declaration")
    page.get_by_role("switch", name="Apply by itself").click()
    expect(page.get_by_role("switch", name="Apply by itself")).to_be_checked()
    save_file(shared_server, project_id, '[tasks.nightly]\ncommand = "python main.py --all"\n')
    expect(page.get_by_text(re.compile("Applied .* by Kumo itself"))).to_be_visible()
    expect(page.get_by_test_id("declaration-state")).to_have_text("Everything is as the file says")
