"""Inspect a procedural plate of 12,000 x 8,000 pixels with an exported model, and tell time and memory.

    python experiments/large_image.py --draw plates/ [--surface cast_grain] [--plates 8] [--plate 1536 2048]
    excision train plates/ --tile 256 256 --out runs/plates
    excision export runs/plates plates/ --out line/plates
    python experiments/large_image.py line/plates [--size 8000 12000] [--defects 12] [--json figures.json]

The first command draws good plates to learn from. The last draws one plate in strips, with defects in some of
them, and inspects it in a process of its own, so that the peak memory is that of the inspection alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.ops.connected_components import find_regions
from excision.runtime.inspector import Inspector
from excision.synthetic.defects import DEFECTS
from excision.synthetic.surfaces import SURFACES
from excision.system.cores import cores
from excision.system.files import write_json
from excision.tiling.spans import spans

_STRIP = 1000  # rows that are drawn at once
_BLEND = 64  # rows over which one strip passes into the next
_SQUARE = 256  # pixels of the square that a defect is drawn in
_KINDS = ("scratch", "pit", "stain", "crack")

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Defect:
    """A drawn defect: its kind and box (x, y, width, height) in pixels."""

    kind: str
    box: Box


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="exported folder, made with --tile")
    parser.add_argument("--draw", type=Path, help="folder for plates to train on; nothing is inspected")
    parser.add_argument("--plates", type=int, default=8)
    parser.add_argument("--plate", type=int, nargs=2, default=(1536, 2048), help="height and width of each")
    parser.add_argument("--surface", choices=sorted(SURFACES), default="cast_grain")
    parser.add_argument("--size", type=int, nargs=2, default=(8000, 12000), help="height and width in pixels")
    parser.add_argument("--defects", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1, help="of the inspection of one tile")
    parser.add_argument("--workers", type=int, default=cores(), help="tiles at once; all cores by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--inspect", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inspect is not None:
        print(json.dumps(inspect(arguments.folder, arguments.inspect, arguments.threads, arguments.workers)))
        return 0
    if arguments.draw is not None:
        for number in range(arguments.plates):
            pixels, _ = draw_plate(arguments.surface, tuple(arguments.plate), 0, seed=1000 + number)
            save(arguments.draw / "good" / f"{number:03d}.png", pixels)
        return 0
    if arguments.folder is None:
        parser.error("name an exported folder, or --draw plates to train on")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "plate.png"
        pixels, defects = draw_plate(arguments.surface, tuple(arguments.size), arguments.defects, seed=1)
        save(path, pixels)
        del pixels
        words = [sys.executable, __file__, str(arguments.folder), "--inspect", str(path)]
        words += ["--threads", str(arguments.threads), "--workers", str(arguments.workers)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    figures = judge(json.loads(done.stdout), defects)
    report(figures)
    if arguments.json is not None:
        write_json(arguments.json, figures)
    return 0


def draw_plate(
    surface: str, size: tuple[int, int], count: int, seed: int
) -> tuple[NDArray[np.uint8], list[Defect]]:
    """Draw a plate strip by strip; beside its 8 bits a pixel there is never more than one strip.

    Every other strip is as the surface was drawn; its rim passes into that of its neighbour.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    plate = np.zeros(size, dtype=np.uint8)
    rim: NDArray[np.float32] | None = None
    defects: list[Defect] = []
    tops = range(0, height, _STRIP)
    # No more than one defect a square, in squares that lie wholly in one strip.
    squares = [
        (top + row, column)
        for top in tops
        for row in range(0, min(_STRIP, height - top) - _SQUARE + 1, _SQUARE)
        for column in range(0, width - _SQUARE + 1, _SQUARE)
    ]
    chosen = rng.choice(len(squares), size=min(count, len(squares)), replace=False)
    for top in tops:
        rows = min(_STRIP, height - top)
        strip = SURFACES[surface](rng, (rows + _BLEND, width))
        if rim is not None:
            share = np.linspace(0, 1, _BLEND, dtype=np.float32)[: len(strip), None]
            strip[:_BLEND] = share * strip[:_BLEND] + (1 - share) * rim
        rim = strip[rows:].copy()
        for number in sorted(int(each) for each in chosen):
            y, x = squares[number]
            if top <= y < top + rows:
                kind = _KINDS[len(defects) % len(_KINDS)]
                place = (slice(y - top, y - top + _SQUARE), slice(x, x + _SQUARE))
                strip[place], mask = DEFECTS[kind](rng, strip[place], float(strip[place].std()))
                across, down = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
                if len(down):
                    sides = (int(np.ptp(across)) + 1, int(np.ptp(down)) + 1)
                    defects.append(Defect(kind, (x + int(across[0]), y + int(down[0]), *sides)))
        plate[top : top + rows] = np.rint(strip[:rows] * 255)
    return plate, defects


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)


def inspect(folder: Path, path: Path, threads: int, workers: int) -> dict[str, Any]:
    """Inspect one file; called in a process of its own."""
    inspector = Inspector(folder, threads, workers=workers)
    tiling = inspector.description.tiling
    if tiling is None:
        raise SystemExit(f"{folder} was not trained with --tile")
    before = peak_memory_mb()
    start, spent = time.perf_counter(), time.process_time()
    found = inspector.inspect(path)
    seconds, spent = time.perf_counter() - start, time.process_time() - spent
    after = peak_memory_mb()
    height, width = found.anomaly_map.shape
    boxes = [
        region.box for region in find_regions(found.anomaly_map > found.lowest_threshold, found.anomaly_map)
    ]
    return {
        "height": height,
        "width": width,
        "tile": list(tiling.size),
        "halo": tiling.halo,
        "tiles": len(spans(height, tiling.size[0], tiling)) * len(spans(width, tiling.size[1], tiling)),
        "seconds": seconds,
        "seconds_decoding": seconds - found.seconds,
        "seconds_processor": spent,
        "workers": workers,
        "megapixels_per_second": height * width / 1e6 / seconds,
        "peak_memory_mb": after,
        "peak_memory_before_mb": before,
        "peak_memory_with_boxes_mb": peak_memory_mb(),
        "score": found.score,
        "threshold": found.threshold,
        "verdict": found.verdict,
        "boxes": boxes,
    }


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MiB; `getrusage` would count that of the parent too (Linux)."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def judge(figures: dict[str, Any], defects: list[Defect]) -> dict[str, Any]:
    """Add which of the drawn defects were found: those that a box touches."""
    boxes: list[Box] = figures.pop("boxes")
    hits = [any(_touch(defect.box, box) for box in boxes) for defect in defects]
    beside = sum(not any(_touch(defect.box, box) for defect in defects) for box in boxes)
    listed = [{**asdict(defect), "found": hit} for defect, hit in zip(defects, hits, strict=True)]
    return {**figures, "defects": listed, "found": sum(hits), "boxes": len(boxes), "boxes_elsewhere": beside}


def _touch(one: Box, other: Box) -> bool:
    return all(
        one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2]
        for axis in (0, 1)
    )


def report(figures: dict[str, Any]) -> None:
    f = figures
    print(
        f"{f['width']} x {f['height']} pixels in {f['tiles']} tiles of {f['tile'][0]} x {f['tile'][1]}\n"
        f"{f['seconds']:.1f} s, {f['seconds_decoding']:.1f} s of them before and after the tiles; "
        f"{f['seconds_processor']:.1f} s of processor time; {f['workers']} tiles at once; "
        f"{f['megapixels_per_second']:.2f} megapixels a second\n"
        f"peak memory {f['peak_memory_mb']:.0f} MB, {f['peak_memory_before_mb']:.0f} MB of them before the "
        f"image was opened, {f['peak_memory_with_boxes_mb']:.0f} MB after the boxes\n"
        f"verdict {f['verdict']}: score {f['score']:.3g}, threshold {f['threshold']:.3g}\n"
        f"{f['found']} of {len(f['defects'])} drawn defects found; {f['boxes']} boxes, "
        f"{f['boxes_elsewhere']} of them elsewhere"
    )


if __name__ == "__main__":
    sys.exit(main())
