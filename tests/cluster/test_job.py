"""Inspections in parts by real processes: the results of a plain inspection, each exactly once."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from excision.cli import run as main
from excision.cluster.job import Ways, inspect_in_parts
from excision.cluster.processes import DEADLY
from excision.cluster.run_record import Meter
from excision.cluster.shard import Shard
from excision.errors import ExcisionError, ModelError
from excision.inspection.batch import find_images, inspect_images
from excision.inspection.log import read_log
from excision.runtime import Inspector
from excision.storage.manifest import open_manifest
from tests.cli.conftest import environment
from tests.cluster.conftest import MODEL, rows_of, verdicts_of
from tests.nursery import INSPECTING, Program

Pictures = Callable[[int], Path]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def test_parts_hold_the_results_of_a_plain_inspection(pictures: Pictures, tmp_path: Path) -> None:
    images, out = pictures(42), tmp_path / "out"
    calls: list[tuple[int, int]] = []
    summary = inspect_in_parts(
        MODEL, [images], out, Ways(workers=2), progress=lambda *call: calls.append(call), pictured="not-good"
    )
    assert (summary.counts["defect"], summary.counts[None], summary.exit_status) == (20, 1, 2)
    assert (summary.parts, summary.new_parts, summary.others) == (6, 6, 0)
    assert calls[0] == (0, 42) and calls[-1] == (42, 42)
    inspect_images(Inspector(MODEL, threads=1), find_images([images]), tmp_path / "plain")
    plain = [dataclasses.replace(line, seconds=0, overlay=None) for line in read_log(tmp_path / "plain")]
    rows = [row.record for row in rows_of(out)]
    assert [dataclasses.replace(row, seconds=0, overlay=None) for row in rows] == plain
    assert all((row.overlay is not None) == (row.verdict == "defect") for row in rows)
    drawn = {f"overlays/{path.name}" for path in (out / "overlays").iterdir()}
    assert drawn == {row.overlay for row in rows} - {None}
    # A second run adds nothing.
    before = {path: _state(path) for path in out.rglob("*")}
    again = inspect_in_parts(MODEL, [images], out, Ways(workers=2))
    assert (again.counts, again.new_parts) == (summary.counts, 0)
    assert {path: _state(path) for path in out.rglob("*")} == before


def test_jobs_share_the_parts(pictures: Pictures, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, out = pictures(30), tmp_path / "out"
    words = ["inspect", str(MODEL), str(images), "--out", str(out)]
    assert main([*words, "--shard", "2/2"]) == 0
    assert "2 parts of other jobs are not finished" in capsys.readouterr().out
    assert len(rows_of(out)) == 14
    assert main([*words, "--shard", "1/2"]) == 0
    told = capsys.readouterr().out
    assert "8 good, 8 defective, 0 not inspected" in told and "not finished" not in told
    assert [Path(row.record.image).name for row in rows_of(out)] == names_in(images)
    records = [json.loads(path.read_bytes()) for path in sorted((out / "runs").iterdir())]
    assert sorted((one["shard"], one["images"], one["complete"]) for one in records) == [
        ("1/2", 16, True),
        ("2/2", 14, True),
    ]
    assert main([*words, "--workers", "2"]) == 2
    assert "0 inspected now" in capsys.readouterr().out
    assert main(words) == 2
    assert "holds results in parts: add --workers 1" in capsys.readouterr().err


def test_a_run_says_what_it_costs(
    pictures: Pictures, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["inspect", str(MODEL), str(pictures(30)), "--out", str(tmp_path / "out"), "--workers", "2"]
    assert main([*words, "--cost-per-hour", "nan"]) == 2
    assert "give the price of one worker for an hour" in capsys.readouterr().err
    assert main([*words, "--cost-per-hour", "1800"]) == 2
    (record,) = (json.loads(path.read_bytes()) for path in (tmp_path / "out" / "runs").iterdir())
    assert (record["workers"], record["images"], record["engine"]) == (2, 30, "local")
    # Two workers at half a unit of money a second.
    assert record["cost"] == pytest.approx(record["seconds"], abs=0.01)
    said = capsys.readouterr()
    assert f"30 images in {record['seconds']:.1f} s with 2 workers" in said.out
    assert f"cost {record['cost']:.4g}, or " in said.out and "cost " in said.err


def test_cost_that_is_left_follows_from_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("excision.cluster.run_record.time.monotonic", lambda: now[0])
    meter = Meter(cost_per_hour=0.40)
    assert meter.figures(0, 100) == ""
    meter.start(10)
    now[0] = 900.0
    meter.count(0)
    now[0] = 4500.0
    meter.count(25)
    # 10 workers for 1.25 hours; 75 images are left at 25 an hour.
    assert meter.figures(25, 100) == "cost 5.00, about 12.00 left"
    record = meter.record("1/1", "ray", complete=False)
    assert (record.cost, record.seconds, record.images_per_second) == (5.0, 4500.0, 25 / 4500)


def test_images_that_failed_are_tried_again_on_request(pictures: Pictures, tmp_path: Path) -> None:
    images, out = pictures(20), tmp_path / "out"
    inspect_in_parts(MODEL, [images], out, Ways())
    before = {path.name: path.stat().st_ino for path in (out / "parts").iterdir()}
    (images / "damaged.png").write_bytes((images / "0002.png").read_bytes())
    assert inspect_in_parts(MODEL, [images], out, Ways()).counts[None] == 1
    summary = inspect_in_parts(MODEL, [images], out, Ways(again=True))
    assert (summary.counts[None], summary.counts["defect"], summary.new_parts) == (0, 10, 1)
    after = {path.name: path.stat().st_ino for path in (out / "parts").iterdir()}
    assert [name for name in before if before[name] != after[name]] == [sorted(after)[2]]


def started(*words: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    begun = ["-m", "excision", "inspect", *words]
    return Program(begun, INSPECTING, text=True, env=environment(), stdout=pipe, stderr=pipe)


def wait_for_parts(out: Path, count: int) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        if (out / "parts").is_dir() and len(list((out / "parts").glob("part-*"))) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("no part was finished")


def test_ctrl_c_and_sigterm_keep_the_finished_parts(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, out, temporary = pictures(80), tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    left = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        process = started(MODEL, images, "--out", out, "--workers", 2)
        wait_for_parts(out, left // 8 + 1)
        process.send_signal(number)
        said = process.communicate(timeout=240)[1]
        assert process.returncode == 130, said
        assert "finished parts are kept, and the same command continues" in said
        assert list(temporary.iterdir()) == [], "a worker left images behind"
        assert left + 8 <= len(rows_of(out)) < 80
        left = len(rows_of(out))
    inspect_in_parts(MODEL, [images], out, Ways(), sources=[str(images)])
    assert [Path(row.record.image).name for row in rows_of(out)] == names_in(images)


SITE = """
import os, pathlib, signal, sys
real = pathlib.Path.open
def opened(self, *words, **named):
    if self.name == "0003.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *words, **named)
pathlib.Path.open = opened
"""


def test_an_image_that_kills_its_process_is_a_failure(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that takes more memory than there is."""
    images, out = pictures(8), tmp_path / "out"
    (tmp_path / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    summary = inspect_in_parts(MODEL, [images], out, Ways())
    assert (summary.counts["good"], summary.counts["defect"], summary.counts[None]) == (4, 2, 2)
    assert summary.failures[0] == (
        str(images / "0003.png"),
        f"{images / '0003.png'}: the process that inspected it died {DEADLY} times: killed, or out of memory",
    )


LEFT_OUT = """
import atexit, pathlib, sys
if "-P" in sys.orig_argv:
    told = pathlib.Path(__file__).with_name("imported.txt")
    atexit.register(lambda: told.write_text(" ".join(name for name in sys.modules if sys.modules[name])))
"""


def test_workers_import_no_pandas(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LEFT_OUT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    inspect_in_parts(MODEL, [pictures(2)], tmp_path / "out", Ways())
    imported = (tmp_path / "imported.txt").read_text().split()
    assert "pyarrow" in imported
    assert "pandas" not in imported


def test_processes_that_die_at_once_end_the_inspection(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif '-P' in sys.orig_argv: os._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(ExcisionError, match=r"ended before they began an image \(exit status 7\)"):
        inspect_in_parts(MODEL, [pictures(3)], tmp_path / "out", Ways(workers=2))


def test_a_fault_of_the_results_ends_the_inspection(pictures: Pictures, tmp_path: Path) -> None:
    images, out = pictures(3), tmp_path / "out"
    (out / "parts" / "part-000000.parquet" / "in the way").mkdir(parents=True)
    with pytest.raises(ExcisionError, match=r"part-000000"):
        inspect_in_parts(MODEL, [images], out, Ways())
    with pytest.raises(ModelError, match="no such folder"):
        inspect_in_parts(tmp_path / "gone", [images], out, Ways())


def test_manifests_tar_files_and_their_columns(pictures: Pictures, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    images = pictures(6)
    names = names_in(images)
    # As another program writes it: relative paths, numbers as serials, and columns of its own.
    table = {
        "uri": [f"images/{name}" for name in names],
        "serial": range(6),
        "group": ["a"] * 6,
        "x": [1.5] * 6,
    }
    parquet.write_table(pa.table(table), tmp_path / "foreign.parquet")
    inspect_in_parts(MODEL, [tmp_path / "foreign.parquet"], tmp_path / "one", Ways())
    assert [(row.serial, row.group) for row in rows_of(tmp_path / "one")] == [(str(n), "a") for n in range(6)]
    subprocess.run(["tar", "cf", tmp_path / "shard.tar", "-C", images, *names], check=True)
    assert main(["manifest", str(tmp_path / "shard.tar"), "--out", str(tmp_path / "m.jsonl")]) == 0
    assert open_manifest(tmp_path / "m.jsonl").rows == 6
    inspect_in_parts(MODEL, [tmp_path / "m.jsonl"], tmp_path / "two", Ways())
    assert verdicts_of(tmp_path / "two") == verdicts_of(tmp_path / "one") == {"good": 3, "defect": 2, None: 1}
    scores = [[row.record.score for row in rows_of(tmp_path / name)] for name in ("one", "two")]
    assert scores[0] == scores[1]
    (error,) = (row.record.error for row in rows_of(tmp_path / "two") if row.record.error)
    assert error.startswith(f"{tmp_path}/shard.tar#damaged.png: ") and "/excision-" not in error


def test_a_row_stands_for_one_file_alone(pictures: Pictures, tmp_path: Path) -> None:
    """Not for the images of a folder, and not for those that a pattern would match."""
    images = pictures(3)
    shutil.copyfile(images / "0000.png", images / "part_1.png")
    rows = [str(images), str(images / "*.png"), str(images / "part_[1].png"), "", str(images / "0001.png")]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps({"uri": row}) + "\n" for row in rows))
    inspect_in_parts(MODEL, [tmp_path / "m.jsonl"], tmp_path / "out", Ways())
    records = [row.record for row in rows_of(tmp_path / "out")]
    assert [record.verdict for record in records] == [None, None, None, None, "good"]
    assert records[0].error == f"{images}: is not a regular file"
    assert records[2].error == f"{images / 'part_[1].png'}: no such file"
    assert records[3].image == f"{tmp_path / 'm.jsonl'}, row 4"


def test_a_manifest_that_changes_ends_the_inspection(pictures: Pictures, tmp_path: Path) -> None:
    images, listed = pictures(3), tmp_path / "m.jsonl"
    assert main(["manifest", str(images), "--out", str(listed)]) == 0
    inspect_in_parts(MODEL, [listed], tmp_path / "out", Ways(shard=Shard(2, 2)))
    listed.write_text(listed.read_text("utf-8").replace("0000", "0001"))
    with pytest.raises(ExcisionError, match="changed since the inspection"):
        inspect_in_parts(MODEL, [listed], tmp_path / "out", Ways())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "--workers 0"),
        (["--part-size", "0"], "--part-size 0"),
        (["--shard", "5/4"], "--shard 5/4"),
        (["--workers", "2", "--also", "csv"], "--also"),
        (["--readers", "0"], "--readers 0"),
    ],
)
def test_options_are_checked_first(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(MODEL), str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
