"""`excision benchmark` in processes: equal to `evaluate`, stopped and gone on with, failing in parts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import tomli_w
from PIL import Image

from excision.benchmark import child, study, throughput
from excision.cli import run as main
from excision.data import load_dataset
from excision.detector import Detector
from excision.evaluation.evaluate import measure
from excision.jobs.on_ray import RayPool
from excision.jobs.pool import Ended, Hear, Job
from excision.method.calibration import calibrate
from excision.method.run_folder import CHECKPOINT, MODEL, SETTINGS, TRAINING, read_json
from tests import nursery
from tests.benchmark.conftest import fake_baseline, kolektor, second
from tests.benchmark.fakes import NAME
from tests.cli.conftest import SMALL, command, environment, untuned
from tests.cli.conftest import inside as excision

# Fixtures that another folder's tests define too.
__all__ = ["fake_baseline", "kolektor", "second"]

TINY = untuned(SMALL)
FEW = [*TINY, "--false-alarm-rate", "40%", "--steps", "10"]
TWO = [*FEW[:-1], "2"]
WORKING = (*nursery.TRAINING, "excision.benchmark.cell", "tests.benchmark.little_timing")
ROUNDS = 2
"""Rounds of timing, in this process and in those of `fork`."""


def call(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let jobs be done in this process, which is faster, and time little; gives the list of those done."""
    monkeypatch.setattr(throughput, "SINGLES", 1)
    monkeypatch.setattr(throughput, "BATCHES", (1, 2))
    for module in (throughput, study):
        monkeypatch.setattr(module, "ROUNDS", ROUNDS)
    jobs: list[dict[str, Any]] = []

    def do(job: dict[str, Any]) -> int:
        jobs.append(job)
        return child.do(job)

    monkeypatch.setattr(child, "launch", do)
    return jobs


def fork(job: dict[str, Any]) -> int:
    """Do a job as `child.launch` does, in a process that has imported torch already."""
    words = ["-m", child.MODULE]
    with nursery.Program(words, WORKING, stdin=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return process.wait(timeout=300)  # its input closes after it has ended: before, it would be stopped


@pytest.fixture(scope="module")
def paper(kolektor: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the paper's benchmark, small, and what the command printed; not to be changed."""
    out = tmp_path_factory.mktemp("paper") / "out"
    words = ["--preset", "paper", "--methods", f"ear,{NAME}", "--seeds", 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "launch", fork)
        patch.setattr(study, "ROUNDS", ROUNDS)
        done = excision("benchmark", kolektor, *words, "--out", out, "--json", out / "all.json", *FEW)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_paper_table(paper: tuple[Path, str]) -> None:
    out, told = paper
    lines = (out / "benchmark.md").read_text("utf-8").splitlines()
    both = [line.split(" | ") for line in lines if line.startswith("| ")]
    rows, rates = both[: len(both) // 2], both[len(both) // 2 :]
    assert [row[0] for row in rates] == [row[0] for row in rows]
    assert {len(row) for row in rates} == {7}
    assert [row[0] for row in rows] == [
        "| method",
        "| ---",
        "| EAR",
        "| EAR, mask off",
        "| EAR, all skips on at inference",
        f"| {NAME}",
    ]
    assert {len(row) for row in rows} == {12}
    assert [row[-1] for row in rows[2:]] == ["1 |", "1 |", "1 |", "3 |"]
    assert rows[5][-2] == f"{48 * 48 * 3:,}"
    assert "(1.00x)" in rows[2][7]
    assert all("x)" in row[7] and "x)" in row[8] for row in rows[2:])
    machine = read_json(out / "surface" / "ear" / "seed-0" / "cell.json")["machine"]
    said = f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; torch"
    for text in (told, "\n".join(lines)):
        assert said in text
    for picture in ("accuracy.png", "auroc_speed.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("key", "options"),
    [("ear", []), ("ear-mask-off", ["--no-mask"]), ("ear-skips-all", ["--inference-skips", "all"])],
)
def test_figures_are_those_of_evaluate(
    key: str, options: list[str], paper: tuple[Path, str], kolektor: Path, tmp_path: Path
) -> None:
    folder = paper[0] / "surface"
    words = ["--out", tmp_path / "report", "--json", tmp_path / "figures.json", *options]
    assert call("evaluate", folder / "ear" / "seed-0", kolektor, *words) == 0
    evaluated, cell = read_json(tmp_path / "figures.json"), read_json(folder / key / "seed-0" / "cell.json")
    for timed in (evaluated, cell["figures"]):
        assert timed.pop("ms_per_image") > 0
    assert cell["figures"] == evaluated
    assert cell["figures"]["n_normal"] == 4
    assert cell["figures"]["n_defect"] == 3
    assert (cell["n_train"], cell["n_calibration"]) == (7, 1)
    detector = Detector.load(folder / "ear" / "seed-0")
    assert cell["parameters"] == sum(value.numel() for value in detector.pipeline.parameters())


def test_rates_are_those_of_the_calibrated_threshold(paper: tuple[Path, str], kolektor: Path) -> None:
    """Counted again, image by image, with the threshold that the calibration scores give for each rate."""
    run = paper[0] / "surface" / "ear" / "seed-0"
    rates, detector = read_json(run / "cell.json")["rates"], Detector.load(run)
    kept = detector.calibration
    found = [(s.defective, detector.inspect(s.image).score) for s in load_dataset(kolektor).test]
    for wanted in (0.01, 0.05):
        again = calibrate(kept.scores, wanted, confidence=kept.confidence, groups=kept.groups)
        assert rates[f"promised_rate_at_{wanted}"] == again.promised_rate
        for figure, kind in (("false_alarm_rate", False), ("detection_rate", True)):
            above = [score > again.threshold for defective, score in found if defective == kind]
            assert rates[f"{figure}_at_{wanted}"] == sum(above) / len(above)


def test_a_finished_run_is_measured_and_not_trained(
    paper: tuple[Path, str], kolektor: Path, tmp_path: Path, inside: list[dict[str, Any]]
) -> None:
    """Networks are those of the run, and what is normal is learnt again."""
    run = shutil.copytree(paper[0] / "surface" / "ear" / "seed-0", tmp_path / "runs" / "surface-0")
    before = (run / MODEL).read_bytes()
    words = ["--methods", "ear", "--seeds", 1, *FEW, "--runs", tmp_path / "runs", "--out", tmp_path / "out"]
    assert call("benchmark", kolektor, *words) == 0
    cell = read_json(tmp_path / "out/surface/ear/seed-0/cell.json")
    assert cell["training_seconds"] == cell["trained_on"]["seconds"] == read_json(run / TRAINING)["seconds"]
    assert (run / MODEL).read_bytes() == before
    # The same code learns the same statistics from the same images.
    figures = read_json(run / "cell.json")["figures"]
    assert {**cell["figures"], "ms_per_image": 0} == {**figures, "ms_per_image": 0}
    assert (
        "Finished runs stand for the training of EAR, for these data sets and seeds: surface 0."
        in (tmp_path / "out/benchmark.md").read_text()
    )
    inside.clear()
    assert call("benchmark", kolektor, *words) == 0 and inside == []


@pytest.mark.parametrize(
    ("change", "said"),
    [("settings", "was begun with other settings"), ("images", "was begun on other images")],
)
@pytest.mark.usefixtures("inside")
def test_a_finished_run_of_something_else_is_refused(
    change: str,
    said: str,
    paper: tuple[Path, str],
    kolektor: Path,
    second: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(paper[0] / "surface" / "ear" / "seed-0", tmp_path / "runs" / "surface-0")
    data, options = (kolektor, TWO) if change == "settings" else (second, FEW)
    words = ["--methods", "ear", "--seeds", 1, *options, "--runs", tmp_path / "runs"]
    assert call("benchmark", data, *words, "--out", tmp_path / "out") == 2
    assert said in capsys.readouterr().out
    assert call("benchmark", data, *words, "--runs", tmp_path / "none", "--out", tmp_path / "out") == 2


def test_budget_is_the_time_of_ear(paper: tuple[Path, str]) -> None:
    cells = {path.parents[1].name: read_json(path) for path in paper[0].glob("surface/*/seed-0/cell.json")}
    taken = cells["ear"]["training_seconds"]
    assert 0 < taken < 60
    assert cells[NAME]["seconds_given"] == taken
    # The fake uses a quarter of what it may; the rest of its training is next to nothing.
    assert taken / 4 <= cells[NAME]["training_seconds"] < taken / 4 + 2
    assert cells["ear-mask-off"]["training_seconds"] == taken
    # Processes of their own: this one holds torch, a model and matplotlib.
    assert all(20 < cell["peak_memory_mb"] < 2000 for cell in cells.values())
    assert not (paper[0] / "surface" / "ear-mask-off" / "seed-0" / MODEL).exists()


def test_finished_work_is_not_done_again(
    paper: tuple[Path, str],
    kolektor: Path,
    tmp_path: Path,
    inside: list[dict[str, Any]],
) -> None:
    words = ["--preset", "paper", "--methods", f"ear,{NAME}", "--seeds", 1, *FEW]
    assert call("benchmark", kolektor, *words, "--out", paper[0], "--json", tmp_path / "again.json") == 0
    assert inside == []
    assert read_json(tmp_path / "again.json") == read_json(paper[0] / "all.json")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--steps", "11"], "training.steps was 10 and is now 11"),
        (["--mask.fill", "mean"], "mask.fill was 'zero' and is now 'mean'"),
        (["--minutes", "0.5"], "budget was 'ear' and is now 0.5"),
    ],
)
def test_other_settings_are_refused(
    changed: list[str],
    said: str,
    paper: tuple[Path, str],
    kolektor: Path,
    inside: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = [word for word in FEW[3:] if ".no-" in word]
    valued = [word for word in FEW[3:] if word not in flags]
    options = {**dict(zip(valued[::2], valued[1::2], strict=True)), **dict([changed])}
    words = ["--methods", f"ear,{NAME}", "--seeds", 1, *FEW[:3]]
    words += [*flags, *(word for pair in options.items() for word in pair)]
    assert call("benchmark", kolektor, *words, "--out", paper[0]) == 2
    assert said in capsys.readouterr().err
    assert inside == []


def test_two_data_sets_and_seeds(
    kolektor: Path, second: Path, tmp_path: Path, inside: list[dict[str, Any]]
) -> None:
    out, file = tmp_path / "out", tmp_path / "all.json"
    words = ["--methods", f"{NAME},ear", "--seeds", 2, "--seed", 3, *TWO]
    assert call("benchmark", kolektor, second, *words, "--out", out, "--json", file) == 0
    assert len(inside) == 2 * 2 * 2 + 2
    content = json.loads(file.read_text("utf-8"))
    assert {(cell["dataset"], cell["seed"]) for cell in content["cells"]} == {
        (name, seed) for name in ("surface", "surface-2") for seed in (3, 4)
    }
    for name in ("surface", "surface-2"):
        for line in content["methods"][name]:
            cells = [read_json(p) for p in (out / name / line["variant"]).glob("seed-*/cell.json")]
            values = [cell["figures"]["pixel_ap"] for cell in cells]
            spread = line["figures"]["pixel_ap"]
            assert (spread["mean"], spread["count"]) == (pytest.approx(mean(values)), 2)
            assert spread["deviation"] == pytest.approx(stdev(values))
    assert [line["label"] for line in content["methods"]["mean over the data sets"]] == [NAME, "EAR"]
    timed = read_json(out / "surface-2" / "throughput.json")
    assert timed["timed"] == ["ear", NAME]
    assert len(timed["rounds"]) == ROUNDS


@pytest.mark.usefixtures("inside")
def test_large_images_in_tiles(second: Path, tmp_path: Path) -> None:
    out, json_file = tmp_path / "out", tmp_path / "figures.json"
    words = ["--methods", f"ear,{NAME}", "--seeds", 1, "--tile", 48, 48, *TWO, "--out", out]
    assert call("benchmark", second, *words) == 0
    assert call("evaluate", out / "surface/ear/seed-0", second, "--json", json_file) == 0
    figures = read_json(out / "surface/ear/seed-0/cell.json")["figures"]
    evaluated = read_json(json_file)
    for timed in (evaluated, figures):
        assert timed.pop("ms_per_image") > 0
    assert figures == evaluated
    # The fake baseline takes images of one size only, and a quarter of the time it is given.
    fake = read_json(out / "surface" / NAME / "seed-0/cell.json")
    assert fake["figures"]["n_defect"] == 2
    assert fake["training_seconds"] >= fake["seconds_given"] / 4
    assert read_json(out / "surface/throughput.json")["size"] == [48, 48]
    assert "so images per second are tiles: surface." in (out / "benchmark.md").read_text()


def test_timing_goes_on(kolektor: Path, tmp_path: Path, inside: list[dict[str, Any]]) -> None:
    words = ["--methods", NAME, "--seeds", 1, *FEW, "--out", tmp_path / "out"]
    assert call("benchmark", kolektor, *words) == 0
    file = tmp_path / "out" / "surface" / "throughput.json"
    content = read_json(file)
    kept = content["rounds"] = content["rounds"][:1]
    file.write_text(json.dumps(content))
    assert call("benchmark", kolektor, *words) == 0
    assert read_json(file)["rounds"][:1] == kept
    assert len(read_json(file)["rounds"]) == ROUNDS
    assert [job["kind"] for job in inside] == ["cell", "throughput", "throughput"]
    # Without EAR there is nothing to compare with.
    assert read_json(file)["summary"][NAME]["1"]["ratio"] is None
    assert inside[0]["seconds"] is None


def test_ablations_share_runs(second: Path, tmp_path: Path, inside: list[dict[str, Any]]) -> None:
    out, file = tmp_path / "out", tmp_path / "all.json"
    words = ["--ablations", "fill,skips,map", "--seeds", 1, *TWO]
    assert call("benchmark", second, *words, "--out", out, "--json", file) == 0
    # EAR, two that train otherwise, three skips and three maps besides its own, and nothing to time.
    assert [job["kind"] for job in inside] == ["cell"] * 9
    content = read_json(file)
    labels = {
        title: [line["label"] for line in tables["surface"]] for title, tables in content["ablations"].items()
    }
    assert labels == {
        "fill": ["zero", "mean", "mosaic"],
        "skips": ["all", "level 1 off", "level 2 off", "none"],
        "map": ["squared", "likelihood", "ssim", "msgms"],
    }
    assert all(line["seeds"] == 1 for tables in content["ablations"].values() for line in tables["surface"])
    # EAR, and two that train otherwise.
    assert len(list(out.glob(f"surface/*/*/{MODEL}"))) == 3
    assert "| skips | image AUROC |" in (out / "benchmark.md").read_text("utf-8")
    # By another way to the same: the settings of the saved run, changed by hand.
    for key, section, name, value in (
        ("ear-map-msgms", "score", "map", "msgms"),
        ("ear-skips-1", "recovery", "inference_skips", "1"),
        ("ear-skips-none", "recovery", "inference_skips", "none"),
    ):
        copy = shutil.copytree(out / "surface" / "ear" / "seed-0", tmp_path / key)
        settings = read_toml(copy / SETTINGS)
        settings[section][name] = value
        (copy / SETTINGS).write_text(tomli_w.dumps(settings))
        detector = Detector.load(copy)
        if section == "score":  # another map has another usual level
            detector.recalibrate(second)
        figures = measure(detector, load_dataset(second)).to_json()
        cell = read_json(out / "surface" / key / "seed-0" / "cell.json")
        assert {**cell["figures"], "ms_per_image": 0} == {**figures, "ms_per_image": 0}


def read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(path.read_text("utf-8"))


def test_failed_cell_is_noted_and_tried_again(
    second: Path,
    tmp_path: Path,
    inside: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--methods", f"ear,{NAME}", "--seeds", 1, *TWO, "--out", tmp_path / "out"]
    cell = tmp_path / "out" / "surface" / NAME / "seed-0"
    for fault, said in (
        ("error", "it went astray"),
        ("crash", "ZeroDivisionError: a fault of the baseline"),
    ):
        monkeypatch.setenv("FAKE_FAULT", fault)
        assert call("benchmark", second, *words) == 2
        assert f"Failed: surface, {NAME}, seed 0: {said}" in capsys.readouterr().out
        assert said in read_json(cell / "error.json")["error"]
        assert said in (tmp_path / "out" / "benchmark.md").read_text("utf-8")
        assert (tmp_path / "out" / "surface" / "throughput.json").is_file()
    monkeypatch.delenv("FAKE_FAULT")
    inside.clear()
    assert call("benchmark", second, *words) == 0
    assert [job["kind"] for job in inside] == ["cell", "throughput"]
    assert not (cell / "error.json").exists()


def test_killed_cell_is_noted(
    kolektor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by the kernel when memory runs out; the process of the benchmark itself stands."""
    monkeypatch.setenv("FAKE_FAULT", "kill")
    assert call("benchmark", kolektor, "--methods", NAME, "--seeds", 1, *FEW, "--out", tmp_path / "out") == 2
    assert "its process was killed by signal 9" in capsys.readouterr().out


def start(fault: str, *words: object) -> subprocess.Popen[str]:
    env = {**environment(), "FAKE_FAULT": fault}
    return subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, env=env)


def wait_for(what: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stopped_and_killed_it_goes_on(kolektor: Path, tmp_path: Path, inside: list[dict[str, Any]]) -> None:
    out = tmp_path / "out"
    ear, fake = out / "surface" / "ear" / "seed-0", out / "surface" / NAME / "seed-0"
    words = [
        "benchmark",
        kolektor,
        "--methods",
        f"ear,{NAME}",
        "--seeds",
        1,
        *TINY,
        "--steps",
        150,
        "--out",
        out,
    ]
    # Ctrl-C in the training of EAR, given to the parent alone.
    with start("hang", *words) as process:
        wait_for((ear / CHECKPOINT).exists, process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert (
        told.strip()
        .splitlines()[-1]
        .startswith("stopped; continue with the same command: excision benchmark ")
    )
    assert (ear / CHECKPOINT).is_file()
    assert not (ear / "cell.json").exists()
    before = read_json(ear / "clock.json")
    assert 10 <= before["parts"]["training"][0] < 150
    # Killed between the cells: EAR is finished, and the baseline under way.
    with start("hang", *words) as process:
        wait_for(lambda: (ear / "cell.json").exists() and children(process.pid), process)
        (orphan,) = children(process.pid)
        wait_for(lambda: b"benchmark" in Path(f"/proc/{orphan}/cmdline").read_bytes(), process)
        time.sleep(0.5)
        process.kill()
        process.communicate(timeout=300)
    # A child does not outlive its parent, or it would write what the next one writes.
    deadline = time.monotonic() + 300
    while alive(orphan):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    finished = (ear / "cell.json").read_bytes()
    seconds = json.loads(finished)["training_seconds"]
    assert seconds > sum(spent for _, spent in before["parts"].values())
    assert not (fake / "cell.json").exists()
    assert call(*words) == 0
    assert (ear / "cell.json").read_bytes() == finished
    assert [Path(job["folder"]).parent.name for job in inside if job["kind"] == "cell"] == [NAME]
    assert inside[0]["seconds"] == seconds


def children(parent: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{data}", "--methods", "ear,ridd", "--out", "out"], '"ridd" is not a method'),
        (["{data}", "--ablations", "colour", "--out", "out"], '"colour" is not an ablation'),
        (["{data}", "--seeds", "0", "--out", "out"], "--seeds is 0"),
        (["{data}", "--minutes", "0", "--out", "out"], "--minutes is 0"),
        (["{data}", "--preset", "thesis", "--out", "out"], "paper"),
        (["{data}", "nowhere", "--out", "out"], "nowhere: no such file or folder"),
        (["../normal", "--out", "out"], "no test images (layout folder)"),
        (["{data}"], "--out"),
        (["--out", "out"], "give one or more data sets"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_mistakes(
    words: list[str],
    said: str,
    kolektor: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    normal, here = tmp_path / "normal", tmp_path / "here"
    normal.mkdir()
    here.mkdir()
    for number in range(4):
        Image.new("L", (64, 64), 100 + number).save(normal / f"{number}.png")
    monkeypatch.chdir(here)
    assert call("benchmark", *(word.format(data=kolektor) for word in words)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert list(here.iterdir()) == [], "a mistake leaves nothing behind"


def test_data_without_test_images(kolektor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(kolektor / "train", tmp_path / "only" / "train")
    assert call("benchmark", tmp_path / "only", "--out", tmp_path / "out") == 2
    assert "there are no test images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_imports_nothing_heavy_before_it_works() -> None:
    """The parent must stay small, and its help fast."""
    code = (
        "import sys; from excision.cli import run; run(['benchmark', '--help']); "
        "import excision.benchmark.results; print('loaded:', *sys.modules)"
    )
    done = subprocess.run(
        [*command()[:1], "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert not {"torch", "matplotlib", "scipy"} & loaded


def test_on_a_cluster_others_wait_for_ear_and_timing_is_alone(
    second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With jobs done here as a cluster would do them; what Ray does with them is tested with fleets."""
    waves: list[list[tuple[str, bool]]] = []

    def run(_: RayPool, jobs: Iterable[Job], _hear: Hear, ended: Ended) -> None:
        waves.append([])
        for job in jobs:
            waves[-1].append((job.name, job.alone))
            ended(job, child.do(job.content))

    monkeypatch.setattr(RayPool, "run", run)
    words = ["--methods", f"ear,{NAME}", "--seeds", 1, *TWO, "--out", tmp_path / "out"]
    assert call("benchmark", second, *words, "--engine", "ray") == 0
    assert waves == [
        [("surface, ear, seed 0", False)],
        [(f"surface, {NAME}, seed 0", False)],
        [("surface, throughput", True)],
    ]
    cell = tmp_path / "out" / "surface" / NAME / "seed-0" / "cell.json"
    assert read_json(cell)["seconds_given"] > 0
    waves.clear()
    assert call("benchmark", second, *words, "--engine", "ray") == 0
    assert waves == [[], [], []]
    assert call("benchmark", second, *words, "--address", "auto") == 2
    assert "add --engine ray" in capsys.readouterr().err
