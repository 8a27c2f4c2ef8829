"""What `excision inspect` takes: folders, patterns, lists, and the tables it gives."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.cli import run as main
from excision.data.listing import _matches
from excision.errors import DatasetError, SettingsError
from excision.inspection.inputs import expand
from excision.inspection.log import InspectionLog, InspectionRecord
from excision.inspection.table import COLUMNS, write_inspection_table
from tests.cli.conftest import excision
from tests.evaluation.fakes import save
from tests.inspection.test_batch import surface

FILES = ("a.png", "b.jpg", "notes.txt", "part[1].png", "x/c.png", "x/good/d.png", "x/y/good/e.png", ".h.png")


@pytest.fixture
def pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "parts" / name).touch()
    (tmp_path / "parts" / "x" / "loop").symlink_to(tmp_path / "parts", target_is_directory=True)
    (tmp_path / "parts" / "x" / "again").symlink_to(tmp_path / "parts", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "parts"


def found(*words: str, stdin: bytes = b"") -> list[str]:
    return [Path(path).as_posix() for path in expand(words, io.BytesIO(stdin))]


@pytest.mark.usefixtures("pile")
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("parts", ["parts"]),
        ("parts/gone.png", ["parts/gone.png"]),
        ("parts/notes.txt", ["parts/notes.txt"]),
        ("parts/part[1].png", ["parts/part[1].png"]),
        ("parts/*.png", ["parts/a.png", "parts/part[1].png"]),
        ("parts/[ab].*", ["parts/a.png", "parts/b.jpg"]),
        ("parts/*", ["parts/a.png", "parts/b.jpg", "parts/part[1].png", "parts/x"]),
        ("parts/x/*/*.png", ["parts/x/again/a.png", "parts/x/again/part[1].png", "parts/x/good/d.png",
                             "parts/x/loop/a.png", "parts/x/loop/part[1].png"]),
        ("parts/**/*.png", ["parts/a.png", "parts/part[1].png", "parts/x/c.png", "parts/x/good/d.png",
                            "parts/x/y/good/e.png"]),
        ("parts/**/good", ["parts/x/good/d.png", "parts/x/y/good/e.png"]),
        ("parts/?/**/e.*", ["parts/x/y/good/e.png"]),
        ("**/y/**", ["parts/x/y/good/e.png"]),
    ],
)  # fmt: skip
def test_words(word: str, expected: list[str]) -> None:
    assert found(word) == expected


def test_pattern_from_the_root(pile: Path) -> None:
    assert found(f"{pile}/**/[cd].png") == [f"{pile}/x/c.png", f"{pile}/x/good/d.png"]


@pytest.mark.usefixtures("pile")
@pytest.mark.parametrize("word", ["parts/*.bmp", "parts/**/*.bmp", "gone/*.png", "gone/**"])
def test_a_pattern_that_matches_nothing_is_a_mistake(word: str) -> None:
    with pytest.raises(DatasetError, match="matches this pattern"):
        found(word)


def test_a_list_is_read_from_where_it_lies(pile: Path) -> None:
    listing = pile / "x" / "list.txt"
    listing.write_bytes(
        b"\xef\xbb\xbfc.png\r\n# a comment\n\n  ../a.png  \n../../parts/x/y/**\n/else/b.png\n"
    )
    expected = ["parts/x/c.png", "parts/x/../a.png", "parts/x/../../parts/x/y/good/e.png", "/else/b.png"]
    assert found("@parts/x/list.txt", "parts/b.jpg") == [*expected, "parts/b.jpg"]


@pytest.mark.usefixtures("pile")
def test_a_list_on_standard_input_is_read_from_here() -> None:
    assert found("-", stdin=b"parts/a.png\nparts/odd\xff.png\n# none\n") == [
        "parts/a.png",
        os.fsdecode(b"parts/odd\xff.png"),
    ]


def test_a_file_whose_name_begins_with_at(pile: Path) -> None:
    (pile.parent / "@odd.png").touch()
    assert found("@odd.png") == ["@odd.png"]
    with pytest.raises(DatasetError, match=r"gone\.txt: this list cannot be read"):
        found("@gone.txt")


segments = st.lists(st.sampled_from(["a", "b", "ab", "*", "?", "a*", "**"]), min_size=1, max_size=4)


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4), segments)
def test_patterns_match_as_those_of_pathlib(names: list[str], pattern: list[str]) -> None:
    """An oracle that reads the tree: `Path.glob`, with its own walk and its own matching."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, *names)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir()
        globbed = target in Path(folder).glob("/".join(pattern))
    assert _matches(names, pattern) == globbed


def test_list_and_standard_input_at_the_command_line(run: Path, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "new" / f"{number}.png", surface(number, (48, 48)))
    (tmp_path / "list.txt").write_text("new/0.png\n")
    words = ["inspect", run, "-", "@list.txt", "new/2*", "--out", "out", "--also", "parquet"]
    process = excision(*words, cwd=tmp_path, given="# of today\nnew/1.png\n")
    assert process.returncode in (0, 1), process.stderr
    lines = [
        json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()
    ]
    assert [line["image"] for line in lines] == ["new/1.png", "new/0.png", "new/2.png"]
    assert parquet_rows(tmp_path / "out" / "results.parquet") == lines
    done = excision("inspect", run, "new/*.bmp", "--out", tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 2
    assert "new/*.bmp: no image or folder matches this pattern" in done.stderr


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """Give the rows in the form of the JSON lines."""
    from pyarrow import parquet

    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return [
        {
            **row,
            "boxes": [list(box.values()) for box in row["boxes"]],
            "image_statistics": row["image_statistics"] and dict(row["image_statistics"]),
        }
        for row in rows
    ]


def line(number: int) -> InspectionRecord:
    return InspectionRecord(
        f"{number}.png", number / 3, 1.0, "good", 0.5, ((1, 2, 3, 4),) * 2, 0.1, None, None
    )


def test_the_table_has_every_field_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    in_a_group = 300
    monkeypatch.setattr("excision.system.parquet.ROWS_IN_A_GROUP", in_a_group)
    failed = InspectionRecord("odd\udcff.png", None, 1.0, None, None, (), 0.1, None, "odd\udcff.png: damaged")
    count = 2 * in_a_group + 1
    with InspectionLog(tmp_path, [*map(line, range(count - 1)), failed]):
        pass
    assert write_inspection_table(tmp_path) == count
    table = parquet.ParquetFile(tmp_path / "results.parquet")
    assert table.metadata.num_row_groups == math.ceil(count / in_a_group)
    assert table.schema_arrow.names == list(COLUMNS) == list(InspectionRecord.__dataclass_fields__)
    rows = parquet_rows(tmp_path / "results.parquet")
    assert rows[1] == {**vars_of(line(1)), "boxes": [[1, 2, 3, 4]] * 2, "unfit": []}
    assert rows[-1] == {
        **vars_of(failed),
        "boxes": [],
        "unfit": [],
        "image": rows[-1]["image"],
        "error": rows[-1]["error"],
    }
    assert rows[-1]["image"] == "odd\\udcff.png"


def vars_of(found: InspectionRecord) -> dict[str, Any]:
    return {name: getattr(found, name) for name in InspectionRecord.__dataclass_fields__}


def test_without_pyarrow_it_says_what_to_install(
    pile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyarrow" else whole(name))
    words = ["inspect", "model", str(pile), "--out", "out", "--also", "parquet"]
    for more in ([], ["--watch"]):
        assert main([*words, *more]) == 2
        assert 'pip install "excision[parquet]"' in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "--after", "move"], "--after is an option of `excision watch`"),
        (["a.png", "--settle", "2"], "--settle is an option of `excision watch`"),
        (["a.png", "--stop-after", "2"], "--stop-after is an option of `excision watch`"),
        (["a.png", "--idle-exit", "2"], "--idle-exit is an option of `excision watch`"),
        (["a.png", "--wacht"], "there is no option --wacht"),
        ([], "IMAGES"),
        (["--resume", "a.png", "b.png"], "excision train"),
        (["hot", "cold", "--watch"], "--watch takes one folder, but 2 were given"),
        (["hot", "--watch", "--resume"], "leave out --resume"),
        (["hot", "--watch", "--settle", "-1"], "--settle is -1"),
        (["hot", "--watch", "--after", "burn"], "burn"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--out", "nowhere", "model", *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("nowhere").exists()


def test_need_pyarrow_is_a_mistake_of_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="pyarrow"):
        write_inspection_table(tmp_path)


def test_inspect_watch_is_an_alias_that_names_the_new_verb(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["inspect", "model", str(tmp_path), "--out", str(tmp_path / "out"), "--watch", "--after", "move"]
    assert main([*words, "--settle", "0", "--stop-after", "1", "--idle-exit", "1"]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert "excision watch" in note
    assert "model" in error, "the options are taken, and then there is no model"


def test_help_of_inspect_shows_no_option_of_watch(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--after", "--settle", "--stop-after", "--idle-exit")
    assert main(["inspect", "--help"]) == 0
    shown = capsys.readouterr().out
    assert not [option for option in (*options, "--watch") if option in shown]
    assert main(["watch", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in options)
