"""Databases that are full from the start: rows are copies of one that Kumo itself has made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any


def copy_rows(database: sqlite3.Connection, table: str, where: str, changes: Iterable[Mapping[str, Any]]) -> None:
    """Add a copy of the one row that fits the condition for each of some changes, which name the same columns each."""
    found = database.execute(f"SELECT * FROM {table} WHERE {where}")
    columns = [column[0] for column in found.description]
    (row,) = found.fetchall()
    pattern: dict[str, Any] = {name: value for name, value in zip(columns, row, strict=True) if name != "id"}
    statement = ""
    for change in changes:
        values = {**pattern, **change}
        statement = statement or _insert(table, list(values))
        database.execute(statement, values)


def stored(moment: datetime) -> str:
    """A moment as SQLite keeps it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _insert(table: str, names: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
