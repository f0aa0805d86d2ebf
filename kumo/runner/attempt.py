"""One attempt from its start to its result, in a process of its own that outlives the server.

1. Take the attempt: make and lock the marker. Whoever comes second leaves at once.
2. Start the script in its own session, its output in the pipe.
3. Watch until the script and everything that it started is gone.
4. Leave the result.

A crash between 1 and 4 leaves a marker that nobody holds and no result: the attempt is lost, and never started again.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kumo.runner import tree
from kumo.runner.cgroups import Group, Hierarchy, group_name
from kumo.runner.contract import (
    COMMAND_NOT_EXECUTABLE,
    COMMAND_NOT_FOUND,
    MARK,
    AttemptSpec,
    Report,
    Result,
    Started,
    claim,
    stop_is_requested,
    write_result,
)
from kumo.runner.guard import Guard, guard_for
from kumo.runner.limits import Limits
from kumo.runner.output import Output
from kumo.runner.variables import remove_variables, write_variables
from kumo.runner.watch import Usage, Watch

_RESULT_RETRY_SECONDS = 1.0
_CATCHABLE_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


class Runner:
    """What one process needs to carry out attempts, one after the other."""

    def __init__(self, report: Callable[[Report], None], hierarchy: Hierarchy | None) -> None:
        """Make this process a runner; `report` passes word on, which may be lost."""
        self._report = report
        self._hierarchy = hierarchy
        self._stop_pipe = _listen_for_stop_signal()
        self._pid = os.getpid()
        self._process_start = tree.process_start(self._pid)
        self._boot_id = tree.boot_id()
        tree.become_subreaper()

    def run(self, spec: AttemptSpec) -> None:
        """Carry out one attempt; returns when its result is durable, or at once when another runner has taken it."""
        started = Started(
            pid=self._pid, process_start=self._process_start, boot_id=self._boot_id, started_at=time.time()
        )
        _make_directory(spec.directory)
        marker = claim(spec.directory, started)
        if marker is None:
            self._report(Report(run_id=spec.run_id, attempt=spec.attempt))
            return
        cpu_before = tree.cpu_seconds_of_ended()
        output = Output(spec.directory, spec.log_bytes)
        try:
            end = self._carry_out(spec, output, started)
        except BaseException:
            tree.kill_tree(self._pid)  # a script that nobody watches must not go on, nor stay stopped
            raise
        finally:
            if spec.variable_files:
                remove_variables(spec.directory)
        output.close()
        result = _result(end, output, started, tree.cpu_seconds_of_ended() - cpu_before)
        _leave(spec.directory, result)
        os.close(marker)
        os.chdir("/")  # so that an idle runner keeps nobody's directory busy
        self._report(Report(run_id=spec.run_id, attempt=spec.attempt, result=result))

    def _carry_out(self, spec: AttemptSpec, output: Output, started: Started) -> _End:
        if stop_is_requested(spec.directory):
            return _End(outcome="stopped", reason="Stopped before the script was started.")
        if spec.variable_files:
            try:
                write_variables(spec.directory, spec.variable_files)
            except OSError as error:
                reason = f"Its variables could not be written to files: {error.strerror}."
                return _not_started(output, COMMAND_NOT_EXECUTABLE, reason)
        limits = Limits(memory_bytes=spec.memory_bytes, cpu_percent=spec.cpu_percent, processes=spec.processes)
        guard = guard_for(limits, self._hierarchy, group_name(spec.run_id, spec.attempt, started))
        try:
            end = self._start_and_watch(spec, output, started, guard)
        finally:
            by_kernel = guard.end()
        if by_kernel is not None and end.outcome == "exited":
            output.write(f"[kumo] {by_kernel}\n".encode())
            end = replace(end, outcome="limit", reason=by_kernel)
        return end

    def _start_and_watch(self, spec: AttemptSpec, output: Output, started: Started, guard: Guard) -> _End:
        try:
            child = _spawn(spec, output, guard.group)
        except OSError as error:
            return _not_started(output, *_why_not_started(spec, error))
        self._report(Report(run_id=spec.run_id, attempt=spec.attempt, started=started))
        watch = Watch(spec, child, output, self._stop_pipe, guard)
        watch.until_all_is_gone()
        assert watch.status is not None
        return _End(
            outcome=watch.outcome,
            exit_code=os.waitstatus_to_exitcode(watch.status),
            reason=watch.reason,
            usage=watch.usage,
            limits_by=guard.by,
        )


@dataclass(frozen=True, kw_only=True)
class _End:
    """How a script ended, or why there was none."""

    outcome: str = "exited"
    exit_code: int | None = None
    reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    limits_by: str | None = None


def _not_started(output: Output, exit_code: int, reason: str) -> _End:
    output.write(f"[kumo] {reason}\n".encode("utf-8", "surrogateescape"))
    return _End(exit_code=exit_code, reason=reason)


def _make_directory(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)  # noqa: PTH102 - pathlib is slow to load
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103


def _listen_for_stop_signal() -> int:
    """SIGTERM to the runner means: look at the stop file now. The descriptor becomes readable then."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return reader


def _spawn(spec: AttemptSpec, output: Output, group: Group | None) -> int:
    """Start the script; OSError says why it cannot be started."""
    os.chdir(spec.working_directory)
    program = shutil.which(spec.arguments[0], path=spec.environment.get("PATH"))
    if program is None:
        raise FileNotFoundError(spec.arguments[0])
    spec = replace(spec, environment=spec.environment | {MARK: spec.directory})
    child = _posix_spawn(program, spec, output) if group is None else _spawn_in(group, program, spec, output)
    output.hand_over()
    return child


def _posix_spawn(program: str, spec: AttemptSpec, output: Output) -> int:
    return os.posix_spawn(
        program,
        spec.arguments,
        spec.environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output.writer, 1),
            (os.POSIX_SPAWN_DUP2, output.writer, 2),
        ],
        setsid=True,
        # What the runner ignores or handles, the script must not find ignored.
        setsigdef=_CATCHABLE_SIGNALS,
        setsigmask=[],
    )


def _spawn_in(group: Group, program: str, spec: AttemptSpec, output: Output) -> int:
    """The same within a control group, which posix_spawn(3) cannot: a copy of the runner enters it, then is replaced.

    The runner itself does not enter it, to leave afterwards: what it uses would count, and the kernel might end it.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        error = 0
        try:
            group.enter()
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output.writer, 1)
            os.dup2(output.writer, 2)
            signal.set_wakeup_fd(-1)
            for number in _CATCHABLE_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.execve(program, spec.arguments, spec.environment)  # noqa: S606 - no shell is wanted
        except OSError as failed:
            error = failed.errno or 0
        finally:
            os.write(writer, str(error).encode())
            os._exit(COMMAND_NOT_EXECUTABLE)
    os.close(writer)
    failure = os.read(reader, 16)  # nothing: the descriptor was closed by the start of the program
    os.close(reader)
    if failure:
        os.waitpid(child, 0)
        raise OSError(int(failure), os.strerror(int(failure)))
    return child


def _why_not_started(spec: AttemptSpec, error: OSError) -> tuple[int, str]:
    command = spec.arguments[0]
    if not os.path.isdir(spec.working_directory):  # noqa: PTH112
        return COMMAND_NOT_FOUND, f"The working directory {spec.working_directory} does not exist."
    if isinstance(error, FileNotFoundError):
        return COMMAND_NOT_FOUND, f"The command {command!r} was not found, neither in the environment nor on PATH."
    return COMMAND_NOT_EXECUTABLE, f"The command {command!r} cannot be started: {error.strerror}."


def _result(end: _End, output: Output, started: Started, cpu_seconds: float) -> Result:
    ended_at = time.time()
    # A script shorter than a sampling tick has no peak but its average.
    average = 100.0 * cpu_seconds / max(ended_at - started.started_at, 0.001)
    return Result(
        outcome=end.outcome,
        exit_code=end.exit_code,
        reason=end.reason,
        started_at=started.started_at,
        ended_at=ended_at,
        peak_memory_bytes=end.usage.memory_bytes,
        peak_cpu_percent=round(max(end.usage.cpu_percent, average), 1),
        cpu_seconds=round(cpu_seconds, 3),
        log_bytes=output.written_bytes,
        log_dropped_bytes=output.dropped_bytes,
        log_capped_bytes=output.capped_bytes,
        limits_by=end.limits_by,
    )


def _leave(directory: str, result: Result) -> None:
    """Store the result. While the disk is full, wait: a result that is given up would be a lost run."""
    while True:
        try:
            write_result(directory, result)
        except OSError:
            time.sleep(_RESULT_RETRY_SECONDS)
        else:
            return
