"""The file that declares tasks: its name, and how large it may be."""

from __future__ import annotations

from typing import Final

FILE_NAME: Final = "kumo.toml"
LARGEST_FILE_BYTES: Final = 512 * 1024
