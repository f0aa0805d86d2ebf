"""What opens repositories: passwords, tokens and private keys, by name; encrypted, and never given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import Conflict, InvalidInput, NameTaken, NotFound
from kumo.projects.git.host_keys import read_private_key
from kumo.projects.git.models import GitCredential, GitSource
from kumo.projects.git.program import Secret
from kumo.projects.models import Project
from kumo.secrets import Vault

_MOST_NAMED = 3
# What hosts take as the user beside a token: any word, where they do not ask for a certain one.
_USER_OF_TOKENS = "oauth2"


@dataclass(frozen=True, kw_only=True)
class CredentialWish:
    """A credential as somebody wants it; None leaves a part as it is."""

    name: str | None = None
    username: str | None = None
    secret: str | None = field(default=None, repr=False)


async def list_credentials(session: AsyncSession) -> Sequence[tuple[GitCredential, int]]:
    """All of them by name, each with the number of projects that use it."""
    uses = (
        select(func.count())
        .select_from(GitSource)
        .join(Project, Project.id == GitSource.project_id)
        .where(GitSource.credential_id == GitCredential.id, Project.deleted_at.is_(None))
        .scalar_subquery()
    )
    rows = await session.execute(select(GitCredential, uses).order_by(GitCredential.name))
    return [(credential, count) for credential, count in rows]


async def find_credential(session: AsyncSession, credential_id: int) -> GitCredential:
    """One credential; `NotFound` when there is none."""
    credential = await session.get(GitCredential, credential_id)
    if credential is None:
        raise NotFound(f"Git credential {credential_id} does not exist.")
    return credential


async def credential_by_name(session: AsyncSession, name: str) -> GitCredential | None:
    """The credential of a name, if there is one."""
    found: GitCredential | None = await session.scalar(select(GitCredential).where(GitCredential.name == name))
    return found


async def add_credential(
    session: AsyncSession, vault: Vault, kind: str, wish: CredentialWish, now: datetime
) -> GitCredential:
    """Keep a new credential; `NameTaken` when there is one of this name."""
    assert wish.name is not None, "a new credential has a name"
    credential = GitCredential(name=wish.name, kind=kind, username=None, created_at=now, updated_at=now)
    _write(credential, vault, wish)
    session.add(credential)
    await _flush(session, wish.name)
    return credential


async def change_credential(
    session: AsyncSession, vault: Vault, credential: GitCredential, wish: CredentialWish, now: datetime
) -> None:
    """Rename a credential, or enter it anew: the projects that use it pull with that from then on."""
    if wish.name is not None:
        credential.name = wish.name
    _write(credential, vault, wish)
    credential.updated_at = now
    await _flush(session, credential.name)


async def delete_credential(session: AsyncSession, credential: GitCredential) -> None:
    """Delete a credential; `Conflict`, naming the projects, while some use it."""
    names = (
        await session.scalars(
            select(Project.name)
            .join(GitSource, GitSource.project_id == Project.id)
            .where(GitSource.credential_id == credential.id, Project.deleted_at.is_(None))
            .order_by(Project.name)
        )
    ).all()
    if names:
        more = len(names) - _MOST_NAMED
        named = ", ".join(f"“{name}”" for name in names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise Conflict(
            f"The credential “{credential.name}” is used by the project{'s' if len(names) > 1 else ''} {named}. "
            "Give them another one first."
        )
    # Projects that were deleted keep their rows for the history of their runs, and pull no more.
    for source in await session.scalars(select(GitSource).where(GitSource.credential_id == credential.id)):
        source.credential_id = None
    await session.flush()
    await session.delete(credential)


def open_credential(vault: Vault, credential: GitCredential) -> Secret:
    """What git needs of it; `Undecryptable` when its key is missing."""
    return Secret(
        kind=credential.kind,
        username=credential.username or _USER_OF_TOKENS,
        value=vault.decrypt(credential.sealed_secret).decode(),
    )


def _write(credential: GitCredential, vault: Vault, wish: CredentialWish) -> None:
    if wish.username is not None:
        credential.username = _username(wish.username)
    if credential.kind == "password" and not credential.username:
        raise InvalidInput.at("username", "A password needs the user name that it belongs to.")
    if wish.secret is not None:
        secret = read_private_key(wish.secret) if credential.kind == "ssh_key" else _word(wish.secret)
        credential.sealed_secret = vault.encrypt(secret.encode())


def _username(raw: str) -> str | None:
    if not raw.isprintable() or ":" in raw:
        raise InvalidInput.at("username", "A user name is visible text without a colon.")
    return raw.strip() or None


def _word(raw: str) -> str:
    if not raw or not raw.isprintable():
        raise InvalidInput.at("secret", "A password or token is one line of visible characters.")
    return raw


async def _flush(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError:
        raise NameTaken(f"There is already a git credential named “{name}”. Choose another name.") from None
