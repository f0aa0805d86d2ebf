"""A warm build of an environment, against `python -m venv` with `pip install` and a warm cache."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.figures import Figure, percentile
from tests.server import KumoServer

_PACKAGES = ["requests", "rich", "pandas"]
_ROUNDS = 3
_LISTINGS = 200
_FEWEST_PACKAGES = 12  # what the three need, by themselves


def measure(workplace: Path) -> list[Figure]:
    """Kumo and pip in turn; the first round fills both caches and does not count."""
    ratios, builds, equal = [], [], []
    with KumoServer(workplace / "builds") as server:
        for number in range(_ROUNDS + 1):
            # Another lock each time, or Kumo would only find the build that it has.
            pin = f"six==1.1{3 + number}.0"
            ours = _build(server, f"bench {number}", [*_PACKAGES, pin])
            theirs = _pip(workplace / f"venv-{number}", [*_PACKAGES, pin])
            if number:
                builds.append(ours)
                ratios.append(theirs / ours)
                equal.append(_build(server, f"bench {number} again", [*_PACKAGES, pin]))
        packages = [_list_packages(server) for _ in range(_LISTINGS)]
    build, ratio = sorted(builds)[_ROUNDS // 2], sorted(ratios)[_ROUNDS // 2]
    return [
        Figure(
            what="Warm build of requests + rich + pandas",
            found=f"median {build:.2f} s",
            must="1 s",
            reached=build <= 1.0,
        ),
        Figure(what="… against venv + pip", found=f"{ratio:.1f} × faster", must="15 ×", reached=ratio >= 15),
        Figure(
            what="A second environment with an equal lock",
            found=f"median {statistics.median(equal) * 1000:.0f} ms",
            must="100 ms",
            reached=statistics.median(equal) <= 0.1,
        ),
        Figure(
            what="Its packages, asked for over HTTP",
            found=f"p50 {statistics.median(packages) * 1000:.0f} ms, p99 {percentile(packages, 99) * 1000:.0f} ms",
            must="p99 50 ms",
            reached=percentile(packages, 99) <= 0.05,
        ),
    ]


def _build(server: KumoServer, name: str, packages: list[str]) -> float:
    body = {"name": name, "packages": packages}
    made = server.client.post("/environments", json=body).raise_for_status().json()
    while True:
        build: dict[str, Any] = server.client.get(f"/environments/{made['id']}").json()["latest_build"]
        assert build["state"] != "failed", build["error"]
        if build["state"] == "ready":
            return float(build["duration_seconds"])
        time.sleep(0.05)


def _list_packages(server: KumoServer) -> float:
    began = time.perf_counter()
    found = server.client.get("/environments/1/packages").raise_for_status().json()["items"]
    took = time.perf_counter() - began
    assert len(found) >= _FEWEST_PACKAGES
    return took


def _pip(directory: Path, packages: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    subprocess.run([directory / "bin" / "pip", "install", "--quiet", *packages], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began
