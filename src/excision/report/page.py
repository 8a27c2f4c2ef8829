"""What the pages of reports share: templates, their parts, and the hashes of scripts."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def page_part(name: str) -> str:
    """Read a script or style of the templates."""
    return resources.files("excision.report").joinpath("templates", name).read_text("utf-8")


def shared_part(name: str) -> str:
    """Read a script or style that reports share with the pages of a station."""
    return resources.files("excision.visualization").joinpath("templates", name).read_text("utf-8")


def digest(script: str) -> str:
    """Give the SHA-256 of a script as a content security policy states it."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def page_template(name: str) -> Template:
    """Open a template of the reports, which is compiled once in a process."""
    return _templates().get_template(name)


@cache
def _templates() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        # The style of figures is part of the package that draws them.
        loader=ChoiceLoader([PackageLoader("excision.report"), PackageLoader("excision.visualization")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
