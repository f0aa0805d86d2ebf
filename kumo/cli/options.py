"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path | None, typer.Option("--home", help="The data directory; KUMO_HOME without.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
