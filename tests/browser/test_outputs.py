"""What a person sees of the files that scripts leave, in a real browser against a real server."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.api import bring_project, make_task, outputs_of, run_to_end
from tests.server import KumoServer

pytestmark = pytest.mark.browser

_CRAWLER = """
import base64, json, os, pathlib
out = pathlib.Path(os.environ["OUTPUT_DIR"])
(out / "2026" / "pages").mkdir(parents=True, exist_ok=True)
rows = ["作者,名言,年份"] + [f"作者 {number},第 {number} 句名言,{1900 + number}" for number in range(60)]
(out / "quotes.csv").write_text("\\n".join(rows) + "\\n", "gb18030")
(out / "stats.json").write_text(json.dumps({"items": 60, "by_author": {"Ada": [1, 2, 3]}}))
for number in range(12):
    (out / "2026" / "pages" / f"{number:02}.html").write_text(f"<p>page {number}</p>" * 40)
dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
(out / "shot.png").write_bytes(base64.b64decode(dot))
"""


def test_what_a_run_wrote_is_found_looked_at_taken_home_and_deleted(
    page: Page, shared_server: KumoServer, tmp_path: Path
) -> None:
    project_id = bring_project(shared_server, "crawler of outputs", {"main.py": _CRAWLER})
    run_id = run_to_end(shared_server, make_task(shared_server, project_id, "python main.py"))["id"]

    # From the run to a file of it.
    page.goto(f"/runs/{run_id}")
    files = page.get_by_test_id("run-outputs")
    files.click()
    expect(files).to_contain_text("15 files")
    files.get_by_role("link", name="quotes.csv").click()
    preview = page.get_by_test_id("output-preview")
    expect(preview.get_by_role("columnheader", name="名言")).to_be_visible()
    expect(page.get_by_text("GB18030")).to_be_visible()
    page.keyboard.press("Escape")
    expect(preview).to_have_count(0)

    # Who wrote it, how much there is, what else it is.
    row = page.get_by_test_id("output-row").filter(has_text="quotes.csv")
    expect(row.get_by_test_id("output-writer")).to_have_text(f"Run {run_id}")
    expect(page.get_by_test_id("output-total")).to_contain_text("15 files")
    expect(page.get_by_test_id("output-files")).to_have_text("15")
    page.get_by_role("link", name="shot.png", exact=True).click()
    expect(preview.get_by_role("img")).to_have_js_property("naturalWidth", 1)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="stats.json", exact=True).click()
    expect(preview).to_contain_text("by_author")
    page.keyboard.press("Escape")

    # A folder is taken home as one file, and one file of it deleted.
    page.get_by_role("link", name="2026", exact=True).click()
    page.get_by_role("link", name="pages", exact=True).click()
    expect(page.get_by_test_id("output-row")).to_have_count(12)
    with page.expect_download() as download:
        page.get_by_test_id("output-zip").click()
    download.value.save_as(tmp_path / "pages.zip")
    with zipfile.ZipFile(tmp_path / "pages.zip") as archive:
        assert len(archive.namelist()) == 12
    page.get_by_test_id("output-row").filter(has_text="00.html").get_by_test_id("output-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_test_id("output-row")).to_have_count(11)
    assert not (outputs_of(shared_server, project_id) / "2026" / "pages" / "00.html").exists()
