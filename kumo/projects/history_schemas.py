"""What crosses HTTP about earlier states of projects, and about projects in the trash."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kumo.http import Input, UtcMoment
from kumo.projects.schemas import ProjectName


class SnapshotChange(Input):
    """What to change; a field that is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"pinned": True}})

    pinned: Annotated[bool | None, Field(description="Keep it whatever its age.")] = None
    message: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=300,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="Why it was made, in one line.",
            examples=["Before the new parser"],
        ),
    ] = None


class ChangedFileOut(BaseModel):
    """A file that two states do not have alike; what is null is not there in one of them."""

    path: str
    change: Literal["added", "removed", "changed"]
    size_bytes_before: int | None
    size_bytes_after: int | None
    executable_before: bool | None
    executable_after: bool | None
    binary: Annotated[bool, Field(description="One of its sides is no text.")]
    diff: Annotated[
        str | None,
        Field(description="A unified diff from the first `@@` on; null for what is no text, too large, or equal."),
    ]
    truncated: Annotated[bool, Field(description="There is more of its diff: ask for this `path` alone.")]


class DiffOut(BaseModel):
    """What two states differ in."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "snapshot_id": 41,
                "against_id": 40,
                "files": [
                    {
                        "path": "main.py",
                        "change": "changed",
                        "size_bytes_before": 12,
                        "size_bytes_after": 12,
                        "executable_before": False,
                        "executable_after": False,
                        "binary": False,
                        "diff": "@@ -1 +1 @@\n-print('one')\n+print('two')\n",
                        "truncated": False,
                    }
                ],
                "file_count": 1,
                "truncated": False,
                "note": None,
            }
        }
    )

    snapshot_id: int
    against_id: Annotated[
        int | None, Field(description="What it is compared with; null: with nothing, it is the first.")
    ]
    files: Annotated[list[ChangedFileOut], Field(description="Sorted by path.")]
    file_count: Annotated[int, Field(description="How many files differ, also those that are not listed.")]
    truncated: Annotated[bool, Field(description="Not everything is told.")]
    note: Annotated[str | None, Field(description="What is not told, and how to see it.")]


class TrashedProjectOut(BaseModel):
    """A project in the trash, in the state that it had last."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 2,
                "name": "quotes",
                "description": "",
                "file_count": 12,
                "size_bytes": 20480,
                "deleted_at": "2026-01-06T08:30:00.000Z",
                "purged_after": "2026-02-05T08:30:00.000Z",
            }
        }
    )

    id: int
    name: str
    description: str
    file_count: int
    size_bytes: int
    deleted_at: UtcMoment
    purged_after: Annotated[UtcMoment, Field(description="When it is purged by itself.")]


class TrashList(BaseModel):
    """A page of the projects in the trash."""

    items: list[TrashedProjectOut]
    next_cursor: str | None


class RestoredProjectOut(BaseModel):
    """A project that has left the trash."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": 2, "name": "quotes", "version": 4}})

    id: int
    name: str
    version: int


class TrashRestore(Input):
    """How to take a project out of the trash."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "quotes (restored)"}})

    name: Annotated[ProjectName | None, Field(description="Another name, where a living project has its own.")] = None
