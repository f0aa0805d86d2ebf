"""Paths that try to get somewhere else, and archives that try to do harm."""

from __future__ import annotations

_UPWARDS = ["..", "../", "../x", "a/..", "a/../b", "a/../../x", "a/b/../../../x", "./../x", "..//x", ".../../x"]
_SECRETS = ["etc/passwd", "etc/shadow", "proc/self/environ", "root/.ssh/id_rsa", "home/kumo/kumo.db", "var/lib/kumo"]
_WINDOWS_TARGETS = ["windows/win.ini", "boot.ini", "windows/system32/config/sam"]
_DRIVES = ["C:/", "c:", "Z:/", "C:\\", "\\\\server\\share\\"]
_DEVICES = [
    "con",
    "PRN",
    "aux.py",
    "NUL",
    "nul.txt",
    "COM1",
    "com9.log",
    "LPT1",
    "lpt3.x",
    "CONIN$",
    "conout$",
    "aux .x",
]
_BIDI = ["\u202e", "\u202a", "\u202b", "\u202d", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f", "\u061c"]

HOSTILE_PATHS: list[str] = [
    *_UPWARDS,
    *(f"{'../' * depth}{target}" for target in _SECRETS for depth in (1, 2, 3, 8)),
    *(f"a/b/{'../' * depth}{target}" for target in _SECRETS for depth in (3, 7)),
    *(f"/{target}" for target in _SECRETS),
    *(f"//{target}" for target in _SECRETS),
    *(f"{drive}{target}" for target in _WINDOWS_TARGETS for drive in _DRIVES),
    *(f"{step * 3}{target}" for target in _WINDOWS_TARGETS for step in ("..\\", "..\\/", ".\\..\\")),
    *(f"a{char}b" for char in map(chr, range(32))),
    *(f"a{char}b" for char in ("\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029", "\ud800", "\udfff", "\udcff")),
    *(f"x{mark}yp.exe" for mark in _BIDI),
    *_DEVICES,
    *(f"dir/{name}" for name in _DEVICES),
    *(f"{name}/file.py" for name in _DEVICES),
    "", ".", "./", "./a", "a/.", "a/./b", "/", "//", "///", "a//b", "a/", "a//", "//a",
    "a.", "a..", "a ", "a. ", "a .", "a/b.", "a./b", "a /b", "...", "....", " ", "a\u00a0", "a\u3000", "a\u2003/b",
    ".git", ".git/config", ".GIT/hooks/pre-commit", ".Git", "sub/.git/config",
    "a\\b", "\\", "\\a", "..\\", "a/..\\b",
    "x" * 256, "é" * 128, "文" * 86, "/".join(["abcdefgh"] * 65), "/".join(["a" * 200] * 6),
    "a\0.py", "\0", "main.py\0.png", "../\0", "a/\0/b",
]  # fmt: skip

# Tricks that work where somebody decodes once more, or expands; here they are names like others, in the project.
STRANGE_BUT_PLAIN: list[str] = [
    "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "%252e%252e%252f", "..%c0%af..%c0%afetc", "..%00/x",
    "~/x", "~root/.ssh/id_rsa", "$HOME/x", "${HOME}", "`id`", "$(id)", "-rf", "--help", "*", "?", "a|b", "a;b", "a&b",
    "．．/x", "․․/x", "‥/x", "a／b", "a＼b", "a∕b", "file:/etc/passwd", "{{7*7}}", "<script>", "' OR 1=1 --",
]  # fmt: skip

# Each in all the ways in which it may come to a route, for those that must not be led astray by one.
PAYLOADS: list[str] = list(
    dict.fromkeys(
        [
            *HOSTILE_PATHS,
            *STRANGE_BUT_PLAIN,
            *(f"pkg/{path}" for path in HOSTILE_PATHS),
            *(f"{path}/x.py" for path in HOSTILE_PATHS[:40]),
            "../../secret",
            "../../../home/secret",
            "....//....//secret",
        ]
    )
)
