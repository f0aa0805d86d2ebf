from __future__ import annotations

import select
from http.client import HTTPConnection
from pathlib import Path

import httpx
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
