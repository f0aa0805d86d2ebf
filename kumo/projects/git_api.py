"""Routes of projects from git: pulls, webhooks, and the credentials and hosts that open repositories."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, status

from kumo.access.dependencies import Actor, VaultDep, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import ReadSession, RowId, WriteSession, error_answers
from kumo.projects import service
from kumo.projects.git import credentials, hosts, sources
from kumo.projects.git.addresses import known_host_name
from kumo.projects.git.credentials import CredentialWish
from kumo.projects.git.following import require_git
from kumo.projects.git.host_keys import HostKey, read_key
from kumo.projects.git.models import GitCredential, GitHost
from kumo.projects.git_answers import pull_answer
from kumo.projects.git_schemas import (
    GitCredentialChange,
    GitCredentialCreate,
    GitCredentialList,
    GitCredentialOut,
    HostAccepted,
    HostAsked,
    HostKeyOut,
    HostKeysOut,
    HostList,
    HostOut,
    PullList,
    PullOut,
    PullWanted,
    WebhookOut,
    WebhookWanted,
)

router = APIRouter(tags=["git"])

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]

_READING = ("unauthenticated", "forbidden", "not_found", "validation_error")
_CHANGING = (*_READING, "conflict")


@router.post(
    "/projects/{project_id}/sync",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Pull a project from its repository",
    responses=error_answers(*_CHANGING, "unavailable"),
)
async def pull_project(
    actor: Writer, session: WriteSession, project_id: RowId, wanted: PullWanted | None = None
) -> PullOut:
    """Want a pull, which is carried out in the background: `GET /projects/{id}/pulls/{pull_id}` tells how it goes.

    Where one waits already, that one is answered. Files that were changed here since the last pull are not
    overwritten: the pull fails with `local_changes`, unless it is asked for with `overwrite`.
    """
    require_git()
    await service.find_project(session, project_id)
    await sources.require_source(session, project_id)
    order = sources.Order(
        cause="person", user_id=actor.user_id, overwrite=wanted is not None and wanted.overwrite, now=utc_now()
    )
    return pull_answer(await sources.request_pull(session, project_id, order))


@router.get(
    "/projects/{project_id}/pulls",
    summary="List the last pulls of a project",
    responses=error_answers(*_READING),
)
async def list_pulls(_actor: Reader, session: ReadSession, project_id: RowId) -> PullList:
    """Give the last pulls, the newest first."""
    await service.find_project(session, project_id)
    return PullList(items=[pull_answer(pull) for pull in await sources.list_pulls(session, project_id)])


@router.get(
    "/projects/{project_id}/pulls/{pull_id}",
    summary="Show a pull of a project",
    responses=error_answers(*_READING),
)
async def show_pull(_actor: Reader, session: ReadSession, project_id: RowId, pull_id: RowId) -> PullOut:
    """Give one pull: whether it waits, goes on, or how it ended."""
    await service.find_project(session, project_id)
    return pull_answer(await sources.find_pull(session, project_id, pull_id))


@router.post(
    "/projects/{project_id}/webhook",
    status_code=status.HTTP_201_CREATED,
    summary="Make the address that pulls a project after a push",
    responses=error_answers(*_CHANGING),
)
async def make_webhook(
    _actor: Writer, session: WriteSession, vault: VaultDep, project_id: RowId, wanted: WebhookWanted | None = None
) -> WebhookOut:
    """Give a new address, told this once; an earlier one ends with it."""
    await service.find_project(session, project_id)
    source = await sources.require_source(session, project_id, for_update=True)
    secret = None if wanted is None else wanted.secret
    token = await sources.make_hook(session, source, None if secret is None else vault.encrypt(secret.encode()))
    return WebhookOut(url_path=f"/api/v1/hooks/git/{token}", has_secret=secret is not None)


@router.delete(
    "/projects/{project_id}/webhook",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="End the address that pulls a project after a push",
    responses=error_answers(*_CHANGING),
)
async def delete_webhook(_actor: Writer, session: WriteSession, project_id: RowId) -> None:
    """Let nobody ask for pulls by the address any more."""
    await service.find_project(session, project_id)
    await sources.drop_hook(session, await sources.require_source(session, project_id, for_update=True))


# --- credentials -----------------------------------------------------------------------------------------------------


@router.get(
    "/git/credentials",
    summary="List what opens repositories",
    responses=error_answers("unauthenticated", "forbidden"),
)
async def list_credentials(_actor: Reader, session: ReadSession) -> GitCredentialList:
    """Give all credentials by name, without what they keep secret."""
    return GitCredentialList(
        items=[_credential_answer(row, count) for row, count in await credentials.list_credentials(session)]
    )


@router.post(
    "/git/credentials",
    status_code=status.HTTP_201_CREATED,
    summary="Keep a password, a token or a private key for repositories",
    responses=error_answers("unauthenticated", "forbidden", "conflict", "validation_error"),
)
async def create_credential(
    _actor: Writer, session: WriteSession, vault: VaultDep, wanted: GitCredentialCreate
) -> GitCredentialOut:
    """Keep it encrypted. A private key must have no passphrase."""
    wish = CredentialWish(name=wanted.name, username=wanted.username, secret=wanted.secret)
    return _credential_answer(await credentials.add_credential(session, vault, wanted.kind, wish, utc_now()), 0)


@router.patch(
    "/git/credentials/{credential_id}",
    summary="Rename a credential, or enter it anew",
    responses=error_answers(*_CHANGING),
)
async def change_credential(
    _actor: Writer, session: WriteSession, vault: VaultDep, credential_id: RowId, wanted: GitCredentialChange
) -> GitCredentialOut:
    """Change the fields that are given; its kind stays."""
    credential = await credentials.find_credential(session, credential_id)
    wish = CredentialWish(name=wanted.name, username=wanted.username, secret=wanted.secret)
    await credentials.change_credential(session, vault, credential, wish, utc_now())
    counts = {row.id: count for row, count in await credentials.list_credentials(session)}
    return _credential_answer(credential, counts[credential.id])


@router.delete(
    "/git/credentials/{credential_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a credential",
    responses=error_answers(*_CHANGING),
)
async def delete_credential(_actor: Writer, session: WriteSession, credential_id: RowId) -> None:
    """Delete it; 409, naming the projects, while some use it."""
    await credentials.delete_credential(session, await credentials.find_credential(session, credential_id))


# --- hosts -----------------------------------------------------------------------------------------------------------


@router.get(
    "/git/hosts",
    summary="List the ssh hosts whose keys are trusted",
    responses=error_answers("unauthenticated", "forbidden"),
)
async def list_hosts(_actor: Reader, session: ReadSession) -> HostList:
    """Give all hosts by name."""
    return HostList(items=[_host_answer(host) for host in await hosts.list_hosts(session)])


@router.post(
    "/git/hosts/keys",
    summary="Ask an ssh host for its keys",
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "unavailable"),
)
async def ask_host(_actor: Writer, session: ReadSession, wanted: HostAsked) -> HostKeysOut:
    """Show the keys that the host presents, to be compared with what it publishes; nothing is trusted by that."""
    name = known_host_name(wanted.host, wanted.port)
    accepted = (await hosts.accepted_keys(session)).get(name, [])
    shown = await hosts.ask_host(wanted.host, wanted.port)
    state = "new" if not accepted else "accepted" if set(shown) & set(accepted) else "changed"
    return HostKeysOut(
        host_name=name, state=state, keys=[_key_answer(key) for key in shown],
        accepted=[_key_answer(key) for key in accepted],
    )  # fmt: skip


@router.post(
    "/git/hosts",
    status_code=status.HTTP_201_CREATED,
    summary="Trust the keys of an ssh host",
    responses=error_answers("unauthenticated", "forbidden", "validation_error"),
)
async def accept_host(actor: Writer, session: WriteSession, wanted: HostAccepted) -> HostOut:
    """Trust these keys from now on, and none that were accepted for the host before."""
    keys = [read_key(text, field=f"keys.{number}") for number, text in enumerate(wanted.keys)]
    name = known_host_name(wanted.host, wanted.port)
    return _host_answer(await hosts.accept_host(session, name, keys, username=actor.username, now=utc_now()))


@router.delete(
    "/git/hosts/{host_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Trust the keys of an ssh host no more",
    responses=error_answers(*_READING),
)
async def forget_host(_actor: Writer, session: WriteSession, host_id: RowId) -> None:
    """Forget the host: pulls from it fail until its keys are accepted again."""
    await session.delete(await hosts.find_host(session, host_id))


def _credential_answer(credential: GitCredential, project_count: int) -> GitCredentialOut:
    return GitCredentialOut(
        id=credential.id,
        name=credential.name,
        kind=credential.kind,
        username=credential.username,
        project_count=project_count,
        created_at=credential.created_at,
        updated_at=credential.updated_at,
    )


def _host_answer(host: GitHost) -> HostOut:
    return HostOut(
        id=host.id,
        host_name=host.host_name,
        keys=[_key_answer(key) for key in hosts.keys_of(host)],
        accepted_by=host.accepted_by,
        accepted_at=host.accepted_at,
    )


def _key_answer(key: HostKey) -> HostKeyOut:
    return HostKeyOut(type=key.type, fingerprint=key.fingerprint, key=key.text)
