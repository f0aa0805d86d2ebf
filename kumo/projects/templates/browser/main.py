"""Open a page in a real browser, and keep its title and a picture of it.

Browsers are programs of the system, not packages of Python. Either run `playwright install --with-deps chromium` once on
the machine as the account that runs scripts, or install the system's own (on Debian: apt-get install chromium) and name it
in the variable BROWSER_PATH.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

URL = os.environ.get("TARGET_URL", "https://example.com/")
OUTPUT_DIR = Path(os.environ.get("OUTPUT_DIR", "output"))


def main() -> None:
    OUTPUT_DIR.mkdir(parents=True, exist_ok=True)
    program = os.environ.get("BROWSER_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        # Without its sandbox where the script runs as root: Chromium refuses to start otherwise.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page()
        page.goto(URL, timeout=30_000, wait_until="domcontentloaded")
        print(f"{page.title()!r} at {page.url}")
        page.screenshot(path=OUTPUT_DIR / "page.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
