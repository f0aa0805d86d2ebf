"""The process that searches files for a regular expression: `python -I -m kumo.projects.searching.pattern_process`."""

from __future__ import annotations

from kumo.logs.pattern_process import main
from kumo.projects.searching.texts import TextFile

if __name__ == "__main__":
    main(TextFile)
