"""What crosses HTTP about interpreters, environments and builds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from kumo.environments.needs.environment_yml import LONGEST_TEXT
from kumo.http import Input, RowId, UtcMoment

_BUILD_EXAMPLE: JsonDict = {
    "id": 17,
    "environment_id": 4,
    "project_id": None,
    "generation": 3,
    "state": "ready",
    "queue_position": None,
    "is_being_cancelled": False,
    "python_version": "3.12.1",
    "interpreter_path": "/usr/bin/python3.12",
    "lock_hash": "3f0c2f1f6a5d2b7d7c8c7cf0d6a7f3c5bb0f7a9ac9a8a9e1f3d7b6d0f5a3c1e2",
    "size_bytes": 5767168,
    "error": None,
    "error_output": None,
    "log_bytes": 1342,
    "created_at": "2026-01-05T12:00:00Z",
    "started_at": "2026-01-05T12:00:00Z",
    "ended_at": "2026-01-05T12:00:01Z",
    "duration_seconds": 0.6,
}

Name = Annotated[str, Field(min_length=1, max_length=100, examples=["etl"])]
Python = Annotated[
    str | None,
    Field(max_length=100, examples=["3.12"], description="3.12, 3.12.1 or >=3.11,<3.13; the default one without."),
]
Packages = Annotated[
    list[Annotated[str, Field(max_length=10_000)]] | None,
    Field(max_length=2000, examples=[["requests>=2.31", "rich"]], description="One requirement in each entry."),
]
Requirements = Annotated[
    str | None, Field(max_length=512 * 1024, description="The text of a requirements file, instead of `packages`.")
]
IndexUrl = Annotated[
    str | None, Field(max_length=2000, description="The package index of this environment; the settings' own without.")
]
ExtraIndexUrls = Annotated[
    list[Annotated[str, Field(max_length=2000)]] | None,
    Field(max_length=20, description="Further indexes; what they have is taken before `index_url`."),
]


class CredentialIn(Input):
    """A user name and a password; the password is never given back."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"url": "https://packages.example.org/", "username": "etl", "password": "correct horse"}
        }
    )

    url: Annotated[str, Field(max_length=2000, description="For every index, or proxy, whose address begins so.")]
    username: Annotated[str, Field(max_length=200)]
    password: Annotated[
        str | None, Field(max_length=4000, description="Left out, the one that is kept for this user and address.")
    ] = None


class CredentialOut(BaseModel):
    """Whose password is kept."""

    url: str
    username: str


Credentials = Annotated[
    list[CredentialIn] | None, Field(max_length=20, description="They replace all that are kept; encrypted.")
]


class NamedEnvironment(BaseModel):
    """An environment by its name."""

    id: int
    name: str


class InterpreterOut(BaseModel):
    """One Python of this machine."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 3,
                "path": "/usr/bin/python3.12",
                "version": "3.12.1",
                "implementation": "cpython",
                "architecture": "x86_64",
                "source": "system",
                "supported": True,
                "is_default": True,
                "problem": None,
                "environments": [{"id": 4, "name": "etl"}],
                "task_count": 2,
            }
        }
    )

    id: int
    path: str
    version: Annotated[str, Field(description="Empty where it does not work any more.")]
    implementation: str
    architecture: str
    source: Annotated[
        Literal["system", "pyenv", "conda", "uv", "kumo", "added"],
        Field(description="Who put it there: `kumo` installed it, `added` was named by its path."),
    ]
    supported: Annotated[bool, Field(description="Whether environments can be built with it.")]
    is_default: Annotated[bool, Field(description="Taken where nothing is asked for.")]
    problem: Annotated[str | None, Field(description="Why one that was added does not work any more.")]
    environments: Annotated[list[NamedEnvironment], Field(description="Those whose build in use stands on it.")]
    task_count: Annotated[int, Field(description="How many tasks have one of these environments.")]


class InterpreterAdd(Input):
    """An interpreter that Kumo does not find by itself."""

    model_config = ConfigDict(json_schema_extra={"example": {"path": "/opt/python3.12/bin/python3"}})

    path: Annotated[str, Field(min_length=1, max_length=4000, description="Of the executable, on the server.")]


class InstallRequest(Input):
    """A Python to download and install."""

    model_config = ConfigDict(json_schema_extra={"example": {"version": "3.13"}})

    version: Annotated[str, Field(max_length=20, description="3.13 for the newest of them, or 3.13.1.")]


class InstallOut(BaseModel):
    """How the installation of a Python goes; Kumo remembers it until it ends."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "version": "3.13",
                "state": "running",
                "message": "Downloading cpython-3.13.1-linux-x86_64-gnu (download) (29.9MiB)",
                "downloaded_bytes": 10485760,
                "total_bytes": 31352422,
                "started_at": "2026-01-05T12:00:00Z",
                "ended_at": None,
            }
        }
    )

    id: int
    version: str
    state: Literal["running", "done", "failed"]
    message: Annotated[str, Field(description="What it does; at the end, what came of it.")]
    downloaded_bytes: int
    total_bytes: Annotated[int | None, Field(description="Rounded; null until it is known.")]
    started_at: UtcMoment
    ended_at: UtcMoment | None


class InstallList(BaseModel):
    """Installations since the server was started, the newest first."""

    items: list[InstallOut]
    next_cursor: None = None


class InterpreterList(BaseModel):
    """All interpreters, newest first."""

    items: list[InterpreterOut]
    next_cursor: None = None


class BuildOut(BaseModel):
    """One build, and in `error` on one line why it failed."""

    model_config = ConfigDict(json_schema_extra={"example": _BUILD_EXAMPLE})

    id: int
    environment_id: int | None
    project_id: int | None
    generation: Annotated[
        int | None, Field(description="Counts the builds of an environment from 1; null in a project's own.")
    ]
    state: Literal["queued", "building", "ready", "failed", "cancelled", "collected"]
    queue_position: Annotated[int | None, Field(description="1 is built next; null when it does not wait.")]
    is_being_cancelled: Annotated[bool, Field(description="Its end was asked for and has not come yet.")]
    python_version: str | None
    interpreter_path: Annotated[str | None, Field(description="Of the interpreter that the build stands on.")]
    lock_hash: str | None
    size_bytes: Annotated[
        int | None, Field(description="Of all its packages; on the disk they are shared with other builds.")
    ]
    error: str | None
    error_output: Annotated[
        str | None, Field(description="The end of what the tool that failed printed, as it is: uv's own explanation.")
    ]
    log_bytes: int
    created_at: UtcMoment
    started_at: UtcMoment | None
    ended_at: UtcMoment | None
    duration_seconds: float | None


class BuildList(BaseModel):
    """Builds, newest first."""

    items: list[BuildOut]
    next_cursor: str | None


class PackageVersion(BaseModel):
    """One package at its version."""

    name: str
    version: str


class PythonChange(BaseModel):
    """The Python of two builds."""

    before: str | None
    after: str | None


class PackageChange(BaseModel):
    """One package that both builds hold, in two versions."""

    name: str
    before: str
    after: str
    is_upgrade: Annotated[bool | None, Field(description="Whether `after` is newer; null when that cannot be said.")]


class BuildChanges(BaseModel):
    """What changes from the build `against` to this one."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "build_id": 18,
                "against": 17,
                "python": {"before": "3.12.1", "after": "3.13.0"},
                "added": [{"name": "idna", "version": "3.11"}],
                "removed": [],
                "changed": [{"name": "rich", "before": "14.0.0", "after": "14.1.0", "is_upgrade": True}],
            }
        }
    )

    build_id: int
    against: Annotated[int | None, Field(description="Null for the first build, which adds everything.")]
    python: Annotated[PythonChange | None, Field(description="Null when both use the same version.")]
    added: list[PackageVersion]
    removed: list[PackageVersion]
    changed: list[PackageChange]


class PackageOut(BaseModel):
    """One installed package."""

    name: str
    version: str
    size_bytes: int
    is_direct: Annotated[bool, Field(description="Asked for by name, not only needed by others.")]
    requires: Annotated[list[str], Field(description="Names of the packages here that it needs.")]
    required_by: Annotated[list[str], Field(description="Names of the packages here that need it.")]


class PackageList(BaseModel):
    """What the active build holds; nothing before there is one."""

    items: list[PackageOut]
    next_cursor: None = None


class PackageEdit(Input):
    """Packages to add and to remove, in one build."""

    model_config = ConfigDict(json_schema_extra={"example": {"add": ["rich>=14"], "remove": ["six"]}})

    add: list[Annotated[str, Field(max_length=10_000)]] = Field(
        default_factory=list,
        max_length=2000,
        description="Requirements; one of a package that is there takes its place.",
    )
    remove: list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list, max_length=2000, description="Names that are asked for."
    )


class NewerVersionOut(BaseModel):
    """A package of which there is a newer version."""

    name: str
    version: str
    latest_version: str


class OutdatedPackages(BaseModel):
    """What the index has newer than the build in use."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "build_id": 17,
                "items": [{"name": "rich", "version": "14.0.0", "latest_version": "14.1.0"}],
                "checked_at": "2026-01-05T12:00:00Z",
            }
        }
    )

    build_id: int
    items: list[NewerVersionOut]
    checked_at: UtcMoment


class FoundPackageOut(BaseModel):
    """A package whose name fits."""

    name: str
    latest_version: Annotated[str | None, Field(description="Told of the one that has exactly the name.")]


class FoundPackages(BaseModel):
    """Packages by name, at most twenty."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {"name": "rich", "latest_version": "14.1.0"},
                    {"name": "rich-argparse", "latest_version": None},
                ],
                "notice": None,
            }
        }
    )

    items: list[FoundPackageOut]
    notice: Annotated[str | None, Field(description="What could not be done, in a sentence.")]


class EnvironmentFields(Input):
    """What a person decides about an environment; one of the sources says what it holds."""

    python: Python = None
    packages: Packages = None
    requirements: Requirements = None
    environment_yml: Annotated[
        str | None,
        Field(
            max_length=LONGEST_TEXT,
            description="The text of an environment.yml, instead of `packages`: conda makes the builds.",
        ),
    ] = None
    source: Annotated[
        Literal["packages", "requirements", "conda", "project", "interpreter"] | None,
        Field(
            description="`conda` needs `environment_yml`; `project` takes what `project_id` declares, "
            "`interpreter` uses `interpreter_id` as it is, "
            "with what it holds; otherwise it follows from the rest."
        ),
    ] = None
    project_id: RowId | None = None
    interpreter_id: RowId | None = None
    index_url: IndexUrl = None
    extra_index_urls: ExtraIndexUrls = None
    index_credentials: Credentials = None
    proxy: Annotated[
        str | None, Field(max_length=1000, description="Packages are fetched through it; the settings' own without.")
    ] = None
    wheel_folder: Annotated[
        str | None, Field(max_length=4000, description="A directory on the server with wheels that are taken as well.")
    ] = None
    use_index: Annotated[
        bool | None, Field(description="False takes wheels of the folder alone, and asks no index.")
    ] = None
    import_check: Annotated[
        bool | None, Field(description="False lets a build be used whose packages cannot be imported by themselves.")
    ] = None


class EnvironmentCreate(EnvironmentFields):
    """A new environment; without any source it holds Python alone."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "etl", "python": "3.12", "packages": ["requests>=2.31", "rich"]}}
    )

    name: Name
    backend: Annotated[
        Literal["uv", "conda"] | None, Field(description="What makes its builds; it follows from the rest.")
    ] = None


class EnvironmentChange(EnvironmentFields):
    """The fields to change; another source replaces the one before."""

    model_config = ConfigDict(json_schema_extra={"example": {"packages": ["requests>=2.31", "rich", "pandas"]}})

    name: Name | None = None


class EnvironmentOut(BaseModel):
    """An environment, with the build that runs use, the latest one, and the one that runs will use."""

    id: int
    version: int
    name: str
    backend: Annotated[
        Literal["uv", "conda", "existing"],
        Field(description="What makes its builds; `existing` where a Python is used as it is."),
    ]
    python: str | None
    source: Literal["packages", "requirements", "conda", "project", "interpreter"]
    packages: list[str] | None
    requirements: str | None
    environment_yml: str | None
    project_id: int | None
    interpreter_id: int | None
    index_url: str | None
    extra_index_urls: list[str]
    index_credentials: Annotated[list[CredentialOut], Field(description="Whose passwords are kept.")]
    proxy: str | None
    wheel_folder: str | None
    use_index: bool
    import_check: bool
    task_count: int
    active_build: BuildOut | None
    latest_build: BuildOut | None
    wanted_build: Annotated[BuildOut | None, Field(description="Becomes the active one as soon as it is ready.")]
    created_at: UtcMoment
    updated_at: UtcMoment


class EnvironmentList(BaseModel):
    """Environments by name."""

    items: list[EnvironmentOut]
    next_cursor: str | None
