"""Servers to test as a person meets them; what a server wrote is shown when its test fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.server import KumoServer

_SERVER = pytest.StashKey[KumoServer]()


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KumoServer]:
    """A running server with a data directory of the test's own."""
    with KumoServer(tmp_path / "home") as started:
        request.node.stash[_SERVER] = started
        yield started


@pytest.fixture(scope="session")
def _one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KumoServer]:
    with KumoServer(tmp_path_factory.mktemp("shared") / "home") as started:
        yield started


@pytest.fixture
def shared_server(request: pytest.FixtureRequest, _one_server: KumoServer) -> KumoServer:
    """A running server that many tests use: for those that do not mind what others left there."""
    request.node.stash[_SERVER] = _one_server
    return _one_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the server's own words to the report of a failed test."""
    report = yield
    server = item.stash.get(_SERVER, None)
    if server is not None and report.failed:
        report.sections.append(("Kumo's log", server.log()[-20_000:]))
    return report
