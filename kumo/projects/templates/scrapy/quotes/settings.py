"""How the spiders behave. Rate limits of the task come on top: Kumo passes them on as settings."""

import os
from pathlib import Path

BOT_NAME = "quotes"
SPIDER_MODULES = ["quotes.spiders"]
ROBOTSTXT_OBEY = True
USER_AGENT = "my-crawler/1.0 (+https://example.com/about-it)"
AUTOTHROTTLE_ENABLED = True

# One file for each run, in the project's output directory.
_name = f"%(name)s-{os.environ.get('KUMO_RUN_ID', 'by-hand')}.jsonl"
FEEDS = {str(Path(os.environ.get("OUTPUT_DIR", "output")) / _name): {"format": "jsonlines", "encoding": "utf8"}}
