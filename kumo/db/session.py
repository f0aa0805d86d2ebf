"""Connections and transactions, for SQLite and PostgreSQL.

SQLite has one writer: `Database.write` queues in this process instead of at SQLite's busy handler, which sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from kumo.db import sqlite
from kumo.db.changes import Changes, announced
from kumo.errors import Unavailable
from kumo.settings import Settings

_BUSY_TIMEOUT_MS = 10_000
_POOL_TIMEOUT_SECONDS = 10
_SQLITE_FULL = 13  # SQLITE_FULL of sqlite3.h


@dataclass(frozen=True, kw_only=True)
class PoolFigures:
    """How busy the connections are."""

    size: int
    in_use: int
    overflow: int


class Database:
    """The way to the database: `read` and `write` each give one transaction."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = make_url(url)
        self.changes = Changes()
        self._is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writing = asyncio.Lock()
        if self._is_sqlite:
            self._reader = _sqlite_engine(url, begin="BEGIN", pool_size=pool_size)
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        else:
            self._reader = self._writer = create_async_engine(
                url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=_POOL_TIMEOUT_SECONDS, pool_pre_ping=True
            )

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite: one file, one writer, one process."""
        return self._is_sqlite

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and sees one state from its first statement on."""
        async with AsyncSession(self._reader, expire_on_commit=False, autoflush=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed at the end of the block, or rolled back by what leaves it.

        What was announced in it is published after the commit. Never hold it over a process, the network or other
        slow work: on SQLite everybody who writes waits meanwhile. A full disk raises `Unavailable`, nothing is stored.
        """
        if not self._is_sqlite:
            async with self._transaction() as session:
                yield session
            return
        async with self._writing:
            try:
                async with self._transaction() as session:
                    yield session
            except OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", None) == _SQLITE_FULL:
                    raise Unavailable(
                        "The disk of the data directory is full. Free some space and try again."
                    ) from error
                raise

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self._writer, expire_on_commit=False) as session:
            yield session
            await session.commit()
            changes = announced(session)
        self.changes.publish(changes)

    def pool_figures(self) -> PoolFigures:
        """How many connections for reading are in use just now."""
        pool = self._reader.pool
        assert isinstance(pool, QueuePool)
        return PoolFigures(size=pool.size(), in_use=pool.checkedout(), overflow=max(0, pool.overflow()))

    async def close(self) -> None:
        """Give all connections back."""
        await self._reader.dispose()
        await self._writer.dispose()


def open_database(settings: Settings) -> Database:
    """The database that the settings name; nothing is connected yet."""
    return Database(database_url(settings), pool_size=settings.database_pool_size)


def database_url(settings: Settings) -> str:
    """The address in SQLAlchemy's form, with the driver in it."""
    if settings.database_url is None:
        return f"sqlite+direct:///{settings.home / 'kumo.db'}"
    return "postgresql+psycopg://" + settings.database_url.split("://", 1)[1]


def _sqlite_engine(url: str, *, begin: str, pool_size: int) -> AsyncEngine:
    sqlite.register()
    engine = create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=_POOL_TIMEOUT_SECONDS)
    _set_up_sqlite(engine.sync_engine, begin)
    return engine


def _set_up_sqlite(engine: Engine, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: Any, _record: object) -> None:
        # None: the driver starts no transaction of its own; `begin` below does.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            "cache_size = -8192",
            "temp_store = MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)
