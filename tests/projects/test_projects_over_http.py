from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kumo.settings import MIB, Settings
from tests.databases import on_one_database
from tests.projects.packing import tar_info, tar_of, zip_of

ARCHIVE = zip_of(("top/main.py", b"print(1)\n"), ("top/data/", b""), ("top/requirements.txt", b"requests\n"))

# What is refused before the database is asked need not be refused on both.


async def created(browser: httpx.AsyncClient, archive: bytes = ARCHIVE, **fields: str) -> dict[str, Any]:
    answer = await browser.post("/projects", files={"file": ("quotes.zip", archive)}, data=fields)
    assert answer.status_code == 201, answer.text
    project: dict[str, Any] = answer.json()
    return project


def sentence(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def test_an_archive_becomes_a_project(browser: httpx.AsyncClient, stored_settings: Settings) -> None:
    project = await created(browser, description="Reads quotes.")
    assert project == {
        "id": project["id"],
        "version": 1,
        "name": "quotes",
        "description": "Reads quotes.",
        "snapshot_id": project["snapshot_id"],
        "file_count": 2,
        "size_bytes": 18,
        "output_dir": str(stored_settings.home / "outputs" / str(project["id"])),
        "own_output_dir": None,
        "created_at": project["created_at"],
        "updated_at": project["updated_at"],
        "task_count": 0,
        "git": None,
    }
    assert (await browser.get(f"/projects/{project['id']}")).json() == project
    assert (await browser.get("/projects?q=quo")).json() == {"items": [project], "next_cursor": None}
    assert not list((stored_settings.home / "uploads").iterdir())


async def test_json_makes_an_empty_project(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/projects", json={"name": " empty "})
    assert answer.status_code == 201
    assert (answer.json()["name"], answer.json()["file_count"]) == ("empty", 0)
    tree = await browser.get(f"/projects/{answer.json()['id']}/tree")
    assert tree.json() == {"snapshot_id": answer.json()["snapshot_id"], "entries": []}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.zip", "C:\\Users\\ada\\a.zip", "../../a.zip"])
async def test_the_name_is_the_archives_name_unless_it_is_given(browser: httpx.AsyncClient, name: str) -> None:
    answer = await browser.post("/projects", files={"file": (name, ARCHIVE)})
    assert answer.json()["name"] == "a"
    answer = await browser.post("/projects", files={"file": (name, ARCHIVE)}, data={"name": "given"})
    assert answer.json()["name"] == "given"
    answer = await browser.post("/projects", files={"file": (name, ARCHIVE)})
    assert (answer.status_code, sentence(answer)) == (
        409,
        "There is already a project named “a”. Choose another name.",
    )


@on_one_database
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"name": ""}',
        b'{"name": "  "}',
        b'{"name": "a\\u0000"}',
        b'{"name": "a\\nb"}',
        b'{"name": 1}',
        b'{"nome": "a"}',
        b'{"name": "a", "git": {}}',
        json.dumps({"name": "x" * 101}).encode(),
        b'{"name": "\\ud800"}',
        b'{"name": "a", "description": "\\u0000"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=range(15),
)
async def test_json_that_is_no_project_is_answered_with_what_is_wrong(browser: httpx.AsyncClient, body: bytes) -> None:
    answer = await browser.post("/projects", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert sentence(answer)


FORM = "multipart/form-data; boundary=x"
NAME_ONLY = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s\r\n--x--\r\n'
NO_END = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nPK'


@on_one_database
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b""),
        (FORM, b""),
        (FORM, b"--x--\r\n"),
        (FORM, b"garbage"),
        (FORM, NO_END),
        (FORM, NAME_ONLY % b"a"),
        (FORM, NAME_ONLY % b"\xff"),
        (FORM, b"--x\r\n\r\n\r\n" * 20),
        (FORM + "x" * 500, b""),
        ("text/plain", b"hello"),
        ("application/x-www-form-urlencoded", b"name=a"),
    ],
)
async def test_a_form_that_is_none_is_answered_with_what_is_wrong(
    browser: httpx.AsyncClient, stored_settings: Settings, content_type: str, body: bytes
) -> None:
    answer = await browser.post("/projects", content=body, headers={"content-type": content_type})
    assert answer.status_code == 422, answer.text
    uploads = stored_settings.home / "uploads"
    assert not uploads.exists() or not list(uploads.iterdir())


async def test_a_field_that_is_not_known_and_a_second_file_are_refused(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/projects", files={"file": ("a.zip", ARCHIVE)}, data={"colour": "red"})
    assert answer.status_code == 422
    assert "colour" in sentence(answer)
    answer = await browser.post("/projects", files=[("file", ("a.zip", ARCHIVE)), ("file", ("b.zip", ARCHIVE))])
    assert (answer.status_code, sentence(answer)) == (422, "Send one file only.")


async def test_an_upload_that_is_too_large_is_refused_while_it_comes(
    browser: httpx.AsyncClient, stored_settings: Settings
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
        while sent < 500 * MIB:
            sent += 65536
            yield b"\0" * 65536

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await browser.post("/projects", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert sent <= stored_settings.upload_max_bytes + 2 * MIB
    assert not list((stored_settings.home / "uploads").iterdir())


async def test_a_hostile_archive_is_refused_and_stores_nothing(
    browser: httpx.AsyncClient, stored_settings: Settings
) -> None:
    link = tar_of((tar_info("evil", b"2", target="/etc/passwd"), b""), ("a.py", b""))
    for archive in (zip_of(("../../evil", b"x")), link, b"junk"):
        answer = await browser.post("/projects", files={"file": ("a.zip", archive)})
        assert answer.status_code == 422
        assert answer.json()["error"]["details"][0]["field"] == "file"
    assert (await browser.get("/projects")).json()["items"] == []
    assert not list((stored_settings.home / "uploads").iterdir())


async def test_a_new_archive_is_a_new_state(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}"
    answer = await browser.post(f"{url}/archive", files={"file": ("v2.tgz", tar_of(("new.py", b"2")))})
    assert (answer.status_code, answer.json()["file_count"], answer.json()["version"]) == (200, 1, 2)
    states = (await browser.get(f"{url}/snapshots")).json()["items"]
    assert [state["message"] for state in states] == ["Uploaded v2.tgz", "Uploaded quotes.zip"]
    assert states[0]["parent_id"] == states[1]["id"]
    page = (await browser.get(f"{url}/snapshots?limit=1")).json()
    assert page["items"] == states[:1]
    assert (await browser.get(f"{url}/snapshots?cursor={page['next_cursor']}")).json()["items"] == states[1:]
    answer = await browser.post("/projects/99/archive", files={"file": ("v2.tgz", ARCHIVE)})
    assert answer.status_code == 404


async def test_what_is_downloaded_can_be_uploaded_again(browser: httpx.AsyncClient) -> None:
    project = await created(browser, name="数据/ä: ..")
    answer = await browser.get(f"/projects/{project['id']}/archive")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    again = await created(browser, answer.content, name="again")
    states = [(await browser.get(f"/projects/{p['id']}/snapshots")).json()["items"][0] for p in (project, again)]
    assert states[0]["tree_hash"] == states[1]["tree_hash"]


async def test_a_file_is_read_saved_and_deleted(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}/files"
    read = (await browser.get(f"{url}/main.py")).json()
    assert read == {
        "path": "main.py",
        "snapshot_id": project["snapshot_id"],
        "size_bytes": 9,
        "encoding": "utf-8",
        "line_ending": "lf",
        "binary": False,
        "image": None,
        "content": "print(1)\n",
    }
    body = {"content": "print('数据')\n", "base_snapshot_id": read["snapshot_id"]}
    saved = await browser.put(f"{url}/pkg/新.py", json=body)
    assert saved.status_code == 200
    assert saved.json() == {"snapshot_id": saved.json()["snapshot_id"], "path": "pkg/新.py", "size_bytes": 16}
    raw = await browser.get(f"{url}/pkg/新.py?raw=true")
    assert raw.content == "print('数据')\n".encode()
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["content-disposition"].startswith("attachment")
    deleted = await browser.delete(f"{url}/pkg/新.py")
    assert deleted.json()["snapshot_id"] > saved.json()["snapshot_id"]
    assert (await browser.get(f"{url}/pkg/新.py")).status_code == 404
    assert (await browser.get(f"{url}/data")).status_code == 404
    changed = await browser.put(f"{url}/main.py", json={"content": "2"})
    assert changed.status_code == 200
    late = await browser.put(f"{url}/main.py", json=body)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")


async def test_binary_and_large_files_are_not_shown_but_downloaded(
    browser: httpx.AsyncClient, stored_settings: Settings
) -> None:
    members = (("logo.png", b"\x89PNG\0"), ("gbk.py", "# 数据".encode("gbk")), ("big.txt", b"line\n" * (MIB // 4)))
    project = await created(browser, zip_of(*members))
    url = f"/projects/{project['id']}/files"
    logo, gbk, big = [(await browser.get(f"{url}/{name}")).json() for name, _ in members]
    assert (logo["binary"], logo["content"], logo["encoding"]) == (True, None, None)
    assert (gbk["binary"], gbk["content"], gbk["encoding"]) == (False, "# 数据", "gb18030")
    assert (big["binary"], big["content"], big["size_bytes"]) == (False, None, 5 * (MIB // 4))
    assert (await browser.get(f"{url}/big.txt?raw=true")).content == members[2][1]
    await browser.put(f"{url}/gbk.py", json={"content": "# 改"})
    assert (await browser.get(f"{url}/gbk.py?raw=true")).content == "# 改".encode("gbk")


async def test_a_file_that_is_too_large_is_refused_while_it_comes(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}/files/a.txt"
    answer = await browser.put(url, json={"content": "x" * (MIB + 1)})
    assert answer.status_code == 413
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"content": "'
        while sent < 100 * MIB:
            sent += 65536
            yield b"x" * 65536

    answer = await browser.put(url, content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert sent < 4 * MIB


async def test_the_tree_and_the_detection_of_a_project(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    tree = (await browser.get(f"/projects/{project['id']}/tree")).json()
    assert tree["entries"] == [
        {"path": "data", "type": "directory", "size_bytes": 0, "file_count": 0},
        {"path": "main.py", "type": "file", "size_bytes": 9, "file_count": 1},
        {"path": "requirements.txt", "type": "file", "size_bytes": 9, "file_count": 1},
    ]
    assert (await browser.get(f"/projects/{project['id']}/detection")).json() == {
        "environment": {"source": "requirements.txt", "python": None},
        "commands": ["python main.py"],
        "kinds": [{"name": "script", "files": ["main.py"]}],
        "spiders": [],
    }


async def test_a_conflict_names_the_field_that_is_in_the_way(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}"
    other = (await browser.post("/projects", json={"name": "other"})).json()
    archive = {"file": ("other.zip", ARCHIVE)}
    refused = {
        "name": [
            await browser.post("/projects", json={"name": "other"}),
            await browser.post("/projects", files=archive),
            await browser.patch(url, json={"name": "other"}),
        ],
        "version": [await browser.patch(f"/projects/{other['id']}", json={"name": "x"}, headers={"If-Match": "7"})],
    }
    for field, answers in refused.items():
        for answer in answers:
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (409, "conflict")
            assert error["details"] == [{"field": field, "message": error["message"]}]


async def test_a_project_is_renamed_described_and_deleted(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}"
    renamed = await browser.patch(url, json={"name": "new"}, headers={"If-Match": "1"})
    assert (renamed.json()["name"], renamed.json()["version"]) == ("new", 2)
    assert (await browser.patch(url, json={"name": "x"}, headers={"If-Match": "1"})).status_code == 409
    assert (await browser.patch(url, json={"id": 9})).status_code == 422
    assert (await browser.delete(url)).status_code == 204
    for method, path in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/tree"), ("GET", "/outputs")]:
        answer = await browser.request(method, url + path, json={} if method == "PATCH" else None)
        assert answer.status_code == 404, (method, path)


async def test_outputs_are_listed_downloaded_and_deleted(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}/outputs"
    assert (await browser.get(url)).json() == {"path": "", "entries": [], "truncated": False}
    folder = Path(project["output_dir"]) / "2026"
    folder.mkdir()
    (folder / "数据.html").write_bytes(b"<script>alert(1)</script>")
    listing = (await browser.get(url, params={"path": "2026"})).json()
    assert [(e["name"], e["type"], e["size_bytes"]) for e in listing["entries"]] == [("数据.html", "file", 25)]
    answer = await browser.get(f"{url}/file", params={"path": "2026/数据.html"})
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (await browser.delete(url, params={"path": "2026"})).status_code == 204
    assert (await browser.get(url)).json()["entries"] == []
    assert (await browser.delete(url, params={"path": ""})).status_code == 422


@on_one_database
async def test_a_stranger_gets_nothing(stranger: httpx.AsyncClient, app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        url = path.removeprefix("/api/v1").replace("{project_id}", "1").replace("{path}", "a.py")
        for method in operations:
            assert (await stranger.request(method, url)).status_code == 401, (method, path)


@on_one_database
async def test_every_route_is_described(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert {"401", "403"} <= set(operation["responses"]), (method, path)
    create = app.openapi()["paths"]["/api/v1/projects"]["post"]["requestBody"]["content"]
    assert set(create) == {"multipart/form-data", "application/json"}


@pytest.mark.parametrize(
    "question", ["limit=0", "limit=501", "cursor=x", "cursor=WzFd", "cursor=WyJcdTAwMDAiLDFd", "q=%00"]
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(browser: httpx.AsyncClient, question: str) -> None:
    assert (await browser.get(f"/projects?{question}")).status_code == 422


@pytest.mark.parametrize("project_id", ["0", "-1", "x", str(2**63), "1.5"])
async def test_an_id_that_is_none_is_no_failure_of_the_database(browser: httpx.AsyncClient, project_id: str) -> None:
    for way in ("", "/tree", "/files/a.py", "/snapshots", "/outputs", "/detection", "/archive"):
        assert (await browser.get(f"/projects/{project_id}{way}")).status_code in {404, 422}
