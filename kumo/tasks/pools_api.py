"""Routes of pools."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import Input, PageDep, ReadSession, RowId, UtcMoment, WriteSession, error_answers
from kumo.tasks import pools
from kumo.tasks.api import IfMatch
from kumo.tasks.models import Pool
from kumo.tasks.schemas import Name

router = APIRouter(tags=["pools"])

Slots = Annotated[int, Field(ge=1, le=10_000, description="At most so many runs of its tasks go at once.")]


class PoolCreate(Input):
    """A new pool."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "database", "slots": 2}})

    name: Name
    slots: Slots


class PoolChange(Input):
    """What is changed of a pool; what is left out keeps its value."""

    name: Name | None = None
    slots: Slots | None = None


class PoolOut(BaseModel):
    """A pool."""

    id: int
    version: int
    name: str
    slots: int
    created_at: UtcMoment


class PoolList(BaseModel):
    """One page of pools, by name."""

    items: list[PoolOut]
    next_cursor: str | None


@router.get("/pools", summary="List pools", responses=error_answers("unauthenticated", "validation_error"))
async def list_pools(
    _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession, page: PageDep
) -> PoolList:
    """Pools by name."""
    query = select(Pool).order_by(Pool.name).limit(page.limit + 1)
    if (after := page.after_name()) is not None:
        query = query.where(Pool.name > after)
    rows = (await session.scalars(query)).all()
    shown = rows[: page.limit]
    return PoolList(
        items=[_out(pool) for pool in shown], next_cursor=page.next_cursor(rows, [shown[-1].name] if shown else None)
    )


@router.post(
    "/pools",
    status_code=status.HTTP_201_CREATED,
    summary="Create a pool",
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "conflict"),
)
async def create_pool(
    body: PoolCreate, _actor: Annotated[Actor, require(Permission.WRITE)], session: WriteSession
) -> PoolOut:
    """Create a pool, in which tasks can then be put by its name."""
    return _out(await pools.create(session, name=body.name, slots=body.slots, now=utc_now()))


@router.patch(
    "/pools/{pool_id}",
    summary="Change a pool",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict"),
)
async def change_pool(
    pool_id: RowId,
    body: PoolChange,
    _actor: Annotated[Actor, require(Permission.WRITE)],
    session: WriteSession,
    if_match: IfMatch = None,
) -> PoolOut:
    """Rename or resize a pool; runs that go on go on."""
    return _out(await pools.change(session, pool_id, name=body.name, slots=body.slots, seen_version=if_match))


@router.delete(
    "/pools/{pool_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a pool",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict"),
)
async def delete_pool(
    pool_id: RowId, _actor: Annotated[Actor, require(Permission.WRITE)], session: WriteSession
) -> None:
    """Delete a pool that no task is in."""
    await pools.remove(session, pool_id)


def _out(pool: Pool) -> PoolOut:
    return PoolOut.model_validate(pool, from_attributes=True)
