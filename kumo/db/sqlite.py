"""SQLite under SQLAlchemy's asyncio, without a thread for each statement.

aiosqlite hands every statement to a thread and back, which costs several times what the statement itself takes. Kumo's
statements are short by design, so they run where they are; only a commit, which waits for the disk, goes to a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from sqlalchemy import pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.util import await_only


class _Cursor(sqlite3.Cursor):
    async def _async_soft_close(self) -> None:
        """What SQLAlchemy asks of an async driver's cursor after each statement; nothing is held here."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class DirectSqliteDialect(SQLiteDialect_pysqlite):
    """The standard library's driver, declared fit for an async engine."""

    driver = "direct"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """A queue that waits without blocking the loop."""
        del url
        return pool.AsyncAdaptedQueuePool

    def create_connect_args(self, url: URL) -> Any:
        """Let the commit's thread use the connection; only one uses it at a time."""
        arguments, options = super().create_connect_args(url)
        return arguments, {**options, "check_same_thread": False, "factory": _Connection}

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit in a thread: the disk may take its time. Transactions that only read are rolled back instead."""
        await_only(asyncio.to_thread(dbapi_connection.commit))


def register() -> None:
    """Make addresses that begin with `sqlite+direct:` known."""
    registry.register("sqlite.direct", __name__, DirectSqliteDialect.__name__)
