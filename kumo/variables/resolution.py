"""Which values a run is given: those of its task over those of its project over those for all.

Every run asks, so the answer is remembered until a variable changes. Word of a change in this process comes at once;
that of another process, which PostgreSQL makes possible, is looked for each second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, cast

from sqlalchemy import Table, and_, bindparam, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.session import Database
from kumo.errors import Conflict, TooLarge
from kumo.secrets import Undecryptable, Vault
from kumo.variables.models import Variable, VariableGeneration, VariableVersion
from kumo.variables.rules import LARGEST_ENVIRONMENT_BYTES, LARGEST_FILES_BYTES, VariableScope, goes_as_file, kib, weigh

WORD_OF_CHANGES: Final = "variables"  # the kind of change that is announced with the new generation as its id

_LOOK_SECONDS = 1.0
_MOST_REMEMBERED = 1000
_MOST_BYTES_REMEMBERED = 32 * 1024 * 1024

_variables = cast(Table, Variable.__table__).c
_versions = cast(Table, VariableVersion.__table__).c
_generation = cast(Table, VariableGeneration.__table__).c

_VALUE = (_versions.id, _versions.value, _versions.size_bytes, _versions.is_secret, _versions.as_file)
_GENERATION = select(_generation.generation)
_FOR_RUN = (
    select(
        _generation.generation,
        exists(select(_variables.id)).label("any_at_all"),
        _variables.name,
        _variables.scope,
        *_VALUE,
    )
    .select_from(VariableGeneration)
    .outerjoin(
        Variable,
        or_(
            _variables.scope == VariableScope.GLOBAL,
            and_(_variables.scope == VariableScope.PROJECT, _variables.project_id == bindparam("b_project_id")),
            and_(_variables.scope == VariableScope.TASK, _variables.task_id == bindparam("b_task_id")),
        ),
    )
    .outerjoin(VariableVersion, _versions.id == _variables.current_version_id)
)
_EXACT = select(*_VALUE).where(_versions.id.in_(bindparam("b_ids", expanding=True)))

_RANK = {scope: rank for rank, scope in enumerate(VariableScope)}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a run is given. It may be shared with other runs: nobody changes it."""

    environment: dict[str, str] = field(default_factory=dict, repr=False)
    files: dict[str, str] = field(default_factory=dict, repr=False)  # what the run finds as files, by name
    versions: dict[str, int] = field(default_factory=dict)  # the id of each variable's value, to be kept with the run
    secrets: list[str] = field(default_factory=list, repr=False)  # what must not show in its log

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return sum(len(name) + len(value) for given in (self.environment, self.files) for name, value in given.items())


NOTHING: Final = Resolved()

# Gives the value of a variable of this name, from a row with its version.
ReadValue = Callable[[str, Any], str]


class Resolver:
    """Answers for every run, and remembers what it has answered as long as it holds."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._vault = vault
        self._word = database.changes.listen(WORD_OF_CHANGES)
        self._alone = database.is_sqlite
        self._looked_at = float("-inf")
        self._generation = -1  # the newest that is known of; all that is remembered is of this one
        self._none_at_all = False
        self._remembered: dict[tuple[int, int], Resolved] = {}
        self._bytes = 0
        # By the ids of versions, which never change: most tasks are given the same values.
        self._values: dict[int, str] = {}
        self._values_bytes = 0

    async def resolve(self, session: AsyncSession, *, project_id: int, task_id: int) -> Resolved:
        """What a run of this task is given now.

        `Undecryptable`, naming the variable, without the key of one of the values; `TooLarge` when no process could
        be given all of them.
        """
        self._hear()
        if not self._alone:
            await self._look(session)
        if self._none_at_all:
            return NOTHING
        if (known := self._remembered.get((project_id, task_id))) is not None:
            return known
        rows = await _rows_for(session, project_id, task_id)
        self._hear()
        self._advance(rows[0].generation)
        resolved = _resolved(self._read, rows)
        # What an older state of the database says is right for whoever is still in it, but for nobody after.
        if rows[0].generation == self._generation:
            self._none_at_all = not rows[0].any_at_all
            self._remember((project_id, task_id), resolved)
        return resolved

    async def resolve_exact(self, session: AsyncSession, versions: dict[str, int]) -> Resolved:
        """What a run was given that is to be repeated exactly; see `resolve_exact` below."""
        return await _exact(session, self._read, versions)

    @property
    def vault(self) -> Vault:
        """What the values are encrypted with."""
        return self._vault

    def _read(self, name: str, row: Any) -> str:
        if (known := self._values.get(row.id)) is not None:
            return known
        value = read_value(self._vault, name, row.value)
        if self._values_bytes > _MOST_BYTES_REMEMBERED:
            self._values.clear()
            self._values_bytes = 0
        self._values[row.id] = value
        self._values_bytes += len(value)
        return value

    def _hear(self) -> None:
        for change in self._word.take():
            self._advance(change.id)

    async def _look(self, session: AsyncSession) -> None:
        now = monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._advance((await session.execute(_GENERATION)).scalar_one())

    def _advance(self, generation: int) -> None:
        if generation > self._generation:
            self._generation = generation
            self._none_at_all = False
            self._remembered.clear()
            self._bytes = 0
            self._values.clear()  # what was deleted must not stay, here either
            self._values_bytes = 0

    def _remember(self, key: tuple[int, int], resolved: Resolved) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED or self._bytes > _MOST_BYTES_REMEMBERED:
            self._remembered.clear()
            self._bytes = 0
        self._remembered[key] = resolved
        self._bytes += resolved.size_bytes


async def resolve(session: AsyncSession, vault: Vault, *, project_id: int, task_id: int) -> Resolved:
    """What a run of this task is given now, asked of the database; see `Resolver.resolve`."""
    return _resolved(_reading(vault), await _rows_for(session, project_id, task_id))


async def resolve_exact(session: AsyncSession, vault: Vault, versions: dict[str, int]) -> Resolved:
    """What a run was given, by the ids that were kept with it; `Conflict` when one of the values is gone."""
    return await _exact(session, _reading(vault), versions)


def _reading(vault: Vault) -> ReadValue:
    return lambda name, row: read_value(vault, name, row.value)


async def _exact(session: AsyncSession, read: ReadValue, versions: dict[str, int]) -> Resolved:
    if not versions:
        return NOTHING
    rows = (await session.execute(_EXACT, {"b_ids": list(versions.values())})).all()
    row_of = {row.id: row for row in rows}
    for name, version_id in versions.items():
        if version_id not in row_of:
            raise Conflict(
                f"The value that the variable {name} had then is not kept any more, so the run cannot be repeated "
                "exactly. Run it again as it is now."
            )
    return _put_together(read, [(name, row_of[version_id]) for name, version_id in versions.items()])


async def _rows_for(session: AsyncSession, project_id: int, task_id: int) -> Sequence[Any]:
    """One row for each variable that the task may see; one without a name when there is none."""
    values = {"b_project_id": project_id, "b_task_id": task_id}
    return (await session.execute(_FOR_RUN, values)).all()


def _resolved(read: ReadValue, rows: Sequence[Any]) -> Resolved:
    present = sorted((row for row in rows if row.name is not None), key=lambda row: _RANK[VariableScope(row.scope)])
    winners = {row.name: row for row in present}
    return _put_together(read, winners.items()) if winners else NOTHING


def _put_together(read: ReadValue, named: Iterable[tuple[str, Any]]) -> Resolved:
    resolved = Resolved()
    environment_bytes = files_bytes = 0
    for name, row in named:
        value = read(name, row)
        weight = weigh(name, row.size_bytes, as_file=row.as_file)
        environment_bytes += weight.environment
        files_bytes += weight.files
        is_file = goes_as_file(name, row.size_bytes, as_file=row.as_file)
        (resolved.files if is_file else resolved.environment)[name] = value
        resolved.versions[name] = row.id
        if row.is_secret and value:
            resolved.secrets.append(value)
    # Each was within the limits when it was set, but a task may have moved to another project since.
    _refuse_more_than(LARGEST_ENVIRONMENT_BYTES, environment_bytes, "of its environment")
    _refuse_more_than(LARGEST_FILES_BYTES, files_bytes, "as files")
    return resolved


def _refuse_more_than(most: int, size_bytes: int, what: str) -> None:
    if size_bytes > most:
        raise TooLarge(
            f"Its variables take {kib(size_bytes)} {what}; the most is {kib(most)}. Give it fewer or shorter ones."
        )


def read_value(vault: Vault, name: str, kept: bytes) -> str:
    """Decrypt the value of a variable; `Undecryptable` names the variable."""
    try:
        return vault.decrypt(kept).decode()
    except Undecryptable as error:
        raise Undecryptable(f"The variable {name} cannot be read. {error.message}") from None
