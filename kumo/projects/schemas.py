"""What crosses HTTP about projects."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kumo.http import Input, RowId, UtcMoment
from kumo.projects.git_schemas import GitChange, GitOut, GitWanted, OriginOut
from kumo.projects.templates import TemplateName


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
    """A project that is not uploaded: empty, with a template, or from a repository, pulled in the background."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "quotes", "template": "scrapy"}})

    name: ProjectName
    description: DescriptionText = ""
    template: TemplateName | None = Field(
        default=None,
        description="What it begins with: a plain script, one that fetches pages, a Scrapy project, one that drives a "
        "browser. Without: no files.",
    )
    git: GitWanted | None = None

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.git is not None and self.template is not None:
            raise ValueError("Give either `git` or `template`: a repository brings its own files.")
        return self


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
    git: Annotated[
        GitChange | None, Field(description="The repository that the project follows; null: none any more.")
    ] = None
    output_dir: str | None = Field(
        default=None,
        description="Where its scripts leave their files: an absolute path below one of `KUMO_OUTPUT_ROOTS`, or null "
        "for the directory below the data directory.",
    )


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
        own_output_dir=None,
        created_at="2026-01-05T12:00:00.000Z",
        updated_at="2026-01-06T08:30:00.000Z",
        task_count=1,
        git=None,
    )

    id: int
    version: int
    name: str
    description: str
    snapshot_id: int
    file_count: int
    size_bytes: int
    output_dir: str
    own_output_dir: str | None = Field(description="The same, where it was chosen; null below the data directory.")
    created_at: UtcMoment
    updated_at: UtcMoment
    task_count: int
    git: GitOut | None


class ProjectList(BaseModel):
    """A page of projects."""

    items: list[ProjectOut]
    next_cursor: str | None


class TreeEntryOut(BaseModel):
    """A file, or a folder with the size of all that is in it."""

    path: str
    type: Literal["file", "directory"]
    size_bytes: int
    file_count: Annotated[int, Field(description="Of a folder: how many files are in it, at any depth.")]


class TreeOut(BaseModel):
    """Files and folders of a project, sorted by path."""

    model_config = _example(
        snapshot_id=41,
        entries=[
            {"path": "main.py", "type": "file", "size_bytes": 512, "file_count": 1},
            {"path": "quotes", "type": "directory", "size_bytes": 2048, "file_count": 1},
            {"path": "quotes/items.py", "type": "file", "size_bytes": 2048, "file_count": 1},
        ],
    )

    snapshot_id: int
    entries: list[TreeEntryOut]


class FileOut(BaseModel):
    """A file; `content` is null when it is binary, or larger than the editor takes."""

    model_config = _example(
        path="main.py",
        snapshot_id=41,
        size_bytes=15,
        encoding="utf-8",
        line_ending="lf",
        binary=False,
        image=None,
        content="print('hello')\n",
    )

    path: str
    snapshot_id: int
    size_bytes: int
    encoding: str | None
    line_ending: Annotated[
        Literal["lf", "crlf", "mixed"] | None, Field(description="How its lines end; null for less than one line.")
    ]
    binary: bool
    image: Annotated[str | None, Field(description="The media type, if `/images` shows it.")]
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
        origin=None,
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
    origin: Annotated[OriginOut | None, Field(description="The commit that it was pulled from, if it was.")]


class EnvironmentFound(BaseModel):
    """Where the project says what it needs, and for which Python."""

    source: Literal["pep723", "uv.lock", "pyproject.toml", "requirements.txt", "environment.yml"] | None
    python: str | None


class KindFoundOut(BaseModel):
    """One thing that the project is, and the first of the files that say so."""

    name: Literal[
        "scrapy", "playwright", "selenium", "drissionpage", "fastapi", "flask", "notebook", "pep723", "script"
    ]
    files: list[str]


class DetectionOut(BaseModel):
    """What the project looks like it needs, and how it looks like it is run."""

    model_config = _example(
        environment={"source": "requirements.txt", "python": None},
        commands=["scrapy crawl quotes", "python main.py"],
        kinds=[{"name": "scrapy", "files": ["scrapy.cfg"]}],
        spiders=["quotes"],
    )

    environment: EnvironmentFound
    commands: list[str]
    kinds: list[KindFoundOut]
    spiders: list[str] = Field(description="Of a Scrapy project, by their names.")


class OutputOut(BaseModel):
    """One name in an output directory."""

    name: str
    type: Literal["file", "directory", "link", "other"]
    size_bytes: int
    modified_at: UtcMoment
    written_by: list[int] = Field(
        description="The run that wrote the file as it is now; several when they went at the same time, none when it "
        "is not known."
    )


class OutputListing(BaseModel):
    """What scripts have left in one folder, sorted by name."""

    model_config = _example(
        path="2026-01",
        entries=[
            {
                "name": "quotes.csv",
                "type": "file",
                "size_bytes": 1024,
                "modified_at": "2026-01-06T08:30:00.000Z",
                "written_by": [311],
            }
        ],
        truncated=False,
    )

    path: str
    entries: list[OutputOut]
    truncated: Annotated[bool, Field(description="There are more names than are listed.")]


class OutputTableOut(BaseModel):
    """The first rows of a file with delimited columns, the heading among them."""

    delimiter: str
    rows: list[list[str]]
    cut: bool = Field(description="There are more than 50 columns, or cells of more than 300 characters.")


class OutputPreviewOut(BaseModel):
    """A part of a file; `text` is null for images and for what is no text."""

    model_config = _example(
        path="2026-01/quotes.csv",
        size_bytes=24,
        modified_at="2026-01-06T08:30:00.000Z",
        kind="table",
        encoding="utf-8",
        text="text,author\nKnow thyself,?\n",
        table={"delimiter": ",", "rows": [["text", "author"], ["Know thyself", "?"]], "cut": False},
        truncated=False,
    )

    path: str
    size_bytes: int
    modified_at: UtcMoment
    kind: Literal["text", "table", "json", "jsonl", "image", "binary"]
    encoding: str | None
    text: str | None
    table: OutputTableOut | None
    truncated: bool = Field(description="There is more of the file than this part.")


class FolderSizeOut(BaseModel):
    """What a folder holds, with all below it."""

    file_count: int
    size_bytes: int


class OutputSizesOut(BaseModel):
    """What a folder holds, and what each folder in it does."""

    model_config = _example(
        path="",
        file_count=3,
        size_bytes=4096,
        folders={"2026-01": {"file_count": 2, "size_bytes": 3072}},
        complete=True,
    )

    path: str
    file_count: int
    size_bytes: int
    folders: dict[str, FolderSizeOut]
    complete: bool = Field(description="false: there is more than could be counted in time.")
