"""What a new project may begin with: folders of files, each of which runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

TemplateName = Literal["script", "requests", "scrapy", "browser"]
NAMES: tuple[TemplateName, ...] = get_args(TemplateName)


def files_of(name: TemplateName) -> Path:
    """The directory with the files of a template; only to be read."""
    return Path(__file__).parent / name
