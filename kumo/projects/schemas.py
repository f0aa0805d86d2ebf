"""What crosses HTTP about projects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kumo.http import Input, RowId, UtcMoment


def _plain_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise ValueError("The name is empty.")
    if not name.isprintable():
        raise ValueError("The name has a control character in it.")
    return name


ProjectName = Annotated[str, Field(min_length=1, max_length=100, examples=["quotes"]), AfterValidator(_plain_name)]
DescriptionText = Annotated[
    str, Field(max_length=10_000, pattern=r"^[^\x00]*$", examples=["Reads quotes every night."])
]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": values})


class ProjectCreate(Input):
    """A project without files."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "quotes"}})

    name: ProjectName
    description: DescriptionText = ""


class ProjectUpload(Input):
    """The fields beside the archive."""

    name: ProjectName | None = None
    description: DescriptionText = ""


class NoFields(Input):
    """An archive alone."""


class ProjectChange(Input):
    """What to change; a field that is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "quotes-nightly"}})

    name: ProjectName | None = None
    description: DescriptionText | None = None


class FileSave(Input):
    """A file as it is to be."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"content": "print('hello')\n", "base_snapshot_id": 41}}
    )

    content: str
    encoding: Annotated[
        Literal["utf-8", "utf-8-sig", "gb18030"] | None,
        Field(description="How to store the text; without, as the file is stored now, a new one as utf-8."),
    ] = None
    base_snapshot_id: Annotated[
        RowId | None, Field(description="The snapshot in which the file was read; 409 when it has changed since.")
    ] = None


class ProjectOut(BaseModel):
    """A project in its present state."""

    model_config = _example(
        id=2,
        version=3,
        name="quotes",
        description="",
        snapshot_id=41,
        file_count=12,
        size_bytes=20480,
        output_dir="/var/lib/kumo/outputs/2",
        created_at="2026-01-05T12:00:00.000Z",
        updated_at="2026-01-06T08:30:00.000Z",
        task_count=1,
    )

    id: int
    version: int
    name: str
    description: str
    snapshot_id: int
    file_count: int
    size_bytes: int
    output_dir: str
    created_at: UtcMoment
    updated_at: UtcMoment
    task_count: int


class ProjectList(BaseModel):
    """A page of projects."""

    items: list[ProjectOut]
    next_cursor: str | None


class TreeEntryOut(BaseModel):
    """A file, or a folder with the size of all that is in it."""

    path: str
    type: Literal["file", "directory"]
    size_bytes: int


class TreeOut(BaseModel):
    """All files and folders of a project, sorted by path."""

    model_config = _example(
        snapshot_id=41,
        entries=[
            {"path": "main.py", "type": "file", "size_bytes": 512},
            {"path": "quotes", "type": "directory", "size_bytes": 2048},
            {"path": "quotes/items.py", "type": "file", "size_bytes": 2048},
        ],
    )

    snapshot_id: int
    entries: list[TreeEntryOut]


class FileOut(BaseModel):
    """A file; `content` is null when it is binary, or larger than the editor takes."""

    model_config = _example(
        path="main.py", snapshot_id=41, size_bytes=15, encoding="utf-8", binary=False, content="print('hello')\n"
    )

    path: str
    snapshot_id: int
    size_bytes: int
    encoding: str | None
    binary: bool
    content: str | None


class FileSavedOut(BaseModel):
    """What saving has led to."""

    model_config = _example(snapshot_id=42, path="main.py", size_bytes=15)

    snapshot_id: int
    path: str
    size_bytes: int


class FileDeletedOut(BaseModel):
    """What deleting has led to."""

    model_config = _example(snapshot_id=43)

    snapshot_id: int


class SnapshotOut(BaseModel):
    """One state that a project has had."""

    model_config = _example(
        id=41,
        project_id=2,
        parent_id=40,
        tree_hash="0b9c2625dc21ef05f6ad4ddf47c5f203837aa32c1b2b1f4b9d5c2f0b1a3c4d5e",
        source="edit",
        message="Changed main.py",
        actor="ada",
        pinned=False,
        file_count=12,
        size_bytes=20480,
        created_at="2026-01-06T08:30:00.000Z",
    )

    id: int
    project_id: int
    parent_id: Annotated[
        int | None, Field(description="The state that it was made from, which may have been collected since.")
    ]
    tree_hash: str
    source: Annotated[str, Field(description="created, upload, edit, restore, git or apply.")]
    message: str
    actor: Annotated[
        str | None, Field(description="Who made it; null where that was Kumo itself, or the account is gone.")
    ] = None
    pinned: Annotated[bool, Field(description="It is kept whatever its age.")]
    file_count: int
    size_bytes: int
    created_at: UtcMoment


class EnvironmentFound(BaseModel):
    """Where the project says what it needs, and for which Python."""

    source: Literal["pep723", "uv.lock", "pyproject.toml", "requirements.txt", "environment.yml"] | None
    python: str | None


class DetectionOut(BaseModel):
    """What the project looks like it needs, and how it looks like it is run."""

    model_config = _example(
        environment={"source": "requirements.txt", "python": None}, commands=["scrapy crawl quotes", "python main.py"]
    )

    environment: EnvironmentFound
    commands: list[str]


class OutputOut(BaseModel):
    """One name in an output directory."""

    name: str
    type: Literal["file", "directory", "link", "other"]
    size_bytes: int
    modified_at: UtcMoment


class OutputListing(BaseModel):
    """What scripts have left in one folder, sorted by name."""

    model_config = _example(
        path="2026-01",
        entries=[{"name": "quotes.csv", "type": "file", "size_bytes": 1024, "modified_at": "2026-01-06T08:30:00.000Z"}],
        truncated=False,
    )

    path: str
    entries: list[OutputOut]
    truncated: Annotated[bool, Field(description="There are more names than are listed.")]
