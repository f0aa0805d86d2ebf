"""What the text of an environment.yml says, and what is refused in it."""

from __future__ import annotations

import sys
from contextlib import suppress
from time import perf_counter

import pytest

from kumo.environments.needs.declarations import declaration_of
from kumo.environments.needs.environment_yml import conda_spec
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput
from kumo.projects.detection.project import detect

USUAL = """\
name: etl
channels:
  - conda-forge
  - https://example.org/own/
  - nodefaults
dependencies:
  - python=3.12  # the one that we have
  - numpy>=1.26,<2
  - bioconda::samtools
  - "scipy[version='>=1.11']"
  - pip
  - pip:
      - requests>=2.31
      - Rich
prefix: /home/ada/miniconda3/envs/etl
"""
START = "channels: [conda-forge]\ndependencies:\n  - python\n"


def test_the_usual_text_says_channels_packages_and_what_pip_adds() -> None:
    found = conda_spec(USUAL)
    assert found.backend == "conda"
    assert found.channels == ("conda-forge", "https://example.org/own", "bioconda")
    assert found.conda_packages == (
        "python=3.12",
        "numpy>=1.26,<2",
        "bioconda::samtools",
        "scipy[version='>=1.11']",
        "pip",
    )
    assert found.requirements == ("requests>=2.31", "Rich")
    assert [note.partition(" of ")[0] for note in found.notes] == ["“name”", "“prefix”"]


def test_a_name_of_its_own_and_the_order_make_no_other_wish() -> None:
    other = USUAL.replace("name: etl", "name: other").replace("  - pip\n", "").replace("- python", "- pip\n  - python")
    assert conda_spec(other).content_hash() == conda_spec(USUAL).content_hash()
    assert conda_spec(USUAL.replace("3.12", "3.13")).content_hash() != conda_spec(USUAL).content_hash()
    assert EnvironmentSpec.from_json(conda_spec(USUAL).to_json()) == conda_spec(USUAL)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("channels: [a\n", "Line 2: this is not valid YAML"),
        ("channels: \x00", "Line 1: this is not valid YAML"),
        ("\t- x", "Line 1: this is not valid YAML"),
        ("", "Line 1: an environment.yml begins with keys"),
        ("- python\n", "Line 1: an environment.yml begins with keys"),
        ("just text", "Line 1: an environment.yml begins with keys"),
        (START + "platforms: [linux-64]\n", "Line 4: “platforms” is not known here"),
        (START + "variables:\n  A: b\n", "Line 4: “variables” are not set by a build; give them to the project"),
        (START + "channels: [x]\n", "Line 4: “channels” stands here for the second time"),
        ("dependencies: [python]\n", "no channel is named; list at least one"),
        ("channels:\ndependencies: [python]\n", "no channel is named"),
        ("channels: [nodefaults]\ndependencies: [python]\n", "no channel is named"),
        ("channels: [conda-forge]\n", "no package is named; list at least “python”"),
        ("channels: conda-forge\ndependencies: [python]\n", "Line 1: write “channels” as a list"),
        ("channels: [defaults]\ndependencies: [python]\n", "“defaults” stands for no certain channel"),
        ("channels: ['../x']\ndependencies: [python]\n", "“../x” is no channel"),
        ("channels: [--help]\ndependencies: [python]\n", "“--help” is no channel"),
        ("channels: ['file://host/x']\ndependencies: [python]\n", "is no directory; write it as file:///srv/channel"),
        ("channels: ['file:///srv/../etc']\ndependencies: [python]\n", "is no directory"),
        ("channels: ['s3://bucket/x']\ndependencies: [python]\n", "The address of a channel starts with https://"),
        ("channels: ['https://a:secret@x.org']\ndependencies: [python]\n", "give them as index_credentials"),
        ("channels: ['https://x.org/t/abc/own']\ndependencies: [python]\n", "the address holds a token"),
        (START + "  - --override-channels\n", "Line 4: “--override-channels” is no package"),
        (START + "  - -c\n", "“-c” is no package"),
        (START + "  - numpy; rm -rf /\n", "“numpy; rm -rf /” is no package"),
        (START + "  - numpy $(id)\n", "“numpy $(id)” is no package"),
        (START + "  - https://x.org/numpy-1-0.conda\n", "is no package; write a name with a version"),
        (START + "  - ./numpy\n", "“./numpy” is no package"),
        (START + '  - "numpy\\nscipy"\n', "Line 4: write each entry on one line"),
        (START + "  - [numpy]\n", "Line 4: write one name here, not a list"),
        (START + "  - npm: [x]\n", "Line 4: “npm” is not known here; only “pip:”"),
        (START + "  - pip:\n    - -r requirements.txt\n", "Line 5: “-r requirements.txt” is an option"),
        (START + "  - pip:\n    - -e .\n", "Line 5: “-e .” installs from a directory"),
        (START + "  - pip:\n    - --index-url https://x.org\n", "set the index of the environment instead"),
        (START + "  - !!python/object/apply:os.system [id]\n", "Line 4: tags (“!”) are not read"),
        (START + "  - &a numpy\n  - *a\n", "Line 4: anchors (“&”, “*”) are not read"),
        (START + "  - " + "[" * 50 + "]" * 50, "Line 4: the lists are nested too deeply"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        conda_spec(text)
    assert problem in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.details[0].field == "environment_yml"


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
            for before, name in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "[" * 100_000,
        "- " * 60_000,
        "x" * 1_000_000,
        "channels: [conda-forge]\ndependencies:\n" + "  - python\n" * 9_000,
    ],
)  # fmt: skip
def test_texts_that_are_made_to_exhaust_a_reader_are_read_or_refused_at_once(text: str) -> None:
    began = perf_counter()
    with suppress(InvalidInput):
        conda_spec(text)
    assert perf_counter() - began < 5


def test_without_what_conda_needs_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rattler", None)
    with pytest.raises(InvalidInput, match=r"pip install 'kumo-scheduler\[conda\]', then restart Kumo\."):
        conda_spec(USUAL)
    with pytest.raises(InvalidInput, match=r"environment\.yml: Kumo was installed without"):
        declaration_of({"environment.yml": USUAL.encode()})


# --- in a project ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["environment.yml", "environment.yaml"])
def test_a_project_declares_it_by_a_file(name: str) -> None:
    found = declaration_of({name: USUAL.encode()})
    assert found is not None
    assert (found.source, found.spec) == ("environment.yml", conda_spec(USUAL))
    assert detect([name, "main.py"], {name: USUAL.encode(), "main.py": b""}.get).environment.source == "environment.yml"


def test_whatever_else_declares_packages_comes_first() -> None:
    found = declaration_of({"environment.yml": USUAL.encode(), "requirements.txt": b"six\n"})
    assert found is not None
    assert found.source == "requirements.txt"
    paths = ["environment.yml", "requirements.txt"]
    assert detect(paths, dict[str, bytes]().get).environment.source == "requirements.txt"


def test_a_pyproject_that_needs_nothing_leaves_it_to_environment_yml() -> None:
    project = b'[project]\nname = "x"\nrequires-python = ">=3.10"\n'
    found = declaration_of({"pyproject.toml": project, "environment.yml": USUAL.encode()})
    assert found is not None
    assert found.source == "environment.yml"


def test_a_mistake_in_it_is_named_with_the_file_and_the_line() -> None:
    with pytest.raises(InvalidInput, match=r"environment\.yaml, line 4: “-x” is no package") as caught:
        declaration_of({"environment.yaml": f"{START}  - -x\n".encode()})
    assert caught.value.details[0].field == "environment.yaml"
