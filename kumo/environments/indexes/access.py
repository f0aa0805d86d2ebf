"""How builds reach package indexes: their addresses, a proxy, a directory of wheels, and passwords.

Passwords reach uv by its environment alone: never by an argument, which every account of the machine may read, and
never within an address, which uv prints. What any tool prints is searched for them before it is kept or shown
(`Redactor`), because a package that is built from source runs its own code, and may print what it finds.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

from kumo.environments.needs.addresses import begins_with, check_index_url, check_proxy
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import ConfigurationError, Detail, InvalidInput
from kumo.secrets import Vault
from kumo.settings import Settings

SHORTEST_PASSWORD = 4  # a shorter one could not be told from ordinary output, and blotted out
_LONGEST = 4000
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_BLOT = b"***"


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A user name and a password for every index, or proxy, whose address begins with `url`."""

    url: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class IndexAccess:
    """Everything that uv needs to know to find packages."""

    index_url: str | None = None  # None: uv's own default
    extra_index_urls: tuple[str, ...] = ()
    proxy: str | None = None
    wheel_folder: str | None = None
    use_index: bool = True
    credentials: tuple[Credential, ...] = ()

    def only(self, index_url: str) -> IndexAccess:
        """The same with one of its indexes alone."""
        return replace(self, index_url=index_url, extra_index_urls=(), wheel_folder=None)

    def arguments(self) -> list[str]:
        """What uv is told on its command line, where everybody may read it."""
        return [] if self.use_index else ["--no-index"]

    def variables(self) -> dict[str, str]:
        """What uv finds in its environment."""
        indexes = [*self.extra_index_urls, *([self.index_url] if self.index_url else [])]
        found: dict[str, str] = {}
        for number, url in enumerate(indexes):
            if (credential := self.credential_for(url)) is not None:
                found[f"UV_INDEX_KUMO{number}_USERNAME"] = credential.username
                found[f"UV_INDEX_KUMO{number}_PASSWORD"] = credential.password
        named = [f"kumo{number}={url}" for number, url in enumerate(indexes)]
        if self.index_url:
            found["UV_DEFAULT_INDEX"] = named.pop()
        if named:
            found["UV_INDEX"] = " ".join(named)
        if self.wheel_folder:
            found["UV_FIND_LINKS"] = self.wheel_folder
        return found | self.proxy_variables()

    def proxy_variables(self) -> dict[str, str]:
        """Where every tool looks for a proxy; empty without one."""
        proxy = self.proxy_with_password()
        return {} if proxy is None else dict.fromkeys(_PROXIES, proxy)

    def credential_for(self, url: str) -> Credential | None:
        """The most specific one for an address."""
        suitable = [one for one in self.credentials if begins_with(url, one.url)]
        return max(suitable, key=lambda one: len(one.url), default=None)

    def proxy_with_password(self) -> str | None:
        """The proxy's address as tools want it, with its user and password in it."""
        if self.proxy is None or (credential := self.credential_for(self.proxy)) is None:
            return self.proxy
        parts = urlsplit(self.proxy)
        user = f"{quote(credential.username, safe='')}:{quote(credential.password, safe='')}"
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))

    def redactor(self) -> Redactor:
        """What takes the passwords out of a tool's output."""
        return Redactor(self.credentials)


class Redactor:
    """Takes passwords out of output, in all the forms in which tools write them."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._secrets = sorted({form for one in credentials for form in _forms(one)}, key=len, reverse=True)
        self._longest = max((len(secret) for secret in self._secrets), default=0)
        self._held = b""

    def clean(self, data: bytes) -> bytes:
        """The same without passwords."""
        for secret in self._secrets:
            data = data.replace(secret, _BLOT)
        return data

    def feed(self, data: bytes) -> bytes:
        """Take the next part of a stream, and give what can be passed on of it.

        The end of a part that ends within a line is held back as far as a password could begin there.
        """
        data = self._held + data
        self._held = b""
        if not data.endswith(b"\n") and self._longest:
            data = self.clean(data)
            cut = max(0, len(data) - self._longest + 1)
            data, self._held = data[:cut], data[cut:]
            return data
        return self.clean(data)


def access_for(settings: Settings, spec: EnvironmentSpec, credentials: Sequence[Credential] = ()) -> IndexAccess:
    """How a build reaches its indexes: as the environment says, and where it says nothing, as the settings do."""
    return IndexAccess(
        index_url=spec.index_url or settings.package_index_url,
        extra_index_urls=tuple(dict.fromkeys((*spec.extra_index_urls, *_words(settings.package_extra_index_urls)))),
        proxy=spec.proxy or settings.package_proxy,
        wheel_folder=spec.wheel_folder or settings.package_wheel_folder,
        use_index=spec.use_index,
        credentials=(*credentials, *credentials_of(settings)),
    )


def credentials_of(settings: Settings) -> tuple[Credential, ...]:
    """Those of all environments: addresses with a user and a password in them, separated by white space."""
    given = settings.package_credentials
    found = []
    for word in _words(None if given is None else given.get_secret_value()):
        try:
            parts = urlsplit(word)
        except ValueError:
            raise _wrong_credentials() from None
        if not parts.username or not parts.password or len(unquote(parts.password)) < SHORTEST_PASSWORD:
            raise _wrong_credentials()
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        found.append(Credential(url=url, username=unquote(parts.username), password=unquote(parts.password)))
    return tuple(found)


def check_credentials(credentials: Sequence[Credential], addresses: Sequence[str]) -> None:
    """Refuse what could not be used: each credential must be for one of these addresses."""
    wrong = []
    for number, one in enumerate(credentials):
        place = f"index_credentials.{number}"
        if not any(begins_with(address, one.url) for address in addresses):
            message = "No index and no proxy of this environment has an address that begins so."
            wrong.append(Detail(field=f"{place}.url", message=message))
        elif not one.username or not one.username.isprintable() or ":" in one.username:
            wrong.append(Detail(field=f"{place}.username", message="A user name is visible text without a colon."))
        elif not SHORTEST_PASSWORD <= len(one.password) <= _LONGEST or not one.password.isprintable():
            message = f"A password has {SHORTEST_PASSWORD} to {_LONGEST:,} visible characters."
            wrong.append(Detail(field=f"{place}.password", message=message))
    if wrong:
        raise InvalidInput(wrong[0].message, details=tuple(wrong))


def seal(vault: Vault, credentials: Sequence[Credential]) -> bytes | None:
    """Credentials as the database keeps them; None for none."""
    if not credentials:
        return None
    plain = [{"url": one.url, "username": one.username, "password": one.password} for one in credentials]
    return vault.encrypt(json.dumps(plain).encode())


def unseal(vault: Vault, kept: bytes | None) -> tuple[Credential, ...]:
    """What `seal` gave; `Undecryptable` when its key is missing."""
    return () if kept is None else tuple(Credential(**one) for one in json.loads(vault.decrypt(kept)))


def addresses_of(settings: Settings, spec: EnvironmentSpec) -> list[str]:
    """All addresses that a credential can be for."""
    access = access_for(settings, spec)
    alias = settings.conda_channel_alias
    channels = (name if "://" in name else f"{alias}/{name}" for name in spec.channels if "://" in name or alias)
    return [url for url in (access.index_url, *access.extra_index_urls, access.proxy, *channels) if url]


def check_settings(settings: Settings) -> None:
    """Refuse at start what every build would stumble over."""
    try:
        own = (settings.package_index_url, settings.conda_channel_alias)
        for url in (*own, *_words(settings.package_extra_index_urls)):
            if url is not None:
                check_index_url(url)
        if settings.package_proxy is not None:
            check_proxy(settings.package_proxy, instead="Put it into KUMO_PACKAGE_CREDENTIALS.")
    except InvalidInput as error:
        message = error.message.replace("give them as index_credentials", "put them into KUMO_PACKAGE_CREDENTIALS")
        raise ConfigurationError(f"A setting about package indexes is wrong. {message}") from None
    credentials_of(settings)


def _wrong_credentials() -> ConfigurationError:
    return ConfigurationError(
        "A setting is wrong. KUMO_PACKAGE_CREDENTIALS: each is an address with a user and a password of at least "
        f"{SHORTEST_PASSWORD} characters in it, as https://user:password@example.org/simple."
    )


def _words(text: str | None) -> list[str]:
    return [] if text is None else text.replace(",", " ").split()


def _forms(one: Credential) -> Iterable[bytes]:
    password = one.password
    yield password.encode()
    yield quote(password, safe="").encode()
    yield quote(password).encode()
    yield quote_plus(password).encode()
    yield json.dumps(password)[1:-1].encode()
    yield repr(password)[1:-1].encode()
    yield base64.b64encode(f"{one.username}:{password}".encode()).rstrip(b"=")
    yield base64.b64encode(password.encode()).rstrip(b"=")
