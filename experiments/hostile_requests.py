"""Requests of somebody who wants the service to fail: bytes at random, and requests with odd parts."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from urllib.parse import quote

from malformed_uploads import uploads

_WORDS = (
    "", "0", "-1", "1", "2", "7", "1e309", "NaN", "inf", "-inf", "9223372036854775807",
    "9223372036854775808", "1" * 400, "-" + "9" * 30, "0x10", "1_000", "٣", "½", "true", "null", "[]", "{}",
    "good", "defect", "failed", "fabric", "yes", "1.5", "1,5", "2026-03-02T06:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-45", "0000-00-00", "1970-01-01", "T",
    "+275760-09-13", "../../etc/passwd", "..%2f..", "a/b", "\\", "'", "\" OR 1=1 --", "%", "_", "%s%n",
    "{0}", "{{7*7}}", "<script>alert(1)</script>", "\0", "a\0b", "\r\nX: y", "\ufeff", "\u202e", "\ud800",
    "é", "e\u0301", "🦀" * 50, "a" * 3000, "=cmd", "@x", "picture", "thumb", "overlay", "mask",
)  # fmt: skip

_PATHS = (
    "/", "/live/now", "/review", "/review/threshold", "/review/threshold/forecast",
    "/review/confirmed-good.zip", "/review/{}/labels", "/models", "/models/{}/load", "/models/{}/rollback",
    "/models/{}/work", "/work", "/work/stop", "/try", "/try/{}/{}.png", "/parts/{}/{}.png", "/login",
    "/logout", "/static/{}", "/favicon.ico", "/healthz", "/readyz", "/metrics", "/openapi.json",
    "/v1/inspect", "/v1/results", "/v1/results/{}", "/v1/results/{}/labels", "/v1/results/{}/image",
    "/v1/results/{}/overlay.png", "/v1/results/{}/map.png", "/v1/results/{}/map.tiff",
    "/v1/results/{}/stages/{}.png", "/v1/models", "/v1/models/{}", "/v1/models/{}/history",
    "/v1/models/{}/load", "/v1/models/{}/rollback", "/v1/models/{}/thresholds", "/{}", "/{}/{}", "//{}",
    "/v1/{}",
)  # fmt: skip

_FIELDS = (
    "since", "until", "verdict", "lowest", "highest", "source", "model", "labelled", "marked", "limit",
    "cursor", "id", "hours", "state", "to", "v", "threshold", "review_threshold", "confirmed", "version",
    "truth", "who", "note", "folder", "kind", "rate", "key", "onward",
)  # fmt: skip

_HEADERS = (
    "Range", "If-None-Match", "If-Modified-Since", "If-Range", "Accept", "Accept-Language",
    "Accept-Encoding", "Cookie", "Authorization", "X-API-Key", "Origin", "Referer", "Sec-Fetch-Site",
    "HX-Request", "X-Source", "Content-Encoding", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded",
    "Content-Type", "Expect", "TE", "Trailer", "Upgrade", "Date", "X-HTTP-Method-Override", "Traceparent",
    "Connection", "Transfer-Encoding", "Content-Length", "Host",
)  # fmt: skip

_VALUES = (
    "bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-0,1-1,2-2", "bytes=a-b",
    "bytes=" + ",".join(["0-"] * 300), "bytes=99999999999999999999-", "items=0-1", "*", '"x"', 'W/"x"',
    "Thu, 32 Foo 2026 99:99:99 GMT", "text/html", "de;q=NaN,en;q=inf", "de;q=1e999", ";q=,;;,",
    "en-" + "x" * 3000, "excision_session=x", "a=b; =; ;;; \"", "$Version=1", "excision_session=\"\\777\"",
    "Bearer", "Bearer ", "Bearer \xe9", "Basic !!!", "null", "https://[", "http://[::1",
    "http://localhost:99999999", "true", "application/json; charset=utf-7", "multipart/form-data",
    "text/plain;;;=", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"",
    "application/x-www-form-urlencoded", "\xff\xfe", "100-continue", "chunked", "gzip", "close",
    "keep-alive", "h2c", "localhost", "localhost:x", "[::1", "a@localhost",
    "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
)  # fmt: skip

_METHODS = (
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
)


def hostile(rng: random.Random, image: bytes) -> Iterator[bytes]:
    """Give requests without end, every one as the bytes that are sent.

    Args:
        rng: decides what is wrong with each.
        image: a good one.
    """
    kinds: tuple[Callable[[random.Random, bytes], bytes], ...] = (
        _structured,
        _structured,
        _body,
        _broken,
        _raw,
    )
    while True:
        yield rng.choice(kinds)(rng, image)
        if rng.random() < 0.01:
            yield from uploads(rng, image)


def _word(rng: random.Random) -> str:
    word = rng.choice(_WORDS)
    return word if rng.random() < 0.8 else word + rng.choice(_WORDS)


def _escaped(rng: random.Random, text: str) -> str:
    way = rng.random()
    if way < 0.7:
        return quote(text, safe="", errors="surrogatepass")
    if way < 0.8:
        return quote(text, safe="", encoding="latin-1", errors="replace")
    return rng.choice(("%", "%zz", "%ff%fe", "%00", "%ed%a0%80", "%c0%af", "%2e%2e%2f", "%u0041", "+", "%0a"))


def _target(rng: random.Random) -> str:
    path = rng.choice(_PATHS)
    while "{}" in path:
        path = path.replace("{}", _escaped(rng, _word(rng)), 1)
    names = [rng.choice(_FIELDS) for _ in range(rng.choice((0, 0, 1, 2, 5)))]
    names += names[:1] if rng.random() < 0.3 else []
    query = "&".join(f"{name}={_escaped(rng, _word(rng))}" for name in names)
    return path + ("?" + query if query else "")


def _head(rng: random.Random, method: str, body: bytes, kind: str) -> bytes:
    lines = [f"{method} {_target(rng)} HTTP/1.1"]
    headers = {
        "Host": "localhost",
        "Connection": "close",
        "Content-Type": kind,
        "Content-Length": str(len(body)),
    }
    if rng.random() < 0.5:
        headers["Accept"] = "text/html"
    for _ in range(rng.choice((0, 1, 1, 3))):
        name = rng.choice(_HEADERS)
        if rng.random() < 0.15 or name not in ("Host", "Content-Length", "Transfer-Encoding", "Connection"):
            headers[name] = rng.choice(_VALUES)
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode(
        "latin-1"
    )


def _structured(rng: random.Random, _image: bytes) -> bytes:
    return _head(rng, rng.choice(_METHODS), b"", "text/plain")


def _value(rng: random.Random, depth: int = 0) -> object:
    kind = rng.randrange(8 if depth < 3 else 6)
    if kind == 6:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {rng.choice(_FIELDS): _value(rng, depth + 1) for _ in range(rng.randrange(6))}
    number = struct.unpack("<d", rng.randbytes(8))[0]
    return (_word(rng), number, rng.randrange(-(2**80), 2**80), rng.randrange(3), None, rng.random() < 0.5)[
        kind
    ]


def _body(rng: random.Random, image: bytes) -> bytes:
    way = rng.randrange(5)
    if way == 0:
        fields = {rng.choice(_FIELDS): _value(rng) for _ in range(rng.randrange(8))}
        body, kind = json.dumps(fields).encode(), "application/json"
    elif way == 1:
        names = [rng.choice(_FIELDS) for _ in range(rng.randrange(8))]
        body = "&".join(f"{name}={_escaped(rng, _word(rng))}" for name in names).encode()
        kind = "application/x-www-form-urlencoded"
    elif way == 2:
        body, kind = b"[" * rng.choice((10, 5000)) + rng.randbytes(20), "application/json"
    elif way == 3:
        body, kind = image, "application/octet-stream"
    else:
        part = f'--b\r\nContent-Disposition: form-data; name="{_word(rng)}"; filename="{_word(rng)}"\r\n\r\n'
        body = (
            part.encode("utf-8", "replace")
            + rng.choice((image, b"", b"x"))
            + rng.choice((b"\r\n--b--\r\n", b""))
        )
        kind = "multipart/form-data; boundary=b"
    return _head(rng, rng.choice(("POST", "POST", "PUT", "GET")), body, kind) + body


def _broken(rng: random.Random, image: bytes) -> bytes:
    """Give a request in which some bytes are others, missing, or there twice."""
    content = bytearray(rng.choice((_structured, _body))(rng, image))
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(min(len(content), 400))
        way = rng.randrange(4)
        if way == 0:
            content[place] = rng.randrange(256)
        elif way == 1:
            del content[place : place + rng.randint(1, 20)]
        elif way == 2:
            content[place:place] = content[place : place + rng.randint(1, 60)]
        else:
            content[place:place] = rng.choice((b"\0", b"\r\n", b"\n", b"\r", b"\xff", b" ", b":", b"\t"))
        if not content:
            break
    return bytes(content)


def _raw(rng: random.Random, _image: bytes) -> bytes:
    way = rng.randrange(6)
    if way == 0:
        return rng.randbytes(rng.randint(1, 3000))
    if way == 1:
        return (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * rng.choice((10, 99, 101, 5000)) + b"\r\n"
        )
    if way == 2:
        return (
            b"GET /" + b"a" * rng.choice((100, 8000, 9000, 100_000)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
    if way == 3:
        return b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * rng.choice((2, 10, 100))
    if way == 4:
        sizes = rng.choice((b"zz", b"-1", b"f" * 17, b"5", b"0", b"1;x=" + b"y" * 500))
        head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += b"Transfer-Encoding: chunked\r\n\r\n"
        return head + sizes + b"\r\nkey=a\r\n0\r\n\r\n"
    return rng.choice(
        (
            b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET http://localhost/healthz HTTP/1.0\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + rng.randbytes(160),
        )
    )
