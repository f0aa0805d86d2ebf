"""The route that searches the files of a project."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import DatabaseDep, Page, PageDep, RowId, cursor_of, error_answers, unless_left, wrong_cursor
from kumo.logs.query_api import SECONDS, QueryDep, SearchesDep
from kumo.logs.searching import Limits
from kumo.projects.searching.files import MATCHES_PER_FILE, Position, files_to_search, search_files
from kumo.projects.shop_api import SettingsDep, StoreDep, present_state

router = APIRouter()

_MOST_INCLUDE = 200
_HIGHEST = 2**63 - 1


class FileMatchOut(BaseModel):
    """One line that a search found, with its first match."""

    line: int = Field(description="Counted from 1.")
    text: str = Field(description="The line; of a long one 4 KiB around the match.")
    match_start: int = Field(description="Where the match begins in `text`, in characters.")
    match_end: int


class FoundFileOut(BaseModel):
    """A file with matches."""

    path: str
    matches: list[FileMatchOut]
    has_more: bool = Field(description=f"There may be more in this file than the first {MATCHES_PER_FILE}.")


class FileSearchOut(BaseModel):
    """What a search found in the files of a project."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "snapshot_id": 41,
                "items": [
                    {
                        "path": "main.py",
                        "matches": [{"line": 3, "text": "import requests", "match_start": 7, "match_end": 15}],
                        "has_more": False,
                    }
                ],
                "next_cursor": None,
            }
        }
    )

    snapshot_id: int
    items: list[FoundFileOut]
    next_cursor: str | None = Field(description="Null when all files have been searched.")


@router.get(
    "/projects/{project_id}/search",
    summary="Search the files of a project",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def search(  # noqa: PLR0913 - one parameter for each part of the question
    _actor: Annotated[Actor, require(Permission.READ)],
    request: Request,
    database: DatabaseDep,
    store: StoreDep,
    settings: SettingsDep,
    project_id: RowId,
    query: QueryDep,
    searches: SearchesDep,
    page: PageDep,
    include: Annotated[
        str | None,
        Query(
            max_length=_MOST_INCLUDE,
            description="Only what fits: `*.py` a name, `quotes/*.py` a path, `quotes` a folder; several by commas.",
        ),
    ] = None,
) -> FileSearchOut:
    """Files of the present state in which a line fits, by path; `limit` counts files.

    It takes two seconds at most: go on at `next_cursor` as long as there is one, also after an answer without items.
    Files that are not text, or larger than the editor takes, are left out. An expression is looked for in each line by
    itself, and in its first 10,000 characters.
    """
    position = _position(page)
    snapshot = await present_state(database, project_id)
    files = await asyncio.to_thread(
        files_to_search,
        store,
        snapshot.tree_hash,
        include=include,
        largest_bytes=settings.file_max_bytes,
        position=position,
    )
    limits = Limits(seconds=SECONDS, most_per_log=MATCHES_PER_FILE, most_logs=page.limit)
    found = await unless_left(request, search_files(searches, query, files, position=position, limits=limits))
    return FileSearchOut(
        snapshot_id=snapshot.id,
        items=[FoundFileOut.model_validate(file, from_attributes=True) for file in found.files],
        next_cursor=None if found.position is None else cursor_of([found.position.path, found.position.offset]),
    )


def _position(page: Page) -> Position | None:
    match page.after:
        case None:
            return None
        case (str(path), int(offset)) if 0 <= offset <= _HIGHEST:
            return Position(path=path, offset=offset)
    raise wrong_cursor()
