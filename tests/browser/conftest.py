"""Chromium, and pages in it: signed in, and watched for what a person would not see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.server import PASSWORD, USERNAME, KumoServer

WAIT_MS = 15_000
expect.set_options(timeout=WAIT_MS)


# Not for the session: while Playwright is open an event loop runs in this thread, and no other test could start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; `make test` finds or installs one and says where in KUMO_CHROMIUM."""
    path = os.environ.get("KUMO_CHROMIUM") or shutil.which("chromium")
    # Chromium's own sandbox does not work for root, nor in most containers.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


class Watch:
    """What went wrong in pages without being seen."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.faults: list[str] = []
        self._host = host
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))
        context.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        # That an answer was no success is what some tests are about; Chromium calls it an error.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https"} and address.netloc != self._host:
            self.faults.append(f"asked a third party: {request.url}")


@pytest.fixture
def stranger_page(browser: Browser, shared_server: KumoServer) -> Iterator[Page]:
    """A page at the server that nobody has signed in with; fails the test when its console shows an error."""
    yield from watched_page(browser, shared_server)


@pytest.fixture
def page(browser: Browser, shared_server: KumoServer) -> Iterator[Page]:
    """A page of somebody signed in; fails the test when its console shows an error."""
    for opened in watched_page(browser, shared_server):
        sign_in(opened)
        yield opened


def watched_page(browser: Browser, server: KumoServer) -> Iterator[Page]:
    """A page in a browser context of its own; asserts at the end that nothing went wrong unseen."""
    with browser.new_context(base_url=server.url, locale="en-GB", timezone_id="Europe/Berlin") as context:
        context.set_default_timeout(WAIT_MS)
        watch = Watch(context, urlsplit(server.url).netloc)
        yield context.new_page()
    assert watch.faults == []


def sign_in(page: Page) -> None:
    """Take a session for the page's browser, as its sign-in form does."""
    answer = page.request.post("/api/v1/auth/login", data={"username": USERNAME, "password": PASSWORD})
    assert answer.ok, answer.text()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Where a test keeps what it downloads."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
