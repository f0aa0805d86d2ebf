from __future__ import annotations

import ctypes
import os
import select
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx
import psutil
import pytest

from tests.server import KumoServer

pytestmark = pytest.mark.acceptance


def test_a_server_answers_once_it_says_that_it_is_ready(server: KumoServer) -> None:
    assert server.client.get("/health").json()["status"] == "ok"
    assert server.client.get("/auth/me").json()["username"] == "ada"


def test_a_killed_server_starts_again_at_the_same_port_and_knows_its_account(server: KumoServer) -> None:
    port = server.port
    server.kill()
    server.start(port=port)
    assert server.port == port
    assert server.client.get("/auth/me").status_code == 200


def test_a_server_told_to_end_ends_well(server: KumoServer) -> None:
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_a_second_server_on_the_same_directory_says_so_and_leaves(server: KumoServer) -> None:
    refused = server.run_command("serve", "--port", "0")
    assert refused.returncode == 1
    assert f"(process {server.pid})" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert server.client.get("/health").status_code == 200


def test_the_first_start_prints_a_link_that_makes_the_first_account_and_works_once(tmp_path: Path) -> None:
    with KumoServer(tmp_path / "home", account=False) as server:
        token = httpx.URL(server.ready_url).params["token"]
        account = {"token": token, "username": "grace", "password": "correct horse battery"}
        assert server.client.get("/projects").status_code == 401
        assert server.client.post("/setup", json=account).status_code == 201
        assert server.client.post("/setup", json=account | {"username": "eve"}).status_code in {403, 409}


def test_a_connection_that_was_idle_for_longer_than_clients_keep_one_still_serves(server: KumoServer) -> None:
    address = httpx.URL(server.url)
    connection = HTTPConnection(address.host, address.port or 80, timeout=10)
    connection.request("GET", "/api/v1/health")
    connection.getresponse().read()
    assert connection.sock is not None
    # Readable before it is asked anything would mean: closed by the server. uvicorn's own limit is 5 seconds.
    readable, _, _ = select.select([connection.sock], [], [], 6)
    assert readable == []
    connection.request("GET", "/api/v1/health")
    assert connection.getresponse().status == 200
    connection.close()


def test_small_answers_are_sent_at_once(server: KumoServer) -> None:
    address = httpx.URL(server.url)
    with closing(HTTPConnection(address.host, address.port or 80, timeout=10)) as connection:
        connection.request("GET", "/api/v1/health")
        connection.getresponse().read()
        with socket_of(server.pid, peer=connection.sock.getsockname()) as accepted:
            # Without it each answer on a kept connection would wait 40 ms for the client's acknowledgement.
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


_SYS_PIDFD_GETFD = 438


def socket_of(pid: int, *, peer: tuple[str, int]) -> socket.socket:
    """The socket that a process, started by this one, has to a peer: another descriptor of the same one."""
    (descriptor,) = (each.fd for each in psutil.Process(pid).net_connections("tcp") if each.raddr == peer)
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(_SYS_PIDFD_GETFD, process, descriptor, 0)
    finally:
        os.close(process)
    assert copy >= 0, f"the server's socket cannot be looked at: {os.strerror(ctypes.get_errno())}"
    return socket.socket(fileno=copy)
