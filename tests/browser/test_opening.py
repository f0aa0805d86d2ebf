from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.server import PASSWORD, USERNAME

pytestmark = pytest.mark.browser


def test_a_stranger_is_asked_to_sign_in_and_then_sees_the_dashboard(stranger_page: Page) -> None:
    stranger_page.goto("/")
    stranger_page.get_by_label("User name").fill(USERNAME)
    stranger_page.get_by_label("Password", exact=True).fill(PASSWORD)
    stranger_page.get_by_role("button", name="Sign in").click()
    expect(stranger_page.get_by_role("link", name="Projects")).to_be_visible()


def test_whoever_is_signed_in_sees_the_dashboard_at_once(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("navigation").get_by_role("link", name="Tasks")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
