"""A channel of conda that the test makes up, in a directory: packages in both formats, and a Python that is none.

The Python of the channel is a link to that of the tests with a `pyvenv.cfg` beside it, so that it looks for packages in
its own prefix: 600 bytes instead of 100 MB, and everything about it is as in a real one but the standard library.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.environments.package_index import PackageIndex, serve_packages

VERSION = platform.python_version()
MINOR = ".".join(VERSION.split(".")[:2])
SITE_PACKAGES = f"lib/python{MINOR}/site-packages"
SUBDIR = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()]
_PLACEHOLDER = f"/opt/{'placehold_' * 25}"  # as long as those of real packages


class CondaChannel:
    """A directory with packages and their lists."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lists: dict[str, dict[str, dict[str, object]]] = {"noarch": {}, SUBDIR: {}}
        self._write_lists()

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return self.root.as_uri()

    def add_python(self) -> None:
        """Offer the Python of the tests."""
        real = Path(sys.executable).resolve()
        settings = f"home = {real.parent}\nversion = {VERSION}\n"
        links = {"bin/python": str(real), "bin/python3": "python", f"bin/python{MINOR}": "python"}
        self.add("python", VERSION, files={"pyvenv.cfg": settings}, links=links)

    def add_module(
        self, name: str, version: str, *, depends: Sequence[str] = (), code: str = "", is_conda: bool = True
    ) -> None:
        """Offer a module with `VERSION` and a console script, for any Python of this version."""
        info = f"{SITE_PACKAGES}/{name}-{version}.dist-info"
        program = f"#!{_PLACEHOLDER}/bin/python\nimport sys, {name}\nprint('{name}', {name}.VERSION, sys.prefix)\n"
        files = {
            f"{SITE_PACKAGES}/{name}/__init__.py": f"VERSION = '{version}'\n{code}",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/RECORD": f"{name}/__init__.py,,\n",
            f"bin/{name}-tool": program,
            f"share/{name}/where": f"{_PLACEHOLDER}/share\n",
            f"lib/lib{name}.so": f"\x7fELF {_PLACEHOLDER}/share\0 and the rest",
        }
        self.add(name, version, depends=("python", *depends), files=files, is_conda=is_conda)

    def add(
        self,
        name: str,
        version: str,
        *,
        depends: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
        is_conda: bool = False,
        noarch: str | None = None,
    ) -> None:
        """Offer a package, as .conda or as .tar.bz2."""
        files, links, subdir = files or {}, links or {}, SUBDIR if noarch is None else "noarch"
        index: dict[str, object] = {"name": name, "version": version, "build": "0", "build_number": 0}
        index |= {"depends": list(depends), "subdir": subdir} | ({} if noarch is None else {"noarch": noarch})
        info = {
            "info/index.json": json.dumps(index),
            "info/paths.json": json.dumps({"paths": _paths(files, links), "paths_version": 1}),
        }
        file_name = f"{name}-{version}-0{'.conda' if is_conda else '.tar.bz2'}"
        packed = _conda(info, files, links, file_name) if is_conda else _tar({**info, **files}, links, "w:bz2")
        (self.root / subdir / file_name).write_bytes(packed)
        digest = hashlib.sha256(packed).hexdigest()
        self._lists[subdir][file_name] = index | {"sha256": digest, "size": len(packed)}
        self._write_lists()

    def remove(self, name: str) -> None:
        """Take all versions of a package out of the lists; the files stay."""
        for listed in self._lists.values():
            for file_name in [each for each, index in listed.items() if index["name"] == name]:
                del listed[file_name]
        self._write_lists()

    def _write_lists(self) -> None:
        for subdir, listed in self._lists.items():
            folder = self.root / subdir
            folder.mkdir(parents=True, exist_ok=True)
            packages = {name: one for name, one in listed.items() if name.endswith(".tar.bz2")}
            newer = {name: one for name, one in listed.items() if name.endswith(".conda")}
            written = {"info": {"subdir": subdir}, "packages": packages, "packages.conda": newer, "repodata_version": 1}
            (folder / "repodata.json").write_text(json.dumps(written))


def environment_yml(*dependencies: str, channels: Sequence[str], pip: Sequence[str] = ()) -> str:
    """The text of an environment.yml."""
    lines = ["channels:", *(f"  - {one}" for one in channels), "dependencies:", *(f"  - {one}" for one in dependencies)]
    lines += ["  - pip:", *(f"      - {one}" for one in pip)] if pip else []
    return "".join(f"{line}\n" for line in lines)


@contextmanager
def serve_channel(channel: CondaChannel) -> Iterator[PackageIndex]:
    """The same channel over loopback HTTP, at `/channel` of the address; it can be held, and be given a user."""
    with serve_packages() as server:
        server.folder = channel.root
        yield server


def _paths(files: Mapping[str, str], links: Mapping[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for path, text in files.items():
        one: dict[str, object] = {"_path": path, "path_type": "hardlink", "size_in_bytes": len(text)}
        one["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        if _PLACEHOLDER in text:
            one |= {"file_mode": "binary" if "\0" in text else "text", "prefix_placeholder": _PLACEHOLDER}
        found.append(one)
    empty = hashlib.sha256(b"").hexdigest()
    found += [{"_path": path, "path_type": "softlink", "size_in_bytes": 0, "sha256": empty} for path in links]
    return found


def _tar(files: Mapping[str, str], links: Mapping[str, str], mode: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
        for path, target in links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return packed.getvalue()


def _conda(info: Mapping[str, str], files: Mapping[str, str], links: Mapping[str, str], file_name: str) -> bytes:
    stem = file_name.removesuffix(".conda")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{stem}.tar.zst", _zstd(_tar(files, links, "w"))),
            (f"info-{stem}.tar.zst", _zstd(_tar(info, {}, "w"))),
        ):
            # A fixed time: the same package has the same hash in every test.
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()


def _zstd(data: bytes) -> bytes:
    """A frame of Zstandard that compresses nothing: blocks of at most 128 KiB, as they are."""
    blocks = [data[at : at + (1 << 17)] for at in range(0, len(data), 1 << 17)] or [b""]
    frame = b"\x28\xb5\x2f\xfd" + b"\xa0" + len(data).to_bytes(4, "little")
    for number, block in enumerate(blocks, start=1):
        frame += ((len(block) << 3) | (number == len(blocks))).to_bytes(3, "little") + block
    return frame
