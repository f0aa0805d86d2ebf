"""Once against the public index, because a made-up one cannot show that real packages install."""

from __future__ import annotations

import subprocess

from kumo.environments.interpreters.finding import Interpreters
from kumo.settings import Settings
from tests.environments.conftest import Workbench


async def test_a_package_of_the_public_index_is_built_and_works(settings: Settings, interpreters: Interpreters) -> None:
    workbench = Workbench(settings, interpreters)
    built = await workbench.build("rich>=13")
    names = {package.name for package in built.ready.packages}
    assert {"rich", "pygments"} <= names
    python = workbench.store.directory(built.ready.lock_hash) / "bin" / "python"
    command = [str(python), "-c", "import rich; print(rich.__name__)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "rich\n"
