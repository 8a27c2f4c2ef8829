"""What documents show in Python exists, their links lead somewhere, and their lines fit a screen."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def python_of(text: str) -> list[str]:
    return [block for language, block in FENCED.findall(text) if language == "python"]


def shown_imports() -> list[tuple[str, str]]:
    found = set()
    for path in DOCUMENTS:
        for block in python_of(path.read_text("utf-8")):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and node.module:
                    found |= {(node.module, alias.name) for alias in node.names}
    return sorted(found)


@pytest.mark.parametrize(("module", "name"), shown_imports())
def test_what_is_imported_exists(module: str, name: str) -> None:
    if module.startswith("pyspark."):
        # Too large to be part of `dev`.
        pytest.importorskip("pyspark")
    if (module, name) == ("ray", "serve"):
        # Needs packages that the rest of Ray does not; `dev` lacks them.
        pytest.importorskip("ray.serve")
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_links_lead_somewhere(path: Path) -> None:
    prose = FENCED.sub("", path.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"https?://|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_lines_are_short(path: Path) -> None:
    """All but tables, pictures and what is shown of a terminal."""
    prose = FENCED.sub("", path.read_text("utf-8"))
    lines = [line for line in prose.splitlines() if not line.lstrip().startswith(("|", "!["))]
    assert [line for line in lines if len(line) > 118] == []
