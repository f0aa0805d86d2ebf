"""The far side of git: bare repositories, served by git itself over https and by a real ssh server."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ipaddress
import os
import ssl
import subprocess
import threading
from collections.abc import Coroutine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

T = TypeVar("T")

USER, PASSWORD = "kumo-deploy", "canary-hunter2-ö"


def git(folder: Path, *arguments: str, sent: bytes = b"", **variables: str) -> str:
    """Run git as a developer does, without this machine's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": "2026-01-05T12:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-05T12:00:00Z",
    }
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment | variables, input=sent, capture_output=True, check=True
    ).stdout.decode()


class Repository:
    """A bare repository, and the place where somebody works on it."""

    def __init__(self, root: Path, name: str = "quotes.git") -> None:
        self.name = name
        self.bare = root / name
        self.bare.mkdir(parents=True)
        git(self.bare, "init", "--bare", "-q", "-b", "main")
        git(self.bare, "config", "http.receivepack", "false")
        self.work = root / f"work-{name}"
        self.work.mkdir()
        git(self.work, "init", "-q", "-b", "main")
        git(self.work, "remote", "add", "origin", str(self.bare))

    def commit(self, files: dict[str, str], message: str = "Change it", *, branch: str = "main") -> str:
        """Write files, commit and push them; the answer is the commit's id."""
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        git(self.work, "add", "-A")
        return self.commit_index(message, branch=branch)

    def commit_index(self, message: str = "Change it", *, branch: str = "main") -> str:
        """Commit what is staged, and push it."""
        git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        git(self.work, "push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD").strip()


class HttpsGit:
    """`git http-backend` behind https with a certificate of its own, and a password where one is asked for."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.authority, key = _certificate(folder)
        self.asked: list[str | None] = []  # the Authorization header of each request
        self.held = threading.Event()  # while it is set, nobody is answered
        self.password: str | None = PASSWORD
        self.redirect: str | None = None
        self.is_old = False  # speaks the protocol that gives branches and tags only
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, root))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, name: str = "quotes.git", host: str = "127.0.0.1") -> str:
        return f"https://{host}:{self._server.server_address[1]}/{name}"

    def close(self) -> None:
        self.held.clear()
        self._server.shutdown()
        self._server.server_close()


def _handler(far: HttpsGit, root: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            far.asked.append(self.headers.get("Authorization"))
            while far.held.is_set():
                threading.Event().wait(0.02)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if far.redirect is not None:
                self._answer(301, {"Location": far.redirect + self.path}, b"")
                return
            wanted = base64.b64encode(f"{USER}:{far.password}".encode()).decode()
            if far.password is not None and self.headers.get("Authorization") != f"Basic {wanted}":
                said = f"wrong: {self.headers.get('Authorization')} {PASSWORD}".encode()  # as careless servers do
                self._answer(401, {"WWW-Authenticate": 'Basic realm="git"', "Content-Type": "text/plain"}, said)
                return
            if far.is_old:
                del self.headers["Git-Protocol"]
            self._answer(*_backend(root, self, body))

        def do_POST(self) -> None:
            self.do_GET()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _backend(root: Path, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
    path, _mark, query = request.path.partition("?")
    variables = {
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "PATH": os.environ["PATH"],
        "HOME": str(root),
    }
    answered = subprocess.run(["git", "http-backend"], env=variables, input=body, capture_output=True, check=False)
    head, _blank, content = answered.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    return int(headers.pop("Status", "200").split()[0]), headers, content


def _certificate(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the far side")])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, private = folder / "authority.pem", folder / "key.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority, private


class SshGit:
    """An ssh server that knows one public key, and runs `git-upload-pack` for it."""

    def __init__(self, root: Path, public_key: str) -> None:
        self._root = root
        self._known = asyncssh.import_authorized_keys(public_key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncssh.SSHAcceptor | None = None
        self.port = 0
        self.restart()

    def restart(self) -> None:
        """Serve on the same port with a new host key."""
        self._run(self._start())

    def close(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, name: str = "quotes.git") -> str:
        return f"ssh://git@127.0.0.1:{self.port}/{name}"

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _start(self) -> None:
        await self._stop()
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[self.host_key],
            authorized_client_keys=self._known,
            process_factory=self._serve,
            encoding=None,
            reuse_address=True,
        )
        self.port = self._server.get_port()

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command, _space, path = (process.command or "").partition(" ")
        bare = self._root / path.strip("'").lstrip("/")
        if command != "git-upload-pack" or not bare.is_dir():
            process.stderr.write(f"fatal: '{bare.name}' does not appear to be a git repository\n".encode())
            process.exit(128)
            return
        served = await asyncio.create_subprocess_exec(
            "git-upload-pack", str(bare), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"], "HOME": str(self._root)},
        )  # fmt: skip
        assert served.stdin is not None
        assert served.stdout is not None
        assert served.stderr is not None
        asked = asyncio.create_task(_pass_on(process.stdin, served.stdin))
        await asyncio.gather(_pass_on(served.stdout, process.stdout), _pass_on(served.stderr, process.stderr))
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        process.exit(await served.wait())


async def _pass_on(reader: Any, writer: Any) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()


def new_key(folder: Path, passphrase: str = "") -> tuple[str, str]:
    """A private key as `ssh-keygen` writes it, and its public one."""
    path = folder / f"key-{passphrase}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return path.read_text(), path.with_name(f"{path.name}.pub").read_text()
