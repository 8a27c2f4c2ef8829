"""Kinds of code, by the names that zxing-cpp gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from excision.errors import SettingsError


def formats_of(names: Sequence[str]) -> Any:
    """Give the kinds of code that zxing-cpp is to look for.

    Raises:
        SettingsError: it is missing, or knows no such code.
    """
    try:
        import zxingcpp
    except ImportError as error:
        raise SettingsError('code needs zxing-cpp; install it with: pip install "excision[codes]"') from error
    try:
        return zxingcpp.barcode_formats_from_str(",".join(names))
    except ValueError as error:
        known = ", ".join(str(each) for each in zxingcpp.barcode_formats_list())
        raise SettingsError(f"code is {', '.join(names)}: known are {known}") from error
