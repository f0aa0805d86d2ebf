"""Receiving what is sent to the routes of projects: archives straight to the disk, JSON of bounded size.

The framework's own form parser writes into the system's temporary directory and only then says how large it was; here
a file goes to the data disk, and is refused at the byte that is one too many.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from kumo.errors import InvalidInput, TooLarge
from kumo.projects.store.disk import full_disk_is_unavailable

Model = TypeVar("Model", bound=BaseModel)

_MULTIPART = "multipart/form-data"
_WRITE_BYTES = 1024 * 1024
_FIELD_BYTES = 64 * 1024
_MOST_PARTS = 10
_FRAME_BYTES = 64 * 1024  # what boundaries and headers add to a file


@dataclass(kw_only=True)
class Upload:
    """A form with one file, which lies on the disk."""

    path: Path
    filename: str
    fields: dict[str, str]


@dataclass(kw_only=True)
class UploadedFiles:
    """A form with several files, which lie on the disk."""

    files: list[tuple[Path, str]]  # each with the name that it was sent with, whatever that is
    fields: dict[str, str]


def is_multipart(request: Request) -> bool:
    """Whether the request brings a form with files."""
    return _content_type(request)[0] == _MULTIPART


async def read_json(request: Request, model: type[Model], *, most_bytes: int) -> Model:
    """The request's JSON body as a model; `TooLarge` at the byte that is one too many."""
    body = bytearray()
    _refuse_announced(request, most_bytes)
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                raise _too_large(most_bytes)
    except ClientDisconnect:
        raise _broken_off() from None
    return validated(model, bytes(body))


def validated(model: type[Model], values: bytes | dict[str, str]) -> Model:
    """A model from a body or from a form's fields; what is wrong is answered as for every other route."""
    try:
        return model.model_validate_json(values) if isinstance(values, bytes) else model.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from None


async def receive_upload(request: Request, directory: Path, *, most_bytes: int) -> Upload:
    """Receive a form whose part `file` is written into the directory."""
    form = await _receive(request, directory, most_bytes=most_bytes, most_files=1)
    ((path, filename),) = form.files
    return Upload(path=path, filename=_plain_name(filename), fields=form.fields())


async def receive_files(request: Request, directory: Path, *, most_bytes: int, most_files: int) -> UploadedFiles:
    """Receive a form whose parts `file` are written into the directory; their names are as they were sent."""
    form = await _receive(request, directory, most_bytes=most_bytes, most_files=most_files)
    return UploadedFiles(files=form.files, fields=form.fields())


async def _receive(request: Request, directory: Path, *, most_bytes: int, most_files: int) -> _Form:
    _refuse_announced(request, most_bytes + most_files * _FRAME_BYTES)
    boundary = _content_type(request)[1].get(b"boundary")
    if not boundary or not is_multipart(request):
        raise InvalidInput.at("file", "Send each file as a part “file” of a multipart form.")
    form = _Form(directory, most_bytes=most_bytes, most_files=most_files)
    try:
        with full_disk_is_unavailable():
            await _feed(request, form, boundary)
    finally:
        form.close()
    if not form.ended:
        raise _broken_off()
    if not form.files:
        raise InvalidInput.at("file", "This field is required.")
    return form


async def _feed(request: Request, form: _Form, boundary: bytes) -> None:
    try:
        parser = form.parser(boundary)
        async for chunk in request.stream():
            parser.write(chunk)
            if form.waiting_bytes >= _WRITE_BYTES:
                await asyncio.to_thread(form.write_files)
        await asyncio.to_thread(form.write_files)
    except FormParserError:
        raise InvalidInput.at("", "The form cannot be read: it is not valid multipart.") from None
    except ClientDisconnect:
        raise _broken_off() from None


@dataclass
class _Part:
    """The part that is being read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""


class _Form:
    """Takes a form apart as it comes in."""

    def __init__(self, directory: Path, *, most_bytes: int, most_files: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._file_bytes = 0
        self._open: BinaryIO | None = None
        self._open_number = -1
        # What has come and is not written yet: for each piece, which file it belongs to.
        self._waiting: list[tuple[int, bytes]] = []
        self._values: dict[str, bytearray] = {}
        self._parts = 0
        self._part = _Part()
        self.waiting_bytes = 0
        self.files: list[tuple[Path, str]] = []
        self.ended = False

    def parser(self, boundary: bytes) -> MultipartParser:
        """The parser that feeds this form."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    def write_files(self) -> None:
        """Write what has come of the files; blocks."""
        with full_disk_is_unavailable():
            for number, piece in self._waiting:
                self._file(number).write(piece)
            if self._open is not None:
                self._open.flush()
        self._waiting.clear()
        self.waiting_bytes = 0

    def close(self) -> None:
        """Leave the last file."""
        if self._open is not None:
            self._open.close()

    def _file(self, number: int) -> BinaryIO:
        if self._open is None or self._open_number != number:
            self.close()
            self._open, self._open_number = self.files[number][0].open("xb"), number
        return self._open

    def fields(self) -> dict[str, str]:
        """The form's other parts, as text."""
        try:
            return {name: value.decode() for name, value in self._values.items()}
        except UnicodeDecodeError:
            raise InvalidInput("The form's fields must be UTF-8.") from None

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS + self._most_files:
            raise InvalidInput("The form has too many parts.")
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _header_end(self) -> None:
        self._part.headers[self._part.header_name.lower()] = self._part.header_value
        self._part.header_name = self._part.header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self._part.name = name
        if name != "file":
            self._values[name] = bytearray()
            return
        if len(self.files) == self._most_files:
            most = "one file" if self._most_files == 1 else f"{self._most_files:,} files"
            raise InvalidInput.at("file", f"Send {most} only.")
        filename = options.get(b"filename", b"").decode("utf-8", "replace")
        self.files.append((self._directory / f"file-{len(self.files)}", filename))
        self._waiting.append((len(self.files) - 1, b""))  # an empty file is a file too

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name != "file":
            value = self._values[self._part.name]
            value += data[start:end]
            if len(value) > _FIELD_BYTES:
                raise TooLarge(f"The field {self._part.name[:50]!a} is longer than {_FIELD_BYTES:,} bytes.")
            return
        self._file_bytes += end - start
        if self._file_bytes > self._most_bytes:
            raise _too_large(self._most_bytes)
        self._waiting.append((len(self.files) - 1, data[start:end]))
        self.waiting_bytes += end - start

    def _end(self) -> None:
        self.ended = True


def _plain_name(filename: str) -> str:
    """The last part of a file's name, as it may stand in a sentence."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in name if char.isprintable())[:200] or "archive"


def _content_type(request: Request) -> tuple[str, dict[bytes, bytes]]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return kind.decode("latin-1"), options


def _refuse_announced(request: Request, most_bytes: int) -> None:
    """Refuse by the length that is announced, before anything is read; what comes is counted all the same."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most_bytes:
        raise _too_large(most_bytes)


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(
        f"This is larger than {most_bytes:,} bytes. Leave out data and environments, or raise KUMO_UPLOAD_MAX_BYTES "
        "(KUMO_FILE_MAX_BYTES for a single file)."
    )


def _broken_off() -> InvalidInput:
    return InvalidInput("The upload broke off before its end. Send it again.")
