"""The warm process from which runners are forked: `python -I -m kumo.runner.zygote CONTROL_FD EVENTS_FD`.

A fork of this small process costs a millisecond or two; starting an interpreter for each attempt costs tens. On
CONTROL_FD it reads length-prefixed attempt specs; each runner says "started" and "ended" on EVENTS_FD, a hint that
may be lost. When the server is gone it reads end-of-file and leaves; the runners stay.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path

from kumo.runner.attempt import run_attempt
from kumo.runner.contract import LOG, AttemptSpec

FRAME = struct.Struct("<I")
EVENT = struct.Struct("<QI8s")  # run id, attempt, "started" or "ended"


def main(control: socket.socket, events: socket.socket) -> None:
    """Fork one runner for each spec until the server closes its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # runners are nobody's children: the kernel reaps them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()
    gc.freeze()  # so that a runner's collector does not touch, and thereby copy, pages shared with this process
    while frame := _read_frame(control):
        if os.fork() == 0:
            control.close()
            _be_runner(frame, events)


def _be_runner(frame: bytes, events: socket.socket) -> None:
    """Never returns: the process ends with the attempt."""
    spec = AttemptSpec.from_bytes(frame)

    def notify(event: str) -> None:
        # Refused when the server is gone or busy: it finds the marker and the result by itself.
        with contextlib.suppress(OSError):
            events.send(EVENT.pack(spec.run_id, spec.attempt, event.encode()), socket.MSG_DONTWAIT)

    code = 1
    try:
        os.setsid()
        run_attempt(spec, notify)
        code = 0
    except BaseException:  # noqa: BLE001 - the last line of a process: a defect must be found in the attempt's log
        with Path(spec.directory, LOG).open("a", encoding="utf-8") as log:
            log.write("[kumo] The runner itself failed:\n" + traceback.format_exc())
    finally:
        os._exit(code)


def _read_frame(control: socket.socket) -> bytes:
    """The next spec; empty when the server has gone."""
    header = _read_exactly(control, FRAME.size)
    return _read_exactly(control, FRAME.unpack(header)[0]) if header else b""


def _read_exactly(control: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = control.recv(count - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    main(
        socket.socket(fileno=int(sys.argv[1])),
        socket.socket(fileno=int(sys.argv[2])),
    )
