"""Manifests: any row of any manifest is found, and what is none is refused by its name."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.errors import DatasetError
from excision.storage.ahead import Reader
from excision.storage.entry import Entry, is_url, local_path, read_entry, uri_of
from excision.storage.manifest import open_manifest, write_manifest

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
FILES = st.builds(
    Entry,
    TEXTS.map("/data/{}".format),
    group=st.none() | TEXTS,
    serial=st.none() | TEXTS,
    size=st.none() | st.integers(0, 2**40),
)
MEMBERS = st.builds(
    Entry, TEXTS.map("/t.tar#{}".format), offset=st.integers(0, 2**50), size=st.integers(0, 2**30)
)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@settings(max_examples=20)
@given(entries=st.lists(FILES | MEMBERS, min_size=1, max_size=30), data=st.data())
def test_any_rows_are_read_back(
    ending: str, entries: list[Entry], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"rows.{ending}"
    assert write_manifest(path, entries) == len(entries)
    manifest = open_manifest(path)
    assert manifest.rows == len(entries)
    first = data.draw(st.integers(0, len(entries)))
    count = data.draw(st.integers(0, len(entries) + 1))
    assert list(manifest.read(first, count)) == entries[first : first + count]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_rows_far_inside_are_read_without_the_others(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"many.{ending}"
    write_manifest(path, (Entry(f"/data/{number:07d}.png") for number in range(35_000)))
    tracemalloc.start()
    manifest = open_manifest(path)
    found = [entry.uri for entry in manifest.read(29_995, 10)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [f"/data/{number:07d}.png" for number in range(29_995, 30_005)]
    # All the rows as Python objects would take some 7 MB.
    assert peak < 2e6


def test_the_digest_tells_manifests_apart(tmp_path: Path) -> None:
    digests = set()
    for ending in ("jsonl", "parquet"):
        for names in (["a", "b"], ["a", "c"], ["b", "a"], ["a", "b", "b"]):
            write_manifest(tmp_path / f"m.{ending}", map(Entry, names))
            digests.add(open_manifest(tmp_path / f"m.{ending}").digest)
    assert len(digests) == 8


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "holds no path"),
        ("[]", "holds no path"),
        ("[" * 5000, "holds no path"),
        ("{}", "holds no path"),
        ('{"uri": 5}', "holds no path"),
        ('{"uri": ""}', "holds no path"),
        ('{"uri": "a", "size": -1}', "not a number of bytes"),
        ('{"uri": "a", "size": "1"}', "not a number of bytes"),
        ('{"uri": "a", "offset": 1}', "needs `size`"),
        ('{"uri": "a", "offset": 1, "size": 1}', "FILE#NAME"),
        (json.dumps({"uri": "a" * 9000}), "more than 8192 characters"),
    ],
)
def test_a_row_that_names_no_image_does_not_end_the_others(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"uri": "/a.png"}}\n{line}\n{{"uri": "b.png"}}\n')
    first, second, third = open_manifest(path).read(0, 3)
    assert (first, third) == (Entry("/a.png"), Entry(str(tmp_path / "b.png")))
    assert second.uri == f"{path}, row 2"
    assert second.fault is not None and said in second.fault
    assert list(Reader().read([second])) == [second.fault]
    with pytest.raises(DatasetError, match=r"m\.jsonl, row 2: "):
        write_manifest(tmp_path / "copy.jsonl", open_manifest(path).read(0, 3))


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("[" * 100_000)
    with pytest.raises(DatasetError, match="line 1 has more than 65536 bytes"):
        open_manifest(tmp_path / "m.jsonl")


def test_a_table_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "m.parquet"
    for content in (b"", b"PAR1", b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"m\.parquet: is no Parquet"):
            open_manifest(path)
    parquet.write_table(pa.table({"url": ["a"]}), path)
    with pytest.raises(DatasetError, match="no column `uri`"):
        open_manifest(path)
    parquet.write_table(pa.table({"uri": ["x" * 1000 + str(n) for n in range(4000)]}), path)
    with monkeypatch.context() as patch:
        patch.setattr("excision.storage.manifest._LARGEST_GROUP", 2**21)
        with pytest.raises(DatasetError, match="row group 0 has 3 MiB"):
            open_manifest(path)
    write_manifest(path, map(Entry, map(str, range(20_000))))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(5000) + whole[5100:])
    with pytest.raises(DatasetError, match="damaged"):
        list(open_manifest(path).read(0, 20_000))
    with pytest.raises(DatasetError, match="no such manifest"):
        open_manifest(tmp_path / "gone.jsonl")


def test_an_empty_manifest_is_not_written(tmp_path: Path) -> None:
    for ending in ("jsonl", "parquet"):
        with pytest.raises(DatasetError, match="no image"):
            write_manifest(tmp_path / f"m.{ending}", [])
    assert list(tmp_path.iterdir()) == []


def test_names_of_files() -> None:
    for word in ("s3://b/k", "gs://b", "https://h/x", "file:///x", "abfs://c@a/x"):
        assert is_url(word)
    for word in ("a/b", "C://x", "/x", "a:b", "://x", "a b://c"):
        assert not is_url(word)
    odd = Path("/tmp/part_\udcff#%.png")
    assert uri_of(odd).startswith("file:///tmp/part_%FF")
    assert local_path(uri_of(odd)) == odd
    assert local_path("file:///a%20b.png") == Path("/a b.png")
    assert local_path("file://localhost/a.png") == Path("/a.png")
    assert local_path("s3://b/k.png") is None
    # What signs the URL of the manifest is no part of the folder that it lies in.
    signed = read_entry({"uri": "1.png"}, "https://h/d/m.parquet?sig=a/b", 1)
    assert signed.uri == "https://h/d/1.png"
    assert uri_of(Path("a#b.png")) == str(Path("a#b.png").absolute())


def test_a_small_table_takes_no_memory_by_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that repeats takes no space in the file; decoded, these rows would take 800 MB."""
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "m.parquet"
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["/" + "x" * 8000])
    parquet.write_table(pa.table({"uri": values, "serial": range(100_000)}), path, store_schema=False)
    assert path.stat().st_size < 2e6
    before = pa.total_allocated_bytes()
    manifest = open_manifest(path)
    assert [entry.serial for entry in manifest.read(99_998, 5)] == ["99998", "99999"]
    assert pa.total_allocated_bytes() - before < 2e7
    monkeypatch.setattr("excision.storage.manifest._MOST_ROWS", 99_999)
    with pytest.raises(DatasetError, match="in 100000 rows; write it in smaller groups"):
        open_manifest(path)


def test_rows_that_are_none_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    parquet.write_table(pa.table({"uri": broken}), tmp_path / "m.parquet")
    with pytest.raises(DatasetError, match="row group 0 is damaged"):
        list(open_manifest(tmp_path / "m.parquet").read(0, 1))
    write_manifest(tmp_path / "m.parquet", [Entry("/a.png")])
    manifest = open_manifest(tmp_path / "m.parquet")
    monkeypatch.setattr(manifest, "_starts", [0, 2])
    monkeypatch.setattr(manifest, "rows", 2)
    with pytest.raises(DatasetError, match="fewer rows than it says"):
        list(manifest.read(0, 2))
    (tmp_path / "m.jsonl").write_text('{"uri": "/t.tar#\\ud800", "offset": 0, "size": 1}\n')
    (entry,) = open_manifest(tmp_path / "m.jsonl").read(0, 1)
    assert entry.fault is not None and "characters that no file name has" in entry.fault
