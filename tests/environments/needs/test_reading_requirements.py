"""What may stand in a list of packages, and how everything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.environments.needs.requirements import has_hashes, parse_packages, parse_requirements
from kumo.errors import InvalidInput

HASH = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        ("requests", "requests"),
        ("requests >= 2.31 , < 3", "requests<3,>=2.31"),
        ("requests[socks]==2.31.0", "requests[socks]==2.31.0"),
        ('tomli; python_version < "3.11"', 'tomli; python_version < "3.11"'),
        (
            "six @ https://example.org/six-1.17.0-py3-none-any.whl",
            "six@ https://example.org/six-1.17.0-py3-none-any.whl",
        ),
        ("lib @ git+https://example.org/lib@v1", "lib@ git+https://example.org/lib@v1"),
        (f"six==1.17.0 --hash={HASH}", f"six==1.17.0 --hash={HASH}"),
        ("rich  # for tables", "rich"),
    ],
)
def test_a_requirement_of_an_index_is_accepted(line: str, normal: str) -> None:
    assert [r.replace(" @ ", "@ ") for r in parse_requirements(line)] == [normal]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--index-url https://example.org/simple", "chooses a package index"),
        ("--extra-index-url=https://example.org", "chooses a package index"),
        ("--pre", "is an option"),
        ("-e .", "installs from a directory"),
        ("--editable ./lib", "installs from a directory"),
        ("-r other.txt", "names another file"),
        ("-rother.txt", "names another file"),
        ("pip install requests", "looks like a command"),
        ("requests && rm -rf /", "is no requirement"),
        ("$(reboot)", "is no requirement"),
        ("requests; rm", "is no requirement"),
        ("six @ file:///etc/six.whl", "starts with https://"),
        ("file:///etc/passwd", "lacks the package's name"),
        ("https://example.org/six.whl", "lacks the package's name"),
        ("./lib", "is a path"),
        ("/etc/passwd", "is a path"),
        ("~/lib", "is a path"),
        ("lib/six.whl", "is a path"),
        ("six-1.17.0-py3-none-any.whl", "is a path"),
        (r"..\lib", "is a path"),
        ("six @ https://user:secret@example.org/six.whl", "must not hold a user name or password"),
        ("requests==", "is no requirement"),
        ("a" * 5000, "too long"),
    ],
)
def test_anything_else_is_refused_with_its_line(line: str, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_requirements(f"# first\n\nrich\n{line}\n")
    assert caught.value.message.startswith("Line 4: ")
    assert why in caught.value.message
    assert caught.value.details[0].field == "requirements"


def test_a_list_of_packages_names_the_entry_that_is_wrong() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_packages(["rich", "-e ."])
    assert caught.value.details[0].field == "packages.1"


def test_an_entry_of_several_lines_is_refused() -> None:
    with pytest.raises(InvalidInput, match="several lines"):
        parse_packages(["rich\n--index-url http://example.org"])


def test_continued_lines_count_from_the_first() -> None:
    text = f"rich==1 \\\n    --hash={HASH}\n./lib"
    with pytest.raises(InvalidInput, match=r"^Line 3: "):
        parse_requirements(text)
    assert has_hashes(parse_requirements(text.rsplit("\n", 1)[0]))


def test_blank_lines_comments_and_windows_line_ends_say_nothing() -> None:
    assert parse_requirements("\ufeff# a\r\n\r\nrich # b\r\n \t\n") == ("rich",)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    problem, lines = "", tuple[str, ...]()
    try:
        lines = parse_requirements(text)
    except InvalidInput as error:
        problem = error.message
    assert problem == "" or problem.startswith("Line ")
    assert problem.isprintable()
    assert not any(line.startswith(("-", ".", "/")) for line in lines)
