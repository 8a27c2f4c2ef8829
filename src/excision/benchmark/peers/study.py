"""Times the methods: each in turn with EAR, so that noise on the machine affects both equally."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from excision.benchmark.peers.asked import Asked
from excision.benchmark.peers.energy import Energy
from excision.benchmark.peers.engines import CALIBRATION_IMAGES, Engine, drawn_images, write_graph
from excision.benchmark.peers.subjects import EAR, SIZE, SUBJECTS, build
from excision.errors import ModelError
from excision.system.files import atomic_path, write_json
from excision.system.strict_json import read_json

RESULTS = "speed_peers.json"

_SECONDS = 1.0  # that a round of one method takes about

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """One method in one engine.

    Attributes:
        name: of the method.
        engine: that computes.
        threads: of one inspection.
    """

    name: str
    engine: Engine
    threads: int

    @property
    def key(self) -> str:
        """Name in the results."""
        return f"{self.name} {self.engine.name}-{self.engine.precision} {self.threads}"


@dataclass
class PeerStudy:
    """Times methods in engines, and keeps what is finished.

    Args:
        out: folder of the results and graphs.
        ear: run folder of EAR; it must be finished.
        names: methods, EAR first.
        engines: in which each is timed.
        threads: numbers of threads of one inspection.
        rounds: of each method, in turn with EAR.
        tell: is told what goes on.
    """

    out: Path
    ear: Path
    names: tuple[str, ...]
    engines: tuple[Engine, ...]
    threads: tuple[int, ...]
    rounds: int
    tell: Tell = field(default=lambda _: None)

    def run(self) -> dict[str, Any]:
        """Time what is not timed yet; gives the content of `RESULTS`, which is written after each timing.

        Raises:
            ModelError: EAR cannot be timed.
        """
        content = self._begun()
        for name in self.names:
            if name not in content["costs"]:
                self.tell(f"{name}: counting operations")
                content["costs"][name] = self._cost(name)
                self._write(content)
        timings = list(self._timings())
        for number, timing in enumerate(timings, start=1):
            if timing.key in content["timings"]:
                continue
            self.tell(f"[{number}/{len(timings)}] {timing.key}")
            try:
                content["timings"][timing.key] = self._timed(timing, content["costs"])
            except (ModelError, OSError, RuntimeError, ValueError) as error:
                if timing.name == EAR and timing.engine.name == "torch":
                    raise
                content["timings"][timing.key] = {
                    "error": f"{type(error).__name__}: {error}".splitlines()[0][:300]
                }
            self._write(content)
        return content

    def _timings(self) -> Iterator[Timing]:
        for threads in self.threads:
            for engine in self.engines:
                for name in self.names:
                    if engine.graph is None or name == EAR or SUBJECTS[name].exports:
                        yield Timing(name, engine, threads)

    def _begun(self) -> dict[str, Any]:
        """Read what an interrupted study on this machine has finished."""
        from excision.benchmark.cell import machine

        identity = {"size": list(SIZE), "rounds": self.rounds, "ear": str(self.ear), "machine": machine()}
        path = self.out / RESULTS
        kept = read_json(path) if path.is_file() else {}
        if isinstance(kept, dict) and kept.get("identity") == identity:
            return kept
        return {"identity": identity, "costs": {}, "timings": {}}

    def _write(self, content: dict[str, Any]) -> None:
        write_json(self.out / RESULTS, content)

    def _cost(self, name: str) -> dict[str, int]:
        import torch

        from excision.benchmark.peers.costs import Cost

        network = build(name, self.ear)
        image = drawn_images(self._channels(name), SIZE, 1)[0]
        return asdict(Cost.of(network, torch.from_numpy(image)))

    def _channels(self, name: str) -> int:
        return self._channels_of_ear if name == EAR else 3

    @cached_property
    def _channels_of_ear(self) -> int:
        from excision.detector import Detector

        return Detector.load(self.ear, device="cpu").pipeline.image_format.channels

    def _timed(self, timing: Timing, costs: dict[str, dict[str, int]]) -> dict[str, Any]:
        """Time one method in turn with EAR in the same engine, with as many threads."""
        reference = replace(timing, name=EAR)
        energy = Energy()
        with closing(self._started(timing)) as own, closing(self._started(reference)) as other:
            count = max(1, round(_SECONDS / own.seconds(1)))
            others = max(1, round(_SECONDS / other.seconds(1)))
            rounds = []
            for _ in range(self.rounds):
                with energy.measuring(count) as spent:
                    seconds = own.seconds(count) / count
                rounds.append((seconds, other.seconds(others) / others, own.peak_rate, spent.joules))
        seconds = median(each[0] for each in rounds)
        joules = [each[3] for each in rounds if each[3] is not None]
        return {
            "milliseconds": round(1e3 * seconds, 3),
            "ratio_to_ear": median(mine / its for mine, its, *_ in rounds),
            "gflops": costs[timing.name]["operations"] / seconds / 1e9,
            "peak_gflops": max(each[2] for each in rounds) / 1e9,
            "first_result": own.first_result,
            "peak_memory_mb": own.peak_memory_mb,
            "model_mb": self._megabytes(timing, costs),
            "joules": median(joules) if joules else None,
        }

    def _megabytes(self, timing: Timing, costs: dict[str, dict[str, int]]) -> float:
        graph = timing.engine.graph
        size = costs[timing.name]["weight_bytes"] if graph is None else self._graph(timing).stat().st_size
        return round(size / 2**20, 1)

    def _started(self, timing: Timing) -> Asked:
        graph = None if timing.engine.graph is None else str(self._graph(timing))
        job = {
            "name": timing.name,
            "engine": list(timing.engine),
            "threads": timing.threads,
            "run": str(self.ear),
            "graph": graph,
            "channels": self._channels(timing.name),
        }
        return Asked(job, timing.threads)

    def _graph(self, timing: Timing) -> Path:
        """Write the graph of a method unless it is there."""
        folder = self.out / "graphs" / timing.name
        full, wanted = folder / "fp32.onnx", folder / str(timing.engine.graph)
        folder.mkdir(parents=True, exist_ok=True)
        channels = self._channels(timing.name)
        if not full.is_file():
            self.tell(f"{timing.name}: writing the graph")
            write_graph(build(timing.name, self.ear), drawn_images(channels, SIZE, 1)[0], full)
        if not wanted.is_file():
            from excision.export.quantise import quantise

            self.tell(f"{timing.name}: quantising")
            with atomic_path(wanted) as temporary:
                shutil.copyfile(full, temporary)
                quantise(temporary, drawn_images(channels, SIZE, CALIBRATION_IMAGES))
        return wanted
