"""Hosts that are reached by ssh: their keys are shown to a person, and trusted from the moment she accepts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import NotFound, Unavailable
from kumo.projects.git.addresses import Address
from kumo.projects.git.failures import GitFailed, Problem
from kumo.projects.git.host_keys import HostKey, read_key, read_scan
from kumo.projects.git.models import GitHost
from kumo.projects.git.program import host_keys_output


async def list_hosts(session: AsyncSession) -> Sequence[GitHost]:
    """All hosts whose keys were accepted, by name."""
    return (await session.scalars(select(GitHost).order_by(GitHost.host_name))).all()


async def find_host(session: AsyncSession, host_id: int) -> GitHost:
    """One host; `NotFound` when there is none."""
    host = await session.get(GitHost, host_id)
    if host is None:
        raise NotFound(f"Git host {host_id} does not exist.")
    return host


async def accepted_keys(session: AsyncSession) -> dict[str, list[HostKey]]:
    """The keys of all hosts, by the hosts' names."""
    return {host.host_name: keys_of(host) for host in await list_hosts(session)}


def keys_of(host: GitHost) -> list[HostKey]:
    """The keys that were accepted for a host."""
    return [read_key(text) for text in host.keys]


async def accept_host(
    session: AsyncSession, host_name: str, keys: Iterable[HostKey], *, username: str, now: datetime
) -> GitHost:
    """Trust these keys of a host from now on, and no earlier ones."""
    host = await session.scalar(select(GitHost).where(GitHost.host_name == host_name).with_for_update())
    if host is None:
        host = GitHost(host_name=host_name)
        session.add(host)
    host.keys = list(dict.fromkeys(key.text for key in keys))
    host.accepted_by, host.accepted_at = username, now
    await session.flush()
    return host


async def ask_host(host: str, port: int) -> list[HostKey]:
    """The keys that a host shows just now; `Unavailable` when it shows none."""
    try:
        keys = read_scan(await host_keys_output(host, port))
    except GitFailed as error:
        raise Unavailable(error.message) from None
    if not keys:
        raise Unavailable(f"No ssh server answers at {host}, port {port}. Look at the address.")
    return keys


async def explained(failure: GitFailed, address: Address, accepted: Sequence[HostKey]) -> GitFailed:
    """The same failure with the fingerprints that a person has to compare; other failures stay as they are."""
    if failure.problem not in {Problem.HOST_KEY_UNKNOWN, Problem.HOST_KEY_CHANGED}:
        return failure
    try:
        shown = await ask_host(address.host, address.port)
    except Unavailable:
        shown = []
    now = _in_words(shown) or "a key that could not be asked for"
    if not accepted:
        return GitFailed(
            Problem.HOST_KEY_UNKNOWN,
            f"The host {address.host_name} is not known yet. It shows {now}. Compare that with what the host "
            "publishes, then accept its key.",
        )
    return GitFailed(
        Problem.HOST_KEY_CHANGED,
        f"The host {address.host_name} shows {now}, but {_in_words(accepted)} was accepted. Somebody may be in "
        "between: ask the host why its key has changed before you accept the new one.",
    )


def _in_words(keys: Sequence[HostKey]) -> str:
    return ", ".join(f"{key.fingerprint} ({key.type})" for key in keys)
