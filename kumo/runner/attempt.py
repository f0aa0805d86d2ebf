"""One attempt from its start to its result, in a process of its own that outlives the server.

1. Take the attempt: make and lock the marker. Whoever comes second leaves at once.
2. Start the script in its own session, its output in the pipe.
3. Watch until the script and everything that it started is gone.
4. Leave the result.

A crash between 1 and 4 leaves a marker that nobody holds and no result: the attempt is lost, and never started again.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable

from kumo.runner import tree
from kumo.runner.contract import (
    COMMAND_NOT_EXECUTABLE,
    COMMAND_NOT_FOUND,
    AttemptSpec,
    Result,
    Started,
    claim,
    stop_is_requested,
    write_result,
)
from kumo.runner.output import Output
from kumo.runner.watch import Usage, Watch

_RESULT_RETRY_SECONDS = 1.0
_CATCHABLE_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}

Notify = Callable[[str], None]


def run_attempt(spec: AttemptSpec, notify: Notify) -> None:
    """Carry out one attempt; returns when its result is durable, or at once when another runner has taken it."""
    stop_pipe = _listen_for_stop_signal()
    started_at = time.time()
    os.makedirs(spec.directory, mode=0o700, exist_ok=True)  # noqa: PTH103 - pathlib is slow to load
    pid = os.getpid()
    marker = claim(
        spec.directory,
        Started(pid=pid, process_start=tree.process_start(pid), boot_id=tree.boot_id(), started_at=started_at),
    )
    if marker is None:
        return
    output = Output(spec.directory)
    result = _carry_out(spec, output, stop_pipe, notify, started_at)
    output.close()
    _leave(spec.directory, result)
    notify("ended")


def _carry_out(spec: AttemptSpec, output: Output, stop_pipe: int, notify: Notify, started_at: float) -> Result:
    if stop_is_requested(spec.directory):
        return _result("stopped", None, "Stopped before the script was started.", Usage(), output, started_at)
    tree.become_subreaper()
    try:
        child = _spawn(spec, output)
    except OSError as error:
        exit_code, reason = _why_not_started(spec, error)
        output.write(f"[kumo] {reason}\n".encode("utf-8", "surrogateescape"))
        return _result("exited", exit_code, reason, Usage(), output, started_at)
    notify("started")
    watch = Watch(spec, child, output, stop_pipe)
    watch.until_all_is_gone()
    assert watch.status is not None
    exit_code = os.waitstatus_to_exitcode(watch.status)
    return _result(watch.outcome, exit_code, None, watch.usage, output, started_at)


def _listen_for_stop_signal() -> int:
    """SIGTERM to the runner means: look at the stop file now. The descriptor becomes readable then."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return reader


def _spawn(spec: AttemptSpec, output: Output) -> int:
    """Start the script; OSError says why it cannot be started."""
    os.chdir(spec.working_directory)
    program = shutil.which(spec.arguments[0], path=spec.environment.get("PATH"))
    if program is None:
        raise FileNotFoundError(spec.arguments[0])
    child = os.posix_spawn(
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
    os.close(output.writer)
    return child


def _why_not_started(spec: AttemptSpec, error: OSError) -> tuple[int, str]:
    command = spec.arguments[0]
    if not os.path.isdir(spec.working_directory):  # noqa: PTH112
        return COMMAND_NOT_FOUND, f"The working directory {spec.working_directory} does not exist."
    if isinstance(error, FileNotFoundError):
        return COMMAND_NOT_FOUND, f"The command {command!r} was not found, neither in the environment nor on PATH."
    return COMMAND_NOT_EXECUTABLE, f"The command {command!r} cannot be started: {error.strerror}."


def _result(  # noqa: PLR0913 - the facts of one end
    outcome: str, exit_code: int | None, reason: str | None, usage: Usage, output: Output, started_at: float
) -> Result:
    ended_at = time.time()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = used.ru_utime + used.ru_stime
    # A script shorter than a sampling tick has no peak but its average.
    average = 100.0 * cpu_seconds / max(ended_at - started_at, 0.001)
    return Result(
        outcome=outcome,
        exit_code=exit_code,
        reason=reason,
        started_at=started_at,
        ended_at=ended_at,
        peak_memory_bytes=usage.memory_bytes,
        peak_cpu_percent=round(max(usage.cpu_percent, average), 1),
        cpu_seconds=round(cpu_seconds, 3),
        log_bytes=output.written_bytes,
        log_dropped_bytes=output.dropped_bytes,
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
