"""Bytes of a request to files, streamed, counted and never trusted: no name that a client sends is opened."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from excision.station.api.receiving import Place
from excision.station.api.spool import Spool
from excision.station.work.kept_images import Images
from excision.station.work.upload import Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# Every improper form would be a line on stderr; what was wrong with it is in the answer.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

_IDLE, _WHOLE = 30.0, 300.0  # seconds without a byte, and for a whole request
_DRAIN = 10.0  # seconds at most for the rest of a request that is refused
_FIELDS = ("source", "model", "serial", "lot", "recipe", "view")
_LONGEST_FIELD = 1000
_READ = "excision.read"  # of a request: its body has been read to the end


class UploadError(Exception):
    """A request whose body cannot be taken.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Received:
    """What a request held.

    Attributes:
        spool: the files, on their way to the disk.
        uploads: of each image the file, and the name that the client gave it.
        fields: other fields of a form, by name.
        content: of an only image that is still to be written to its file; it counts as held until `forget`.
    """

    spool: Spool
    uploads: list[tuple[Path, str]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    content: bytearray | None = None

    async def discard(self) -> None:
        """Remove the files again."""
        await self.spool.discard([path for path, _ in self.uploads] if self.content is None else [])

    def forget(self) -> None:
        """Say that nothing is held in memory any longer."""
        self.spool.forget()


async def receive(
    request: Request,
    images: Images,
    limits: Limits,
    source: str | None,
    place: Place,
    *,
    may_hold: bool = False,
) -> Received:
    """Write the images of a request to files: of a form with files, or the body itself.

    Args:
        request: whose body is read.
        images: say where to.
        limits: enforced while the bytes come in.
        source: name of an image that is the body itself; in a form, of images that have none.
        place: that the request has taken; a slow sender may lose it.
        may_hold: leave a small image that is alone in `content`: whoever inspects it writes it to its file,
            which spares a change of threads.

    Raises:
        UploadError: the body is too large, comes too slowly, is cut short or is no proper form; no file is
            left of it.
        ClientDisconnect: the client has left; no file is left.
    """
    received = Received(Spool(request.app.state.disk, place))
    try:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limits.max_bytes:
            raise _too_large(limits)
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind == b"multipart/form-data":
            form = _Form(images, limits, received, source or "")
            await _form(_chunks(request, limits, place), form, options.get(b"boundary"))
        else:
            await _body(_chunks(request, limits, place), images, received, source or "upload")
        if not received.uploads:
            raise UploadError(400, "the request holds no image")
        if may_hold and len(received.uploads) == 1:
            received.content = received.spool.whole(received.uploads[0][0])
        if received.content is None:
            await received.spool.write()
    except BaseException:
        await received.discard()
        raise
    return received


async def drain(request: Request, limits: Limits) -> None:
    """Read on, within reason, what is refused: a client in the middle of sending hears no answer."""
    left = limits.max_bytes
    if request.scope.get(_READ):
        return
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DRAIN):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return


async def _body(chunks: AsyncIterator[bytes], images: Images, received: Received, source: str) -> None:
    path = images.arriving()
    async for chunk in chunks:
        if not chunk:
            continue
        if not received.uploads:
            received.uploads.append((path, source))
        received.spool.put(path, chunk)
        await received.spool.relieve()


async def _form(chunks: AsyncIterator[bytes], form: _Form, boundary: bytes | None) -> None:
    if not boundary:
        raise UploadError(400, "the form names no boundary between its parts")
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
            await form.relieve()
        parser.finalize()
    except FormParserError as error:
        raise UploadError(400, f"this is no proper form ({error})") from error
    if not form.is_whole:
        raise UploadError(400, "the form is cut short")


async def _chunks(request: Request, limits: Limits, place: Place) -> AsyncIterator[bytes]:
    # Not by `request.stream`: each of its steps, the last empty one too, would need a time limit of its own.
    total, deadline, more = 0, time.monotonic() + _WHOLE, True
    while more:
        try:
            async with asyncio.timeout(min(_IDLE, deadline - time.monotonic())) as place.timeout:
                message = await request.receive()
        except TimeoutError:
            raise UploadError(408, "the image comes too slowly") from None
        finally:
            place.timeout = None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        request.scope[_READ] = not more
        total += len(chunk)
        place.received(len(chunk))
        if total > limits.max_bytes:
            raise _too_large(limits)
        yield chunk


class _Form:
    """Hears of the parts of a form as they are parsed; one file comes in at a time."""

    def __init__(self, images: Images, limits: Limits, received: Received, source: str) -> None:
        self.limits = limits
        self.is_whole = False
        self._images = images
        self._received = received
        self._source = source
        self._headers: dict[bytes, bytes] = {}
        self._header = [b"", b""]
        self._file: Path | None = None
        self._field: tuple[str, bytearray] | None = None
        self._parts = 0

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin,
            "on_part_data": lambda data, start, end: self._write(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    async def relieve(self) -> None:
        await self._received.spool.relieve()

    def _add(self, which: int, data: bytes) -> None:
        self._header[which] += data

    def _end_header(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self.limits.max_files + len(_FIELDS):
            raise UploadError(413, f"a request may hold {self.limits.max_files} images at most")
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        name, file_name = _text(options.get(b"name", b"")), options.get(b"filename")
        if name in _FIELDS and file_name is None:
            self._field = (name, bytearray())
            return
        if len(self._received.uploads) == self.limits.max_files:
            raise UploadError(413, f"a request may hold {self.limits.max_files} images at most")
        path = self._images.arriving()
        source = _text(file_name or b"") or self._source or name or "upload"
        self._received.uploads.append((path, source))
        self._received.spool.put(path)
        self._file = path

    def _write(self, data: bytes) -> None:
        if self._file is not None:
            self._received.spool.put(self._file, data)
        elif self._field is not None:
            name, value = self._field
            value += data
            if len(value) > _LONGEST_FIELD:
                raise UploadError(413, f"the field {name} is longer than {_LONGEST_FIELD} bytes")

    def _end_part(self) -> None:
        if self._field is not None:
            name, value = self._field
            self._received.fields[name] = _text(bytes(value))
            self._field = None
        self._file = None

    def _end(self) -> None:
        self.is_whole = True


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="backslashreplace").replace("\0", "")


def _too_large(limits: Limits) -> UploadError:
    return UploadError(413, f"a request may hold {limits.max_bytes} bytes at most (--max-bytes)")
