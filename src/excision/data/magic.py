"""The first bytes of image files, by which their readers are chosen."""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n"

READERS = {
    PNG: "png",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "tiff"),
    **dict.fromkeys((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "jpeg2000"),
    **dict.fromkeys((b"P2", b"P3", b"P5", b"P6"), "netpbm"),
}
"""The module of this package that reads a file beginning with these bytes; `raster` reads all others.

These are PNG, TIFF and BigTIFF, JPEG 2000 with boxes and as a bare codestream, PGM and PPM."""

LONGEST = max(map(len, READERS))
"""Bytes that tell which reader it is."""
