"""Environments and interpreters, as a person builds, changes, compares and goes back."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import sign_in, watched_page
from tests.environments.package_index import PackageIndex, serve_packages
from tests.server import KumoServer

pytestmark = pytest.mark.browser

BUILD_MS = 60_000
PASSWORD_OF_INDEX = "precious-password-100743"


@pytest.fixture(scope="module")
def index() -> Iterator[PackageIndex]:
    """An index with two versions of one package, and two packages that do not fit together."""
    with serve_packages() as served:
        served.add_wheel("apple", "1.0")
        served.add_wheel("apple", "2.0", requires=["core"])
        served.add_wheel("core", "1.0")
        served.add_wheel("banana", "1.0", requires=["core>=9"])
        yield served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, index: PackageIndex) -> Iterator[KumoServer]:
    """A server that builds from the index, and whose mirror of Pythons nobody answers at."""
    with socket.socket() as taken:
        # Bound and not listening: whoever connects is refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        mirror = f"http://127.0.0.1:{taken.getsockname()[1]}/pythons"
        home = tmp_path_factory.mktemp("environments") / "home"
        with KumoServer(home, KUMO_PACKAGE_INDEX_URL=index.url, KUMO_PYTHON_MIRROR_URL=mirror) as started:
            yield started


@pytest.fixture
def page(browser: Browser, server: KumoServer) -> Iterator[Page]:
    """A page of somebody signed in at that server."""
    for opened in watched_page(browser, server):
        sign_in(opened)
        yield opened


def make(page: Page, name: str, packages: str) -> None:
    """Fill the form of a new environment, and wait for its first generation."""
    page.goto("/environments/new")
    page.get_by_test_id("environment-name").fill(name)
    page.get_by_test_id("environment-packages").fill(packages)
    page.get_by_test_id("environment-save").click()
    is_active(page, 1)


def generation(page: Page, number: int) -> Locator:
    return page.locator(f"[data-testid=build-row][data-generation='{number}']")


def is_active(page: Page, number: int) -> None:
    expect(generation(page, number).get_by_test_id("build-active")).to_be_visible(timeout=BUILD_MS)


def add(page: Page, requirement: str) -> None:
    page.get_by_test_id("package-add").fill(requirement)
    page.get_by_test_id("package-take").click()


def test_packages_are_changed_compared_and_taken_back(page: Page) -> None:
    make(page, "fruit", "apple<2")
    row = page.locator("[data-package=apple]")
    expect(row).to_contain_text("1.0")

    # What is newer is shown in the list, and taken together with a package that is searched for.
    page.get_by_test_id("packages-check").click()
    expect(row).to_contain_text("1.0 → 2.0")
    row.get_by_test_id("package-raise").click()
    page.get_by_test_id("package-add").fill("core")
    page.get_by_test_id("package-found").first.click()
    expect(page.get_by_test_id("package-changes")).to_contain_text("apple>=2.0")
    page.get_by_test_id("package-send").click()
    is_active(page, 2)
    expect(row).to_contain_text("2.0")
    expect(page.locator("[data-package=core]")).to_contain_text("needed by apple")

    generation(page, 2).get_by_test_id("build-open").click()
    changes = generation(page, 2).get_by_test_id("build-changes")
    expect(changes.get_by_test_id("change")).to_have_count(2)
    expect(changes).to_contain_text("1.0 → 2.0")
    generation(page, 2).get_by_role("tab", name="Lock").click()
    expect(generation(page, 2).get_by_test_id("lock")).to_contain_text("--hash=sha256:")
    with page.expect_download() as download:
        generation(page, 2).get_by_test_id("lock-download").click()
    assert "apple==2.0" in Path(download.value.path()).read_text()

    # Going back is one click.
    generation(page, 1).get_by_test_id("build-activate").click()
    is_active(page, 1)
    expect(row).to_contain_text("1.0")


def test_a_failed_build_explains_itself_and_leaves_the_one_before_in_use(page: Page) -> None:
    make(page, "broken", "apple")
    add(page, "???")
    page.get_by_test_id("package-send").click()
    expect(page.get_by_test_id("package-changes").get_by_role("alert")).to_be_visible()
    page.get_by_test_id("package-changes").get_by_role("button", name="Discard").click()

    add(page, "banana")
    page.get_by_test_id("package-send").click()
    latest = page.get_by_test_id("latest-build")
    expect(latest).to_have_attribute("data-state", "failed", timeout=BUILD_MS)
    expect(latest).to_contain_text("Generation 2 could not be built")
    expect(latest).to_contain_text("Runs use generation 1.")
    expect(latest.get_by_test_id("build-error-output")).to_contain_text("core>=9")
    is_active(page, 1)


def test_a_password_is_never_shown_again(page: Page, index: PackageIndex) -> None:
    make(page, "private", "apple")
    page.get_by_role("link", name="Edit").click()
    page.get_by_test_id("environment-where").locator("summary").click()
    page.get_by_test_id("credential-add").click()
    page.get_by_test_id("credential-url").fill(index.url)
    page.get_by_test_id("credential-username").fill("etl")
    page.get_by_test_id("credential-password").fill(PASSWORD_OF_INDEX)
    page.get_by_test_id("environment-save").click()
    expect(page.get_by_text(f"etl · {index.url}")).to_be_visible()
    assert PASSWORD_OF_INDEX not in page.content()

    page.get_by_role("link", name="Edit").click()
    credential = page.get_by_test_id("credential")
    expect(credential).to_contain_text("Password set")
    assert PASSWORD_OF_INDEX not in page.content()
    credential.get_by_test_id("credential-replace").click()
    expect(page.get_by_test_id("credential-password")).to_have_value("")
    page.get_by_test_id("credential-remove").click()
    page.get_by_test_id("environment-save").click()
    is_active(page, 1)
    expect(page.get_by_text("etl · ")).to_have_count(0)


def test_an_interpreter_is_added_by_its_path_and_forgotten(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "python-of-mine"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    page.goto("/environments")
    page.get_by_test_id("interpreter-add").click()
    page.get_by_test_id("interpreter-path").fill(str(tmp_path / "nothing-here"))
    page.get_by_test_id("interpreter-save").click()
    expect(page.get_by_role("dialog")).to_contain_text("nothing-here")
    page.get_by_test_id("interpreter-path").fill(str(path))
    page.get_by_test_id("interpreter-save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    row = page.get_by_test_id("interpreter-row").filter(has_text=str(path))
    expect(row).to_contain_text("added by path")
    row.get_by_test_id("interpreter-remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(row).to_have_count(0)


def test_an_installation_that_cannot_reach_its_mirror_says_so(page: Page) -> None:
    page.goto("/environments")
    page.get_by_test_id("interpreter-install").click()
    page.get_by_test_id("interpreter-version").fill("3.13")
    page.get_by_test_id("interpreter-save").click()
    install = page.get_by_test_id("install")
    expect(install).to_have_attribute("data-state", "failed", timeout=BUILD_MS)
    expect(install).to_contain_text("Python 3.13 could not be installed")
    expect(install.get_by_test_id("install-message")).to_contain_text("KUMO_PYTHON_MIRROR_URL")


def test_the_pages_speak_chinese(page: Page) -> None:
    make(page, "chinese", "apple")
    page.evaluate("localStorage.setItem('kumo.language', 'zh-CN')")
    page.reload()
    is_active(page, 1)
    expect(generation(page, 1)).to_contain_text("第 1 代")
    expect(page.get_by_test_id("packages-check")).to_have_text("检查新版本")
    page.goto("/environments")
    expect(page.get_by_test_id("interpreter-install")).to_have_text("安装其他版本")
