"""What is answered about the repositories that projects follow."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.projects.git.models import GitCredential, GitPull, GitSource
from kumo.projects.git.sources import last_pulls
from kumo.projects.git_schemas import CommitOut, GitCredentialShort, GitOut, PullOut
from kumo.projects.models import Project, Snapshot


def pull_answer(pull: GitPull) -> PullOut:
    """One pull."""
    return PullOut.model_validate(pull, from_attributes=True)


async def git_answers(session: AsyncSession, project_ids: Sequence[int]) -> dict[int, GitOut]:
    """What each project follows; those that follow nothing are left out."""
    rows = (
        await session.execute(
            select(GitSource, GitCredential, Snapshot.tree_hash)
            .join(Project, Project.id == GitSource.project_id)
            .join(Snapshot, Snapshot.id == Project.snapshot_id)
            .outerjoin(GitCredential, GitCredential.id == GitSource.credential_id)
            .where(GitSource.project_id.in_(project_ids))
        )
    ).all()
    pulls = await last_pulls(session, [source.project_id for source, _credential, _tree in rows]) if rows else {}
    return {
        source.project_id: _answer(source, credential, tree_hash, pulls.get(source.project_id))
        for source, credential, tree_hash in rows
    }


def _answer(source: GitSource, credential: GitCredential | None, tree_hash: str, pull: GitPull | None) -> GitOut:
    followed = {source.ref_kind: source.ref_name}
    return GitOut(
        url=source.url,
        branch=followed.get("branch"),
        tag=followed.get("tag"),
        commit=followed.get("commit"),
        subdirectory=source.subdirectory,
        submodules=source.submodules,
        credential=None if credential is None else GitCredentialShort(id=credential.id, name=credential.name),
        pull_every_seconds=source.pull_every_seconds,
        next_pull_at=source.next_pull_at,
        main_branch=source.main_branch,
        pulled=None if source.commit is None else CommitOut.model_validate(source.commit),
        local_changes=tree_hash != source.pulled_tree_hash,
        webhook=source.hook_token_hash is not None,
        webhook_secret=source.sealed_hook_secret is not None,
        last_pull=None if pull is None else pull_answer(pull),
    )
