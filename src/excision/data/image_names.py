"""File names of images."""

from __future__ import annotations

IMAGE_SUFFIXES = frozenset(
    {
        ".bmp",
        ".gif",
        ".jfif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""File name endings of images, in lower case; decoding shows whether a file is one."""


def is_image_name(name: str) -> bool:
    """Tell whether a file name is that of an image: not hidden, and with a known ending."""
    # A hot folder checks every name over and over: making a path of each would take half of the time.
    stem, _, ending = name.rpartition(".")
    return stem != "" and not name.startswith(".") and f".{ending.lower()}" in IMAGE_SUFFIXES
