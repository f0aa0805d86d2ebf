"""Limits by control groups.

A machine on which one can hold processes to limits this way is rare where tests run. What is written to which file is
tested on a directory that stands in for the hierarchy; entering, killing and removing a group on a real one without
controllers, which most machines have and root may use.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumo.runner import cgroups
from kumo.runner.attempt import _spawn_in
from kumo.runner.cgroups import Group, Hierarchy, find, find_group, make_group, path_of, settings_for
from kumo.runner.contract import LOG, AttemptSpec, Started
from kumo.runner.guard import GroupGuard, Guard, SamplingGuard, guard_for
from kumo.runner.limits import Limits
from kumo.runner.output import Output

ALL = frozenset({"cpu", "memory", "pids"})


def test_the_own_group_is_found_among_those_of_version_1() -> None:
    assert path_of("12:pids:/a\n0::/system.slice/kumo.service\n") == "/system.slice/kumo.service"
    assert path_of("0::/\n") == ""
    assert path_of("4:memory:/process\n1:cpu:/\n") is None


@pytest.mark.parametrize(
    ("limits", "settings"),
    [
        (Limits(), {}),
        (Limits(memory_bytes=1 << 30), {"memory.max": "1073741824", "memory.oom.group": "1"}),
        (Limits(cpu_percent=150), {"cpu.max": "150000 100000"}),
        (Limits(cpu_percent=0.5), {"cpu.max": "1000 100000"}),
        (Limits(processes=64), {"pids.max": "7400"}),
    ],
)
def test_limits_are_written_as_the_kernel_reads_them(limits: Limits, settings: dict[str, str]) -> None:
    assert settings_for(limits) == settings


class Standin:
    """A directory that looks like a mounted hierarchy."""

    def __init__(self, path: Path) -> None:
        self.root = path / "cgroup"
        self.membership = path / "membership"

    def add(self, name: str, *, processes: str = "", delegated: bool = False, events: bool = True) -> Path:
        directory = self.root / name
        directory.mkdir(parents=True)
        files = {"cgroup.procs": processes, "cgroup.controllers": "cpuset cpu io memory pids\n"}
        for file, content in (files | {"cgroup.subtree_control": ""}).items():
            (directory / file).write_text(content)
        if events:
            (directory / "cgroup.events").write_text("populated 1\n")
        if delegated:
            os.setxattr(directory, "user.delegate", b"1")
        return directory

    def find(self, own: str) -> Hierarchy | None:
        self.membership.write_text(f"0::{own}\n")
        return find(str(self.root), str(self.membership))


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    return Standin(tmp_path)


def test_a_service_that_systemd_has_delegated_is_used(standin: Standin) -> None:
    service = standin.add("system.slice/kumo.service", delegated=True)
    assert standin.find("/system.slice/kumo.service") == Hierarchy(base=str(service), controllers=ALL)
    assert (service / "cgroup.subtree_control").read_text() in {"+cpu", "+memory", "+pids"}


def test_a_process_in_a_subgroup_of_what_was_delegated_uses_the_group_above(standin: Standin) -> None:
    service = standin.add("system.slice/kumo.service", delegated=True)
    standin.add("system.slice/kumo.service/kumo", processes="1\n")
    found = standin.find("/system.slice/kumo.service/kumo")
    assert found is not None
    assert found.base == str(service)


def test_the_root_of_a_container_is_used_but_not_that_of_the_machine(standin: Standin) -> None:
    root = standin.add("", events=False)
    assert standin.find("/") is None
    (root / "cgroup.events").touch()
    assert standin.find("/") == Hierarchy(base=str(root), controllers=ALL)


def test_a_group_that_somebody_else_looks_after_is_left_alone(standin: Standin) -> None:
    session = standin.add("user.slice/session-1.scope", processes="1\n")
    assert standin.find("/user.slice/session-1.scope") is None
    assert (session / "cgroup.subtree_control").read_text() == ""
    assert not (session / "kumo").exists()


def test_a_group_that_does_not_become_empty_is_not_used(standin: Standin) -> None:
    standin.add("kumo.service", processes="1\n", delegated=True)
    assert standin.find("/kumo.service") is None


def test_nothing_is_found_where_there_is_no_hierarchy(tmp_path: Path) -> None:
    assert find(str(tmp_path), str(tmp_path / "missing")) is None
    (tmp_path / "v1").write_text("1:cpu:/\n")
    assert find(str(tmp_path), str(tmp_path / "v1")) is None


def test_the_group_of_an_attempt_gets_its_limits(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=5000, cpu_percent=20, processes=3)
    group = make_group(Hierarchy(base=str(tmp_path), controllers=ALL), "attempt-1-1-2-3", limits)
    assert group is not None
    written = {path.name: path.read_text() for path in (tmp_path / "attempt-1-1-2-3").iterdir()}
    assert written == {
        "memory.max": "5000",
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "cpu.max": "20000 100000",
        "pids.max": "1300",
    }


def test_the_kernel_is_used_only_for_what_it_was_asked_to_control(tmp_path: Path) -> None:
    hierarchy = Hierarchy(base=str(tmp_path), controllers=frozenset({"memory", "pids"}))
    assert type(guard_for(Limits(), hierarchy, "a")) is Guard
    assert type(guard_for(Limits(memory_bytes=5000), hierarchy, "b")) is GroupGuard
    assert type(guard_for(Limits(memory_bytes=5000, cpu_percent=5), hierarchy, "c")) is SamplingGuard
    assert type(guard_for(Limits(memory_bytes=5000), None, "d")) is SamplingGuard
    gone = Hierarchy(base=str(tmp_path / "gone"), controllers=ALL)
    assert type(guard_for(Limits(memory_bytes=5000), gone, "e")) is SamplingGuard


def test_a_group_that_was_at_its_limit_of_memory_gives_the_reason(tmp_path: Path) -> None:
    guard = guard_for(Limits(memory_bytes=1 << 20), Hierarchy(base=str(tmp_path), controllers=ALL), "attempt")
    assert isinstance(guard, GroupGuard)
    events = tmp_path / "attempt" / "memory.events"
    events.write_text("low 0\noom 0\noom_kill 0\n")
    assert not guard.group.was_out_of_memory()
    events.write_text("low 0\noom 1\noom_kill 3\n")
    assert guard.end() == "Ended because it used 1 MiB of 1 MiB of memory."
    assert (tmp_path / "attempt" / "cgroup.kill").read_text() == "1"


def test_the_group_of_a_lost_attempt_is_found(standin: Standin) -> None:
    service = standin.add("kumo.service")
    standin.add("kumo.service/kumo")
    standin.membership.write_text("0::/kumo.service/kumo\n")
    name = cgroups.group_name(7, 2, Started(pid=42, process_start=99, boot_id="", started_at=0.0))
    assert find_group(name, str(standin.root), str(standin.membership)) is None
    (service / "attempt-7-2-42-99").mkdir()
    group = find_group(name, str(standin.root), str(standin.membership))
    assert group is not None
    assert group.path == str(service / "attempt-7-2-42-99")


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A group in a real hierarchy of version 2."""
    for mount in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.access(f"{mount}/cgroup.procs", os.W_OK):
            path = Path(mount, f"kumo-test-{os.getpid()}")
            path.mkdir()
            break
    else:
        pytest.skip("no hierarchy of control groups, version 2, may be written to")
    yield path
    Group(str(path)).kill()
    Group(str(path)).remove()
    assert not path.exists()


def test_processes_of_a_real_group_make_room(real_group: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        (real_group / "cgroup.procs").write_text(str(process.pid))
        cgroups._make_room(str(real_group))
        assert (real_group / "kumo" / "cgroup.procs").read_text() == f"{process.pid}\n"
        assert (real_group / "cgroup.procs").read_text() == ""
        Group(str(real_group / "kumo")).kill()
        assert process.wait(10) == -signal.SIGKILL


def spawn_in(group: Path, directory: Path, *arguments: str) -> tuple[int, bytes]:
    """Start a program in a group as a runner does; its status and what it printed."""
    spec = AttemptSpec(
        run_id=1,
        attempt=1,
        directory=str(directory),
        arguments=arguments,
        working_directory=str(directory),
        environment={"PATH": "/usr/bin:/bin"},
        timeout_seconds=None,
        stop_grace_seconds=1.0,
    )
    output = Output(spec.directory)
    child = _spawn_in(Group(str(group)), arguments[0], spec, output)
    output.hand_over()
    _pid, status = os.waitpid(child, 0)
    output.drain()
    output.close()
    return os.waitstatus_to_exitcode(status), (directory / LOG).read_bytes()


def test_a_script_is_in_its_group_from_its_first_instruction(real_group: Path, tmp_path: Path) -> None:
    script = """
cat; grep 0:: /proc/self/cgroup; grep -E "SigIgn|SigBlk" /proc/self/status
test "$(ps -o sid= -p $$)" -eq $$ && echo own session
mkdir "$0/deeper"; exit 3
"""
    exit_code, log = spawn_in(real_group, tmp_path, "/bin/sh", "-c", script, str(real_group))
    assert exit_code == 3
    reserved = 0b11 << 31  # signals 32 and 33 are the C library's own
    lines = [line.split() for line in log.decode().splitlines()]
    assert lines[0] == [f"0::/{real_group.name}"]
    assert [int(mask, 16) & ~reserved for _name, mask in lines[1:3]] == [0, 0]
    assert lines[3:] == [["own", "session"]]
    guard = GroupGuard(Limits(processes=5), Group(str(real_group)))
    assert guard.end() is None
    assert not real_group.exists()


def test_a_group_is_killed_with_all_that_is_in_it(real_group: Path) -> None:
    start = f"echo 0 > {real_group}/cgroup.procs; setsid sleep 1745 & setsid sleep 1745 & wait"
    with subprocess.Popen(["sh", "-c", start]) as process:
        deadline = time.monotonic() + 10
        while len((real_group / "cgroup.procs").read_text().split()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        Group(str(real_group)).kill()
        assert process.wait(10) == -signal.SIGKILL
    Group(str(real_group)).remove()
    assert not real_group.exists()


def test_what_cannot_be_started_in_a_group_says_why(real_group: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("no shebang, no binary")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        spawn_in(real_group, tmp_path, str(tmp_path / "broken"))
    with pytest.raises(FileNotFoundError):
        spawn_in(real_group / "gone", tmp_path, "/bin/true")
