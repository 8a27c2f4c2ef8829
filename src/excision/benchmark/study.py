"""Runs a benchmark from end to end: the cells in separate processes, the timing, the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from excision.benchmark import child
from excision.benchmark.plan import CELL, EAR, ERROR, ROUNDS, THROUGHPUT, Cell, Plan, stored_identity
from excision.benchmark.sources import Source
from excision.errors import ModelError, SettingsError
from excision.jobs.child import how_it_ended
from excision.jobs.pool import Job, Pool
from excision.method.run_folder import read_json
from excision.system.files import write_json

Tell = Callable[[str], None]


class Study:
    """A plan, the folder in which it is run, and its results so far.

    Args:
        plan: what to run.
        out: folder for all results.
        tell: called with a line that says what is being done.

    Raises:
        SettingsError: a finished cell has other settings or data, or `out` is a file.
    """

    def __init__(self, plan: Plan, out: Path, tell: Tell) -> None:
        if out.exists() and not out.is_dir():
            raise SettingsError(f"{out} is a file: choose a folder for the benchmark")
        self.plan = plan
        self.out = out
        self.tell = tell
        self.failures: dict[str, str] = {}
        for cell in plan.cells():
            self._finished(cell)

    def run(self, pool: Pool | None = None) -> None:
        """Run the unfinished cells; a cell that fails is recorded in `failures`, and the rest continue.

        Args:
            pool: runs several cells at once, and each timing alone on a machine; None runs one after another.
        """
        cells = self.plan.cells()
        self._tell_missing_runs(cells)
        if pool is None:
            for place, cell in enumerate(cells, start=1):
                if self._finished(cell) is None and (job := self._cell_job(cell)) is not None:
                    self._launch(job, cell.name, f"[{place}/{len(cells)}] {cell.name}")
        else:
            # Others need the training time or the run of EAR.
            first = [cell for cell in cells if cell.variant.run == cell.variant.key and cell.budget != EAR]
            self._run_at_once(first, pool)
            self._run_at_once([cell for cell in cells if cell not in first], pool)
        jobs = {name: job for source in self.plan.sources for name, job in self._timing_jobs(source)}
        if pool is None:
            for name, job in jobs.items():
                self._launch(job, name, name)
        else:
            self._run_pool(jobs, pool, alone=True)
        for source in self.plan.sources:
            for model, error in self.throughput(source).get("errors", {}).items():
                self._fail(f"{_timing(source)} of {model}", error)

    def cells(self, source: Source, key: str) -> list[dict[str, Any]]:
        """Return the finished cells of a variant on a data set, in the order of the seeds."""
        ours = (cell for cell in self.plan.cells() if cell.source == source and cell.variant.key == key)
        return [content for cell in ours if (content := self._finished(cell)) is not None]

    def throughput(self, source: Source) -> dict[str, Any]:
        """Return the content of `throughput.json` of a data set; empty if it was not timed."""
        file = self.out / source.name / THROUGHPUT
        return dict(read_json(file)) if file.is_file() else {}

    def _tell_missing_runs(self, cells: Sequence[Cell]) -> None:
        """Say what is trained for want of a finished run: it may take hours, and the name may be mistyped."""
        unfinished = [cell for cell in cells if self._finished(cell) is None]
        missing = [
            run.name
            for cell in unfinished
            if (run := self.plan.given_run(cell)) is not None and self.plan.finished_run(cell) is None
        ]
        if missing:
            self.tell(f"{self.plan.runs} has no finished run {', '.join(missing)}: EAR is trained instead")

    def _run_at_once(self, cells: Sequence[Cell], pool: Pool) -> None:
        wanted = [cell for cell in cells if self._finished(cell) is None]
        jobs = {cell.name: job for cell in wanted if (job := self._cell_job(cell)) is not None}
        self._run_pool(jobs, pool, alone=False)

    def _run_pool(self, jobs: dict[str, dict[str, Any]], pool: Pool, *, alone: bool) -> None:
        for job in jobs.values():
            (Path(job["folder"]) / ERROR).unlink(missing_ok=True)
        ended = 0

        def end(job: Job, status: int) -> None:
            nonlocal ended
            ended += 1
            self.tell(f"[{ended}/{len(jobs)}] {job.name}")
            self._note(job.content, job.name, status)

        content = [Job(name, child.MODULE, _absolute(job), alone=alone) for name, job in jobs.items()]
        pool.run(content, lambda *_: None, end)

    def _cell_job(self, cell: Cell) -> dict[str, Any] | None:
        """Give what a process does for a cell; None if what it needs has failed."""
        folder, run = cell.folder(self.out), cell.run(self.out)
        job: dict[str, Any] = {
            "kind": "cell",
            "folder": str(folder),
            "run": str(run),
            "data": cell.source.path,
            "identity": cell.identity(),
            "seconds": None,
            "finished": None,
        }
        finished = self.plan.finished_run(cell)
        if finished is not None:
            job["finished"] = str(finished)
        if folder != run and not (run / CELL).is_file():
            self._fail(cell.name, f"the run it is measured on, {run}, has failed")
            return None
        if cell.budget == EAR:
            ear = folder.parents[1] / EAR / folder.name / CELL
            if not ear.is_file():
                self._fail(cell.name, f"it gets the training time of EAR, which has failed in {ear.parent}")
                return None
            job["seconds"] = read_json(ear)["training_seconds"]
        elif isinstance(cell.budget, float):
            job["seconds"] = 60 * cell.budget
        return job

    def _timing_jobs(self, source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give what measures the speed of one model for each row of the table of methods, if there is any."""
        first = self.plan.seeds[0]
        models = {}
        for cell in self.plan.cells():
            rows = [row.variant for row in self.plan.rows]
            if cell.source == source and cell.seed == first and cell.variant in rows:
                if self._finished(cell) is None:
                    continue
                run, inference = cell.model(self.out)
                models[cell.variant.key] = {
                    "run": str(run),
                    "method": cell.variant.method,
                    "inference": asdict(inference),
                }
        folder = self.out / source.name
        if not models or self._is_timed(source, models):
            return
        job = {"kind": "throughput", "folder": str(folder), "data": source.path, "layout": source.layout}
        yield _timing(source), {**job, "models": models}

    def _is_timed(self, source: Source, models: dict[str, Any]) -> bool:
        content = self.throughput(source)
        complete = len(content.get("rounds", [])) == ROUNDS and not content.get("errors")
        return complete and content.get("models") == models

    def _launch(self, job: dict[str, Any], name: str, title: str) -> None:
        self.tell(title)
        folder = Path(job["folder"])
        (folder / ERROR).unlink(missing_ok=True)
        status = child.launch(job)
        if status == child.STOPPED:
            raise KeyboardInterrupt
        self._note(job, name, status)

    def _note(self, job: dict[str, Any], name: str, status: int) -> None:
        """Note how a process ended."""
        folder = Path(job["folder"])
        if status == 0:
            return
        if not (folder / ERROR).is_file():
            write_json(folder / ERROR, {"error": how_it_ended(status)})
        self._fail(name, read_json(folder / ERROR)["error"])

    def _fail(self, name: str, error: str) -> None:
        self.failures[name] = error
        self.tell(f"failed: {name}: {error}")

    def _finished(self, cell: Cell) -> dict[str, Any] | None:
        """Return the results of a cell; None if it is not finished.

        Raises:
            SettingsError: the results belong to other settings or data.
        """
        file = cell.folder(self.out) / CELL
        try:
            content: dict[str, Any] = read_json(file)
        except ModelError:
            if file.is_file():
                raise
            return None
        wanted, made = cell.identity(), stored_identity(content)
        if wanted != made:
            differences = "; ".join(_differences(made, wanted))
            raise SettingsError(
                f"{file} has other settings or data: {differences}. "
                f"Choose another --out, or remove {file.parent}"
            )
        return content


def _timing(source: Source) -> str:
    return f"{source.name}, throughput"


def _absolute(job: dict[str, Any]) -> dict[str, Any]:
    """Give a job with paths that mean the same in every working folder."""
    return {
        **job,
        **{
            key: str(Path(job[key]).absolute())
            for key in ("data", "finished")
            if job.get(key) is not None and Path(job[key]).exists()
        },
    }


def _differences(made: Any, wanted: Any, name: str = "") -> list[str]:
    if isinstance(made, dict) and isinstance(wanted, dict):
        found = []
        for key in dict.fromkeys([*made, *wanted]):
            inner = key if name in ("", "settings") else f"{name}.{key}"
            found += _differences(made.get(key), wanted.get(key), inner)
        return found
    if made == wanted:
        return []
    if name == "listing":
        return ["the data set had other images"]
    return [f"{name} was {made!r} and is now {wanted!r}"]
