"""Requests to the service that hold no proper image, in every way that one may be improper."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator

_FORM, _BYTES = "multipart/form-data; boundary=b", "application/octet-stream"


def uploads(rng: random.Random, image: bytes) -> Iterator[bytes]:
    """Give one request of each kind, each another one at every call.

    Args:
        rng: decides how they are damaged.
        image: a good one to damage.
    """
    yield post(damaged(rng, image), _BYTES)
    yield post(rng.randbytes(rng.randint(1, 10_000)), "image/png")
    yield post(image[: rng.randrange(len(image))], _BYTES, len(image))
    yield post(b"", _BYTES)
    yield post(bomb(), "image/png")
    yield post(bytes(2**22 + 1), _BYTES)
    yield post(form(image[: rng.randrange(len(image))], end=b""), _FORM)
    yield post(form(damaged(rng, image)), _FORM)
    yield post(form(damaged(rng, image), name=b'filename="../../../etc/passwd"'), _FORM)
    yield post(form(image), "multipart/form-data")
    yield post(form(image), "multipart/form-data; boundary=" + "x" * rng.randint(1, 300))
    yield post(rng.randbytes(3000), _FORM)
    yield post(form(b"II*\0" + rng.randbytes(500)), _FORM)
    yield post(b"--b\r\n" + b"X: y\r\n" * rng.randint(1, 2000), _FORM)
    yield post(form(b"x", end=b"\r\n") * rng.randint(1, 100) + b"--b--\r\n", _FORM)
    yield rng.randbytes(rng.randint(1, 500))


def post(body: bytes, kind: str, length: int | None = None) -> bytes:
    """Give a whole request with that body."""
    head = (
        f"POST /v1/inspect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nConnection: close\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode("latin-1") + body


def bomb() -> bytes:
    """Give a PNG of a few bytes that says it holds ten thousand million pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def damaged(rng: random.Random, image: bytes) -> bytes:
    """Give an image with bytes changed at random."""
    content = bytearray(image)
    for _ in range(rng.randint(8, 64)):
        content[rng.randrange(min(len(content), 4096))] = rng.randrange(256)
    return bytes(content[: rng.randrange(1, len(content))])


def form(part: bytes, end: bytes = b"\r\n--b--\r\n", name: bytes = b'filename="a.png"') -> bytes:
    """Give a form of one part."""
    return b'--b\r\nContent-Disposition: form-data; name="image"; ' + name + b"\r\n\r\n" + part + end
