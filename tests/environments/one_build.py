"""A process that makes one build, for tests that kill it: HOME SPEC."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from kumo.environments.backends.by_name import backends_for
from kumo.environments.backends.interface import BuildOrder
from kumo.environments.building.assembly import Assembler
from kumo.environments.building.imports import Imports
from kumo.environments.builds.log import BuildLog
from kumo.environments.builds.store import BuildStore
from kumo.environments.indexes.access import access_for
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.tools.uv import Uv
from kumo.settings import Settings


async def main() -> None:
    home, spec = Path(sys.argv[1]), EnvironmentSpec.from_json(json.loads(sys.argv[2]))
    settings = Settings(home=home, _env_file=None)
    uv = Uv(settings)
    assembler = Assembler(
        settings=settings,
        backends=backends_for(settings, uv, Interpreters(uv)),
        store=BuildStore(home),
        imports=Imports(home),
    )
    with BuildLog(home / "build-logs" / "killed.log") as log:
        order = BuildOrder(spec=spec, access=access_for(settings, spec), now=datetime.now(UTC), log=log)
        await assembler.assemble(order)


if __name__ == "__main__":
    asyncio.run(main())
