"""Uploads that are none: refused with a reason, never a 500, and nothing of them stays."""

from __future__ import annotations

import io
import json
import socket
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.station.conftest import Service, Start, files_of, form, noise

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def posted(
    service: Service, body: bytes, kind: str = "application/octet-stream"
) -> tuple[int, dict[str, Any]]:
    """Send a body; every answer of the service is JSON with a reason, or with results."""
    before = files_of(service.data)
    status, headers, answer = service.ask("POST", "/v1/inspect", body, Content_Type=kind)
    content = json.loads(answer)
    assert headers["X-Content-Type-Options"] == "nosniff"
    if status != 200:
        assert isinstance(content["detail"], str)
        assert content["detail"]
        assert files_of(service.data) == before
    assert str(service.data) not in answer.decode(), "a path of the station"
    return status, content


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff_bomb() -> bytes:
    """A TIFF that says it is 60,000 pixels wide and high."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((16, 16), np.uint8), metadata=None)
    content = stream.getvalue()
    for tag in (256, 257):
        place = content.index(struct.pack("<HHI", tag, 4, 1)) + 8
        content = content[:place] + struct.pack("<I", 60_000) + content[place + 4 :]
    return content


@pytest.mark.parametrize("bomb", [png_bomb(100_000, 100_000), png_bomb(2**31 - 1, 1), tiff_bomb()])
def test_bombs_are_refused_by_their_header(service: Service, bomb: bytes) -> None:
    status, answer = posted(service, bomb)
    assert status == 422
    assert "pixels" in str(answer["detail"])


def test_a_chain_of_pages_is_not_followed_to_its_end(service: Service) -> None:
    """Each page of 18 bytes is cheap to send, and would take two kilobytes to remember."""
    count = 20_000
    ends = [8 + 18 * number for number in range(1, count)] + [0]
    pages = b"".join(struct.pack("<HHHIII", 1, 256, 4, 1, 64, end) for end in ends)
    status, answer = posted(service, b"II*\0" + struct.pack("<I", 8) + pages)
    assert status == 422
    assert "more than 100 pages" in str(answer["detail"])


def test_the_limit_of_pixels_is_the_stations(start: Start) -> None:
    service = start("--max-pixels", 64 * 64)
    assert posted(service, noise(1, (64, 64)))[0] == 200
    status, answer = posted(service, noise(1, (65, 64)))
    assert status == 422
    assert "--max-pixels" in str(answer["detail"])


def test_the_limit_of_bytes_holds_while_they_come(start: Start) -> None:
    service = start("--max-bytes", 10_000)
    assert posted(service, bytes(10_001))[0] == 413
    body, kind = form(("image", "a.png", bytes(9_990)))
    assert posted(service, body, kind)[0] == 413
    # Without a length the bytes have to be counted.
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as wire:
        wire.sendall(b"POST /v1/inspect HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")
        wire.sendall((b"1000\r\n" + bytes(4096) + b"\r\n") * 2 + b"0\r\n\r\n")
        assert wire.recv(64).startswith(b"HTTP/1.1 413 ")
    assert posted(service, bytes(10_000))[0] == 422
    assert files_of(service.data) == set()


def test_other_requests_are_small(service: Service) -> None:
    body = b'{"truth": "good", "note": "' + b"x" * 2**21 + b'"}'
    assert service.ask("POST", "/v1/results/1/labels", body, Content_Type="application/json")[0] == 413


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"", "image/png", 400, "holds no image"),
        (b"", "multipart/form-data; boundary=b", 400, "cut short"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 400, "holds no image|cut short"),
        (form(("image", "a.png", b"x"))[0], "multipart/form-data", 400, "no boundary"),
        (form(("image", "a.png", b"x"))[0], "multipart/form-data; boundary=c", 400, "no proper form"),
        (
            form(("image", "a.png", b"x"))[0],
            f"multipart/form-data; boundary={'b' * 300}",
            400,
            "no proper form",
        ),
        (form(("image", "a.png", noise(1)))[0][:-8], "multipart/form-data; boundary=b", 400, "cut short"),
        (form(("source", None, b"s" * 1001))[0], "multipart/form-data; boundary=b", 413, "longer than"),
        (
            form(*[("image", "a.png", b"")] * 65)[0],
            "multipart/form-data; boundary=b",
            413,
            "64 images at most",
        ),
        (form(("image", "empty.png", b""))[0], "multipart/form-data; boundary=b", 422, "empty"),
        (b"\x89PNG\r\n\x1a\n", "image/png", 422, "no image|damaged"),
        (b"II*\0" + bytes(60), "image/tiff", 422, "damaged|pages"),
        (b"GIF89a", "image/png", 422, "no image|damaged"),
    ],
)
def test_odd_bodies(service: Service, body: bytes, kind: str, status: int, reason: str) -> None:
    import re

    found, answer = posted(service, body, kind)
    assert found == status
    assert re.search(reason, str(answer["detail"]))


@EXAMPLES
@given(st.data())
def test_damaged_images_are_answered(service: Service, data: st.DataObject) -> None:
    """An image with bytes changed and its end cut off: a verdict or a reason, nothing else."""
    content = bytearray(_sample(data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"]))))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=20)):
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    status, answer = posted(service, bytes(content))
    assert status in (200, 422)
    (result,) = answer["results"]
    assert (result["verdict"] is None) == (status == 422)


@EXAMPLES
@given(
    st.binary(max_size=3000), st.sampled_from(["image/png", "multipart/form-data; boundary=b", "", "x/y;;"])
)
def test_any_bytes_are_answered(service: Service, body: bytes, kind: str) -> None:
    assert posted(service, body, kind)[0] in (400, 413, 422)


@EXAMPLES
@given(st.data())
def test_damaged_forms_are_answered(service: Service, data: st.DataObject) -> None:
    body, kind = form(
        ("model", None, b"fabric"), ("image", "a.png", noise(1, (16, 16))), ("image", "b", b"x")
    )
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(damaged) - 1))
        insert = data.draw(st.binary(max_size=5) | st.just(b"\r\n--b\r\n"))
        damaged[start : start + data.draw(st.integers(0, 5))] = insert
    assert posted(service, bytes(damaged), kind)[0] in (200, 400, 404, 413, 422)


@EXAMPLES
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_on_the_wire(service: Service, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as wire:
        wire.sendall(request_bytes + b"\r\n\r\n")
        wire.shutdown(socket.SHUT_WR)
        answer = wire.recv(64)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert service.json("GET", "/healthz")[0] == 200


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "..\\x", "a/b.png", ".", "x" * 2000, "\\0"]
)
def test_names_of_uploads_are_text_and_nothing_else(service: Service, name: str) -> None:
    body, kind = form(("image", name, noise(2)))
    before = files_of(service.data)
    status, answer = posted(service, body, kind)
    assert status == 200
    (new,) = files_of(service.data) - before
    assert (service.data / new).read_bytes() == noise(2)
    (result,) = answer["results"]
    assert result["source"].endswith(name[-20:]) or len(name) > 500


def test_paths_in_addresses_lead_nowhere(service: Service) -> None:
    for path in (
        "/v1/results/../../etc/passwd",
        "/v1/results/1/stages/..%2f..%2fx.png",
        "/v1/results/%2e%2e/image",
        "//etc/passwd",
        "/static/../app.py",
        "/static/..%2fapp.py",
    ):
        status, _, answer = service.ask("GET", path)
        assert status in (404, 422), path
        assert b"root:" not in answer


def _sample(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(noise(5, (16, 16)))).save(stream, format=kind)
    return stream.getvalue()
