from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def uv(*arguments: str | Path) -> None:
    done = subprocess.run([UV, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `make wheel` makes it, with the web UI that `make install` has built."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_program_the_web_ui_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "kumo/web/index.html" in names
    assert any(name.startswith("kumo/db/migrations/versions/0001_") for name in names)
    assert "kumo/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"kumo", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name]


def test_an_installed_wheel_serves_the_web_ui_and_the_api(wheel: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    uv("venv", "--quiet", "--python", sys.executable, fresh)
    python = fresh / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", "requirements.lock")
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    with KumoServer(tmp_path / "home", command=(str(fresh / "bin" / "kumo"),)) as server:
        assert server.client.get("/auth/me").status_code == 200
        page = httpx.get(server.url + "/")
        assert page.status_code == 200
        assert '<div id="app"' in page.text
