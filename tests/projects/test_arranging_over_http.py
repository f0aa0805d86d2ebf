from __future__ import annotations

from typing import Any

import httpx
import pytest

from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import MIB
from tests.databases import on_one_database
from tests.projects.packing import zip_of

PIXEL = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
DRAWING = b'<?xml version="1.0"?>\n<!-- x --><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
MEMBERS = (
    ("top/main.py", b"print(1)\n"),
    ("top/pkg/a.py", b"import requests\n"),
    ("top/pkg/b.py", b"x = 1\r\nimport Requests\r\n"),
    ("top/pkg/deep/c.txt", "爬虫 requests\n".encode("gb18030")),
    ("top/data/", b""),
    ("top/logo.png", PIXEL),
    ("top/logo.svg", DRAWING),
    ("top/page.html", b"<html><svg></svg></html>"),
)


@pytest.fixture
async def url(browser: httpx.AsyncClient) -> str:
    """A project with a few files."""
    answer = await browser.post("/projects", files={"file": ("quotes.zip", zip_of(*MEMBERS))})
    return f"/projects/{answer.json()['id']}"


def sentence(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def paths(browser: httpx.AsyncClient, url: str) -> list[str]:
    return [entry["path"] for entry in (await browser.get(f"{url}/tree")).json()["entries"]]


@on_one_database
async def test_a_tree_is_listed_folder_by_folder(browser: httpx.AsyncClient, url: str) -> None:
    top = (await browser.get(f"{url}/tree", params={"path": ""})).json()
    assert [(one["path"], one["type"], one["file_count"]) for one in top["entries"][:2]] == [
        ("data", "directory", 0),
        ("logo.png", "file", 1),
    ]
    level = (await browser.get(f"{url}/tree", params={"path": "pkg"})).json()
    assert [(one["path"], one["file_count"]) for one in level["entries"]] == [
        ("pkg/a.py", 1),
        ("pkg/b.py", 1),
        ("pkg/deep", 1),
    ]
    assert level["snapshot_id"] == top["snapshot_id"]
    for path in ("nowhere", "main.py"):
        assert (await browser.get(f"{url}/tree", params={"path": path})).status_code == 404


async def test_files_and_folders_are_moved_with_all_that_is_in_them(browser: httpx.AsyncClient, url: str) -> None:
    before = (await browser.get(url)).json()
    moved = await browser.post(f"{url}/files/move", json={"source": "pkg", "target": "lib/pkg"})
    assert (moved.status_code, moved.json()["path"]) == (200, "lib/pkg")
    assert "lib/pkg/deep/c.txt" in await paths(browser, url)
    assert "pkg/a.py" not in await paths(browser, url)
    # To another spelling of its own name, which is its nearest twin.
    assert (await browser.post(f"{url}/files/move", json={"source": "main.py", "target": "Main.py"})).is_success
    assert (await browser.get(f"{url}/files/Main.py")).json()["content"] == "print(1)\n"
    after = (await browser.get(url)).json()
    assert (after["file_count"], after["size_bytes"]) == (before["file_count"], before["size_bytes"])
    history = (await browser.get(f"{url}/snapshots")).json()["items"]
    assert [one["message"] for one in history[:2]] == ["Moved main.py to Main.py", "Moved pkg to lib/pkg"]


@on_one_database
async def test_a_move_never_takes_anothers_place(browser: httpx.AsyncClient, url: str) -> None:
    before = await paths(browser, url)
    refused = [
        ("main.py", "pkg/a.py", 409, "There is already a file “pkg/a.py”."),
        ("main.py", "pkg", 409, "There is already a folder “pkg”."),
        ("main.py", "PKG/x.py", 409, "upper and lower case"),
        ("main.py", "logo.PNG", 409, "upper and lower case"),
        ("main.py", "logo.png/x", 409, "is a file, so nothing can be in it"),
        ("main.py", "main.py", 409, "itself"),
        ("pkg", "pkg/deep/pkg", 409, "lies in it"),
        ("nowhere", "x", 404, "There is no file “nowhere”"),
        ("../x", "y", 422, "“..” is not a name"),
        ("main.py", "/etc/passwd", 422, "absolute"),
        ("pkg", "/".join(["x" * 200] * 5) + "/" + "y" * 18, 422, "longer than"),
    ]
    for source, target, status, words in refused:
        answer = await browser.post(f"{url}/files/move", json={"source": source, "target": target})
        assert (answer.status_code, words in sentence(answer)) == (status, True), answer.text
    assert await paths(browser, url) == before


@on_one_database
async def test_a_change_based_on_an_older_state_of_that_file_is_refused(browser: httpx.AsyncClient, url: str) -> None:
    base = (await browser.get(f"{url}/files/pkg/a.py")).json()["snapshot_id"]
    await browser.put(f"{url}/files/main.py", json={"content": "another file\n"})
    mine = {"content": "mine\n", "base_snapshot_id": base}
    assert (await browser.put(f"{url}/files/pkg/a.py", json=mine)).is_success, "changes elsewhere do not matter"
    late = [
        await browser.put(f"{url}/files/pkg/a.py", json=mine | {"content": "late\n"}),
        await browser.post(f"{url}/files/move", json={"source": "pkg", "target": "lib", "base_snapshot_id": base}),
    ]
    await browser.delete(f"{url}/files/pkg/a.py")
    late.append(await browser.put(f"{url}/files/pkg/a.py", json=mine))
    for answer in late:
        assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (409, "base_snapshot_id")
    assert "deleted by somebody else" in sentence(late[-1])


@on_one_database
async def test_an_empty_folder_is_kept(browser: httpx.AsyncClient, url: str) -> None:
    made = await browser.post(f"{url}/folders", json={"path": "new/inner"})
    assert (made.status_code, made.json()["path"]) == (201, "new/inner")
    assert {"new", "new/inner"} <= set(await paths(browser, url))
    assert (await browser.delete(f"{url}/files/pkg/deep/c.txt")).is_success
    assert "pkg/deep" in await paths(browser, url)
    for taken in ("new", "main.py", "DATA"):
        assert (await browser.post(f"{url}/folders", json={"path": taken})).status_code == 409


async def test_several_files_are_uploaded_in_one_state(
    browser: httpx.AsyncClient, url: str, store: SnapshotStore
) -> None:
    states = len((await browser.get(f"{url}/snapshots")).json()["items"])
    files = [("file", ("one.py", b"1")), ("file", ("深/two.bin", b"\0" * 3 * 1024)), ("file", ("empty", b""))]
    answer = await browser.post(f"{url}/files", files=files, data={"folder": "pkg"})
    assert (answer.status_code, answer.json()["paths"]) == (201, ["pkg/one.py", "pkg/深/two.bin", "pkg/empty"])
    assert (await browser.get(f"{url}/files/pkg/深/two.bin?raw=true")).content == b"\0" * 3 * 1024
    assert len((await browser.get(f"{url}/snapshots")).json()["items"]) == states + 1
    taken = [("file", ("new.py", b"1")), ("file", ("one.py", b"2"))]
    refused = await browser.post(f"{url}/files", files=taken, data={"folder": "pkg"})
    assert (refused.status_code, "pkg/one.py" in sentence(refused)) == (409, True)
    assert "pkg/new.py" not in await paths(browser, url), "all of them or none"
    assert (await browser.post(f"{url}/files", files=taken, data={"folder": "pkg", "overwrite": "true"})).is_success
    assert (await browser.get(f"{url}/files/pkg/one.py")).json()["content"] == "2"
    too_large = await browser.post(f"{url}/files", files={"file": ("big", b"x" * (2 * MIB + 1))})
    assert too_large.status_code == 413
    assert (await browser.post(f"{url}/files", data={"folder": "pkg"})).status_code == 422


@on_one_database
async def test_images_are_shown_as_such_and_never_as_pages(browser: httpx.AsyncClient, url: str) -> None:
    shown = [(await browser.get(f"{url}/images/{name}")) for name in ("logo.png", "logo.svg")]
    assert [answer.headers["content-type"] for answer in shown] == ["image/png", "image/svg+xml"]
    assert all("sandbox" in answer.headers["content-security-policy"] for answer in shown)
    assert shown[1].content == DRAWING
    assert (await browser.get(f"{url}/images/page.html")).status_code == 404
    about = [(await browser.get(f"{url}/files/{name}")).json() for name in ("logo.png", "logo.svg", "main.py")]
    assert [one["image"] for one in about] == ["image/png", "image/svg+xml", None]


@on_one_database
async def test_what_is_read_and_saved_again_is_the_same_byte_for_byte(browser: httpx.AsyncClient, url: str) -> None:
    kinds: list[tuple[bytes, str, str | None]] = [
        (b"\xef\xbb\xbfa\r\nb\r\n", "utf-8-sig", "crlf"),
        ("数据\r\n".encode("gb18030"), "gb18030", "crlf"),
        (b"a\nb\r\n", "utf-8", "mixed"),
        (b"a\nb", "utf-8", "lf"),
        (b"a", "utf-8", None),
    ]
    for stored, encoding, line_ending in kinds:
        await browser.post(f"{url}/files", files={"file": ("x.txt", stored)}, data={"overwrite": "true"})
        read = (await browser.get(f"{url}/files/x.txt")).json()
        assert (read["encoding"], read["line_ending"]) == (encoding, line_ending)
        await browser.put(f"{url}/files/x.txt", json={"content": read["content"] + "!"})
        assert (await browser.get(f"{url}/files/x.txt?raw=true")).content == stored + b"!"


async def search(browser: httpx.AsyncClient, url: str, **question: Any) -> list[tuple[str, int, str]]:
    answer = await browser.get(f"{url}/search", params=question)
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]
    return [
        (file["path"], match["line"], match["text"][match["match_start"] : match["match_end"]])
        for file in found
        for match in file["matches"]
    ]


@on_one_database
async def test_files_are_searched_whatever_their_encoding(browser: httpx.AsyncClient, url: str) -> None:
    everywhere = [("pkg/a.py", 1, "requests"), ("pkg/b.py", 2, "Requests"), ("pkg/deep/c.txt", 1, "requests")]
    assert await search(browser, url, q="requests") == everywhere
    assert await search(browser, url, q="r[e]quests", regex=True) == everywhere
    assert await search(browser, url, q="Requests", case=True) == [everywhere[1]]
    assert await search(browser, url, q="爬虫") == [("pkg/deep/c.txt", 1, "爬虫")]
    assert await search(browser, url, q="requests", include="*.py") == everywhere[:2]
    assert await search(browser, url, q="requests", include="pkg/deep, nowhere") == everywhere[2:]
    assert await search(browser, url, q="PNG") == [], "what is no text is not searched"


@on_one_database
async def test_a_search_goes_on_where_it_stopped(browser: httpx.AsyncClient, url: str) -> None:
    seen, cursor = [], None
    for _ in range(10):
        question: dict[str, Any] = {"q": "requests", "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await browser.get(f"{url}/search", params=question)).json()
        seen += [file["path"] for file in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["pkg/a.py", "pkg/b.py", "pkg/deep/c.txt"]
    await browser.put(f"{url}/files/many.txt", json={"content": "requests\n" * 60})
    (many,) = (await browser.get(f"{url}/search", params={"q": "requests", "include": "many.txt"})).json()["items"]
    assert (len(many["matches"]), many["has_more"]) == (50, True)


@on_one_database
async def test_no_expression_stalls_the_server(browser: httpx.AsyncClient, url: str) -> None:
    await browser.put(f"{url}/files/aaa.txt", json={"content": "a" * 5000 + "\n"})
    hostile = await browser.get(f"{url}/search", params={"q": "(a+)+$b", "regex": True, "include": "aaa.txt"})
    assert (hostile.status_code, "takes too long" in sentence(hostile)) == (422, True)
    assert (await browser.get(f"{url}/search", params={"q": "(", "regex": True})).status_code == 422
    assert await search(browser, url, q="aaa", include="*a" * 90) == []
    for wrong in ({"q": ""}, {"q": "a\nb"}, {"q": "a", "cursor": "x"}, {"q": "a", "include": "x" * 201}):
        assert (await browser.get(f"{url}/search", params=wrong)).status_code == 422
