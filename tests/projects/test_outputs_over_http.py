"""Outputs as people look at them, and where they are."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from kumo.projects.outputs import zipping
from kumo.settings import Settings
from tests.databases import on_one_database
from tests.projects.test_projects_over_http import created, sentence

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 32


@on_one_database
async def test_a_file_is_shown_as_what_it_is_and_never_as_a_page(browser: httpx.AsyncClient) -> None:
    project = await created(browser)
    folder, url = Path(project["output_dir"]), f"/projects/{project['id']}/outputs"
    (folder / "a.csv").write_bytes("作者;名言\n苏格拉底;知\n".encode("gb18030"))
    (folder / "fake.svg").write_bytes(PNG)
    (folder / "real.png").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (folder / "log").write_text("".join(f"line {number}\n" for number in range(100_000)))
    table = (await browser.get(f"{url}/preview", params={"path": "a.csv"})).json()
    assert (table["kind"], table["encoding"]) == ("table", "gb18030")
    assert table["table"] == {"delimiter": ";", "rows": [["作者", "名言"], ["苏格拉底", "知"]], "cut": False}
    head = (await browser.get(f"{url}/preview", params={"path": "log"})).json()
    tail = (await browser.get(f"{url}/preview", params={"path": "log", "part": "end"})).json()
    assert (head["text"][:7], head["truncated"], tail["text"][-11:], tail["truncated"]) == (
        "line 0\n", True, "line 99999\n"[-11:], True
    )  # fmt: skip
    assert tail["text"].startswith("line ")
    image = await browser.get(f"{url}/image", params={"path": "fake.svg"})
    assert (image.content, image.headers["content-type"]) == (PNG, "image/png")
    assert (await browser.get(f"{url}/image", params={"path": "real.png"})).status_code == 422
    for route in ("preview", "image"):
        assert (await browser.get(f"{url}/{route}", params={"path": "none"})).status_code == 404


@on_one_database
async def test_a_folder_comes_as_an_archive_without_its_links(
    browser: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = await created(browser)
    folder, url = Path(project["output_dir"]) / "2026", f"/projects/{project['id']}/outputs/archive"
    (folder / "01").mkdir(parents=True)
    (folder / "01" / "数据.csv").write_bytes(b"a,b\n" * 100_000)
    (folder / "old").write_bytes(b"")
    (folder / "link").symlink_to(folder.parent.parent)
    (folder.parent / "beside").write_text("x")
    for path, prefix in [("2026", "2026/"), ("", "quotes-outputs/2026/")]:
        answer = await browser.get(url, params={"path": path})
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            names = {f"{prefix}01/数据.csv", f"{prefix}old"} | ({"quotes-outputs/beside"} if not path else set())
            assert set(archive.namelist()) == names
            assert archive.read(f"{prefix}01/数据.csv") == b"a,b\n" * 100_000
    assert (await browser.get(url, params={"path": "none"})).status_code == 404
    assert (await browser.get(url, params={"path": "2026/link"})).status_code == 404
    monkeypatch.setattr(zipping, "MOST_FILES", 2)
    assert (await browser.get(url)).status_code == 413


@on_one_database
async def test_a_project_has_its_outputs_where_the_operator_allows_it(
    browser: httpx.AsyncClient,
    app: FastAPI,
    stored_settings: Settings,
    tmp_path: Path,
) -> None:
    project = await created(browser)
    url = f"/projects/{project['id']}"
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    refused = await browser.patch(url, json={"output_dir": f"{allowed}/quotes"})
    assert (refused.status_code, refused.json()["error"]["details"][0]["field"]) == (422, "output_dir")
    assert "KUMO_OUTPUT_ROOTS" in sentence(refused)

    app.state.settings = stored_settings.model_copy(update={"output_roots": str(allowed)})
    changed = await browser.patch(url, json={"output_dir": f"{allowed}/quotes"})
    assert changed.json()["output_dir"] == changed.json()["own_output_dir"] == f"{allowed}/quotes"
    (allowed / "quotes" / "a.csv").write_text("a")
    listing = await browser.get(f"{url}/outputs")
    assert [entry["name"] for entry in listing.json()["entries"]] == ["a.csv"]
    other = await created(browser, name="other")
    taken = await browser.patch(f"/projects/{other['id']}", json={"output_dir": f"{allowed}/quotes"})
    assert (taken.status_code, "“quotes”" in sentence(taken)) == (409, True)
    assert (await browser.patch(url, json={"name": "renamed"})).json()["own_output_dir"] == f"{allowed}/quotes"

    # The operator thinks better of it: nothing is shown any more, until there is another place.
    app.state.settings = stored_settings
    assert (await browser.get(f"{url}/outputs")).status_code == 409
    back = (await browser.patch(url, json={"output_dir": None})).json()
    assert (back["own_output_dir"], back["output_dir"]) == (None, project["output_dir"])
    assert (await browser.get(f"{url}/outputs")).json()["entries"] == []
    assert (allowed / "quotes" / "a.csv").exists()
