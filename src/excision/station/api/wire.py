"""What stands in the first lines of requests and answers, and where they come from."""

from __future__ import annotations

import ipaddress
import json
from http import HTTPStatus

from excision.station.api.security import HEADERS


def spoken(status: int, sentence: str) -> bytes:
    """Give a whole answer after which the connection ends."""
    body = json.dumps({"detail": sentence}).encode()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    lines += ["retry-after: 1"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []
    lines += [f"content-length: {len(body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def plain_address(host: str) -> str:
    """Give an address without the dress of IPv4 in IPv6."""
    try:
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
    except ValueError:
        return host
    return host if mapped is None else str(mapped)


def path_of(address: bytes, host: bytes) -> bytes | None:
    """Give the path and query of an address, which may name this service; None if it names another.

    Args:
        address: "/path?query" or "http://host/path?query".
        host: that the request is for; empty where it does not say.
    """
    if address[:1] == b"/":
        return address
    scheme, mark, rest = address.partition(b"://")
    before, question, query = rest.partition(b"?")
    authority, _, path = before.partition(b"/")
    named = not host or authority.lower() == host.lower()
    if not mark or scheme.lower() not in (b"http", b"https") or not authority or not named:
        return None
    return b"/" + path + question + query
