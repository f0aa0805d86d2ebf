"""All ways to make builds, by the name that a spec chooses one with."""

from __future__ import annotations

from collections.abc import Mapping

from kumo.environments.backends.conda.backend import CondaBackend
from kumo.environments.backends.conda.process import Conda
from kumo.environments.backends.existing import ExistingBackend
from kumo.environments.backends.interface import Backend
from kumo.environments.backends.uv import UvBackend
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.tools.uv import Uv
from kumo.settings import Settings


def backends_for(settings: Settings, uv: Uv, interpreters: Interpreters) -> Mapping[str, Backend]:
    """The backends of this installation."""
    return {
        "uv": UvBackend(uv, interpreters),
        "conda": CondaBackend(Conda(settings), uv),
        "existing": ExistingBackend(),
    }
