from __future__ import annotations

import pytest

from kumo.projects.detection.project import DeclaredEnvironment, Detection, detect

SPIDER = b'import scrapy\nclass A(scrapy.Spider):\n    name = "%s"\n'


def look(files: dict[str, bytes]) -> Detection:
    return detect(sorted(files), files.get)


@pytest.mark.parametrize(
    ("files", "source", "python"),
    [
        ({}, None, None),
        ({"requirements.txt": b"requests"}, "requirements.txt", None),
        ({"requirements.txt": b"", ".python-version": b"3.12\n"}, "requirements.txt", "3.12"),
        (
            {"pyproject.toml": b'[project]\nname="a"\nrequires-python=">=3.11"\ndependencies=["x"]'},
            "pyproject.toml",
            ">=3.11",
        ),
        ({"pyproject.toml": b'[project]\ndependencies=["x"]', "requirements.txt": b""}, "pyproject.toml", None),
        ({"pyproject.toml": b"[tool.ruff]\n", "requirements.txt": b""}, "requirements.txt", None),
        ({"pyproject.toml": b"[tool.ruff]\n"}, None, None),
        ({"pyproject.toml": b'[project]\nname="a"', "uv.lock": b"version = 1"}, "uv.lock", None),
        ({"pyproject.toml": b"this is [not toml", "requirements.txt": b""}, "requirements.txt", None),
        (
            {"main.py": b'# /// script\n# requires-python = ">=3.12"\n# dependencies = []\n# ///\nprint(1)\n'},
            "pep723",
            ">=3.12",
        ),
        ({"main.py": b"# /// script\n# dependencies = []\n"}, None, None),
        ({".python-version": b"../../etc/passwd"}, None, None),
    ],
)  # fmt: skip
def test_the_environment_is_what_the_project_declares(
    files: dict[str, bytes], source: str | None, python: str | None
) -> None:
    assert look(files).environment == DeclaredEnvironment(source=source, python=python)


MAIN = b'if __name__ == "__main__":\n    pass\n'
TURNED = b"if '__main__' == __name__: pass"
TYPED = b"class A:\n    name: str = 'typed'\nclass B:\n    name = f()\n"


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({}, ()),
        ({"main.py": b""}, ("python main.py",)),
        ({"lib.py": b"x = 1", "go.py": MAIN}, ("python go.py",)),
        ({"lib.py": b'"""\n' + MAIN + b'"""', "other.py": b""}, ()),
        (
            {"run.py": b"", "main.py": b"", "tool.py": TURNED},
            ("python main.py", "python run.py", "python tool.py"),
        ),
        ({"src/job.py": MAIN, "src/lib.py": b""}, ("python src/job.py",)),
        ({"only.py": b"print(1)"}, ("python only.py",)),
        ({"my job.py": b"print(1)"}, ("python 'my job.py'",)),
        ({"-c.py": b"print(1)"}, ("python ./-c.py",)),
        ({"broken.py": MAIN + b"  (((", "x.py": b""}, ()),
        (
            {
                "scrapy.cfg": b"",
                "q/spiders/a.py": SPIDER % b"quotes",
                "q/spiders/b.py": SPIDER % b"books",
                "q/x.py": b"",
            },
            ("scrapy crawl books", "scrapy crawl quotes"),
        ),
        ({"scrapy.cfg": b"", "spiders/a.py": SPIDER % b"a; rm -rf ~", "x.py": b""}, ("scrapy crawl 'a; rm -rf ~'",)),
        ({"scrapy.cfg": b"", "spiders/a.py": SPIDER % b"-o", "x.py": b""}, ()),
        ({"q/spiders/a.py": SPIDER % b"quotes", "main.py": b""}, ("python main.py",)),
        ({"scrapy.cfg": b"", "spiders/a.py": TYPED, "x.py": b""}, ("scrapy crawl typed",)),
    ],
)
def test_the_commands_are_those_that_make_sense(files: dict[str, bytes], commands: tuple[str, ...]) -> None:
    assert look(files).commands == commands


HARD_TO_READ = {
    "deep": b"(" * 100_000,
    "nul": b"\0",
    "no text": b"\xff\xfe",
    "long": b"-" * 200_000 + b"1",
    "nested": b"[" * 5000 + b"]" * 5000,
    "repeated": b"if __name__ ==" * 1000,
}


@pytest.mark.parametrize("content", HARD_TO_READ.values(), ids=list(HARD_TO_READ))
def test_whatever_is_in_a_file_detection_answers(content: bytes) -> None:
    names = ["a.py", "b.py", "pyproject.toml", ".python-version", "scrapy.cfg", "spiders/x.py"]
    assert look(dict.fromkeys(names, MAIN + content)).environment.python is None


@pytest.mark.parametrize(
    ("files", "kinds", "commands"),
    [
        ({"a.py": b"import os\nprint(1)"}, {"script": ("a.py",)}, ("python a.py",)),
        ({"README.md": b"import scrapy"}, {}, ()),
        (
            {"crawl.py": b"try:\n    from playwright.sync_api import sync_playwright\nexcept ImportError: pass\n"},
            {"playwright": ("crawl.py",)},
            ("python crawl.py",),
        ),
        (
            {"a.py": b"from selenium import webdriver", "b.py": b"import DrissionPage, os", "c.py": b"# import flask"},
            {"selenium": ("a.py",), "drissionpage": ("b.py",)},
            (),
        ),
        (
            {"shop/web.py": b"from fastapi import FastAPI\nsite = FastAPI(title='x')\n", "shop/__init__.py": b""},
            {"fastapi": ("shop/web.py",)},
            ("uvicorn shop.web:site --host 127.0.0.1 --port 8001",),
        ),
        (
            {"app.py": b"import flask\napp = flask.Flask(__name__)\n"},
            {"flask": ("app.py",)},
            ("python app.py", "flask --app app:app run --host 127.0.0.1 --port 8001"),
        ),
        (
            {"not-a-module.py": b"from fastapi import FastAPI\napp = FastAPI()"},
            {"fastapi": ("not-a-module.py",)},
            ("python not-a-module.py",),
        ),
        ({"web.py": b"from fastapi import FastAPI\napp = FastAPI("}, {"fastapi": ("web.py",)}, ("python web.py",)),
        (
            {"report.ipynb": b"{}", ".ipynb_checkpoints/report.ipynb": b"{}", "two words.ipynb": b"{}"},
            {"notebook": ("report.ipynb", "two words.ipynb")},
            ("jupyter execute ./report.ipynb", "jupyter execute './two words.ipynb'"),
        ),
        (
            {"tool/__main__.py": b"print(1)", "tool/__init__.py": b""},
            {"script": ("tool/__init__.py", "tool/__main__.py")},
            ("python -m tool",),
        ),
        (
            {"main.py": b"# /// script\n# dependencies = []\n# ///\nimport scrapy\n"},
            {"scrapy": ("main.py",), "pep723": ("main.py",)},
            ("python main.py",),
        ),
        ({"x.py": b"\xff\xfe\0", "scrapy.cfg": b""}, {"scrapy": ("scrapy.cfg",)}, ("python x.py",)),
    ],
)  # fmt: skip
def test_what_a_project_is_comes_from_what_it_imports(
    files: dict[str, bytes], kinds: dict[str, tuple[str, ...]], commands: tuple[str, ...]
) -> None:
    found = look(files)
    assert {kind.name: kind.files for kind in found.kinds} == kinds
    assert found.commands == commands
