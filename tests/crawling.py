"""A small site on loopback, and a Scrapy project that crawls it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES = {
    "/": [("The cloud is patient.", "Ada"), ("Rain keeps its own schedule.", "Grace")],
    "/page/2": [("雲は待っている。", "Yuki")],
}
_SPIDER = """
import os

import scrapy


class QuotesSpider(scrapy.Spider):
    name = "quotes"
    start_urls = ["{address}/"]
    custom_settings = {{
        "DOWNLOAD_DELAY": 0,
        "FEEDS": {{os.path.join(os.environ["OUTPUT_DIR"], "quotes.jsonl"): {{"format": "jsonlines"}}}},
        "FEED_EXPORT_ENCODING": "utf-8",
    }}

    def parse(self, response):
        for quote in response.css("div.quote"):
            yield {{"text": quote.css("q::text").get(), "author": quote.css("cite::text").get()}}
        for link in response.css("a.next"):
            yield response.follow(link, self.parse)
"""


def spider(address: str) -> str:
    """The source of a spider that brings every quote of the site home."""
    return _SPIDER.format(address=address)


def crawler_files(address: str) -> dict[str, str | bytes]:
    """A whole Scrapy project, as `scrapy startproject` lays it out."""
    return {
        "scrapy.cfg": "[settings]\ndefault = crawler.settings\n",
        "requirements.txt": "scrapy\n",
        "crawler/__init__.py": "",
        "crawler/settings.py": 'BOT_NAME = "crawler"\nSPIDER_MODULES = ["crawler.spiders"]\n',
        "crawler/spiders/__init__.py": "",
        "crawler/spiders/quotes.py": spider(address),
    }


@contextmanager
def serve_quotes() -> Iterator[str]:
    """Serve the pages, and give the site's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Site(BaseHTTPRequestHandler):
    """Two pages, the first of which leads to the second."""

    def do_GET(self) -> None:
        quotes = PAGES.get(self.path)
        if quotes is None:
            self.send_error(404)
            return
        rows = "".join(f'<div class="quote"><q>{text}</q><cite>{author}</cite></div>' for text, author in quotes)
        link = '<a class="next" href="/page/2">next</a>' if self.path == "/" else ""
        body = f'<!doctype html><meta charset="utf-8"><body>{rows}{link}</body>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what counts is what the spider brings home."""
