"""Somebody who watches a log over server-sent events as a browser does, and whose connection breaks now and then."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from contextlib import closing
from random import Random

from tests.server import KumoServer

_RETRY_SECONDS = 0.05
_TIMEOUT_SECONDS = 30


class Viewer:
    """Reads the stream of one run; resumes it with Last-Event-ID until it is told that the run has ended."""

    def __init__(self, server: KumoServer, run_id: int, random: Random, *, longest_look: float) -> None:
        """`longest_look` is how many seconds a connection is kept at most."""
        self.run_id = run_id
        self.text = ""
        self.gaps: list[str] = []  # events that did not begin where the one before had ended
        self.state = ""  # what the stream said at its end
        self.breaks = 0
        self._server = server
        self._random = random
        self._longest_look = longest_look
        self._last_event_id: str | None = None
        self._until = 0.0

    def watch(self, *, give_up_at: float) -> None:
        """Return when the stream says that the run has ended; `give_up_at` is a moment of the monotonic clock."""
        while not self.state:
            assert time.monotonic() < give_up_at, f"the stream of run {self.run_id} does not end"
            self._until = time.monotonic() + self._random.uniform(0, self._longest_look)
            try:
                self._look()
            except (OSError, http.client.HTTPException):
                time.sleep(_RETRY_SECONDS)  # the server is not there

    def _look(self) -> None:
        """Read one connection until its time is over, it breaks, or the end comes."""
        headers = {"Authorization": f"Bearer {self._server.token}"}
        if self._last_event_id is not None:
            headers["Last-Event-ID"] = self._last_event_id
        address = self._server.url.removeprefix("http://")
        with closing(http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.request("GET", f"/api/v1/runs/{self.run_id}/log/stream", headers=headers)
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise http.client.HTTPException(answer.status)
            try:
                self._read_events(answer.readline)
            finally:
                self.breaks += not self.state

    def _read_events(self, readline: Callable[[], bytes]) -> None:
        fields: dict[str, str] = {}
        while time.monotonic() < self._until and (line := readline()):
            if line == b"\n":
                # Only now: what breaks off before its empty line never happened, says the standard.
                self._take(fields)
                fields = {}
            elif line.endswith(b"\n"):
                name, _, value = line.decode().rstrip("\n").partition(": ")
                fields[name] = value

    def _take(self, event: dict[str, str]) -> None:
        if event.get("event") == "end":
            self.state = json.loads(event["data"])["state"]
            self._until = 0.0
        elif event.get("event") == "log":
            data = json.loads(event["data"])
            if str(data["offset"]) != (self._last_event_id or "0"):
                self.gaps.append(f"run {self.run_id}: from {self._last_event_id} to {data['offset']}")
            self._last_event_id = event["id"]
            self.text += data["text"]
