"""A repository at its address: what it holds just now, and the files of one commit.

Nothing is checked out: git's own check-out obeys what the repository says of filters, line ends and hooks. The names
are listed first, each is judged as a member of an archive is, and only then the contents are read, byte for byte. So
large files of LFS stay the pointers that are committed, and `.git` is nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from kumo.errors import InvalidInput
from kumo.projects.git.addresses import Address, Ref, is_commit, read_address
from kumo.projects.git.failures import GitFailed, Problem
from kumo.projects.git.program import Git
from kumo.projects.paths import collision_key, project_path, shown
from kumo.projects.store.disk import full_disk_is_unavailable
from kumo.settings import Settings

_PULLED = "refs/kumo/pulled"
_DEEPER = (50, 1000, 2**31 - 1)  # the last one is everything
_LINE_BYTES = 1400  # of a listing, for each name: longer names are refused anyway
_CHUNK_BYTES = 1 << 20
_MOST_WORDS = 200
_DEEPEST_SUBMODULES = 5
_FILE, _EXECUTABLE, _LINK, _SUBMODULE = "100644", "100755", "120000", "160000"
_FILES = frozenset({_FILE, _EXECUTABLE, "100664"})


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where the followed reference of a repository is just now."""

    commit: str
    ref: str | None  # whole, as “refs/heads/main”; None for a commit that is followed by its id
    main_branch: str | None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit, as it is kept with the state that it has brought."""

    id: str
    author: str
    subject: str
    committed_at: str  # ISO 8601 in UTC

    def to_json(self) -> dict[str, Any]:
        """As the database keeps it."""
        return vars(self) | {}


@dataclass(frozen=True, kw_only=True)
class _Item:
    """One name in a commit, and where it goes."""

    mode: str
    blob: str
    size_bytes: int
    path: str


@dataclass(kw_only=True)
class _Budget:
    """How much may still come."""

    files: int
    size_bytes: int


async def find_head(git: Git, address: Address, ref: Ref) -> Head:
    """Ask the repository where the reference is; no content is transferred."""
    wanted = _ref_path(ref)
    patterns = ["HEAD"] if wanted is None else ["HEAD", wanted, f"{wanted}^{{}}"]
    listed = (await git.remote(address, "ls-remote", "--symref", "--", address.url, *patterns)).decode(
        "utf-8", "replace"
    )
    found: dict[str, str] = {}
    main_branch = None
    for line in listed.splitlines():
        value, _tab, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            main_branch = value.removeprefix("ref: refs/heads/")[:250]
        elif is_commit(value):
            found[name] = value
    if ref.kind == "commit":
        assert ref.name is not None, "a commit is followed by its id"
        return Head(commit=ref.name, ref=None, main_branch=main_branch)
    wanted = wanted or "HEAD"
    if wanted not in found:
        raise GitFailed(Problem.REFERENCE, _no_reference(ref))
    return Head(commit=found.get(f"{wanted}^{{}}", found[wanted]), ref=wanted, main_branch=main_branch)


async def fetch(git: Git, address: Address, head: Head) -> Commit:
    """Bring the commit here, without its history where the server allows that; the answer is what came."""
    await git.local("init", "--bare", "--quiet", "--template=")
    if head.ref is not None:
        await git.remote(address, *_fetching(1), address.url, f"+{head.ref}:{_PULLED}")
        return await _describe(git, f"{_PULLED}^{{commit}}")
    await _fetch_commit(git, address, head.commit)
    return await _describe(git, f"{head.commit}^{{commit}}")


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is wanted of a commit, and the new directory for it."""

    subdirectory: str
    submodules: bool
    into: Path


async def read_files(git: Git, address: Address, commit: str, wanted: Content) -> None:
    """Write the files of a commit, or of one folder in it, into a new directory; `GitFailed` says what must not be."""
    budget = _Budget(files=git.settings.project_max_files, size_bytes=git.settings.project_max_bytes)
    reader = _Reader(
        git=git, settings=git.settings, budget=budget, submodules=wanted.submodules, into=wanted.into, taken={}
    )
    found = await reader.read(address, commit, subdirectory=wanted.subdirectory)
    if not found:
        where = f"The folder {shown(wanted.subdirectory)}" if wanted.subdirectory else "The repository"
        raise GitFailed(Problem.REFERENCE, f"{where} holds no files there. Look at the branch and the folder.")


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reads commits, and those of their submodules, into one directory within one budget."""

    git: Git
    settings: Settings
    budget: _Budget
    submodules: bool
    into: Path
    taken: dict[str, str]  # paths by what every file system tells apart
    depth: int = 0

    async def read(self, address: Address, commit: str, *, subdirectory: str = "", prefix: str = "") -> int:
        """Read one commit, below a folder of the project; the answer is how many files it brought."""
        listing = await self.git.local(
            "ls-tree",
            "-r",
            "-z",
            "-l",
            "--full-tree",
            commit,
            most_bytes=_LINE_BYTES * self.settings.project_max_files + _CHUNK_BYTES,
        )
        items, modules = await asyncio.to_thread(self._judge, listing, subdirectory, prefix)
        if items:
            order = "".join(f"{item.blob}\n" for item in items).encode()
            contents = await self.git.local("cat-file", "--batch", sent=order)
            with full_disk_is_unavailable():
                await asyncio.to_thread(_write_files, contents, items, self.into)
            contents.unlink()
        count = len(items)
        if modules and self.submodules:
            urls = await self._module_urls(commit)
            for module in modules:
                count += await self._read_module(address, module, urls)
        return count

    def _judge(self, listing: Path, subdirectory: str, prefix: str) -> tuple[list[_Item], list[tuple[_Item, str]]]:
        """All names of a commit: the files that are to be written, and the submodules with their own paths."""
        folder = f"{subdirectory}/" if subdirectory else ""
        items, modules = [], []
        for raw in listing.read_bytes().split(b"\0")[:-1]:
            item = _read_item(raw)
            own = item.path
            if not own.startswith(folder):
                continue
            item = replace(item, path=self._claimed(prefix + own[len(folder) :]))
            if item.mode == _SUBMODULE:
                modules.append((item, own))
                continue
            if item.mode == _LINK:
                raise GitFailed(
                    Problem.CONTENT,
                    f"{shown(item.path)} in the repository is a link, which a project may not hold. Replace it by the "
                    "file itself, or follow a folder without it.",
                )
            if item.mode not in _FILES:
                raise GitFailed(Problem.CONTENT, f"{shown(item.path)} in the repository is neither file nor folder.")
            self._spend(item)
            items.append(item)
        return items, modules

    def _claimed(self, raw: str) -> str:
        try:
            path = project_path(raw)
        except InvalidInput as error:
            raise GitFailed(Problem.CONTENT, f"{error.message} Rename it in the repository.") from None
        twin = self.taken.setdefault(collision_key(path), path)
        if twin != path:
            raise GitFailed(
                Problem.CONTENT,
                f"{shown(path)} and {shown(twin)} in the repository differ by upper and lower case or by how an accent "
                "is stored only. Rename one of them.",
            )
        return path

    def _spend(self, item: _Item) -> None:
        self.budget.files -= 1
        self.budget.size_bytes -= item.size_bytes
        if self.budget.files < 0:
            raise GitFailed(
                Problem.TOO_LARGE,
                f"The repository holds more than {self.settings.project_max_files:,} files. Follow one folder of it, "
                "or raise KUMO_PROJECT_MAX_FILES.",
            )
        if self.budget.size_bytes < 0:
            raise GitFailed(
                Problem.TOO_LARGE,
                f"The files of the repository are more than {self.settings.project_max_bytes:,} bytes. Follow one "
                "folder of it, or raise KUMO_PROJECT_MAX_BYTES.",
            )

    # --- submodules ---

    async def _module_urls(self, commit: str) -> dict[str, str]:
        """The addresses of submodules, by their paths."""
        listed = await self.git.local(
            "config",
            "--no-includes",
            "--blob",
            f"{commit}:.gitmodules",
            "-z",
            "--get-regexp",
            r"^submodule\..*\.(path|url)$",
        )
        values: dict[str, dict[str, str]] = {}
        for pair in listed.read_bytes().decode("utf-8", "replace").split("\0")[:-1]:
            key, _newline, value = pair.partition("\n")
            name, _dot, field = key.rpartition(".")
            values.setdefault(name, {})[field] = value
        return {each["path"]: each["url"] for each in values.values() if "path" in each and "url" in each}

    async def _read_module(self, parent: Address, module: tuple[_Item, str], urls: dict[str, str]) -> int:
        item, own_path = module
        if own_path not in urls:
            raise GitFailed(Problem.CONTENT, f".gitmodules does not say where the submodule {shown(own_path)} is.")
        # A repository from elsewhere must not bring one of this machine along.
        allow_local = self.settings.git_allow_local and parent.scheme == "file"
        address = _module_address(parent, urls[own_path], own_path, allow_local=allow_local)
        await _fetch_commit(self.git, address, item.blob)
        deeper = replace(self, depth=self.depth + 1)
        if deeper.depth > _DEEPEST_SUBMODULES:
            raise GitFailed(
                Problem.CONTENT, f"Submodules are more than {_DEEPEST_SUBMODULES} levels deep in each other."
            )
        return await deeper.read(address, item.blob, prefix=f"{item.path}/")


async def _fetch_commit(git: Git, address: Address, commit: str) -> None:
    """Fetch one commit by its id; from a server that does not give such, its branches and tags until it is there."""
    try:
        await git.remote(address, *_fetching(1), address.url, commit)
    except GitFailed as error:
        if error.problem not in {Problem.OTHER, Problem.UNREACHABLE, Problem.REFERENCE}:
            raise
    else:
        return
    # Tried whatever the reason was: how servers refuse an id is worded in many ways.
    for depth in _DEEPER:
        await git.remote(
            address, *_fetching(depth), address.url, "+refs/heads/*:refs/kumo/heads/*", "+refs/tags/*:refs/kumo/tags/*"
        )
        try:
            await git.local("cat-file", "-e", f"{commit}^{{commit}}")
        except GitFailed:
            continue
        return
    raise GitFailed(Problem.REFERENCE, f"The commit {commit[:12]} is in no branch and no tag of the repository.")


def _fetching(depth: int) -> list[str]:
    return [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--no-auto-gc",
        f"--depth={depth}",
        "--",
    ]


async def _describe(git: Git, commit: str) -> Commit:
    printed = await git.local(
        "log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%H%x00%an%x00%cI%x00%s", commit, "--"
    )
    commit_id, author, moment, subject = printed.read_bytes().decode("utf-8", "replace").strip("\n").split("\0", 3)
    return Commit(
        id=commit_id,
        author=_plain(author),
        subject=_plain(subject),
        committed_at=datetime.fromisoformat(moment).isoformat(),
    )


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).strip()[:_MOST_WORDS]


def _read_item(raw: bytes) -> _Item:
    facts, _tab, path = raw.partition(b"\t")
    mode, _kind, blob, size = facts.decode("ascii").split()
    try:
        name = path.decode("utf-8")
    except UnicodeDecodeError:
        raise GitFailed(
            Problem.CONTENT,
            f"A name in the repository is no UTF-8: {shown(path.decode('utf-8', 'replace'))}. Rename it.",
        ) from None
    return _Item(mode=mode, blob=blob, size_bytes=0 if size == "-" else int(size), path=name)


def _write_files(contents: Path, items: list[_Item], into: Path) -> None:
    """Take what `cat-file --batch` has printed apart: a line about each content, the content, a line's end."""
    with contents.open("rb") as printed:
        for item in items:
            about = printed.readline().split()
            assert about[1:] == [b"blob", str(item.size_bytes).encode()], "git gives what it has listed"
            path = into / item.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as written:
                for piece in _pieces(printed, item.size_bytes):
                    written.write(piece)
            path.chmod(0o755 if item.mode == _EXECUTABLE else 0o644)
            printed.read(1)


def _pieces(printed: Any, left: int) -> Iterator[bytes]:
    while left:
        piece = printed.read(min(left, _CHUNK_BYTES))
        assert piece, "git has printed all of it"
        left -= len(piece)
        yield piece


def _module_address(parent: Address, url: str, path: str, *, allow_local: bool) -> Address:
    if url.startswith(("./", "../")):
        url = _joined(parent.url, url)
    try:
        return read_address(url, allow_local=allow_local, field="git.submodules")
    except InvalidInput as error:
        raise GitFailed(Problem.CONTENT, f"The submodule {shown(path)} cannot be taken. {error.message}") from None


def _joined(base: str, relative: str) -> str:
    """An address relative to that of the repository which names it, as git reads it: the base is a folder."""
    scheme, separator, rest = base.partition("://")
    if separator:
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}" + urljoin(slash + path.rstrip("/") + "/", relative)
    host, colon, path = base.partition(":")
    return host + colon + urljoin("/" + path.strip("/") + "/", relative).lstrip("/")


def _ref_path(ref: Ref) -> str | None:
    if ref.name is None or ref.kind == "commit":
        return None
    return f"refs/heads/{ref.name}" if ref.kind == "branch" else f"refs/tags/{ref.name}"


def _no_reference(ref: Ref) -> str:
    if ref.name is None:
        return "The repository has no main branch. Say which branch or tag to follow, or push a first commit."
    return f"The repository has no {ref.kind} named “{ref.name}”. Say which one to follow, or push it."
