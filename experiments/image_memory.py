"""Memory and time that reading an image of 150 megapixels takes, by format, colours and kind of reading.

    python experiments/image_memory.py FOLDER

Writes the images into FOLDER once, then reads each in a process of its own and prints a table: the largest
resident memory of the process, less what it held before, and the seconds. "resized" is what training and
inspection do with whole images, "tiles" what they do with images in tiles, "header" what a check of the size
takes. It shows the figures in `docs/large_images.md`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

SIDE = 12_240
ENDINGS = ("png", "jpg", "tif", "lzw.tif")
READINGS = ("header", "resized", "tiles")


def main() -> None:
    """Read each file in each way, or, with a reading and a file, do that one."""
    if len(sys.argv) == 3:
        print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))
        return
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    Image.MAX_IMAGE_PIXELS = None
    print("| image | file, MB | " + " | ".join(f"{name}, MB | s" for name in READINGS) + " |")
    print("| --- " * (2 + 2 * len(READINGS)) + "|")
    for colours in (1, 3):
        for ending in ENDINGS:
            path = written(folder / f"{'grey' if colours == 1 else 'colour'}.{ending}", colours)
            cells = [path.name, f"{path.stat().st_size / 1e6:.1f}"]
            for reading in READINGS:
                script = [sys.executable, __file__, reading, str(path)]
                done = json.loads(subprocess.run(script, capture_output=True, text=True, check=True).stdout)
                cells += [f"{done['bytes'] / 1e6:.0f}", f"{done['seconds']:.1f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


def written(path: Path, colours: int) -> Path:
    """Write a smooth image, unless it exists."""
    if not path.exists():
        line = (np.arange(SIDE) // 48 % 256).astype(np.uint8)
        values = np.tile(line, (SIDE, 1)) if colours == 1 else np.tile(line[:, None], (SIDE, 1, 3))
        if path.name.endswith(".lzw.tif"):
            shades = {1: "minisblack", 3: "rgb"}[colours]
            tifffile.imwrite(path, values, photometric=shades, compression="lzw", rowsperstrip=64)
        else:
            Image.fromarray(values).save(path)
    return path


def measured(reading: str, path: Path) -> dict[str, float]:
    """Read a file and give the growth of the largest resident memory, and the time."""
    from excision.data.decode import probe_image
    from excision.data.images import any_full_image, load_working_image

    before, start = resident("VmRSS"), time.monotonic()
    if reading == "header":
        probe_image(path)
    elif reading == "resized":
        load_working_image(path, (400, 400), 1 if path.name.startswith("grey") else 3)
    else:
        any_full_image(path, 1 if path.name.startswith("grey") else 3)
    return {"bytes": resident("VmHWM") - before, "seconds": time.monotonic() - start}


def resident(name: str) -> int:
    """Give a figure of this process's memory in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system does not give {name}")


if __name__ == "__main__":
    main()
