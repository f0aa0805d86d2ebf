"""The warm process from which runners are forked: `python -I -m kumo.runner.zygote CONTROL_FD`.

A fork of this small process costs a millisecond; starting an interpreter for each runner costs tens. With each byte on
CONTROL_FD comes the descriptor of a channel, and a runner is forked for it. When the server is gone it reads
end-of-file and leaves; the runners stay until their attempts have ended.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from kumo.runner import cgroups
from kumo.runner.attempt import Runner
from kumo.runner.contract import FRAME, LOG, AttemptSpec, Report


def main(control: socket.socket) -> None:
    """Fork one runner for each channel until the server closes its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # runners are nobody's children: the kernel reaps them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    hierarchy = cgroups.find()
    gc.disable()
    gc.freeze()  # so that a runner's collector does not touch, and thereby copy, pages shared with this process
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(control, 1, 1)
        if not message:
            return
        with socket.socket(fileno=descriptors[0]) as channel:
            channel.set_inheritable(False)
            if os.fork() == 0:
                control.close()
                _be_runner(channel, hierarchy)


def _be_runner(channel: socket.socket, hierarchy: cgroups.Hierarchy | None) -> None:
    """Carry out attempts, one after the other, until the server closes the channel. Never returns.

    A runner serves many attempts because most of what a fork costs is paid at the first: copying the pages that it
    writes to.
    """

    def report(word: Report) -> None:
        # Refused when the server is gone: it finds the marker and the result by itself.
        message = word.to_bytes()
        with contextlib.suppress(OSError):
            channel.send(FRAME.pack(len(message)) + message, socket.MSG_DONTWAIT)

    code = 1
    spec: AttemptSpec | None = None
    try:
        os.setsid()
        gc.enable()
        runner = Runner(report, hierarchy)
        while frame := _read_frame(channel):
            spec = AttemptSpec.from_bytes(frame)
            runner.run(spec)
        code = 0
    except BaseException:  # noqa: BLE001 - the last line of a process: a defect must be found in the attempt's log
        if spec is not None:
            with Path(spec.directory, LOG).open("a", encoding="utf-8") as log:
                log.write("[kumo] The runner itself failed:\n" + traceback.format_exc())
    finally:
        os._exit(code)


def _read_frame(channel: socket.socket) -> bytes:
    """The next spec; empty when the server has gone."""
    header = _read_exactly(channel, FRAME.size)
    return _read_exactly(channel, FRAME.unpack(header)[0]) if header else b""


def _read_exactly(channel: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        try:
            part = channel.recv(count - len(parts))
        except ConnectionResetError:  # the server went with a report of ours unread
            return b""
        if not part:
            return b""
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
