"""Statements that are put into the database's own words once, and then executed for row after row.

SQLAlchemy remembers how it has put a statement into words. What it does with the values of each row it does each time:
it collects, checks and orders them, which takes longer than a short change takes the database. The few statements that
every run needs are spared that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Insert, Table, Update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A statement as one kind of database takes it."""

    text: str
    constants: dict[str, Any]
    taken: tuple[tuple[str, str], ...]  # the name in the text, and that of a row's value
    converted: tuple[tuple[str, str, Callable[[Any], Any]], ...]  # those that the driver does not take as they are

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(self.constants)
        for name, key in self.taken:
            values[name] = row[key]
        for name, key, convert in self.converted:
            value = row[key]
            values[name] = None if value is None else convert(value)
        return values


class Prepared:
    """An insert or update for many rows; these bring a value for each of its parameters, and may bring more."""

    def __init__(self, statement: Insert | Update, *, columns: Sequence[str] | None = None) -> None:
        """`columns` are those that an insert fills from its rows; by default all of its table."""
        table = statement.table
        if isinstance(statement, Insert) and columns is None:
            assert isinstance(table, Table)
            columns = table.columns.keys()
        self._statement = statement
        self._columns = columns
        self._words: dict[str, _Words] = {}

    async def execute(self, session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each of the rows; not at all without any."""
        if not rows:
            return
        dialect = session.get_bind().dialect
        words = self._words.get(dialect.name)
        if words is None:
            words = self._words[dialect.name] = self._put_into_words(dialect)
        values = [words.values(row) for row in rows]
        await session.run_sync(lambda sync: sync.connection().exec_driver_sql(words.text, values))

    def _put_into_words(self, dialect: Dialect) -> _Words:
        # With names for the parameters: whatever their order, a row is a dictionary as it is.
        named: Dialect = type(dialect)(paramstyle="named") if dialect.positional else dialect  # type: ignore[call-arg]
        compiled = self._statement.compile(dialect=named, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)
        constants, taken, converted = {}, [], []
        for parameter, name in compiled.bind_names.items():
            convert = parameter.type.dialect_impl(dialect).bind_processor(dialect)
            if not parameter.required:
                value = parameter.effective_value
                constants[name] = value if convert is None else convert(value)
            elif convert is None:
                taken.append((name, parameter.key))
            else:
                converted.append((name, parameter.key, convert))
        return _Words(text=str(compiled), constants=constants, taken=tuple(taken), converted=tuple(converted))


async def reserve_ids(session: AsyncSession, table: Table, count: int) -> list[int]:
    """Ids for rows that this transaction will insert, in their order; no other transaction is given them.

    An insert of many rows need not tell then which ids they got.
    """
    if session.get_bind().dialect.name == "sqlite":
        # Transactions that write come one after the other, and the sequence follows what is inserted.
        newest = await session.run_sync(
            lambda sync: sync.connection().exec_driver_sql(_NEWEST_ON_SQLITE, {"name": table.name}).scalar()
        )
        return [*range((newest or 0) + 1, (newest or 0) + 1 + count)]
    found = await session.run_sync(
        lambda sync: sync.connection().exec_driver_sql(_NEXT_ON_POSTGRESQL, {"name": table.name, "count": count})
    )
    return [row[0] for row in found]


_NEWEST_ON_SQLITE = "SELECT seq FROM sqlite_sequence WHERE name = :name"
_NEXT_ON_POSTGRESQL = "SELECT nextval(pg_get_serial_sequence(%(name)s, 'id')) FROM generate_series(1, %(count)s)"
