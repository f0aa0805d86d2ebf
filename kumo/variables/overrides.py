"""Values that come with one request for a run, and win over all variables for that run alone.

They are kept with the run as an object of names and encrypted values, so that a restart does not lose them and an
exact repetition has them too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from kumo.errors import InvalidInput
from kumo.secrets import Vault
from kumo.variables.resolution import Resolved, read_value
from kumo.variables.rules import check_name, check_value, goes_as_file, size_of

FIELD = "variables"
_LARGEST_BYTES = 256 * 1024


def seal(vault: Vault, values: Mapping[str, str]) -> bytes | None:
    """Give the form in which a run keeps them, None without any; `InvalidInput` for what cannot be given to a run."""
    if not values:
        return None
    for name, value in values.items():
        try:
            check_name(name)
            check_value(value)
        except InvalidInput as error:
            raise InvalidInput.at(FIELD, f"{name}: {error.message}") from None
    if sum(len(name) + size_of(value) for name, value in values.items()) > _LARGEST_BYTES:
        raise InvalidInput.at(FIELD, "Together they are longer than 256 KiB. Make a long value a variable of the task.")
    sealed = {name: vault.encrypt(value.encode()).decode() for name, value in values.items()}
    return json.dumps(sealed).encode()


def names(kept: bytes | None) -> list[str]:
    """What a run has values of its own for."""
    return [] if kept is None else sorted(json.loads(kept))


def compare(vault: Vault, kept: bytes | None, other: bytes | None) -> tuple[dict[str, int], dict[str, int]]:
    """What two runs have values of their own for: by name 1, and 2 where the other's value is another one.

    That a value is 1 or 2 tells no more than whether it is the same. `Undecryptable` without the key of one of them.
    """
    mine, theirs = ({} if each is None else json.loads(each) for each in (kept, other))
    differs = {
        name
        for name in mine.keys() & theirs.keys()
        if read_value(vault, name, mine[name].encode()) != read_value(vault, name, theirs[name].encode())
    }
    return dict.fromkeys(mine, 1), {name: 2 if name in differs else 1 for name in theirs}


def put_over(resolved: Resolved, vault: Vault, kept: bytes | None) -> Resolved:
    """What a run is given with the values of its own; `Undecryptable` without the key of one of them."""
    if kept is None:
        return resolved
    values = {name: read_value(vault, name, token.encode()) for name, token in json.loads(kept).items()}
    files = {name: value for name, value in values.items() if goes_as_file(name, size_of(value), as_file=False)}
    environment = {name: value for name, value in values.items() if name not in files}
    return replace(
        resolved,
        environment=_without(resolved.environment, values) | environment,
        files=_without(resolved.files, values) | files,
        versions={name: version for name, version in resolved.versions.items() if name not in values},
    )


def _without(given: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in names}
