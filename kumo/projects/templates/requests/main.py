"""Fetch a page politely: with timeouts, with retries, and at the pace that the task allows."""

import json
import os
import sys
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

try:  # comes with Kumo, and keeps to the rate limits of the task; without it there is no limit
    from kumo.throttle import throttle
except ImportError:

    def throttle() -> None:
        pass


URL = os.environ.get("TARGET_URL", "https://example.com/")
OUTPUT_DIR = Path(os.environ.get("OUTPUT_DIR", "output"))


def make_session() -> requests.Session:
    """A session that tries again what may be well the next time, and waits longer each time."""
    retries = Retry(
        total=4, backoff_factor=1, status_forcelist=[429, 500, 502, 503, 504], respect_retry_after_header=True
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retries))
    session.mount("http://", HTTPAdapter(max_retries=retries))
    session.headers["User-Agent"] = "my-crawler/1.0 (+https://example.com/about-it)"
    return session


def main() -> int:
    session = make_session()
    throttle()
    answer = session.get(URL, timeout=(5, 30))
    print(f"{answer.status_code} {URL} ({len(answer.content):,} bytes)")
    answer.raise_for_status()
    OUTPUT_DIR.mkdir(parents=True, exist_ok=True)
    with (OUTPUT_DIR / "pages.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"url": URL, "status": answer.status_code, "bytes": len(answer.content)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
