"""Every command line that a document or a help text shows is one that the command line understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from excision.cli import VERBS, build
from excision.cli.arguments import split_help_all

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGE = ROOT / "src" / "excision" / "cli"

# A command begins its line; in the source of a help text, after a quote or an escaped newline.
SHOWN = re.compile(r"(?:^|[\"n`]|\$ )(excision [^`\"\n\\#]*)", re.MULTILINE)


def commands(text: str) -> list[str]:
    blocks = re.findall(r"```(\w*)(?:\n|\\n)(.*?)```", text, flags=re.DOTALL)
    shown = [block for language, block in blocks if language in {"", "sh", "console"}]
    return [found.strip() for block in shown for found in SHOWN.findall(block)]


DOCUMENTED = [(path.name, line) for path in DOCUMENTS for line in commands(path.read_text("utf-8"))]
HELPED = [
    (path.name, line) for path in sorted(PACKAGE.glob("*.py")) for line in commands(path.read_text("utf-8"))
]


def test_every_verb_is_documented() -> None:
    guide = [line for name, line in DOCUMENTED if name == "cli.md"]
    for verb in VERBS:
        assert any(line.startswith(f"excision {verb}") for line in guide), verb
    assert any(name == "README.md" for name, _ in DOCUMENTED)
    assert {f"{verb}.py" for verb in VERBS} - {"attention.py"} <= {name for name, _ in HELPED}


@pytest.mark.parametrize("line", sorted({line for _, line in DOCUMENTED + HELPED}))
def test_commands_are_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing alone: nothing is run, and a verb or argument that is missing or wrong raises."""
    monkeypatch.chdir(tmp_path)
    # Its keys are read as options.
    Path("station.toml").touch()
    words, _ = split_help_all(shlex.split(line)[1:])
    _, _, unused, *_ = build().parse_known_args(words)
    assert unused == []
