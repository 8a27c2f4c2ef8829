"""A Ray cluster that was begun by `ray start --head`: the lines of the README, and resources of actors."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from excision.runtime import Inspector
from excision.storage.opening import open_folder
from excision.storage.outgoing import upload
from tests.cli.conftest import environment
from tests.cluster.conftest import FORMAT_1, MODEL, rows_of
from tests.storage.server import free_port, s3_environment, s3_server

pytest.importorskip("ray")
pytest.importorskip("s3fs")
pytest.importorskip("moto")

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent


DEADLY = """
import os, pathlib, signal
real = pathlib.Path.open
def opened(self, *words, **named):
    if self.name == "deadly.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *words, **named)
pathlib.Path.open = opened
"""
"""Ends every process that opens an image of this name, as one does that takes more memory than there is."""


@dataclass
class Plant:
    """A working folder with a model, a bucket, and the environment of a user with both."""

    work: Path
    environment: dict[str, str]
    lines: list[str]

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(line, comments=True)
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def compute(self, code: str, *words: str) -> str:
        """Run a program of Ray's user to its good end, and give what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=self.work,
            env={**self.environment, "RAY_AUTH_MODE": "token"},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """Run the line of the README that begins the cluster, on a port of its own."""
    work = tmp_path_factory.mktemp("plant")
    shutil.copytree(MODEL, work / "line" / "parts")
    section = README.read_text("utf-8").partition("## Many images")[2]
    lines = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)[0].splitlines()
    # A socket of Ray may have at most 107 characters, and the folder of a parallel test has too many already.
    short = TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    more = {
        # As a user who has a token, which the cluster then asks for.
        "HOME": str(work),
        "PYTHONPATH": os.pathsep.join([str(work), os.environ.get("PYTHONPATH", "")]),
    }
    with short as temporary, s3_server() as port, s3_environment(port, RAY_TMPDIR=temporary, **more):
        (work / "sitecustomize.py").write_text(DEADLY)
        (work / ".ray").mkdir()
        (work / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
        upload(_images(work / "line3"), open_folder("s3://plant/line3"))
        (begin,) = (line for line in lines if line.startswith("ray "))
        with _running(shlex.split(begin, comments=True), work):
            yield Plant(work, environment(), lines)


def _images(folder: Path) -> Path:
    folder.mkdir()
    for number in range(40):
        shutil.copyfile(FORMAT_1 / f"{number % 4}.png", folder / f"{number:02d}.png")
    return folder


class _running:  # noqa: N801  used as a function
    """The processes of a Ray cluster, ended together; `ray stop` would end those of others, too."""

    def __init__(self, words: list[str], work: Path) -> None:
        apart = ["--block", "--port", str(free_port()), "--num-cpus", "2", "--num-gpus", "1"]
        apart += ["--include-dashboard", "false", "--object-store-memory", str(128 * 2**20)]
        self._log = work / "ray.log"
        with self._log.open("wb") as stream:
            self._process = subprocess.Popen(
                [str(BIN / words[0]), *words[1:], *apart],
                stdout=stream,
                stderr=stream,
                env={**environment(), "RAY_USAGE_STATS_ENABLED": "0"},
                start_new_session=True,
            )

    def __enter__(self) -> None:
        until = time.monotonic() + 600
        while "Ray runtime started" not in self._log.read_text("utf-8", "replace"):
            assert self._process.poll() is None and time.monotonic() < until, self._log.read_text("utf-8")
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def test_the_lines_of_the_readme_run_as_written(plant: Plant) -> None:
    commands = [line for line in plant.lines if line.startswith("excision ")]
    assert [line.split()[1] for line in commands] == ["manifest", "inspect", "inspect"]
    done = [plant.run(line) for line in commands]
    # 1 because not all images are good; a share of the jobs ends with 0 whatever the verdicts.
    assert [one.returncode for one in done] == [0, 1, 0], [one.stderr for one in done]
    rows = rows_of("s3://plant/results")
    assert [row.record.image for row in rows] == [f"s3://plant/line3/{n:02d}.png" for n in range(40)]
    assert [row.record.verdict for row in rows] == ["good", "good", "defect", "defect"] * 10
    assert all((row.record.overlay is not None) == (row.record.verdict == "defect") for row in rows)
    share = rows_of(plant.work / "results")
    # Of 5 parts of 8 images the first job of 16 has one, with the scores that Ray's actors gave.
    assert [row.record.score for row in share] == [row.record.score for row in rows[:8]]


def test_a_gpu_is_asked_for_and_none_is_made_up(plant: Plant) -> None:
    """The cluster says that it has a GPU, which is none."""
    words = "excision inspect line/parts line3/ --engine ray --address auto --workers 1 --out "
    for out, share, said in (
        ("a", "2", "the Ray cluster has 1 GPUs, and each worker takes 2"),
        ("b", "0.25", "this ONNX Runtime cannot compute on a GPU; install onnxruntime-gpu"),
    ):
        done = plant.run(f"{words}{out} --gpus-per-worker {share}")
        assert done.returncode == 2 and said in done.stderr, done.stderr


def test_an_image_that_kills_its_actors_is_a_failure(plant: Plant) -> None:
    folder = plant.work / "some"
    shutil.copytree(plant.work / "line3", folder, ignore=shutil.ignore_patterns("[1-3]*.png"))
    shutil.copyfile(folder / "00.png", folder / "deadly.png")
    words = "excision inspect line/parts some/ --engine ray --address auto --workers 1 --out deadly"
    done = plant.run(words)
    assert done.returncode == 2, done.stderr
    assert "6 good, 4 defective, 1 not inspected" in done.stdout, done.stdout
    assert f"{folder}/deadly.png: the process that inspected it died 3 times" in done.stdout


PIPELINE = """
import ray
from excision.cluster.batches import BatchInspector
ray.init("auto", log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
images = ray.data.read_binary_files({paths!r}, include_paths=True)
results = images.map_batches(BatchInspector, fn_constructor_args=[{model!r}], concurrency=1, batch_size=2)
for row in sorted(results.take_all(), key=lambda row: row["path"]):
    print(row["verdict"], repr(float(row["score"])))
"""


def test_a_pipeline_of_ray_data(plant: Plant) -> None:
    paths = [FORMAT_1 / f"{number}.png" for number in range(4)]
    done = plant.compute(PIPELINE.format(paths=list(map(str, paths)), model=str(MODEL)))
    inspector = Inspector(MODEL, threads=1)
    alone = [next(inspector.predict([path])) for path in paths]
    assert done.splitlines()[-4:] == [f"{one.verdict} {one.score!r}" for one in alone]


TAKES = """
import sys
import ray
from excision.cluster.plan import read_plan
from excision.cluster.ray_actors import RayActors
from excision.storage.opening import open_folder
out = sys.argv[1]
plan = read_plan(open_folder(out))
job = {"model": "line/parts", "out": out, "threads": 1, "device": None, "readers": 1, "budget": 1000}
free = set()
actors = RayActors(job, plan, 2, "auto", 0.25)
actors.progress = lambda *_: free.add(ray.available_resources().get("GPU")) if ray.is_initialized() else None
actors.run(range(plan.parts))
print(min(free))
"""


def test_actors_take_their_share_of_a_gpu(plant: Plant) -> None:
    """Ray keeps a share of the GPU for each actor; here the actors compute on the processor."""
    done = plant.compute(TAKES, str(plant.work / "results"))
    assert done.split()[-1] == "0.5"
