from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.projects.git.addresses import read_address, read_ref
from kumo.projects.git.failures import Problem, failure_of
from kumo.projects.git.host_keys import read_key, read_private_key

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.mark.parametrize(
    ("raw", "host_name", "origin"),
    [
        ("https://git.example.org/team/x.git", "[git.example.org]:443", "https://git.example.org"),
        ("HTTPS://Git.Example.org:8443/x", "[git.example.org]:8443", "https://git.example.org:8443"),
        ("ssh://git@git.example.org/x.git", "git.example.org", "ssh://git.example.org"),
        ("ssh://git@[2001:db8::1]:2222/~/x.git", "[2001:db8::1]:2222", "ssh://[2001:db8::1]:2222"),
        ("git@git.example.org:team/x.git", "git.example.org", "ssh://git.example.org"),
    ],
)
def test_addresses_that_git_clone_takes_are_taken(raw: str, host_name: str, origin: str) -> None:
    address = read_address(raw, allow_local=False)
    assert (address.host_name, address.origin) == (host_name, origin)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "-oProxyCommand=id",
        "--upload-pack=id",
        "ext::sh -c id",
        "ext::sh%20-c%20id",
        "fd::17",
        "http://git.example.org/x",
        "git://git.example.org/x",
        "ftp://git.example.org/x",
        "file:///etc",
        "/etc",
        "../x",
        "https://",
        "https://git.example.org",
        "https://git.example.org/",
        "https://user@git.example.org/x",
        "https://user:password@git.example.org/x",
        "ssh://user:password@git.example.org/x",
        "ssh://-oProxyCommand=id/x",
        "ssh://-oProxyCommand=id@git.example.org/x",
        "-oProxyCommand=id:x",
        "git@-oProxyCommand=id:x",
        "git@git.example.org:-x",
        "git.example.org:",
        "https://git.example.org:0/x",
        "https://git.example.org:99999/x",
        "https://git.example.org/x?a=b",
        "https://git.example.org/x\nfile:///etc",
        "https://git.example.org/x y",
        "https://git.example.org/\x00x",
        "https://git.exam\u202eple.org/x",
        "https://" + "a" * 3000 + "/x",
    ],
)
def test_addresses_that_could_mean_something_else_are_refused(raw: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_address(raw, allow_local=False)
    assert [detail.field for detail in refused.value.details] == ["git.url"]
    assert "password@" not in refused.value.message


@given(st.text(max_size=60) | st.from_regex(r"(https|ssh|file|ext|git)(://|::?)[-@:/.a-z~%]{1,30}", fullmatch=True))
def test_whatever_is_taken_is_no_option_and_leads_to_one_host(raw: str) -> None:
    try:
        address = read_address(raw, allow_local=False)
    except InvalidInput:
        return
    assert address.scheme in {"https", "ssh"}
    assert re.fullmatch(r"\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*", address.host)
    assert not address.url.startswith("-")
    assert address.url.isprintable()
    assert "::" not in address.url.replace(address.host, "")


@given(st.text(max_size=30) | st.from_regex(r"[-a-z./@{~^:]{1,20}", fullmatch=True))
def test_whatever_is_taken_as_a_branch_is_one_word(raw: str) -> None:
    try:
        ref = read_ref(branch=raw, tag=None, commit=None)
    except InvalidInput:
        return
    assert ref.name
    assert not ref.name.startswith("-")
    assert not re.search(r"\.\.|[\x00-\x20~^:?*\[\\]|@\{|//", ref.name)


def test_keys_are_read_as_hosts_publish_them() -> None:
    key = read_key(f"git.example.org ssh-ed25519 {KEY} comment")
    assert key.fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    for wrong in ("", "ssh-ed25519", f"ssh-rsa {KEY}", f"ssh-ed25519 {KEY[:-4]}!", "SHA256:abc"):
        with pytest.raises(InvalidInput):
            read_key(wrong)
    for wrong in (
        "",
        "password",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nx\n-----END RSA PRIVATE KEY-----",
    ):
        with pytest.raises(InvalidInput):
            read_private_key(wrong)


def test_what_git_says_is_told_without_secrets() -> None:
    secret = "p/ss wörd"
    said = f"remote: you sent {base64.b64encode(secret.encode()).decode()}\nfatal: {secret} p%2Fss%20w%C3%B6rd is odd\n"
    told = failure_of(said, place="h", secrets=[secret])
    assert (told.problem, told.message) == (Problem.OTHER, "git could not do it. It says: fatal: *** *** is odd")
