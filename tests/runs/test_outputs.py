"""Which run wrote which file: real scripts, a real directory, and the loop's own step."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from kumo.clock import utc_now
from kumo.db.changes import Change
from kumo.errors import InvalidInput
from kumo.projects.models import Project
from kumo.projects.outputs import walk as walking
from kumo.projects.outputs.place import OutputPlace
from kumo.projects.outputs.walk import Walk, measure
from kumo.projects.service import output_directory
from kumo.runs import output_recorder, removal
from kumo.runs.models import OutputScan, OutputWrite
from kumo.runs.output_recorder import OutputRecorder
from kumo.runs.output_records import forget_oldest
from kumo.runs.output_statistics import share, statistics_of, window_of
from kumo.runs.output_writers import Going, writers_at
from kumo.runs.states import RunState
from tests.databases import on_one_database
from tests.runs.asking import add_task, ended
from tests.runs.conftest import House

WRITES = """
import os, sys
for name in sys.argv[1:]:
    open(os.path.join(os.environ["OUTPUT_DIR"], name), "a").write("x")
"""
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_a_file_is_of_the_runs_that_went_when_it_was_changed() -> None:
    def at(seconds: float) -> datetime:
        return NOON + timedelta(seconds=seconds)

    runs = [
        Going(run_id=1, started_at=at(0), ended_at=at(10)),
        Going(run_id=2, started_at=at(8), ended_at=at(20)),
        Going(run_id=3, started_at=at(30), ended_at=None),
    ]
    moments = [at(-1), at(5), at(9), at(10), at(15), at(25), at(29.995), at(1000)]
    found = [writers.run_ids for writers in writers_at(moments, reversed(runs))]
    assert found == [(), (1,), (2, 1), (2, 1), (2,), (), (3,), (3,)]
    (many,) = writers_at([at(1)], [Going(run_id=n, started_at=at(0), ended_at=None) for n in range(100)])
    assert (many.count, many.run_ids) == (100, tuple(range(99, 91, -1)))


@pytest.fixture
def recorder(house: House, monkeypatch: pytest.MonkeyPatch) -> OutputRecorder:
    monkeypatch.setattr(output_recorder, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(output_recorder, "_PAUSE_FACTOR", 0.0)
    monkeypatch.setattr(output_recorder, "_ROUND_SECONDS", 0.0)
    return OutputRecorder(house.database, house.settings, utc_now)


async def rows_of(house: House) -> list[tuple[int, str, int, int, bool]]:
    """Run, path, size, candidates, whether it is the last one to have written the file."""
    async with house.database.read() as session:
        rows = (await session.scalars(select(OutputWrite).order_by(OutputWrite.run_id, OutputWrite.name))).all()
    return [(row.run_id, f"{row.folder}/{row.name}", row.size_bytes, row.candidates, row.is_last) for row in rows]


async def ran(house: House, recorder: OutputRecorder, command: str) -> int:
    (run,) = await house.finish(await house.request(await house.add_task(command, name=command[-100:])))
    assert run.state == RunState.SUCCEEDED
    await recorder.note([Change("run", run.id)])
    return run.id


def outputs_of(house: House) -> Path:
    return output_directory(house.settings, house.project_id, None)


async def test_runs_are_known_by_what_they_wrote_and_by_nothing_else(house: House, recorder: OutputRecorder) -> None:
    folder = outputs_of(house)
    (folder / "old.csv").write_text("by hand")
    write = 'python -c \'import os; o = os.environ["OUTPUT_DIR"]; os.makedirs(o + "/a", exist_ok=True); {}\''
    first = await ran(house, recorder, write.format('open(o + "/a/one.csv", "w").write("12"); open(o + "/two", "w")'))
    assert await recorder.step(utc_now()) == 2
    assert await rows_of(house) == [(first, "a/one.csv", 2, 1, True), (first, "/two", 0, 1, True)]

    # Read, given other rights and an older time: none of that is writing. A file with an older time that is new is.
    os.utime(folder / "old.csv", (0, 0))
    touch = 'os.chmod(o + "/a/one.csv", 0o600); open(o + "/a/one.csv").read(); '
    older = 'open(o + "/new.bin", "w").write("1"); os.utime(o + "/new.bin", (0, 0)); '
    again = 'open(o + "/two", "a").write("x")'
    second = await ran(house, recorder, write.format(touch + older + again))
    await recorder.step(utc_now())
    rows = await rows_of(house)
    assert rows[:2] == [(first, "a/one.csv", 2, 1, True), (first, "/two", 0, 1, False)]
    assert rows[2:] == [(second, "/new.bin", 1, 1, True), (second, "/two", 1, 1, True)]

    # Nothing happened since, and looking again, as after a restart, says nothing new.
    (folder / "by hand.csv").write_text("nobody's")
    again_made = OutputRecorder(house.database, house.settings, utc_now)
    await again_made.expect_all()
    assert await again_made.step(utc_now()) == 0
    assert await rows_of(house) == rows
    async with house.database.write() as session:
        await removal.remove_rows(session, first)
    assert [row[0] for row in await rows_of(house)] == [second, second]


async def test_what_ended_while_nobody_looked_is_found_after_a_restart(house: House, recorder: OutputRecorder) -> None:
    run_id = await ran(house, recorder, 'python -c \'import os; open(os.environ["OUTPUT_DIR"] + "/x", "w")\'')
    restarted = OutputRecorder(house.database, house.settings, utc_now)
    assert await restarted.step(utc_now()) == 0
    await restarted.expect_all()
    assert await restarted.step(utc_now()) == 1
    assert [row[0] for row in await rows_of(house)] == [run_id]


@on_one_database
async def test_a_run_gets_the_directory_of_its_project_and_fails_where_that_is_not_allowed_any_more(
    house: House, recorder: OutputRecorder, tmp_path: Path
) -> None:
    (tmp_path / "allowed" / "own").mkdir(parents=True)
    async with house.database.write() as session:
        (await session.get_one(Project, house.project_id)).output_dir = str(tmp_path / "allowed" / "own")
    refused = await house.request(await house.add_task("python works.py"))
    (run,) = await house.finish(refused)
    assert (run.state, "KUMO_OUTPUT_ROOTS" in (run.reason or "")) == (RunState.FAILED, True)

    house.settings = house.settings.model_copy(update={"output_roots": str(tmp_path / "allowed")})
    house.supervisor = house.new_supervisor()
    await ran(house, recorder, 'python -c \'import os; open(os.environ["DATA_DIR"] + "/here", "w")\'')
    assert (tmp_path / "allowed" / "own" / "here").exists()


@on_one_database
async def test_runs_that_go_at_the_same_time_are_both_named_and_counted_once(
    house: House, recorder: OutputRecorder
) -> None:
    task = await house.add_task("python waits.py")
    one, two = await house.request(task), await house.request(await house.add_task("python waits.py", name="other"))
    await house.reach(one, RunState.RUNNING)
    await house.reach(two, RunState.RUNNING)

    async def recorded() -> bool:
        await recorder.step(utc_now())
        return len({row[0] for row in await rows_of(house)}) == 2

    async with asyncio.timeout(30):
        while not await recorded():
            await asyncio.sleep(0.02)
    assert {(run_id, path, candidates) for run_id, path, _size, candidates, _last in await rows_of(house)} == {
        (one, "/records", 2),
        (two, "/records", 2),
    }
    async with house.database.read() as session:
        found = await statistics_of(session, house.project_id, window_of(None, None, "hour", utc_now()))
    assert (found.total.files, found.latencies) == (1, [])


@on_one_database
async def test_a_thousand_ends_cost_one_look_and_a_look_that_takes_long_is_not_repeated_soon(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    real = walking.scan

    def counted(place: OutputPlace, **bounds: Any) -> walking.Scan:
        looks.append(place)
        return real(place, **bounds)

    monkeypatch.setattr(output_recorder, "scan", counted)
    recorder = OutputRecorder(house.database, house.settings, utc_now)
    run_id = await ran(house, recorder, "python works.py")
    for _ in range(5):
        await recorder.note([Change("run", run_id)] * 200)
        await recorder.step(utc_now())
    assert len(looks) == 1


@on_one_database
async def test_the_oldest_rows_go_first(house: House, recorder: OutputRecorder) -> None:
    make = 'python -c \'import os\nfor n in range(1200): open(os.environ["OUTPUT_DIR"] + f"/{n}", "w")\''
    await ran(house, recorder, make)
    assert await recorder.step(utc_now()) == 1200
    assert await forget_oldest(house.database, house.project_id, most=100) == 1100
    assert await forget_oldest(house.database, house.project_id, most=100) == 0
    async with house.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(OutputWrite)) == 100
        assert (await session.scalars(select(OutputScan.complete))).all() == [True]


@on_one_database
async def test_a_directory_with_ten_thousand_files_is_listed_measured_and_walked_quickly(
    client: httpx.AsyncClient,
) -> None:
    project = (await client.post("/projects", json={"name": "many"})).json()
    folder = Path(project["output_dir"]) / "many"
    folder.mkdir(parents=True)
    for number in range(10_000):
        os.close(os.open(folder / f"{number:05}.html", os.O_CREAT | os.O_WRONLY))
    url = f"/projects/{project['id']}/outputs"
    began = time.perf_counter()
    listing = (await client.get(url, params={"path": "many"})).json()
    assert time.perf_counter() - began < 2
    assert (len(listing["entries"]), listing["truncated"]) == (10_000, False)
    sizes = (await client.get(f"{url}/sizes")).json()
    assert (sizes["file_count"], sizes["complete"], sizes["folders"]["many"]["file_count"]) == (10_000, True, 10_000)
    place = OutputPlace(base=folder.parent.parent, below=folder.parent.name)
    cut = measure(place, "", most_entries=100, most_seconds=10.0)
    assert not cut.complete
    assert cut.total.file_count < 100
    (folder.parent / "new").mkdir()
    (folder.parent / "new" / "newest").write_text("x")
    assert "new/newest" in [file.path for file in Walk(place, most_entries=10, most_seconds=10.0)]


def test_windows_are_whole_hours_or_days() -> None:
    now = NOON + timedelta(minutes=30)
    assert window_of(None, None, "hour", now).ends_at == NOON + timedelta(hours=1)
    assert window_of(None, None, "hour", now).begins_at == NOON - timedelta(hours=23)
    day = window_of(NOON, None, "day", now)
    assert (day.begins_at, day.ends_at) == (NOON.replace(hour=0), NOON.replace(hour=0) + timedelta(days=1))
    for begin, end in [(NOON, NOON), (NOON, NOON - timedelta(days=1)), (NOON - timedelta(days=400), NOON)]:
        with pytest.raises(InvalidInput):
            window_of(begin, end, "hour", now)
    assert [share([], 0.5), share([1.0], 0.95), share([1.0, 2.0, 3.0], 0.5)] == [None, 1.0, 2.0]


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    """A project whose script writes the files that its command names."""
    project = (await client.post("/projects", json={"name": "writer"})).json()
    assert (await client.put(f"/projects/{project['id']}/files/main.py", json={"content": WRITES})).is_success
    return int(project["id"])


async def test_what_runs_wrote_is_asked_for_over_http(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id, command="python main.py a.csv b.json c")
    run_id = (await client.post(f"/tasks/{task_id}/run")).json()["id"]
    run = await ended(client, run_id)
    async with asyncio.timeout(30):
        while not (found := (await client.get(f"/runs/{run_id}/outputs", params={"limit": 2})).json())["settled"]:
            await asyncio.sleep(0.05)
    assert (found["file_count"], found["size_bytes"], len(found["items"])) == (3, 3, 2)
    rest = (await client.get(f"/runs/{run_id}/outputs", params={"cursor": found["next_cursor"]})).json()
    items = found["items"] + rest["items"]
    assert {(item["path"], item["candidates"], item["is_last"]) for item in items} == {
        ("a.csv", 1, True), ("b.json", 1, True), ("c", 1, True)
    }  # fmt: skip
    listing = (await client.get(f"/projects/{project_id}/outputs")).json()["entries"]
    assert [(entry["name"], entry["written_by"]) for entry in listing] == [
        (name, [run_id]) for name in ("a.csv", "b.json", "c")
    ]

    folder = Path((await client.get(f"/projects/{project_id}")).json()["output_dir"])
    (folder / "page.html").write_bytes(b"GIF89a<script>alert(1)</script>")
    image = await client.get(f"/projects/{project_id}/outputs/image", params={"path": "page.html"})
    assert (image.headers["content-type"], image.headers["x-content-type-options"]) == ("image/gif", "nosniff")
    assert "sandbox" in image.headers["content-security-policy"]

    url = f"/projects/{project_id}/outputs/statistics"
    statistics = (await client.get(url)).json()
    assert (statistics["files"], statistics["bytes"], len(statistics["buckets"])) == (3, 3, 24)
    assert [amount["type"] for amount in statistics["types"]] == ["", "csv", "json"]
    assert statistics["latency"]["runs"] == 1
    assert 0 <= statistics["latency"]["p50_seconds"] <= run["duration_seconds"] + 1
    assert (statistics["complete"], statistics["known_since"]) == (True, None)
    text = await client.get(url, params={"format": "csv", "bucket": "day"})
    assert text.headers["content-type"].startswith("text/csv")
    lines = text.text.splitlines()
    assert (lines[0], len(lines)) == ("at,type,files,bytes", 4)
    assert (
        await client.get(url, params={"from": "2026-01-05T12:00:00Z", "to": "2025-01-05T12:00:00Z"})
    ).status_code == 422
    assert (await client.get("/runs/999/outputs")).status_code == 404
    assert (await client.get("/projects/999/outputs/statistics")).status_code == 404
