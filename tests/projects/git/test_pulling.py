from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kumo.settings import Settings
from tests.databases import on_one_database
from tests.projects.git.conftest import Asking
from tests.projects.git.far_sides import PASSWORD, HttpsGit, Repository, SshGit, git, new_key


async def test_a_project_follows_a_repository_over_https(ask: Asking, repository: Repository, https: HttpsGit) -> None:
    project = await ask.create(https.url(), branch="main", credential_id=await ask.credential())
    assert (project["file_count"], project["git"]["last_pull"]["cause"]) == (0, "created")
    first = await ask.end_of(project)
    assert (first["state"], first["changed"], first["commit"]["subject"]) == ("succeeded", True, "Begin")
    assert await ask.files(project) == {"main.py": "print('one')\n"}

    second_commit = repository.commit({"main.py": "print('two')\n", "sub/run.sh": "#!/bin/sh\n"}, "Say two")
    second = await ask.pull(project)
    assert (second["state"], second["changed"], second["message"]) == (
        "succeeded",
        True,
        f"Pulled {second_commit[:10]} “Say two”.",
    )
    again = await ask.pull(project)
    assert (again["state"], again["changed"]) == ("succeeded", False)
    newest, *older = await ask.snapshots(project)
    assert len(older) == 2
    assert newest["origin"] == {
        "type": "git",
        "url": https.url(),
        "ref": "main",
        "id": second_commit,
        "author": "Ada",
        "subject": "Say two",
        "committed_at": "2026-01-05T12:00:00+00:00",
    }
    shown = await ask.show(project)
    assert shown["git"]["pulled"]["id"] == second_commit
    assert shown["git"]["local_changes"] is False
    assert (await ask.client.get("/projects")).json()["items"][0]["git"] == shown["git"]


@on_one_database
async def test_a_project_that_could_not_be_pulled_says_why_and_is_repaired(
    ask: Asking, repository: Repository, https: HttpsGit
) -> None:
    project = await ask.create(https.url())
    assert (await ask.end_of(project))["problem"] == "credential"
    wrong = await ask.credential(secret="not it")
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"credential_id": wrong}})
    failed = await ask.pull(project)
    assert failed["problem"] == "credential"
    assert failed["message"].startswith("127.0.0.1 refuses the credential")
    await ask.client.patch(f"/git/credentials/{wrong}", json={"secret": PASSWORD})
    moved = await ask.client.patch(f"/projects/{project['id']}", json={"git": {"url": https.url("none.git")}})
    assert moved.status_code == 200
    assert (await ask.pull(project))["problem"] == "repository"
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"url": https.url(), "branch": "none"}})
    assert (await ask.pull(project))["problem"] == "reference"
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"branch": None}})
    assert (await ask.pull(project))["state"] == "succeeded"
    assert await ask.files(project) == {"main.py": "print('one')\n"}
    used = await ask.client.delete(f"/git/credentials/{wrong}")
    assert (used.status_code, "“quotes”" in used.text) == (409, True)
    await ask.client.patch(f"/projects/{project['id']}", json={"git": None})
    assert (await ask.show(project))["git"] is None
    assert (await ask.client.delete(f"/git/credentials/{wrong}")).status_code == 204
    assert (await ask.client.post(f"/projects/{project['id']}/sync")).status_code == 409


@on_one_database
async def test_a_password_is_nowhere_but_in_its_place(
    ask: Asking,
    repository: Repository,
    https: HttpsGit,
    settings: Settings,
    command_lines: Callable[[], str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    elsewhere = HttpsGit(repository.bare.parent, settings.home.parent / "other")
    try:
        project = await ask.create(https.url(), credential_id=await ask.credential())
        answers = [await ask.end_of(project)]
        assert answers[0]["state"] == "succeeded"
        https.password = "changed meanwhile"
        answers.append(await ask.pull(project))
        assert answers[1]["problem"] == "credential"
        # Sent elsewhere by the host that knows it, git asks there without it.
        https.redirect = elsewhere.url(name="").rstrip("/")
        settings.git_ca_file.write_bytes(https.authority.read_bytes() + elsewhere.authority.read_bytes())  # type: ignore[union-attr]
        answers.append(await ask.pull(project))
        assert answers[2]["problem"] == "credential"
        assert elsewhere.asked
        assert set(elsewhere.asked) == {None}
    finally:
        elsewhere.close()
    printed = capfd.readouterr()
    told = [command_lines(), printed.out, printed.err, str(answers), str(await ask.show(project))]
    told += [path.read_bytes().decode("latin-1") for path in settings.home.rglob("*") if path.is_file()]
    assert any("ls-remote" in each for each in told)
    canary = PASSWORD.encode()
    forms = (PASSWORD, canary.decode("latin-1"), "canary-hunter2", base64.b64encode(canary).decode().rstrip("=")[:-2])
    for form in forms:
        assert not any(form in each for each in told), form
    assert not any((settings.home / "pulls").iterdir())


@on_one_database
async def test_a_host_is_trusted_once_a_person_has_seen_its_key(
    ask: Asking, repository: Repository, ssh: SshGit, key: tuple[str, str], tmp_path: Path, settings: Settings
) -> None:
    refused = await ask.client.post(
        "/git/credentials", json={"name": "locked", "kind": "ssh_key", "secret": new_key(tmp_path, "secret")[0]}
    )
    assert (refused.status_code, "passphrase" in refused.text) == (422, True)
    credential = await ask.credential(kind="ssh_key", username="", secret=key[0])
    project = await ask.create(ssh.url(), credential_id=credential)
    unknown = await ask.end_of(project)
    before = ssh.host_key.get_fingerprint()
    assert (unknown["problem"], before in unknown["message"]) == ("host_key_unknown", True)

    host = {"host": "127.0.0.1", "port": ssh.port}
    shown = (await ask.client.post("/git/hosts/keys", json=host)).json()
    assert (shown["state"], [each["fingerprint"] for each in shown["keys"]]) == ("new", [before])
    accepted = await ask.client.post("/git/hosts", json=host | {"keys": [each["key"] for each in shown["keys"]]})
    assert accepted.json()["accepted_by"] == "ada"
    assert (await ask.pull(project))["state"] == "succeeded"
    assert await ask.files(project) == {"main.py": "print('one')\n"}

    ssh.restart()
    repository.commit({"main.py": "print('two')\n"})
    changed = await ask.pull(project)
    assert changed["problem"] == "host_key_changed"
    assert before in changed["message"]
    assert ssh.host_key.get_fingerprint() in changed["message"]
    assert (await ask.client.post("/git/hosts/keys", json=host)).json()["state"] == "changed"
    assert await ask.files(project) == {"main.py": "print('one')\n"}
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in settings.home.rglob("*") if path.is_file())


@on_one_database
async def test_what_was_changed_here_is_never_thrown_away_unasked(ask: Asking, repository: Repository) -> None:
    project = await ask.create(str(repository.bare), pull_every_seconds=60)
    await ask.end_of(project)
    edit = {"content": "print('mine')\n"}
    await ask.client.put(f"/projects/{project['id']}/files/main.py", json=edit)
    assert (await ask.show(project))["git"]["local_changes"] is True
    assert (await ask.pull(project))["changed"] is False  # nothing new there, so nothing is at stake
    repository.commit({"main.py": "print('theirs')\n"})
    refused = await ask.pull(project)
    assert refused["problem"] == "local_changes"
    shown = await ask.show(project)
    assert shown["git"]["next_pull_at"] is None  # the schedule waits for a person
    assert await ask.files(project) == {"main.py": "print('mine')\n"}
    taken = await ask.pull(project, overwrite=True)
    assert (taken["state"], taken["changed"]) == ("succeeded", True)
    assert await ask.files(project) == {"main.py": "print('theirs')\n"}
    newest, mine, *_ = await ask.snapshots(project)
    assert mine["message"] == "Changed main.py"
    shown = await ask.show(project)
    assert (shown["git"]["local_changes"], shown["snapshot_id"]) == (False, newest["id"])
    assert shown["git"]["next_pull_at"] is not None
    # The same change made on both sides is no conflict.
    await ask.client.put(f"/projects/{project['id']}/files/main.py", json={"content": "print('both')\n"})
    repository.commit({"main.py": "print('both')\n"})
    assert (await ask.pull(project))["changed"] is False
    assert (await ask.show(project))["git"]["local_changes"] is False


@on_one_database
async def test_tags_commits_and_folders_are_followed(ask: Asking, repository: Repository, https: HttpsGit) -> None:
    https.password = None
    # Such a server gives branches and tags only: the commit is looked for in their history.
    https.is_old = True
    old = repository.commit({"app/main.py": "print('old')\n", "app/data/x.txt": "x"}, "Old")
    git(repository.work, "tag", "-a", "v1", "-m", "first")
    git(repository.work, "push", "-q", "origin", "v1")
    repository.commit({"app/main.py": "print('new')\n"}, "New")
    project = await ask.create(https.url(), commit=old, subdirectory="app")
    pull = await ask.end_of(project)
    assert (pull["state"], pull["commit"]["id"]) == ("succeeded", old)
    assert await ask.files(project) == {"main.py": "print('old')\n", "data/x.txt": "x"}
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"branch": "main"}})
    assert (await ask.pull(project))["commit"]["subject"] == "New"
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"tag": "v1", "subdirectory": ""}})
    assert (await ask.pull(project))["commit"]["id"] == old
    assert sorted(await ask.files(project)) == ["app/data/x.txt", "app/main.py", "main.py"]
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"commit": "0" * 40}})
    assert (await ask.pull(project))["problem"] == "reference"
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"tag": "v1", "subdirectory": "nowhere"}})
    assert (await ask.pull(project))["problem"] == "reference"


@on_one_database
async def test_submodules_are_left_out_unless_they_are_asked_for(
    ask: Asking, repository: Repository, root: Path, https: HttpsGit
) -> None:
    library = Repository(root, "library.git")
    library.commit({"quotes.py": "QUOTES = []\n"})
    git(repository.work, "submodule", "--quiet", "add", "-f", str(library.bare), "vendor/library")
    # As it is written where both lie on one host.
    git(repository.work, "config", "-f", ".gitmodules", "submodule.vendor/library.url", "../library.git")
    git(repository.work, "add", ".gitmodules")
    repository.commit_index("With a library")
    project = await ask.create(https.url(), credential="deploy") if await ask.credential() else {}
    assert (await ask.end_of(project))["state"] == "succeeded"
    assert sorted(await ask.files(project)) == [".gitmodules", "main.py"]
    await ask.client.patch(f"/projects/{project['id']}", json={"git": {"submodules": True}})
    assert (await ask.pull(project))["state"] == "succeeded"
    assert "vendor/library/quotes.py" in await ask.files(project)
    git(repository.work, "config", "-f", ".gitmodules", "submodule.vendor/library.url", "ext::sh -c touch% /tmp/x")
    git(repository.work, "add", ".gitmodules")
    repository.commit_index("With a trap")
    trapped = await ask.pull(project)
    assert (trapped["problem"], "vendor/library" in trapped["message"]) == ("content", True)


def _tree(repository: Repository, *entries: str) -> None:
    """Commit a tree that git itself would not make."""
    listed = "".join(f"{entry}\n" for entry in entries).encode()
    tree = git(repository.bare, "mktree", "--missing", sent=listed).strip()
    commit = git(repository.bare, "commit-tree", tree, "-m", "made by hand").strip()
    git(repository.bare, "update-ref", "refs/heads/main", commit)


@on_one_database
async def test_a_repository_with_what_no_project_holds_is_refused(
    ask: Asking, repository: Repository, tmp_path: Path
) -> None:
    git(repository.bare, "config", "core.protectNTFS", "false")
    git(repository.bare, "config", "core.protectHFS", "false")
    project = await ask.create(str(repository.bare))
    before = await ask.end_of(project)
    assert before["state"] == "succeeded"
    blob = git(repository.bare, "hash-object", "-w", "--stdin", sent=b"/etc/passwd").strip()
    inner = git(repository.bare, "mktree", sent=f"100644 blob {blob}\tx\n".encode()).strip()
    for entries, named in (
        ([f"120000 blob {blob}\tlink"], "“link”"),
        ([f"040000 tree {inner}\t.git"], "“.git/x”"),
        ([f"040000 tree {inner}\t.."], "“../x”"),
        ([f"100644 blob {blob}\tREADME", f"100644 blob {blob}\treadme"], "“readme”"),
        ([f"100644 blob {blob}\tbad\\name"], "bad"),
        ([f"100644 blob {blob}\tcon.txt"], "“con.txt”"),
    ):
        _tree(repository, *entries)
        refused = await ask.pull(project)
        assert (refused["problem"], named in refused["message"]) == ("content", True), refused
    (repository.work / "hooks").mkdir()
    marker = tmp_path / "ran"
    repository.commit(
        {
            ".gitattributes": "* filter=evil diff=evil text eol=crlf\n",
            ".gitconfig": f'[core]\n\tfsmonitor = touch {marker}\n[filter "evil"]\n\tsmudge = touch {marker}\n',
            "main.py": "print('lf')\n",
        }
    )
    assert (await ask.pull(project))["state"] == "succeeded"
    assert (await ask.files(project))["main.py"] == "print('lf')\n"
    assert not marker.exists()
    assert len(await ask.snapshots(project)) == 3


@on_one_database
async def test_a_repository_larger_than_a_project_may_be_is_refused(
    settings: Settings, ask: Asking, repository: Repository
) -> None:
    repository.commit({f"{number}.txt": "x" for number in range(settings.project_max_files)})
    project = await ask.create(str(repository.bare))
    refused = await ask.end_of(project)
    assert (refused["problem"], "KUMO_PROJECT_MAX_FILES" in refused["message"]) == ("too_large", True)
    # As much as this comes out of a few kilobytes: it is refused by what the listing says, before it is read.
    git(repository.work, "rm", "-rq", ".")
    repository.commit({"zeros.bin": "\0" * (settings.project_max_bytes + 1)})
    refused = await ask.pull(project)
    assert (refused["problem"], "KUMO_PROJECT_MAX_BYTES" in refused["message"]) == ("too_large", True)


@on_one_database
async def test_git_that_is_not_there_is_named(ask: Asking, repository: Repository, monkeypatch: Any) -> None:
    project = await ask.create(str(repository.bare))
    assert (await ask.end_of(project))["state"] == "succeeded"
    monkeypatch.setenv("PATH", "/nowhere")
    answer = await ask.client.post(f"/projects/{project['id']}/sync")
    assert (answer.status_code, "apt install git" in answer.text) == (503, True)
    new = await ask.client.post("/projects", json={"name": "x", "git": {"url": "https://git.example.org/x"}})
    assert new.status_code == 503


@on_one_database
async def test_wrong_addresses_and_references_are_refused_by_field(client: httpx.AsyncClient) -> None:
    for wrong, field in (
        ({"url": "ext::sh -c id"}, "git.url"),
        ({"url": "https://a:b@git.example.org/x"}, "git.url"),
        ({"url": "https://git.example.org/x", "branch": "--upload-pack=id"}, "git.branch"),
        ({"url": "https://git.example.org/x", "branch": "a", "tag": "b"}, "git.tag"),
        ({"url": "https://git.example.org/x", "commit": "abc"}, "git.commit"),
        ({"url": "https://git.example.org/x", "subdirectory": "../x"}, "git.subdirectory"),
        ({"url": "https://git.example.org/x", "credential_id": 9}, "git.credential_id"),
        ({"url": "https://git.example.org/x", "pull_every_seconds": 59}, "git.pull_every_seconds"),
    ):
        answer = await client.post("/projects", json={"name": "x", "git": wrong})
        assert answer.status_code == 422, answer.text
        assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]
    assert (await client.get("/projects")).json()["items"] == []
