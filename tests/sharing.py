"""What is slow to make is made once in a session of tests, whichever of its processes asks first.

Tracing a pipeline takes torch some eight seconds, whatever its size; many tests export the same one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from excision.method.pipeline import Pipeline
    from excision.runtime.verification import Proof

PLAIN = (bool, int, float, str, tuple)


@pytest.fixture(scope="session", autouse=True)
def small_lessons() -> None:
    """Let the attention be tuned on few pieces, here and in what `tests.nursery` starts."""
    import tests.small_lessons  # noqa: F401


@pytest.fixture
def full_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be tuned as in the product: for tests of that, and for those that start another process."""
    from excision.method.attention.tuning import lessons
    from tests.small_lessons import FULL

    monkeypatch.setattr(lessons, "BATCH_PIXELS", FULL)


def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that all workers of this session share, and the sessions that `make test` starts."""
    if shared := os.environ.get("EXCISION_TESTS_SHARED"):
        return Path(shared)
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def import_own_share(config: pytest.Config) -> None:
    """Import a share of the test modules before the others, which other workers import meanwhile.

    All workers collect all tests in the same order. On a fresh clone each would compile each module, as all
    come to it at the same time; so each begins with modules of its own, and finds the others compiled.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count == 1:
        return
    ignored = {Path(path).resolve() for path in config.getoption("ignore") or ()}
    found = sorted(path for place in config.args for path in Path(place).resolve().rglob("test_*.py"))
    modules = [path for path in found if not ignored.intersection(path.parents)]
    for path in modules[int(worker) * len(modules) // count : (int(worker) + 1) * len(modules) // count]:
        # What cannot be imported is said when it is collected.
        with suppress(Exception, pytest.skip.Exception):
            import_module(".".join(path.relative_to(config.rootpath).with_suffix("").parts))


class Shelf:
    """Files by what they were made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, key: str, path: Path, write: Callable[[Path], None]) -> None:
        """Copy the file of a key to a path; the first who asks writes it."""
        kept = self._folder / key
        with _alone(kept.with_suffix(".lock")):
            if not kept.exists():
                write(path)
                shutil.copyfile(path, kept.with_suffix(".new"))
                kept.with_suffix(".new").rename(kept)
                return
        shutil.copyfile(kept, path)


def key_of(*things: object) -> str:
    """Hash whatever a file is made of; arrays by all of their bytes."""
    digest = hashlib.sha256()
    for thing in things:
        array = getattr(thing, "tobytes", None)
        digest.update(array() if array else repr(thing).encode())
        digest.update(b"|")
    return digest.hexdigest()


def pipeline_parts(pipeline: Pipeline) -> Iterator[object]:
    """Give all that a graph depends on: modules, weights, settings and plain attributes."""
    yield repr(pipeline)
    for name, module in pipeline.named_modules():
        plain = (bool, int, float, str, tuple)
        yield (
            name,
            sorted((k, v) for k, v in vars(module).items() if isinstance(v, plain) and k != "training"),
        )
    yield pipeline.settings
    for name, value in sorted(pipeline.state_dict().items()):
        array = value.detach().cpu().numpy()
        yield from (name, array.dtype, array.shape, array)


@pytest.fixture(scope="session")
def export_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Proof]]:
    """Give `export`; from here on equal pipelines are traced once, and equal graphs quantised once."""
    from excision.export import export as module
    from excision.export.graph import write_onnx
    from excision.export.quantise import quantise

    shelf = Shelf(session_folder(tmp_path_factory))

    def write_once(pipeline: Pipeline, path: Path) -> None:
        key = key_of("graph", *pipeline_parts(pipeline))
        shelf.fetch(key, path, lambda path: write_onnx(pipeline, path))

    def quantise_once(path: Path, images: Sequence[NDArray[Any]]) -> None:
        key = key_of("integers", path.read_bytes(), *images)
        shelf.fetch(key, path, lambda path: quantise(path, images))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_onnx", write_once)
        patch.setattr(module, "quantise", quantise_once)
        yield module.export
