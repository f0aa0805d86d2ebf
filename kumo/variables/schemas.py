"""Variables as they cross HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kumo.http import Input, RowId, UtcMoment
from kumo.variables.rules import VariableScope

Given = Literal["environment", "file"]

_AS_FILE = "The script finds it as a file, at the path in NAME_FILE. Values of more than 128 KiB go so anyway."
_SCOPE_ID = "The project's or the task's id; none for all runs."


class VariableFields(Input):
    """What can be said of a variable; what is left out keeps its value, or takes its default in a new variable."""

    name: Annotated[str, Field(max_length=1000)] | None = None
    value: str | None = Field(default=None, description="At most 1 MiB.")
    secret: bool | None = Field(default=None, description="Nobody is shown its value again, and logs hide it.")
    as_file: bool | None = Field(default=None, description=_AS_FILE)
    scope: VariableScope | None = Field(default=None, description="Whose runs are given it; the narrowest scope wins.")
    scope_id: RowId | None = Field(default=None, description=_SCOPE_ID)
    description: Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")] | None = None


class VariableCreate(VariableFields):
    """A new variable."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "API_TOKEN", "value": "s3cr3t-t0ken", "secret": True}},
    )

    name: Annotated[str, Field(max_length=1000)]
    value: str = Field(description="At most 1 MiB.")


class VariableChange(VariableFields):
    """What is changed of a variable; a secret becomes readable only together with a new value."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"value": "a new value"}})


class VariableOut(BaseModel):
    """A variable. A secret's value is never told."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 3,
                "version": 2,
                "name": "API_URL",
                "scope": "project",
                "scope_id": 2,
                "scope_name": "quotes",
                "description": "",
                "secret": False,
                "value": "https://example.com/api",
                "size_bytes": 23,
                "as_file": False,
                "given_as": "environment",
                "value_number": 2,
                "readable": True,
                "hides": ["global"],
                "warnings": [],
                "created_at": "2026-01-05T12:00:00.000Z",
                "updated_at": "2026-01-06T08:30:00.000Z",
                "updated_by": "ada",
            }
        }
    )

    id: int
    version: int
    name: str
    scope: VariableScope
    scope_id: int | None
    scope_name: str | None = Field(description="Of the project or the task.")
    description: str
    secret: bool
    value: str | None = Field(description="null for a secret, and in lists for more than 2,000 bytes.")
    size_bytes: int | None = Field(description="null for a secret.")
    as_file: bool
    given_as: Given = Field(description="How runs get it: long values go as files.")
    value_number: int = Field(description="How many values it has had; runs remember which one they were given.")
    readable: bool = Field(description="false when the key that it was encrypted with is missing: enter it anew.")
    hides: list[VariableScope] = Field(description="The wider scopes that have a variable of this name too.")
    warnings: list[str]
    created_at: UtcMoment
    updated_at: UtcMoment
    updated_by: str | None = Field(description="Who has set the present value.")


class VariableList(BaseModel):
    """One page of variables, by name."""

    items: list[VariableOut]
    next_cursor: str | None


class VariableVersionOut(BaseModel):
    """A value that a variable has or had."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": 2,
                "secret": False,
                "as_file": False,
                "value": "https://example.com/api",
                "created_at": "2026-01-06T08:30:00.000Z",
                "actor": "ada",
            }
        }
    )

    number: int
    secret: bool
    as_file: bool
    value: str | None = Field(description="null for a secret, and for more than 2,000 bytes.")
    created_at: UtcMoment
    actor: str | None


class VariableVersionList(BaseModel):
    """One page of values, the newest first."""

    items: list[VariableVersionOut]
    next_cursor: str | None


class EffectiveList(BaseModel):
    """All that a run is given, by name."""

    items: list[VariableOut]
