"""The history of a project: who, why, what has changed, kept, brought back; and the trash."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import pytest

from kumo.settings import Settings

PROJECT = "/projects/{}"


async def made(browser: httpx.AsyncClient, name: str = "etl", **files: str) -> int:
    project_id = int((await browser.post("/projects", json={"name": name})).json()["id"])
    for path, content in files.items():
        await save(browser, project_id, path.replace("_", "."), content)
    return project_id


async def save(browser: httpx.AsyncClient, project_id: int, path: str, content: str) -> int:
    answer = await browser.put(f"/projects/{project_id}/files/{path}", json={"content": content})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["snapshot_id"])


async def states(browser: httpx.AsyncClient, project_id: int) -> list[dict[str, Any]]:
    """The history, newest first."""
    answer = await browser.get(f"/projects/{project_id}/snapshots")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def diff(browser: httpx.AsyncClient, project_id: int, snapshot_id: int, **query: Any) -> dict[str, Any]:
    answer = await browser.get(f"/projects/{project_id}/snapshots/{snapshot_id}/diff", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_state_says_who_made_it_and_why(browser: httpx.AsyncClient) -> None:
    project_id = await made(browser, main_py="print(1)\n")
    newest, first = await states(browser, project_id)
    assert (newest["actor"], newest["source"], newest["message"]) == ("ada", "edit", "Changed main.py")
    assert (newest["is_current"], newest["pinned"], newest["run_count"]) == (True, False, 0)
    assert (first["source"], first["is_current"], newest["parent_id"]) == ("created", False, first["id"])


async def test_a_state_is_pinned_and_noted(browser: httpx.AsyncClient) -> None:
    project_id = await made(browser)
    (first,) = await states(browser, project_id)
    url = f"/projects/{project_id}/snapshots/{first['id']}"
    changed = (await browser.patch(url, json={"pinned": True, "message": "Before the new parser"})).json()
    assert (changed["pinned"], changed["message"], changed["actor"]) == (True, "Before the new parser", "ada")
    assert (await browser.patch(url, json={"pinned": False})).json()["message"] == "Before the new parser"
    assert (await browser.patch(url, json={"message": "two\nlines"})).status_code == 422
    assert (await browser.patch(url.replace(str(first["id"]), "999"), json={"pinned": True})).status_code == 404


async def test_two_states_are_compared_file_by_file(browser: httpx.AsyncClient) -> None:
    project_id = await made(browser, main_py="one\ntwo\n", gone_txt="x", bin_dat="a\0b")
    base = (await states(browser, project_id))[0]["id"]
    await browser.delete(f"/projects/{project_id}/files/gone.txt")
    await save(browser, project_id, "bin.dat", "a\0c")
    await save(browser, project_id, "lib/new.py", "新\n")
    last = await save(browser, project_id, "main.py", "one\n2\n")
    found = await diff(browser, project_id, last, against=base)
    assert [(one["path"], one["change"], one["binary"]) for one in found["files"]] == [
        ("bin.dat", "changed", True),
        ("gone.txt", "removed", False),
        ("lib/new.py", "added", False),
        ("main.py", "changed", False),
    ]
    assert found["files"][1]["diff"] == "@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n"
    assert found["files"][3]["diff"] == "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
    assert (found["files"][2]["size_bytes_before"], found["files"][2]["size_bytes_after"]) == (None, 4)
    assert (found["against_id"], found["file_count"], found["truncated"], found["note"]) == (base, 4, False, None)
    # Without `against`, with the one before; the first with nothing.
    assert [one["path"] for one in (await diff(browser, project_id, last))["files"]] == ["main.py"]
    oldest = (await states(browser, project_id))[-1]["id"]
    assert await diff(browser, project_id, oldest) == {
        "snapshot_id": oldest,
        "against_id": None,
        "files": [],
        "file_count": 0,
        "truncated": False,
        "note": None,
    }
    url = f"/projects/{project_id}/snapshots/{last}/diff"
    assert (await browser.get(url, params={"path": "nothing.py"})).status_code == 404
    assert (await browser.get(url, params={"path": "../../etc/passwd"})).status_code == 422
    assert (await browser.get(url, params={"against": 999})).status_code == 404


async def test_a_long_diff_is_cut_and_shown_when_it_is_asked_for_alone(browser: httpx.AsyncClient) -> None:
    project_id = await made(browser)
    long = "".join(f"line {number}\n" for number in range(20_000))
    last = await save(browser, project_id, "long.txt", long)
    found = await diff(browser, project_id, last)
    assert (found["truncated"], found["files"][0]["truncated"]) == (True, True)
    assert found["note"].startswith("“long.txt” has more differences than are shown here.")
    whole = await diff(browser, project_id, last, path="long.txt")
    assert (whole["truncated"], whole["files"][0]["diff"].count("\n+")) == (False, 20_000)


async def test_an_earlier_state_is_read_downloaded_and_restored(browser: httpx.AsyncClient) -> None:
    project_id = await made(browser, main_py="old\n")
    old = (await states(browser, project_id))[0]["id"]
    await save(browser, project_id, "main.py", "new\n")
    await save(browser, project_id, "more.py", "more\n")
    url = f"/projects/{project_id}"
    tree = (await browser.get(f"{url}/tree", params={"snapshot_id": old})).json()
    assert [entry["path"] for entry in tree["entries"]] == ["main.py"]
    file = (await browser.get(f"{url}/files/main.py", params={"snapshot_id": old})).json()
    assert (file["content"], file["snapshot_id"]) == ("old\n", old)
    download = await browser.get(f"{url}/snapshots/{old}/archive")
    assert f'filename="etl-{old}.zip"' in download.headers["content-disposition"]
    assert zipfile.ZipFile(io.BytesIO(download.content)).read("etl/main.py") == b"old\n"

    version = (await browser.get(url)).json()["version"]
    restore = f"{url}/snapshots/{old}/restore"
    stale = await browser.post(restore, headers={"If-Match": str(version - 1)})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "conflict")
    restored = (await browser.post(restore, headers={"If-Match": str(version)})).json()
    assert (restored["message"], restored["source"]) == (f"Restored state {old}", "restore")
    assert (await browser.get(f"{url}/files/main.py")).json()["content"] == "old\n"
    assert len(await states(browser, project_id)) == 5
    # What is equal already is the answer.
    assert (await browser.post(restore)).json()["id"] == restored["id"]
    assert (await browser.post(f"{url}/snapshots/999/restore")).status_code == 404


async def test_what_is_lost_is_named_before_it_is_restored(browser: httpx.AsyncClient, settings: Settings) -> None:
    project_id = await made(browser, main_py="precious\n")
    old = (await states(browser, project_id))[0]["id"]
    await save(browser, project_id, "main.py", "new\n")
    for blob in (settings.home / "store" / "objects").rglob("*"):
        if blob.is_file() and blob.read_bytes() == b"precious\n":
            blob.unlink()
    answer = await browser.post(f"/projects/{project_id}/snapshots/{old}/restore")
    assert answer.status_code == 503
    assert "The stored copy of “main.py” is damaged or missing" in answer.json()["error"]["message"]
    assert (await browser.get(f"/projects/{project_id}/files/main.py")).json()["content"] == "new\n"


# --- the trash -------------------------------------------------------------------------------------------------------


async def test_a_deleted_project_comes_back_with_all_that_it_had(browser: httpx.AsyncClient) -> None:
    project_id = await made(browser, main_py="print(1)\n")
    url = f"/projects/{project_id}"
    assert (await browser.delete(url)).status_code == 204
    assert (await browser.get(url)).status_code == 404
    assert (await browser.get(f"{url}/snapshots")).status_code == 404
    (lying,) = (await browser.get("/trash")).json()["items"]
    assert (lying["id"], lying["name"], lying["file_count"]) == (project_id, "etl", 1)
    assert lying["deleted_at"][:4] <= lying["purged_after"][:4]

    await made(browser)  # of the same name
    taken = await browser.post(f"/trash/{project_id}/restore")
    assert (taken.status_code, taken.json()["error"]["details"][0]["field"]) == (409, "name")
    back = await browser.post(f"/trash/{project_id}/restore", json={"name": "etl again"})
    assert (back.json()["id"], back.json()["name"]) == (project_id, "etl again")
    assert (await browser.get("/trash")).json()["items"] == []
    assert len(await states(browser, project_id)) == 2
    assert (await browser.post(f"/trash/{project_id}/restore")).status_code == 404


async def test_a_purged_project_is_gone(browser: httpx.AsyncClient, settings: Settings) -> None:
    project_id = await made(browser, main_py="print(1)\n")
    output = settings.home / "outputs" / str(project_id) / "quotes.csv"
    output.write_text("a,b")
    assert (await browser.delete(f"/trash/{project_id}")).status_code == 404  # it is no trash
    await browser.delete(f"/projects/{project_id}")
    assert output.exists()
    assert (await browser.delete(f"/trash/{project_id}")).status_code == 204
    assert not output.parent.exists()
    assert (await browser.get("/trash")).json()["items"] == []
    assert (await browser.post(f"/trash/{project_id}/restore")).status_code == 404


@pytest.mark.parametrize("way", ["/trash", "/projects/1/snapshots/1/diff", "/projects/1/snapshots/1/archive"])
async def test_nobody_looks_without_signing_in(stranger: httpx.AsyncClient, way: str) -> None:
    assert (await stranger.get(way)).status_code == 401
