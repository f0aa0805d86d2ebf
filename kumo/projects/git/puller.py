"""The loop that carries out pulls: takes one that is wanted, brings the files outside any transaction, stores the end.

What was changed here since the last pull is never thrown away unasked: the pull fails and says so, unless it was asked
for with `overwrite`; the changes stay in the project's history then.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from kumo.clock import Clock
from kumo.db.session import Database
from kumo.errors import KumoError
from kumo.loops import log_failure
from kumo.projects import models, service
from kumo.projects.git import credentials, hosts, sources
from kumo.projects.git.addresses import Address
from kumo.projects.git.failures import GitFailed, Problem
from kumo.projects.git.host_keys import HostKey
from kumo.projects.git.models import GitPull, GitSource
from kumo.projects.git.program import Git, Secret, end_leftovers
from kumo.projects.git.repository import Commit, Content, Head, fetch, find_head, read_files
from kumo.projects.models import Snapshot
from kumo.projects.store.disk import full_disk_is_unavailable
from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import Tree
from kumo.secrets import Undecryptable, Vault
from kumo.settings import Settings

log = structlog.get_logger(__name__)

_ROUND_SECONDS = 10.0  # changes wake it; this is for pulls that come due
_MOST_TRIES = 50
_DEFECT = "Something went wrong inside Kumo while this was pulled. The server's log says more."
_LOCAL_CHANGES = (
    "Files were changed here since the last pull, which a pull would undo. Bring the changes into the repository, or "
    "pull with “overwrite”: what was changed here stays in the history then."
)


@dataclass(frozen=True, kw_only=True)
class _Brought:
    """What git has brought; no tree where nothing is new."""

    head: Head
    commit: Commit | None = None
    tree: Tree | None = None


class Puller:
    """Carries out the pulls that are wanted, the oldest first, at most so many at once as the settings allow."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, vault: Vault) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._vault = vault
        self._store = SnapshotStore(settings.home)
        self._folder = settings.home / "pulls"

    async def forever(self) -> None:
        """Work until cancelled; a pull that is cut short is carried out again at the next start."""
        await self.recover()
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._settings.max_parallel_pulls):
                workers.create_task(self._work())

    async def recover(self) -> None:
        """Mend what an ended server has left: end its gits, remove their directories, want their pulls again."""
        await asyncio.to_thread(_remove_leftovers, self._folder)
        async with self._database.write() as session:
            await sources.queue_again(session)

    async def step(self, now: datetime) -> int:
        """Want what is due, and carry out the oldest pull that is wanted; 0 when there is none."""
        async with self._database.read() as session:
            if not await sources.work_waits(session, now):
                return 0
        async with self._database.write() as session:
            await sources.request_due_pulls(session, now)
            pull = await sources.claim_pull(session, now)
        if pull is None:
            return 0
        await self._carry_out(pull)
        return 1

    async def _work(self) -> None:
        with self._database.changes.subscribe("pull") as subscription:
            while True:
                try:
                    done = await self.step(self._clock())
                except Exception as error:  # noqa: BLE001 - logged, with its traceback where it is a defect
                    log_failure(error, loop="puller")
                    done = 0
                if not done:
                    await subscription.wait(_ROUND_SECONDS)

    async def _carry_out(self, pull: GitPull) -> None:
        """Pull, and store how that went, whatever it was: a pull without an end would keep all later ones waiting."""
        try:
            await self._pull(pull)
        except GitFailed as error:
            await self._fail(pull, error.problem, error.message)
        except KumoError as error:
            await self._fail(pull, Problem.OTHER, error.message)
        except Exception as error:  # noqa: BLE001 - logged with its traceback; the outermost frame of a pull
            log_failure(error, loop="puller")
            await self._fail(pull, Problem.OTHER, _DEFECT)

    async def _pull(self, pull: GitPull) -> None:
        async with self._database.read() as session:
            source = await sources.find_source(session, pull.project_id)
            if source is None:
                raise GitFailed(Problem.OTHER, "The project is not from git any more.")
            secret = await self._secret(session, source)
            accepted = await hosts.accepted_keys(session)
            changed_here = await sources.has_local_changes(session, source)
        address = sources.address_of(source, self._settings)
        must_fetch = pull.overwrite and changed_here
        try:
            async with asyncio.timeout(self._settings.git_timeout_seconds):
                brought = await self._bring(pull, source, address, secret, accepted, must_fetch=must_fetch)
        except TimeoutError:
            raise GitFailed(
                Problem.TIMEOUT,
                f"The pull took longer than {self._settings.git_timeout_seconds:,} seconds and was ended. Look at the "
                "network, follow a smaller repository, or raise KUMO_GIT_TIMEOUT_SECONDS.",
            ) from None
        except GitFailed as error:
            raise await hosts.explained(error, address, accepted.get(address.host_name, [])) from None
        await self._settle(pull, source, brought)

    async def _secret(self, session: Any, source: GitSource) -> Secret | None:
        if source.credential_id is None:
            return None
        credential = await credentials.find_credential(session, source.credential_id)
        try:
            return credentials.open_credential(self._vault, credential)
        except Undecryptable as error:
            raise GitFailed(
                Problem.CREDENTIAL, f"The credential “{credential.name}” cannot be read. {error.message}"
            ) from None

    async def _bring(  # noqa: PLR0913 - all that a pull is made of
        self,
        pull: GitPull,
        source: GitSource,
        address: Address,
        secret: Secret | None,
        accepted: dict[str, list[HostKey]],
        *,
        must_fetch: bool,
    ) -> _Brought:
        """Ask for the commit, and bring its files where it is another one than last time."""
        folder = self._folder / str(pull.id)
        with full_disk_is_unavailable():
            await asyncio.to_thread(_make_anew, folder)
        try:
            git = Git(self._settings, folder, address=address, secret=secret, hosts=accepted)
            head = await find_head(git, address, sources.ref_of(source))
            if source.commit is not None and source.commit["id"] == head.commit and not must_fetch:
                return _Brought(head=head)
            commit = await fetch(git, address, head)
            files = folder / "files"
            wanted = Content(subdirectory=source.subdirectory, submodules=source.submodules, into=files)
            await read_files(git, address, commit.id, wanted)
            tree = await asyncio.to_thread(self._store.put_directory, files, move=True)
            return _Brought(head=head, commit=commit, tree=tree)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _settle(self, pull: GitPull, source: GitSource, brought: _Brought) -> None:
        """Make what was brought the project's state, again for each time that somebody else was faster."""
        for _ in range(_MOST_TRIES):
            if await self._try_to_settle(pull, source, brought):
                return
        raise GitFailed(Problem.OTHER, "The project is being changed all the time. Pull again in a moment.")

    async def _try_to_settle(self, pull: GitPull, followed: GitSource, brought: _Brought) -> bool:
        """One transaction: the new state, what was pulled, and the end of the pull; False when it lost a race."""
        now = self._clock()
        async with self._database.write() as session:
            source = await sources.find_source(session, pull.project_id, for_update=True)
            if source is None or sources.what_is_followed(source) != sources.what_is_followed(followed):
                raise GitFailed(Problem.OTHER, "What the project follows was changed meanwhile. Pull again.")
            base = await service.current_snapshot(session, pull.project_id)
            source.main_branch = brought.head.main_branch
            snapshot = base
            if brought.tree is not None and brought.commit is not None:
                if brought.tree.tree_hash != base.tree_hash:
                    if base.tree_hash != source.pulled_tree_hash and not pull.overwrite:
                        raise GitFailed(Problem.LOCAL_CHANGES, _LOCAL_CHANGES)
                    advanced = await self._advance(session, pull, source, base, brought.commit, brought.tree, now)
                    if advanced is None:
                        return False
                    snapshot = advanced
                source.commit, source.pulled_tree_hash = brought.commit.to_json(), brought.tree.tree_hash
            changed = snapshot.id != base.id
            ended = await sources.end_pull(
                session, pull, now, state="succeeded", changed=changed, commit=source.commit, snapshot_id=snapshot.id,
                message=_outcome(source, changed=changed),
            )  # fmt: skip
            assert ended, "one loop carries out a pull"
            await sources.settle_schedule(session, pull.project_id, None, now)
        log.info("pulled", project_id=pull.project_id, changed=changed)
        return True

    async def _advance(  # noqa: PLR0913 - all that a state is made of
        self, session: Any, pull: GitPull, source: GitSource, base: Snapshot, commit: Commit, tree: Tree, now: datetime
    ) -> Snapshot | None:
        ref = sources.ref_of(source)
        name = ref.name or source.main_branch or "HEAD"
        where = "" if ref.kind == "commit" else f" from {name}"
        change = service.Change(
            message=f"Pulled {commit.id[:10]}{where}: {commit.subject}",
            user_id=pull.user_id,
            now=now,
            source=models.Source.GIT,
            origin={"type": "git", "url": source.url, "ref": name} | commit.to_json(),
        )
        return await service.advance(session, pull.project_id, base_id=base.id, tree=tree, change=change)

    async def _fail(self, pull: GitPull, problem: Problem, message: str) -> None:
        now = self._clock()
        async with self._database.write() as session:
            await sources.end_pull(session, pull, now, state="failed", problem=problem, message=message)
            await sources.settle_schedule(session, pull.project_id, problem, now)
        log.info("pull failed", project_id=pull.project_id, problem=problem, why=message)


def _outcome(source: GitSource, *, changed: bool) -> str:
    commit = source.commit
    assert commit is not None, "a pull that has succeeded knows its commit"
    said = f"{commit['id'][:10]} “{commit['subject']}”"
    return f"Pulled {said}." if changed else f"Nothing new: {said} is here already."


def _make_anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _remove_leftovers(folder: Path) -> None:
    end_leftovers(folder)
    shutil.rmtree(folder, ignore_errors=True)
