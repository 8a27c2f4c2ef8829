"""How results are put together to parts: the table `[parts]` of a station's file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from excision.errors import SettingsError
from excision.station.parts.verdict import Missing
from excision.system.duration import Duration

MOST_VIEWS = 32
_REGION = 4


@dataclass(frozen=True, slots=True)
class PartsSettings:
    """`[parts]`: which views make a part, and where its serial number is read from the image.

    Attributes:
        views: names of the views that make a part whole; empty where each image is a part.
        timeout: after the first view of a part, at which it gets its verdict even if views are missing.
        missing: what a part counts as, at best, of which a view is missing, or whose code could not be read.
        code: kinds of code to look for, such as "DataMatrix" or "QRCode"; empty for none.
        code_views: views that show the code; empty for every view.
        region: (x, y, width, height) of where the code is, each a share of the image, 0 to 1.
        pattern: regular expression that the whole text of a code must match; other codes are ignored. Its
            groups `serial` and `lot` are taken, or the whole text as the serial number where it has none.
    """

    views: tuple[str, ...] = ()
    timeout: Duration = 5.0
    missing: Missing = "fault"
    code: tuple[str, ...] | str = ()
    code_views: tuple[str, ...] = ()
    region: tuple[float, ...] = ()
    pattern: str | None = None
    formats: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "formats", (self.code,) if isinstance(self.code, str) else self.code)
        if len(set(self.views)) < len(self.views) or len(self.views) > MOST_VIEWS:
            raise SettingsError(f"views must name each view once, {MOST_VIEWS} at most")
        if not all(0 < len(name) <= 64 and name.isprintable() for name in self.views):
            raise SettingsError("views must be names of 1 to 64 characters")
        unknown = [name for name in self.code_views if self.views and name not in self.views]
        if unknown:
            raise SettingsError(f"code_views names {unknown[0]}, which is not one of views")
        self._check_region()
        self._check_pattern()
        if not self.formats and (self.code_views or self.region or self.pattern):
            raise SettingsError(
                'code is missing: without it no code is looked for; write code = "DataMatrix"'
            )

    def check(self) -> str:
        """Look whether codes of these kinds can be read.

        Raises:
            SettingsError: zxing-cpp is missing, or knows no such code.
        """
        views = f"{len(self.views)} views make a part" if self.views else "each image is a part"
        if not self.formats:
            return views
        from excision.station.parts.formats import formats_of

        formats_of(self.formats)
        return f"{views}; codes of kind {', '.join(self.formats)} are read"

    def reads_code(self, view: str | None) -> bool:
        """Tell whether a code is looked for in the images of a view."""
        return bool(self.formats) and (not self.code_views or (view or "") in self.code_views)

    def _check_region(self) -> None:
        if not self.region:
            return
        if len(self.region) != _REGION:
            raise SettingsError("region must be four numbers: x, y, width, height as shares of the image")
        x, y, width, height = self.region
        if not (0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 - x + 1e-9 and 0 < height <= 1 - y + 1e-9):
            raise SettingsError("region must lie within the image: x, y, width, height as shares, 0 to 1")

    def _check_pattern(self) -> None:
        if self.pattern is None:
            return
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except (re.error, RecursionError, OverflowError) as error:
            raise SettingsError(f"pattern is no regular expression ({error})") from error
        if groups - {"serial", "lot"}:
            raise SettingsError("pattern may have the groups (?P<serial>...) and (?P<lot>...) only")
