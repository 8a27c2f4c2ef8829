"""What people add to a report: title, customer, operator, notes and a logo; kept beside the results."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from excision.errors import ResultsError, SettingsError
from excision.system.files import write_bytes, write_json

WORDS, LOGO = "words.json", "logo.png"
"""Files of a folder of results that keep them."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_MOST_BYTES, _MOST_PIXELS = 4 * 2**20, 4096 * 4096
# Twice what the head of a page shows, for paper.
_LOGO_SIZE = (800, 320)
_MOST_TEXT = 100_000

# Whatever Pillow raises for a file that is damaged in one way or another.
_NO_IMAGE = (
    *(UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, EOFError),
    *(TypeError, IndexError, KeyError, OverflowError, struct.error, zlib.error),
)


@dataclass(frozen=True, slots=True)
class Words:
    """What a user adds to a report; None leaves it out.

    Attributes:
        title: replaces the title that follows from the results.
        customer: whom the report is for.
        notes: text in paragraphs, for the cover.
        operator: who made the measurement.
        logo: PNG, as `read_logo` gives it.
    """

    title: str | None = None
    customer: str | None = None
    notes: str | None = None
    operator: str | None = None
    logo: bytes | None = None

    def over(self, kept: Words) -> Words:
        """Return these words, and where one is left out the kept one."""
        own = {name: value for name, value in _fields(self).items() if value is not None}
        return dataclasses.replace(kept, **own)

    @property
    def logo_address(self) -> str | None:
        """The logo as an address that contains it."""
        if self.logo is None:
            return None
        return f"data:image/png;base64,{base64.b64encode(self.logo).decode('ascii')}"


def keep_words(folder: Path, words: Words) -> None:
    """Keep words beside results, so that a report that is written again has them; removes earlier ones."""
    texts = {name: value for name, value in _fields(words).items() if name != "logo" and value is not None}
    if texts:
        write_json(folder / WORDS, texts)
    else:
        (folder / WORDS).unlink(missing_ok=True)
    if words.logo is not None:
        write_bytes(folder / LOGO, words.logo)
    else:
        (folder / LOGO).unlink(missing_ok=True)


def kept_words(folder: Path) -> Words:
    """Read what `keep_words` kept.

    Raises:
        ResultsError: a file is damaged.
    """
    path, logo = folder / WORDS, folder / LOGO
    texts: dict[str, Any] = {}
    if path.is_file():
        try:
            texts = json.loads(path.read_text("utf-8")[:_MOST_TEXT])
            if "logo" in texts or not all(isinstance(text, str) for text in texts.values()):
                raise TypeError("an entry is no text of a report")
            Words(**texts)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ResultsError(f"{path}: is damaged ({error}); evaluate again, or remove it") from error
    try:
        return Words(**texts, logo=read_logo(logo) if logo.is_file() else None)
    except SettingsError as error:
        raise ResultsError(str(error)) from error


def read_logo(path: Path) -> bytes:
    """Read a logo and give it as a PNG of bounded size, without anything else that the file holds.

    Raises:
        SettingsError: the file is missing, too large, or not an image that can be embedded.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SettingsError(
                f"{path}: a logo may have {_MOST_BYTES // 2**20} MiB at most; make it smaller"
            )
        with warnings.catch_warnings(), _opened(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise SettingsError(
                    f"{path}: a logo of {image.width} x {image.height} pixels is too large; make it smaller"
                )
            drawn = image.convert("RGBA")
    except _NO_IMAGE as error:
        raise SettingsError(
            f"{path}: this is no image that a report can hold; save the logo as {', '.join(_FORMATS)}"
        ) from error
    except OSError as error:
        raise SettingsError(f"{path}: the logo cannot be read ({error})") from error
    drawn.thumbnail(_LOGO_SIZE, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    drawn.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _opened(path: Path) -> Image.Image:
    # The size is checked before any pixel is decoded, by a smaller limit than that of the warning.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return Image.open(path, formats=_FORMATS)


def _fields(words: Words) -> dict[str, Any]:
    return {field.name: getattr(words, field.name) for field in dataclasses.fields(words)}
