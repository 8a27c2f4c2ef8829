"""Images on a web server, and file URLs."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run as main
from excision.cluster.listing import tar_entries
from excision.errors import ImageError
from excision.storage import remote
from excision.storage.entry import Entry
from excision.storage.fetch import fetch
from tests.cluster.conftest import FORMAT_1, MODEL, rows_of, verdicts_of

pytest.importorskip("aiohttp")


class _Quiet(SimpleHTTPRequestHandler):
    """Knows no pieces of files, like many small servers."""

    forbidden = 0

    def do_GET(self) -> None:
        if self.path == "/forbidden.png":
            _Quiet.forbidden += 1
            self.send_error(403)
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        made = path.removeprefix("/made/")
        return super().translate_path(path) if made == path else str(self.made / made)

    made = Path()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class _Site(ThreadingHTTPServer):
    request_queue_size = 256  # connections that wait to be taken: further ones would fail


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with the images of the first release, and in `made` with what the test makes."""
    _Quiet.made = tmp_path
    with _Site(("127.0.0.1", 0), partial(_Quiet, directory=str(FORMAT_1))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_images_on_a_web_server(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"{site}/0.png", f"{site}/2.png", f"{site}/gone.png"]
    assert main(["inspect", str(MODEL), *words, "--out", str(tmp_path / "out")]) == 2
    assert verdicts_of(tmp_path / "out") == {"good": 1, "defect": 1, None: 1}
    assert rows_of(tmp_path / "out")[2].record.error == f"{site}/gone.png: no such file"
    monkeypatch.setattr("excision.storage.fetch.MOST_BYTES", 100)
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.0)
    with pytest.raises(ImageError, match=r"0\.png: has more than 0 MiB"):
        fetch(Entry(f"{site}/0.png"), tmp_path / "x")


def test_tar_files_need_a_server_that_gives_parts(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise each image would come with the whole file, from its beginning."""
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        long = tarfile.TarInfo("long.bin")
        long.size = 12 * 2**20
        archive.addfile(long, io.BytesIO(bytes(long.size)))
        archive.add(FORMAT_1 / "0.png", "0.png")
    (entry,) = tar_entries(tmp_path / "t.tar")
    with pytest.raises(ImageError, match=r"t\.tar: the web server gives no part of a file"):
        fetch(Entry(f"{site}/made/t.tar#0.png", offset=entry.offset, size=entry.size), tmp_path / "x")
    assert main(["manifest", f"{site}/made/t.tar", "--out", str(tmp_path / "m.jsonl")]) == 2
    assert "t.tar: cannot be read as an uncompressed tar file" in capsys.readouterr().err


def test_what_gives_access_is_not_in_the_results(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = [f"{site}/{name}?X-Amz-Signature=geheim&id=1" for name in ("0.png", "gone.png")]
    signed.append(f"{site.replace('://', '://me:geheim@')}/2.png")
    out = tmp_path / "out"
    assert main(["inspect", str(MODEL), *signed, "--out", str(out), "--overlays", "all"]) == 2
    assert verdicts_of(out) == {"good": 1, "defect": 1, None: 1}
    assert rows_of(out)[0].record.image == f"{site}/0.png?X-Amz-Signature=***&id=1"
    said = capsys.readouterr()
    stored = [(out / "inspection.json").read_text("utf-8"), repr(rows_of(out))]
    assert all("geheim" not in text for text in (said.out, said.err, *stored))


def test_what_is_refused_for_good_is_not_tried_again(site: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"403"):
        fetch(Entry(f"{site}/forbidden.png"), tmp_path / "x")
    assert _Quiet.forbidden == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_no_fault_of_the_web_server(site: str, tmp_path: Path) -> None:
    (tmp_path / "target").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*target'"):
        fetch(Entry(f"{site}/0.png"), tmp_path / "target")


def test_file_urls_are_paths(tmp_path: Path) -> None:
    urls = [f"file://{path}" for path in (MODEL, FORMAT_1 / "1.png", tmp_path / "out")]
    assert main(["inspect", *urls[:2], "--out", urls[2]]) == 0
    assert verdicts_of(tmp_path / "out") == {"good": 1}
