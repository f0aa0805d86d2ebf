"""Running the tools that builds need: uv, the solver of conda, and the Pythons that they find or make.

Each is a process of its own session, so that it and all that it starts can be ended together.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 16
_KEPT_BYTES = 1 << 18  # of what a tool printed on standard error, to say why it failed

OnOutput = Callable[[bytes], None]


@dataclass(frozen=True, kw_only=True)
class ToolEnd:
    """How a tool ended; negative codes are signals, as in `subprocess`."""

    code: int
    output: bytes  # of standard output, all of it
    errors: bytes  # the end of standard error


class ToolFailed(Exception):
    """A tool ended with an error; the message is one sentence that says why, `output` is what it printed."""

    def __init__(self, message: str, *, output: str) -> None:
        super().__init__(message)
        self.output = output


async def run_tool(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    sent: bytes = b"",
    on_errors: OnOutput = lambda _printed: None,
) -> ToolEnd:
    """Run a tool to its end, handing on the lines of its standard error as they come.

    Whatever is left of its processes ends with it, unless it succeeded, and also when the caller is cancelled.
    """
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=folder, stdin=PIPE if sent else DEVNULL, stdout=PIPE, stderr=PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        _none, output, errors = await asyncio.gather(
            _send(process, sent), process.stdout.read(), _pass_on_lines(process, on_errors)
        )
        return ToolEnd(code=await process.wait(), output=output, errors=errors)
    finally:
        await _end(process)


async def _send(process: Process, data: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(ConnectionError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _pass_on_lines(process: Process, on_output: OnOutput) -> bytes:
    """Hand on what comes, whole lines at a time, and answer the end of it."""
    assert process.stderr is not None
    kept, pending = b"", b""
    while chunk := await process.stderr.read(_CHUNK_BYTES):
        kept = (kept + chunk)[-_KEPT_BYTES:]
        # A line that never ends is passed on in pieces rather than gathered in memory.
        cut = len(pending) + len(chunk) if len(pending) > _CHUNK_BYTES else (pending + chunk).rfind(b"\n") + 1
        pending += chunk
        on_output(pending[:cut])
        pending = pending[cut:]
    if pending:
        on_output(pending + b"\n")
    return kept


async def _end(process: Process) -> None:
    """Kill what is left of the process group of a tool that did not succeed: itself, or compilers that outlive it."""
    if process.returncode == 0:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
