"""What is encrypted, with which key, and what a start does about keys."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kumo.clock import utc_now
from kumo.db.session import Database, database_url
from kumo.errors import ConfigurationError
from kumo.secrets import KEY_FILE, Undecryptable, Vault, fingerprint, forget_key, open_vault
from kumo.settings import Settings
from tests.server import KumoServer

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def text(*keys: bytes) -> str:
    return ",".join(base64.urlsafe_b64encode(key).decode() for key in keys)


def with_keys(settings: Settings, *keys: bytes) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(text(*keys))})


async def opened(settings: Settings) -> Vault:
    """The vault as the next start opens it."""
    database = Database(database_url(settings))
    try:
        return await open_vault(database, settings, utc_now())
    finally:
        await database.close()


@given(st.binary(max_size=2000))
def test_what_is_encrypted_comes_back_and_does_not_show(plain: bytes) -> None:
    vault = Vault([OLD])
    kept = vault.encrypt(plain)
    assert vault.decrypt(kept) == plain
    assert len(plain) < 4 or plain not in kept


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_value_that_was_tampered_with_is_refused(place: int, bit: int) -> None:
    name, _colon, token = Vault([OLD]).encrypt(b"precious").partition(b":")
    changed = bytearray(base64.urlsafe_b64decode(token))
    changed[place % len(changed)] ^= 1 << bit
    with pytest.raises(Undecryptable, match="damaged") as refused:
        Vault([OLD]).decrypt(name + b":" + base64.urlsafe_b64encode(changed))
    assert "precious" not in refused.value.message


@pytest.mark.parametrize("kept", [b"", b":", b"plain text", fingerprint(OLD).encode() + b":", b"\xff\x00:\xff"])
def test_what_was_never_encrypted_is_refused(kept: bytes) -> None:
    with pytest.raises(Undecryptable, match="damaged"):
        Vault([OLD]).decrypt(kept)


def test_a_new_first_key_encrypts_and_the_old_one_still_decrypts() -> None:
    kept = Vault([OLD]).encrypt(b"precious")
    both = Vault([NEW, OLD])
    assert both.decrypt(kept) == b"precious"
    assert Vault([NEW]).decrypt(both.encrypt(b"precious")) == b"precious"


def test_a_missing_key_is_named() -> None:
    kept = Vault([OLD]).encrypt(b"precious")
    with pytest.raises(Undecryptable, match=f"secret key {fingerprint(OLD)}, .* Add that key to KUMO_SECRET_KEY"):
        Vault([NEW]).decrypt(kept)


def test_a_vault_does_not_show_its_keys() -> None:
    shown = repr(Vault([OLD]))
    assert repr(OLD)[2:-1] not in shown
    assert text(OLD) not in shown


async def test_the_first_start_makes_a_key_for_its_owner_alone_and_the_next_one_keeps_it(
    stored_settings: Settings,
) -> None:
    file = stored_settings.home / KEY_FILE
    (stored_settings.home / f"{KEY_FILE}.new").write_text("half a k")  # a first start that was cut off
    kept = (await opened(stored_settings)).encrypt(b"precious")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(base64.urlsafe_b64decode(file.read_bytes())) == 32
    assert not (stored_settings.home / f"{KEY_FILE}.new").exists()
    assert (await opened(stored_settings)).decrypt(kept) == b"precious"


async def test_a_key_of_one_s_own_makes_no_file(stored_settings: Settings) -> None:
    assert (await opened(with_keys(stored_settings, NEW, OLD))).fingerprints == [fingerprint(NEW), fingerprint(OLD)]
    assert not (stored_settings.home / KEY_FILE).exists()


async def test_a_key_of_one_s_own_leaves_what_the_file_s_key_encrypted_readable(stored_settings: Settings) -> None:
    kept = (await opened(stored_settings)).encrypt(b"precious")
    vault = await opened(with_keys(stored_settings, NEW))
    assert vault.fingerprints[0] == fingerprint(NEW)
    assert vault.decrypt(kept) == b"precious"


async def test_a_start_without_the_key_that_was_used_is_refused_until_it_is_given_or_forgotten(
    stored_settings: Settings, database: Database
) -> None:
    kept = (await opened(with_keys(stored_settings, OLD))).encrypt(b"precious")
    for wrong in (stored_settings, with_keys(stored_settings, NEW)):
        with pytest.raises(ConfigurationError, match=f"the secret key {fingerprint(OLD)}") as refused:
            await opened(wrong)
        assert f"kumo db forget-key {fingerprint(OLD)}" in refused.value.message
        assert not (stored_settings.home / KEY_FILE).exists()
    assert (await opened(with_keys(stored_settings, NEW, OLD))).decrypt(kept) == b"precious"
    assert await forget_key(database, fingerprint(OLD))
    assert not await forget_key(database, fingerprint(OLD))
    assert (await opened(with_keys(stored_settings, NEW))).fingerprints == [fingerprint(NEW)]


@pytest.mark.parametrize("stored_settings", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wrong", ["", " , ", "hunter2", text(OLD)[:-8], text(OLD) + "AAAA", "ключ", text(OLD) + ",x"])
async def test_what_is_no_key_is_refused_without_being_repeated(stored_settings: Settings, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^KUMO_SECRET_KEY holds .* secret key.*openssl") as refused:
        await opened(stored_settings.model_copy(update={"secret_key": SecretStr(wrong)}))
    assert len(wrong) < 4 or wrong not in refused.value.message
    (stored_settings.home / KEY_FILE).write_text(wrong)
    with pytest.raises(ConfigurationError, match=rf"{KEY_FILE} holds .* secret key"):
        await opened(stored_settings)


def test_both_alphabets_of_base64_name_the_same_key() -> None:
    from kumo.secrets import read_keys  # noqa: PLC0415

    key = b"\xfb\xff" * 16
    forms = [base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()]
    forms += [form.rstrip("=") for form in forms]
    assert read_keys(" ,\n".join(forms), source="test") == [key] * 4


def test_nothing_is_loaded_for_an_installation_without_secrets() -> None:
    program = "import sys; import kumo.app; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.acceptance
def test_a_start_with_a_wrong_key_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with KumoServer(home):
        pass
    key = (home / KEY_FILE).read_text().strip()
    (home / KEY_FILE).unlink()
    other = KumoServer(home, KUMO_SECRET_KEY=text(NEW))
    refused = other.run_command("serve", "--port", "0")
    name = fingerprint(base64.urlsafe_b64decode(key))
    assert refused.returncode == 1
    assert name in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert text(NEW) not in refused.stderr
    unknown = other.run_command("db", "forget-key", "beef")
    assert (unknown.returncode, "not used with a secret key" in unknown.stderr) == (1, True)
    assert other.run_command("db", "forget-key", name).returncode == 0
    with other:
        assert other.client.get("/auth/me").is_success
