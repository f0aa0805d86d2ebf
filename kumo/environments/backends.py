"""All ways to make builds, by the name that a spec chooses one with."""

from __future__ import annotations

from collections.abc import Mapping

from kumo.environments.backend import Backend
from kumo.environments.conda import Conda
from kumo.environments.conda_backend import CondaBackend
from kumo.environments.existing_backend import ExistingBackend
from kumo.environments.interpreters import Interpreters
from kumo.environments.uv import Uv
from kumo.environments.uv_backend import UvBackend
from kumo.settings import Settings


def backends_for(settings: Settings, uv: Uv, interpreters: Interpreters) -> Mapping[str, Backend]:
    """The backends of this installation."""
    return {
        "uv": UvBackend(uv, interpreters),
        "conda": CondaBackend(Conda(settings), uv),
        "existing": ExistingBackend(),
    }
