"""A project from git, as a person brings, opens, pulls and mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.projects.git.far_sides import Repository, SshGit, new_key

pytestmark = pytest.mark.browser


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "far")
    made.commit({"main.py": "print('one')\n"}, "Begin")
    return made


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, str]:
    return new_key(tmp_path)


@pytest.fixture
def ssh(repository: Repository, key: tuple[str, str]) -> Iterator[SshGit]:
    far = SshGit(repository.bare.parent, key[1])
    yield far
    far.close()


def test_a_project_is_brought_from_git_and_pulled(
    page: Page, repository: Repository, ssh: SshGit, key: tuple[str, str]
) -> None:
    page.goto("/projects")
    page.get_by_test_id("project-new-git").first.click()
    page.get_by_test_id("git-url").fill(ssh.url())
    page.get_by_test_id("git-credential-new").click()
    page.get_by_test_id("git-credential-name").fill("deploy")
    page.get_by_test_id("git-credential-secret").fill(key[0])
    page.get_by_test_id("git-credential-save").click()
    expect(page.get_by_test_id("git-credential")).to_contain_text("deploy")
    page.get_by_test_id("project-name").fill("followed repository")
    page.get_by_test_id("project-create").click()

    # A host is trusted once somebody has seen its key.
    expect(page.get_by_test_id("git-failure")).to_contain_text(ssh.host_key.get_fingerprint())
    page.get_by_test_id("git-host-show").click()
    expect(page.get_by_test_id("git-host-keys")).to_contain_text(ssh.host_key.get_fingerprint())
    page.get_by_test_id("git-host-accept").click()
    expect(page.get_by_test_id("git-state")).to_contain_text("Up to date")
    expect(page.get_by_test_id("git-commit")).to_contain_text("Begin")
    expect(page.get_by_test_id("tree-item").first).to_have_text("main.py")

    # What was changed here is not undone unasked.
    project = page.request.get("/api/v1/projects?q=followed").json()["items"][0]
    headers = {"X-CSRF-Token": next(c["value"] for c in page.context.cookies() if c["name"] == "kumo_csrf")}
    address = f"/api/v1/projects/{project['id']}/files/main.py"
    assert page.request.put(address, data={"content": "print('mine')\n"}, headers=headers).ok
    repository.commit({"main.py": "print('theirs')\n"}, "Say more")
    expect(page.get_by_test_id("git-local-changes")).to_be_visible()
    page.get_by_test_id("git-pull").click()
    page.get_by_test_id("git-overwrite").click()
    page.get_by_role("dialog").get_by_role("button", name="Pull and overwrite").click()
    expect(page.get_by_test_id("git-panel").get_by_test_id("git-commit")).to_contain_text("Say more")
    page.get_by_test_id("project-tab-history").click()
    expect(page.get_by_test_id("snapshot-row").filter(has_text="Say more").get_by_test_id("git-commit")).to_be_visible()

    page.get_by_test_id("project-tab-settings").click()
    page.get_by_test_id("git-webhook-make").click()
    expect(page.get_by_test_id("git-webhook-address")).to_contain_text("/api/v1/hooks/git/")
    page.goto("/projects/git")
    expect(page.get_by_test_id("git-credential-row")).to_contain_text("1 project")
    expect(page.get_by_test_id("git-host-row")).to_contain_text(ssh.host_key.get_fingerprint())
    assert "PRIVATE KEY" not in page.content()
