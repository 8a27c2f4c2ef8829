"""Images on a web server, and file URLs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run as main
from excision.errors import ImageError
from excision.storage import remote
from excision.storage.entry import Entry
from excision.storage.fetch import fetch
from tests.cluster.conftest import FORMAT_1, MODEL, rows_of, verdicts_of

pytest.importorskip("aiohttp")


class _Quiet(SimpleHTTPRequestHandler):
    """Knows no pieces of files, like many small servers."""

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with the images of the first release."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(FORMAT_1))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    assert tmp_path.is_dir()


def test_images_on_a_web_server(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"{site}/0.png", f"{site}/2.png", f"{site}/gone.png"]
    assert main(["inspect", str(MODEL), *words, "--out", str(tmp_path / "out")]) == 2
    assert verdicts_of(tmp_path / "out") == {"good": 1, "defect": 1, None: 1}
    assert rows_of(tmp_path / "out")[2].record.error == f"{site}/gone.png: no such file"
    monkeypatch.setattr("excision.storage.fetch.MOST_BYTES", 100)
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.0)
    with pytest.raises(ImageError, match=r"0\.png: has more than 0 MiB"):
        fetch(Entry(f"{site}/0.png"), tmp_path / "x")


def test_file_urls_are_paths(tmp_path: Path) -> None:
    urls = [f"file://{path}" for path in (MODEL, FORMAT_1 / "1.png", tmp_path / "out")]
    assert main(["inspect", *urls[:2], "--out", urls[2]]) == 0
    assert verdicts_of(tmp_path / "out") == {"good": 1}
