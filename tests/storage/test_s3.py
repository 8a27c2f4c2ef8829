"""Images, models, manifests and results in object storage: a real S3 server, reliable and not."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run as main
from excision.cluster.listing import list_entries
from excision.data import load_dataset
from excision.errors import DatasetError, ImageError, ResultsError, SettingsError
from excision.storage import mirror as mirrors
from excision.storage import remote
from excision.storage.ahead import Reader
from excision.storage.entry import Entry
from excision.storage.fetch import fetch
from excision.storage.manifest import open_manifest
from excision.storage.mirror import mirror
from excision.storage.opening import open_folder
from excision.storage.outgoing import outgoing_folder
from excision.storage.remote import RemoteFile, list_remote, locate
from tests.cluster.conftest import FORMAT_1, MODEL, rows_of, verdicts_of
from tests.storage.server import Unreliable, s3_environment, s3_server, unreliable

pytest.importorskip("s3fs")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Unreliable]:
    """The server, with the environment that a user has."""
    with s3_server() as port, unreliable(port) as proxy, s3_environment(proxy.server_port):
        yield proxy


@pytest.fixture(autouse=True)
def reliable(proxy: Unreliable) -> Iterator[None]:
    yield
    proxy.share = 0.0


def storage() -> Any:
    return locate("s3://plant")[0]


def put(key: str, content: bytes) -> str:
    storage().pipe_file(f"plant/{key}", content)
    return f"s3://plant/{key}"


def put_images(folder: str, count: int) -> None:
    for number in range(count):
        put(f"{folder}/{number:03d}.png", (FORMAT_1 / f"{number % 4}.png").read_bytes())


def test_images_are_listed_in_order_and_page_by_page(
    proxy: Unreliable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_PAGE", 100)
    names = sorted(f"list/{letter}/{number}.png" for letter in "ab" for number in range(120))
    storage().pipe({f"plant/{name}": b"x" for name in names}, batch_size=8)
    for name in ("list/.hidden.png", "list/notes.txt", "list/results/overlays/1.png", "list2/1.png"):
        put(name, b"x")
    proxy.requests.clear()
    sources, out = ["s3://plant/list"], "s3://plant/list/results"
    found = [entry.uri for entry in list_entries(sources, leave_out=out)]
    assert found == [f"s3://plant/{name}" for name in names]
    assert proxy.requests["passed"] == 3
    # What is named twice is listed once.
    again = ["s3://plant/list/a/7.png", "s3://plant/list", "s3://plant/list/b", "s3://plant/list/a/8.png"]
    listed = [entry.uri for entry in list_entries([*again, *again], leave_out=out)]
    assert listed[0] == again[0] and sorted(listed) == found
    with pytest.raises(DatasetError, match="cannot be listed"):
        list(list_remote("s3://no-such-bucket/x"))


@pytest.mark.parametrize("size", [0, 1, 2**22 - 1, 2**22, 2**22 + 1, 2**23 + 5])
def test_files_of_any_size_are_fetched_whole(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    fetch(Entry(put("size.png", content)), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content


def test_a_large_file_is_fetched_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = put("large.png", bytes(60 * 2**20))
    tracemalloc.start()
    fetch(Entry(url), tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "x").stat().st_size == 60 * 2**20
    assert peak < 30 * 2**20
    monkeypatch.setattr("excision.storage.fetch.MOST_BYTES", 50 * 2**20)
    with pytest.raises(ImageError, match=r"large\.png: has more than 50 MiB"):
        fetch(Entry(url), tmp_path / "x")


def test_rows_of_a_table_are_read_in_pieces_through_failures(proxy: Unreliable, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    images = [(FORMAT_1 / f"{number % 4}.png").read_bytes() for number in range(12)]
    parquet.write_table(pa.table({"image": images}), tmp_path / "t.parquet", row_group_size=5)
    url = put("tables/t.parquet", (tmp_path / "t.parquet").read_bytes())
    proxy.share = 0.2
    found = [Path(one).read_bytes() for one in Reader().read(list(open_manifest(url).read(0, 12)))]
    assert found == images


def test_a_folder_that_was_made_by_hand_is_empty() -> None:
    """A console makes it as an empty file with a slash at its end."""
    for key, content in (("by-hand/", b""), ("by-hand/sub/", b""), ("by-hand/sub/x.json", b"{}")):
        storage().call_s3("put_object", Bucket="plant", Key=key, Body=content)
    assert sorted(open_folder("s3://plant/by-hand").names("")) == ["sub"]
    assert list(open_folder("s3://plant/by-hand").names("sub")) == ["x.json"]
    storage().call_s3("put_object", Bucket="plant", Key="fresh/", Body=b"")
    assert outgoing_folder("s3://plant/fresh").url == "s3://plant/fresh"


def test_what_is_not_there_is_not_tried_again(proxy: Unreliable, tmp_path: Path) -> None:
    proxy.requests.clear()
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        fetch(Entry("s3://plant/gone.png"), tmp_path / "x")
    assert proxy.requests.total() <= 2


def test_images_are_read_from_storage_that_throttles_and_fails(
    proxy: Unreliable, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many requests that a file which fails every time would be seen now and then.
    monkeypatch.setattr(remote, "_TRIES", 14)
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.01)
    contents = [os.urandom(5000) for _ in range(60)]
    entries = [Entry(put(f"bad/{n}.png", content)) for n, content in enumerate(contents)]
    proxy.requests.clear()
    proxy.share = 0.3
    found = [path.read_bytes() for path in Reader().read(entries) if isinstance(path, Path)]
    assert found == contents
    assert min(proxy.requests[fate] for fate in ("throttled", "failed", "cut")) > 0


def test_storage_that_stays_away_is_a_reason(proxy: Unreliable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.0)
    url = put("away.png", b"x")
    proxy.share = 1.0
    (reason,) = Reader().read([Entry(url)])
    assert str(reason).startswith("s3://plant/away.png: cannot be read (")


def test_a_folder_of_results_in_storage(tmp_path: Path) -> None:
    folder = open_folder("s3://plant/folder/")
    assert not folder.exists("a") and list(folder.names("parts")) == []
    with folder.writing("parts/a.jsonl") as path:
        path.write_bytes(b"whole")
    with pytest.raises(ZeroDivisionError), folder.writing("parts/b.jsonl") as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert list(folder.names("parts")) == ["a.jsonl"]
    for content in (b"first", b"second"):
        folder.claim("plan", content)
    with folder.reading("plan") as path:
        assert path.read_bytes() == b"first"
    with pytest.raises(ResultsError, match="no such file"), folder.reading("gone"):
        pass
    assert tmp_path.is_dir()


def test_an_inspection_from_storage_to_storage(proxy: Unreliable, tmp_path: Path) -> None:
    """The model, the images, the manifest and the results are in a bucket that fails one time in five."""
    put_images("new", 20)
    put("new/damaged.png", b"no image")
    for path in MODEL.iterdir():
        put(f"model/{path.name}", path.read_bytes())
    assert main(["manifest", "s3://plant/new", "--out", str(tmp_path / "m.parquet")]) == 0
    put("images.parquet", (tmp_path / "m.parquet").read_bytes())
    proxy.share = 0.2
    words = ["inspect", "s3://plant/model", "s3://plant/images.parquet", "--out", "s3://plant/out"]
    assert main([*words, "--shard", "2/2", "--overlays", "not-good"]) == 0
    assert main([*words, "--shard", "1/2"]) == 0
    proxy.share = 0.0

    def written() -> dict[str, Any]:
        found = storage().find("plant/out", detail=True).items()
        return {name: item["LastModified"] for name, item in found}

    before = written()
    assert main([*words, "--workers", "2"]) == 2
    after = written()
    # Nothing is left to do but to count.
    assert after.pop("plant/out/summary.json") and after == before
    after = written()
    assert main([*words, "--workers", "2"]) == 2
    assert written() == after
    assert verdicts_of("s3://plant/out") == {"good": 10, "defect": 10, None: 1}
    records = [row.record for row in rows_of("s3://plant/out")]
    assert [record.image for record in records][:20] == [f"s3://plant/new/{n:03d}.png" for n in range(20)]
    drawn = {
        f"overlays/{name.rpartition('/')[2]}" for name in storage().ls("plant/out/overlays", detail=False)
    }
    assert drawn == {record.overlay for record in records if record.verdict == "defect"}
    # The same images on a disk have the same scores.
    paths = [str(FORMAT_1 / f"{number}.png") for number in range(4)]
    assert main(["inspect", str(MODEL), *paths, "--out", str(tmp_path / "out"), "--workers", "1"]) == 1
    assert [row.record.score for row in rows_of(tmp_path / "out")] == [record.score for record in records[:4]]


def test_tar_files_in_storage(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(4):
            archive.add(FORMAT_1 / f"{number}.png", f"{number}.png")
    put("shards/000.tar", stream.getvalue())
    assert main(["manifest", "s3://plant/shards/000.tar", "--out", str(tmp_path / "m.parquet")]) == 0
    manifest = open_manifest(tmp_path / "m.parquet")
    found = [path.read_bytes() for path in Reader().read(list(manifest.read(0, 9))) if isinstance(path, Path)]
    assert found == [(FORMAT_1 / f"{number}.png").read_bytes() for number in range(4)]


def test_storage_without_keys_is_an_error_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/gone")
    remote._filesystem.cache_clear()
    image = str(FORMAT_1 / "0.png")
    assert main(["inspect", "s3://plant/model", image, "--out", "out"]) == 2
    assert main(["inspect", str(MODEL), image, "--out", "s3://plant/keyless"]) == 2
    assert capsys.readouterr().err.count("NoCredentialsError") == 2
    remote._filesystem.cache_clear()


def test_kinds_of_storage_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="is no kind of storage"):
        locate("nonsense://a/b")
    assert main(["inspect", "nonsense://m", "x.png", "--out", "out"]) == 2
    assert "nonsense:// is no kind of storage" in capsys.readouterr().err
    assert main(["inspect", "github://host/m", "x.png", "--out", "out"]) == 2
    assert "github:// cannot be opened (TypeError" in capsys.readouterr().err
    with pytest.raises(ResultsError, match="web server"):
        open_folder("https://example.org/out")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXCISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("cache")
def test_training_data_in_storage(proxy: Unreliable, capsys: pytest.CaptureFixture[str]) -> None:
    """In the layout of MVTec AD, fetched once and then again only where it changed."""
    for number in range(6):
        put(f"line3/train/good/{number}.png", (FORMAT_1 / f"{number % 2}.png").read_bytes())
    put("line3/test/scratch/0.png", (FORMAT_1 / "2.png").read_bytes())
    proxy.share = 0.2
    dataset = load_dataset("s3://plant/line3")
    proxy.share = 0.0
    assert dataset.layout == "mvtec" and dataset.root.name == "line3"
    names = {sample.name for sample in dataset.samples}
    assert len(names) == 7
    path = dataset.root / "train" / "good" / "0.png"
    before = {file: file.stat().st_mtime_ns for file in dataset.root.rglob("*.png")}
    put("line3/train/good/0.png", (FORMAT_1 / "3.png").read_bytes())
    storage().rm("plant/line3/train/good/5.png")
    proxy.requests.clear()
    assert {sample.name for sample in load_dataset("s3://plant/line3").samples} < names
    assert proxy.requests["passed"] == 2
    assert path.read_bytes() == (FORMAT_1 / "3.png").read_bytes()
    same = {file for file in before if file.exists() and file.stat().st_mtime_ns == before[file]}
    assert len(same) == 5 and path not in same
    assert main(["check", "s3://plant/line3"]) in (0, 2)
    assert "mvtec" in capsys.readouterr().out


def test_the_cache_keeps_to_its_budget(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = cache / "my images" / "1.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    os.utime(foreign.parent, (0, 0))
    for name in "abc":
        put(f"sets/{name}/1.png", os.urandom(400_000))
    monkeypatch.setenv("EXCISION_CACHE_GIB", str(1e6 / 2**30))
    first, second = mirror("s3://plant/sets/a"), mirror("s3://plant/sets/b")
    # This process uses both.
    assert mirror("s3://plant/sets/c").is_dir() and first.is_dir() and second.is_dir()
    for descriptor in mirrors._held.values():
        os.close(descriptor)
    mirrors._held.clear()
    os.utime(second.parent, (1, 1))
    mirror("s3://plant/sets/c")
    assert first.is_dir() and not second.exists()
    assert foreign.read_bytes() == b"mine"
    monkeypatch.setenv("EXCISION_CACHE_GIB", "0.0001")
    with pytest.raises(DatasetError, match="more than the cache may take"):
        mirror("s3://plant/sets/a")
    assert len(list(cache.iterdir())) == 3


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("key", ["../out.png", "a/../../out.png", "./x.png", "a//b.png", "a\\b.png"])
def test_a_name_that_leads_out_of_the_copy_is_refused(
    key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = RemoteFile(key, f"s3://plant/x/{key}", 1, "1")
    monkeypatch.setattr(mirrors, "list_remote", lambda _: iter([odd]))
    with pytest.raises(DatasetError, match="its name is none of a file on a disk"):
        mirror("s3://plant/x")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.usefixtures("cache")
def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(DatasetError, match="no file below this URL"):
        mirror("s3://plant/nowhere")
