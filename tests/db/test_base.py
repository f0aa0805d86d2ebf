from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from kumo.access.models import User
from kumo.access.permissions import Role
from kumo.db.changes import Change, announce
from kumo.db.session import Database


def make_user(username: str = "ada", created_at: datetime = datetime(2026, 1, 5, tzinfo=UTC)) -> User:
    return User(username=username, username_key=username, password_hash="-", role=Role.ADMIN, created_at=created_at)


async def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database) -> None:
    berlin = timezone(timedelta(hours=1))
    async with database.write() as session:
        session.add(make_user(created_at=datetime(2026, 1, 5, 13, 30, 15, 250, berlin)))
    async with database.read() as session:
        stored = await session.scalar(select(User.created_at))
    assert stored == datetime(2026, 1, 5, 12, 30, 15, 250, UTC)
    assert stored is not None
    assert stored.utcoffset() == timedelta(0)


async def test_the_id_of_a_deleted_row_is_not_used_again(database: Database) -> None:
    async with database.write() as session:
        first = make_user("ada")
        session.add(first)
    async with database.write() as session:
        await session.delete(first)
    async with database.write() as session:
        second = make_user("grace")
        session.add(second)
    assert second.id > first.id


async def test_a_transaction_left_by_an_error_stores_nothing_and_tells_nobody(database: Database) -> None:
    with database.changes.subscribe() as listener:
        with pytest.raises(ZeroDivisionError):
            async with database.write() as session:
                session.add(make_user())
                announce(session, "task", 1)
                raise ZeroDivisionError
        async with database.write() as session:
            announce(session, "task", 2)
        assert await listener.wait(1) == [Change("task", 2)]
    async with database.read() as session:
        assert await session.scalar(select(User.id)) is None
