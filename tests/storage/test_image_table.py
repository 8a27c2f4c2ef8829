"""Images inside Parquet tables: each row is inspected as its file would be, and damage costs no other row."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.cli import run as main
from excision.errors import DatasetError
from excision.runtime import Inspector
from excision.storage.ahead import Reader
from excision.storage.image_table import TableRows
from excision.storage.manifest import open_manifest
from tests.cluster.conftest import FORMAT_1, MODEL, rows_of

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

IMAGES = [(FORMAT_1 / f"{number}.png").read_bytes() for number in range(4)]


def table_of(path: Path, contents: list[bytes | None], group: int = 5, **columns: object) -> Path:
    """Write a table as the package `datasets` does."""
    struct = [{"bytes": content, "path": "same.png"} for content in contents]
    parquet.write_table(pa.table({"image": struct, **columns}), path, row_group_size=group)
    return path


def test_rows_of_tables_are_inspected_as_files_are(tmp_path: Path) -> None:
    """Two tables, listed and divided among processes, with a damaged image and a missing one."""
    scores = [
        one.score for one in Inspector(MODEL, threads=1).predict([FORMAT_1 / f"{n}.png" for n in range(4)])
    ]
    contents = [IMAGES[number % 4] for number in range(17)]
    first = table_of(tmp_path / "a.parquet", [*contents, b"no image", None])
    names = [f"s3://plant/{number}.png" for number in range(17)]
    more = {
        "uri": names,
        "group": [f"strip {number // 4}" for number in range(17)],
        "serial": list(range(17)),
    }
    second = tmp_path / "b.parquet"
    parquet.write_table(pa.table({"bytes": contents, **more}), second)
    manifest, out = tmp_path / "all.jsonl", tmp_path / "out"
    assert main(["manifest", str(first), str(second), "--out", str(manifest)]) == 0
    words = [
        "inspect",
        str(MODEL),
        str(manifest),
        "--out",
        str(out),
        "--workers",
        "2",
        "--overlays",
        "not-good",
    ]
    assert main(words) == 2
    rows = rows_of(out)
    assert [row.record.image for row in rows] == [*(f"{first}#{number}" for number in range(19)), *names]
    errors = [row.record.error for row in rows if row.record.error]
    assert errors[0].startswith(f"{first}#17: the file is damaged")
    assert errors[1] == f"{first}, row 18: the column `image.bytes` holds no image"
    expected = [scores[number % 4] for number in range(17)]
    assert [row.record.score for row in rows] == [*expected, None, None, *expected]
    assert (rows[24].group, rows[24].serial) == ("strip 1", "5")
    overlays = [row.record.overlay for row in rows if row.record.overlay is not None]
    assert len(set(overlays)) == len(overlays) == 16
    # A single table is inspected in place.
    assert main([*words[:2], str(second), "--out", str(tmp_path / "alone")]) == 1
    assert [row.record.score for row in rows_of(tmp_path / "alone")] == expected
    assert not list((tmp_path / "alone").glob("manifest*"))


@settings(max_examples=15)
@given(rows=st.lists(st.integers(0, 22), min_size=1, max_size=12))
def test_rows_are_read_in_any_order(rows: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("rows")
    path = table_of(folder / "t.parquet", [bytes([number]) for number in range(23)], group=4)
    entries = list(open_manifest(path).read(0, 23))
    reader = TableRows()
    for row in rows:
        reader.write(entries[row], folder / "one")
        assert (folder / "one").read_bytes() == bytes([row])


def test_a_damaged_row_group_costs_its_own_rows(tmp_path: Path) -> None:
    path = table_of(tmp_path / "t.parquet", [bytes([number]) * 4000 for number in range(15)])
    whole = bytearray(path.read_bytes())
    place = parquet.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    whole[place : place + 40] = bytes(40)
    path.write_bytes(whole)
    entries = list(open_manifest(path).read(0, 15))
    found = [one if isinstance(one, str) else one.read_bytes()[0] for one in Reader().read(entries)]
    assert [*found[:5], *found[10:]] == [*range(5), *range(10, 15)]
    for number, reason in enumerate(found[5:10], start=5):
        assert f"t.parquet, row {number}: cannot be read (row group 1 is damaged" in str(reason)


def test_large_row_groups_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table_of(tmp_path / "t.parquet", [bytes([number]) * 2**20 for number in range(4)], group=2)
    monkeypatch.setattr("excision.storage.image_table.LARGEST_GROUP", 2**20)
    with pytest.raises(DatasetError, match=r"row group 0 has 2 MiB of images; write at most 1 in one"):
        open_manifest(path)
