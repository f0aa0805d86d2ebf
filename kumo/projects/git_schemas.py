"""What crosses HTTP about projects from git."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kumo.http import Input, RowId, UtcMoment
from kumo.projects.git.addresses import LONGEST_REF, LONGEST_URL
from kumo.projects.git.host_keys import MOST_KEYS

_SHORTEST_INTERVAL_SECONDS = 60
_LONGEST_INTERVAL_SECONDS = 30 * 86_400
_LONGEST_SECRET = 20_000
_SHORTEST_HOOK_SECRET = 8


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("It has a NUL character in it.")
    return text


def _plain_name(name: str) -> str:
    name = name.strip()
    if not name or not name.isprintable():
        raise ValueError("A name is one line of visible characters.")
    return name


Url = Annotated[str, Field(max_length=LONGEST_URL + 100, examples=["https://git.example.org/team/quotes.git"])]
RefName = Annotated[str, Field(max_length=LONGEST_REF + 100)]
Folder = Annotated[str, Field(max_length=2000, description="Only this folder of the repository, as the whole project.")]
Seconds = Annotated[
    int,
    Field(
        ge=_SHORTEST_INTERVAL_SECONDS,
        le=_LONGEST_INTERVAL_SECONDS,
        description="Pull by itself so often; null: only when somebody, or a webhook, asks.",
    ),
]
CredentialName = Annotated[
    str, Field(min_length=1, max_length=100, examples=["deploy key"]), AfterValidator(_plain_name)
]
SecretText = Annotated[
    str,
    Field(
        min_length=1, max_length=_LONGEST_SECRET, description="The password, token or private key; never given back."
    ),
    AfterValidator(_no_nul),
]
Username = Annotated[str, Field(max_length=200), AfterValidator(_no_nul)]
HookSecret = Annotated[
    str,
    Field(min_length=_SHORTEST_HOOK_SECRET, max_length=200, description="Calls must prove that they know it."),
    AfterValidator(_no_nul),
]
Host = Annotated[
    str,
    Field(
        max_length=253,
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)$",
        examples=["git.example.org"],
    ),
]
Port = Annotated[int, Field(ge=1, le=65_535)]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": values})


class GitWanted(Input):
    """The repository that a new project follows; without branch, tag and commit: its main branch."""

    url: Url
    branch: RefName | None = None
    tag: RefName | None = None
    commit: RefName | None = None
    subdirectory: Folder = ""
    submodules: bool = False
    credential_id: RowId | None = None
    credential: Annotated[CredentialName | None, Field(description="Instead of `credential_id`: its name.")] = None
    pull_every_seconds: Seconds | None = None


class GitChange(Input):
    """What to change of the repository that a project follows; a field that is left out stays."""

    url: Url | None = None
    branch: RefName | None = None
    tag: RefName | None = None
    commit: RefName | None = None
    subdirectory: Folder | None = None
    submodules: bool | None = None
    credential_id: RowId | None = None
    credential: CredentialName | None = None
    pull_every_seconds: Seconds | None = None


class CommitOut(BaseModel):
    """One commit."""

    id: str
    author: str
    subject: str
    committed_at: str


class OriginOut(CommitOut):
    """The commit that a state of a project was pulled from."""

    type: Literal["git"]
    url: str
    ref: str


_PULL = {
    "id": 12,
    "state": "succeeded",
    "cause": "person",
    "overwrite": False,
    "queued_at": "2026-01-06T08:30:00.000Z",
    "started_at": "2026-01-06T08:30:00.010Z",
    "ended_at": "2026-01-06T08:30:01.200Z",
    "changed": True,
    "commit": {
        "id": "5f0c6f6e2d5b4b6e9c1d4a7b8e2f3a4b5c6d7e8f",
        "author": "Ada",
        "subject": "Read quotes page by page",
        "committed_at": "2026-01-06T08:29:30+00:00",
    },
    "snapshot_id": 41,
    "problem": None,
    "message": "Pulled 5f0c6f6e2d “Read quotes page by page”.",
}


class PullWanted(Input):
    """How to pull."""

    overwrite: Annotated[
        bool, Field(description="Pull although files were changed here; the changes stay in the history alone.")
    ] = False


class PullOut(BaseModel):
    """One pull: wanted, under way, or over."""

    model_config = _example(**_PULL)

    id: int
    state: Literal["queued", "running", "succeeded", "failed"]
    cause: Literal["created", "person", "schedule", "webhook"]
    overwrite: bool
    queued_at: UtcMoment
    started_at: UtcMoment | None
    ended_at: UtcMoment | None
    changed: Annotated[bool | None, Field(description="Whether a new state of the project came of it.")]
    commit: CommitOut | None
    snapshot_id: int | None
    problem: Annotated[str | None, Field(description="Why it failed, in a word for programs.")]
    message: Annotated[str | None, Field(description="How it ended, in a sentence for people.")]


class PullList(BaseModel):
    """The last pulls of a project, the newest first; older ones are not kept."""

    items: list[PullOut]


class GitCredentialShort(BaseModel):
    """A credential by name."""

    id: int
    name: str


class GitOut(BaseModel):
    """The repository that a project follows, and how far it has come."""

    url: str
    branch: str | None
    tag: str | None
    commit: str | None
    subdirectory: str
    submodules: bool
    credential: GitCredentialShort | None
    pull_every_seconds: int | None
    next_pull_at: UtcMoment | None
    main_branch: Annotated[str | None, Field(description="What the repository calls its main branch.")]
    pulled: Annotated[CommitOut | None, Field(description="The commit that was pulled last.")]
    local_changes: Annotated[bool, Field(description="Files were changed here since, which a pull would undo.")]
    webhook: Annotated[bool, Field(description="There is an address that asks for a pull.")]
    webhook_secret: Annotated[bool, Field(description="Calls of it must prove that they know its secret.")]
    last_pull: PullOut | None


class WebhookWanted(Input):
    """How calls of the new address prove who they are."""

    secret: HookSecret | None = None


class WebhookOut(BaseModel):
    """The address of a project's webhook, which is told this once."""

    url_path: str
    has_secret: bool


class HookAnswer(BaseModel):
    """What became of a call."""

    pull_id: int | None
    message: str


class GitCredentialCreate(Input):
    """A new credential."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "deploy", "kind": "token", "username": "kumo", "secret": "…"}},
    )

    name: CredentialName
    kind: Literal["password", "token", "ssh_key"]
    username: Username | None = None
    secret: SecretText


class GitCredentialChange(Input):
    """What to change; a field that is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"secret": "…"}})

    name: CredentialName | None = None
    username: Username | None = None
    secret: SecretText | None = None


class GitCredentialOut(BaseModel):
    """A credential, without what it keeps secret."""

    model_config = _example(
        id=1,
        name="deploy",
        kind="token",
        username="kumo",
        project_count=2,
        created_at="2026-01-05T12:00:00.000Z",
        updated_at="2026-01-05T12:00:00.000Z",
    )

    id: int
    name: str
    kind: Literal["password", "token", "ssh_key"]
    username: str | None
    project_count: int
    created_at: UtcMoment
    updated_at: UtcMoment


class GitCredentialList(BaseModel):
    """All credentials, by name."""

    items: list[GitCredentialOut]


class HostAsked(Input):
    """The ssh server whose keys are asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"host": "git.example.org", "port": 22}})

    host: Host
    port: Port = 22


class HostAccepted(HostAsked):
    """The keys that are trusted for an ssh server from now on, and no earlier ones."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "host": "git.example.org",
                "port": 22,
                "keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"],
            }
        },
    )

    keys: Annotated[
        list[Annotated[str, Field(max_length=20_000)]],
        Field(min_length=1, max_length=MOST_KEYS, description="As `POST /git/hosts/keys`, or the host itself, says."),
    ]


class HostKeyOut(BaseModel):
    """One public key of a host."""

    type: str
    fingerprint: str
    key: str


class HostKeysOut(BaseModel):
    """What a host shows just now, beside what was accepted for it."""

    host_name: str
    state: Annotated[
        Literal["new", "accepted", "changed"],
        Field(description="`changed`: none of the keys shown is one that was accepted."),
    ]
    keys: list[HostKeyOut]
    accepted: list[HostKeyOut]


class HostOut(BaseModel):
    """A host whose keys are trusted."""

    id: int
    host_name: str
    keys: list[HostKeyOut]
    accepted_by: str
    accepted_at: UtcMoment


class HostList(BaseModel):
    """All hosts whose keys are trusted, by name."""

    items: list[HostOut]
