"""What a crawler is told of its limits, in words that its library understands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from kumo.tasks.policies import RateLimit

_CRAWLING = ("crawl", "runspider")


def with_rate_limit(arguments: Sequence[str], rate: RateLimit) -> tuple[str, ...]:
    """The arguments, with Scrapy's own settings where they start a Scrapy crawl.

    One request at a time, each so long after the one before: DOWNLOAD_DELAY holds for each site by itself, and
    CONCURRENT_REQUESTS for all together. Settings that the command names itself are left as they are.
    """
    delay = _seconds_between(rate)
    if not delay or not _is_crawl(arguments):
        return tuple(arguments)
    wanted = {
        "DOWNLOAD_DELAY": f"{delay:g}",
        "RANDOMIZE_DOWNLOAD_DELAY": "False",  # it would make some delays shorter
        "CONCURRENT_REQUESTS": "1",
        "CONCURRENT_REQUESTS_PER_DOMAIN": "1",
    }
    named = {argument.partition("=")[0] for argument in arguments}
    added = [word for name, value in wanted.items() if name not in named for word in ("-s", f"{name}={value}")]
    return (*arguments, *added)


def _seconds_between(rate: RateLimit) -> float:
    interval = (rate.request_interval_ms or 0) / 1000
    return max(interval, 1 / rate.max_requests_per_second if rate.max_requests_per_second else 0)


def _is_crawl(arguments: Sequence[str]) -> bool:
    """Whether they are `scrapy crawl …` or `python -m scrapy crawl …`."""
    words = list(arguments)
    if words[:1] and PurePath(words[0]).name == "scrapy":
        return words[1:2] != [] and words[1] in _CRAWLING
    if words[1:3] == ["-m", "scrapy"] and PurePath(words[0]).name.startswith("python"):
        return words[3:4] != [] and words[3] in _CRAWLING
    return False
