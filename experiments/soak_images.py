"""Read damaged and lying images by the thousand: each must be an image, or an ImageError that names its file.

    python experiments/soak_images.py [--count 10000] [--seed 0] [--out FILE]

A process with a limit on its memory reads `count` files. Some are good files of one of many kinds that are
damaged in several ways: bits turned over, a part cut out, cut off, doubled or overwritten, numbers of the
header replaced, or two files joined. The others are TIFF, PNG, BMP and PGM files whose structure is drawn at
random. Whatever comes of it but an image or an ImageError, takes longer than five seconds, or makes the
header and the pixels disagree, is printed and ends the script with 1, as does a process that grows. The table
gives the outcomes by kind of file.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import io
import json
import random
import resource
import signal
import struct
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import numpy as np
import tifffile
from PIL import Image

LIMIT = 3 * 2**30
"""Bytes of address space, of which the libraries take more than one gibibyte before any image is read."""

SLOW = 5.0
GROWTH = 64 * 2**20
"""Bytes that the process may grow by after the first tenth of the files."""

Damage = Callable[[random.Random, bytes], bytes]


def main() -> int:
    """Read the files, print the table, and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file, too")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_slow)
    with TemporaryDirectory() as folder:
        figures = soak(options.count, options.seed, Path(folder))
    print(table(figures))
    if options.out is not None:
        options.out.write_text(json.dumps(asdict(figures), indent=1))
    for fault in figures.faults:
        print(fault, file=sys.stderr)
    return 1 if figures.faults else 0


@dataclass(frozen=True)
class Figures:
    """What a soak showed.

    Attributes:
        files: how many were read.
        seed: what the files were drawn from.
        seconds: how long all took.
        longest: seconds of the slowest.
        memory: bytes of the process before, after a tenth of the files, at the end, and at its largest.
        outcomes: how many files of each kind had which outcome.
        faults: what must not happen, in words.
    """

    files: int
    seed: int
    seconds: float
    longest: float
    memory: dict[str, int]
    outcomes: dict[str, dict[str, int]]
    faults: list[str]


def soak(count: int, seed: int, folder: Path) -> Figures:
    """Read `count` files, each written into the folder and removed."""
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    faults: list[str] = []
    longest, early, started = 0.0, 0, time.monotonic()
    first = resident()
    rng = random.Random(seed)
    goods = list(good_files())
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    for number in range(count):
        kind, content = drawn(rng, goods)
        path = folder / f"{number}.img"
        path.write_bytes(content)
        begin = time.monotonic()
        try:
            outcome = read(path)
        except BaseException as error:
            kept = Path(f"soak_{seed}_{number}.img")
            kept.write_bytes(content)
            faults.append(f"{kind} {number}, kept as {kept}: {type(error).__name__}: {error}")
            outcome = "fault"
        longest = max(longest, time.monotonic() - begin)
        outcomes[kind][outcome] += 1
        path.unlink()
        if number == count // 10:
            early = settled()
    last = settled()
    if count >= 1000 and last - early > GROWTH:
        faults.append(f"the process grew from {early} to {last} bytes")
    memory = {"before": first, "after a tenth": early, "at the end": last, "largest": resident("VmHWM")}
    return Figures(
        count,
        seed,
        round(time.monotonic() - started, 1),
        round(longest, 3),
        memory,
        {kind: dict(found) for kind, found in sorted(outcomes.items())},
        faults,
    )


def read(path: Path) -> str:
    """Read the header and the pixels of a file; anything wrong about either raises."""
    from excision.data.decode import probe_image, read_pixels
    from excision.errors import ImageError

    signal.setitimer(signal.ITIMER_REAL, SLOW)
    try:
        info = None
        try:
            info = probe_image(path)
        except ImageError as error:
            assert str(path) in str(error), f"does not name its file: {error}"
        try:
            pixels = read_pixels(path)
        except ImageError as error:
            assert str(path) in str(error), f"does not name its file: {error}"
            return "refused by the header" if info is None else "refused by the pixels"
        assert info is not None, "the header is refused, but not the pixels"
        assert pixels.shape[:2] == info.size, f"{pixels.shape} is not {info.size}"
        assert info.colour <= (pixels.shape[2] == 3), f"{pixels.shape} is not {info}"
        assert pixels.dtype == np.float32
        assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 1, "values outside [0, 1]"
        return "read"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class TooSlowError(BaseException):
    """Reading takes longer than `SLOW`; not an Exception, so that no reader takes it for damage."""


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"longer than {SLOW} s")


def resident(name: str = "VmRSS") -> int:
    """Give a figure of this process's memory in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system does not give {name}")


def settled() -> int:
    """Give the memory of the process once it has given back to the system what it does not use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident()


def table(figures: Figures) -> str:
    """Give the figures as a table in Markdown."""
    names = ["read", "refused by the header", "refused by the pixels", "fault"]
    lines = ["| kind | " + " | ".join(names) + " |", "| --- " * 5 + "|"]
    total: Counter[str] = Counter()
    for kind, found in figures.outcomes.items():
        lines.append(f"| {kind} | " + " | ".join(str(found.get(name, 0)) for name in names) + " |")
        total.update(found)
    lines += ["| all | " + " | ".join(str(total[name]) for name in names) + " |", ""]
    lines += [f"{name}: {number / 2**20:.0f} MiB" for name, number in figures.memory.items()]
    lines.append(f"{figures.files} files in {figures.seconds} s, the longest {figures.longest} s")
    return "\n".join(lines)


def drawn(rng: random.Random, goods: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Give a file and its kind."""
    if rng.random() < 0.4:
        return rng.choice(STRUCTURED)(rng)
    kind, content = rng.choice(goods)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        content = rng.choice(DAMAGES)(rng, content)
    return kind, content


def good_files() -> Iterator[tuple[str, bytes]]:
    """Give small files of every format, mode and compression that can be written here."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 4), dtype=np.uint8)
    grey, colour = Image.fromarray(noise[..., 0]), Image.fromarray(noise[..., :3])
    modes = {
        "L": grey,
        "RGB": colour,
        "RGBA": Image.fromarray(noise),
        "LA": Image.fromarray(noise).convert("LA"),
        "P": colour.quantize(64),
        "1": grey.point(lambda value: 255 * (value > 99)).convert("1"),
        "CMYK": colour.convert("CMYK"),
        "I;16": Image.fromarray(noise[..., 0].astype(np.uint16) * 257),
        "F": Image.fromarray(noise[..., 0].astype(np.float32) / 255),
    }
    exif = Image.Exif()
    exif[274] = 6
    exif[270] = "a description " * 20
    for name in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "JPEG2000", "PPM"):
        for mode, picture in modes.items():
            stream = io.BytesIO()
            try:
                picture.save(stream, name, **({"exif": exif} if name in ("PNG", "JPEG", "WEBP") else {}))
            except (OSError, ValueError, KeyError):
                continue
            yield f"{name} {mode}", stream.getvalue()
    for progressive in (False, True):
        stream = io.BytesIO()
        colour.save(stream, "JPEG", progressive=progressive, icc_profile=bytes(3000), comment=b"x" * 300)
        yield "JPEG RGB", stream.getvalue()
    yield from good_tiffs(noise)


def good_tiffs(noise: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Give TIFF files of every compression that tifffile writes."""
    images = {
        "8": noise[..., 0],
        "16": noise[..., 0].astype(np.uint16) * 257,
        "float": (noise[..., 0] / 255).astype(np.float32),
        "RGB": noise[..., :3],
    }
    for compression in (None, "lzw", "zlib", "packbits", "zstd", "lzma", "jpeg", "webp"):
        for name, values in images.items():
            for tile in (None, (16, 16)):
                shades = "rgb" if name == "RGB" else "minisblack"
                predictor = None if compression in (None, "packbits", "jpeg", "webp") else True
                stream = io.BytesIO()
                try:
                    tifffile.imwrite(
                        stream,
                        values,
                        photometric=shades,
                        compression=compression,
                        tile=tile,
                        predictor=predictor,
                    )
                except (ValueError, RuntimeError, TypeError):
                    continue
                yield f"TIFF {compression or 'uncompressed'}", stream.getvalue()
    for compression in ("group3", "group4", "tiff_ccitt"):
        stream = io.BytesIO()
        Image.fromarray(noise[..., 0] > 99).save(stream, "TIFF", compression=compression)
        yield "TIFF fax", stream.getvalue()


def turn_bits(rng: random.Random, content: bytes) -> bytes:
    """Turn some bits over, mostly in the first part, where the headers are."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 12)):
        end = len(changed) if rng.random() < 0.5 else min(200, len(changed))
        if end:
            changed[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut_off(rng: random.Random, content: bytes) -> bytes:
    """Cut the file off."""
    return content[: rng.randrange(len(content) + 1)]


def cut_out(rng: random.Random, content: bytes) -> bytes:
    """Leave a part out."""
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.randint(1, 40) :]


def double(rng: random.Random, content: bytes) -> bytes:
    """Put a part in twice."""
    start = rng.randrange(len(content) + 1)
    end = start + rng.randint(1, 200)
    return content[:end] + content[start:]


def overwrite(rng: random.Random, content: bytes) -> bytes:
    """Put noise or one value in the place of a part."""
    start, length = rng.randrange(len(content) + 1), rng.randint(1, 60)
    part = rng.choice((rng.randbytes(length), bytes(length), b"\xff" * length))
    return content[:start] + part + content[start + length :]


def lie(rng: random.Random, content: bytes) -> bytes:
    """Put a number that is often a limit in the place of two or four bytes."""
    letter = rng.choice(("<H", ">H", "<I", ">I", "<Q"))
    size = struct.calcsize(letter)
    largest = 2 ** (8 * size) - 1
    number = rng.choice((0, 1, 2, 7, 8, 255, 256, 65535, 65536, 12_247, 100_000, largest, largest // 2 + 1))
    start = rng.randrange(min(len(content), 400) + 1)
    return content[:start] + struct.pack(letter, min(number, largest)) + content[start + size :]


def append(rng: random.Random, content: bytes) -> bytes:
    """Put something behind the end."""
    return content + rng.choice((content, rng.randbytes(rng.randint(1, 5000)), bytes(5000)))


DAMAGES: tuple[Damage, ...] = (turn_bits, turn_bits, cut_off, cut_out, double, overwrite, lie, lie, append)


def any_tiff(rng: random.Random) -> tuple[str, bytes]:
    """Write a TIFF whose tags are drawn one by one, most of them sensible."""

    def often(usual: int, *others: int) -> int:
        return usual if rng.random() < 0.97 else rng.choice((*others, 0, 1, 65535, 2**32 - 1))

    order, compression = rng.choice("<>"), rng.choice((1, 1, 5, 8, 8, 8, 32773, 50000, 34925, 7, 4, 3, 2, 6))
    width, height = often(rng.randint(8, 40), 12_247), often(rng.randint(8, 40), 12_247)
    meaning, samples = rng.choice(((0, 1), (1, 1), (1, 2), (2, 3), (2, 4), (3, 1), (5, 4), (6, 3)))
    bits = rng.choice((1, 8, 8, 8, 16, 16, 32, 4))
    raw = rng.randbytes(min(-(-width * samples * bits // 8) * height, 20_000))
    unpacked = raw if rng.random() < 0.9 else bytes(3_000_000)
    content = zlib.compress(unpacked) if compression == 8 else raw
    tags: dict[int, tuple[int, ...]] = {
        256: (width,),
        257: (height,),
        258: (often(bits, 12, 24),) * rng.choice((samples, samples, 1)),
        259: (compression,),
        262: (often(meaning, 8, 32803),),
        266: (often(1, 2),),
        273: (8,) * rng.choice((1, 1, 1, 1, 1, 5)),
        274: (often(rng.randint(1, 8), 9),),
        277: (often(samples, 5, 200),),
        278: (often(height, 3),),
        279: (often(len(content), len(content) // 2),) * rng.choice((1, 1, 1, 1, 1, 5)),
        284: (often(1, 2),),
        317: (often(1, 2, 3),),
        338: (often(rng.randint(0, 2), 9),),
        339: (often(3 if bits == 32 else 1, 2, 3, 4),),
    }
    if rng.random() < 0.2:
        tags |= {322: (often(16, 2**15, 48),), 323: (often(16, 2**15),)}
    if meaning == 3 or rng.random() < 0.1:
        tags[320] = tuple(rng.choices(range(65536), k=rng.choice((3 * 2**bits % 2**10 or 768, 48, 100))))
    for tag in rng.sample(sorted(tags), rng.choice((0, 0, 0, 0, 1, 2))):
        del tags[tag]
    return "TIFF of random tags", tiff_bytes(order, tags, content)


def tiff_bytes(order: str, tags: dict[int, tuple[int, ...]], content: bytes) -> bytes:
    """Write a TIFF file with these tags, all of 32 bits."""
    start = 8 + len(content)
    directory, outside = struct.pack(f"{order}H", len(tags)), b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        numbers = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            numbers, outside = struct.pack(f"{order}I", behind + len(outside)), outside + numbers
        directory += struct.pack(f"{order}HHI", tag, 4, len(values)) + numbers
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + content + directory + bytes(4) + outside


def any_png(rng: random.Random) -> tuple[str, bytes]:
    """Write a PNG of chunks that are drawn one by one, with proper checksums."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    side = rng.choice((8, 17, 40, 40, 12_000, 2**31))
    bits, kind = rng.choice((1, 2, 4, 8, 8, 16, 16, 3)), rng.choice((0, 2, 3, 4, 6, 0, 2, 5))
    rows = rng.randbytes(rng.randint(1, 9) * 1000) if side > 1000 else bytes(9) * side * side
    known = [
        chunk(b"PLTE", rng.randbytes(rng.choice((3, 6, 48, 768, 5)))),
        chunk(b"tRNS", rng.randbytes(rng.choice((1, 2, 6, 256)))),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)),
        chunk(b"eXIf", rng.randbytes(60)),
        chunk(b"acTL", struct.pack(">II", rng.choice((1, 2, 2**32 - 1)), 0)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\n\n\n" + rng.randbytes(30))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'tiff:Orientation="7"'),
        chunk(b"gAMA", struct.pack(">I", rng.choice((0, 45455, 2**32 - 1)))),
        chunk(b"IDAT", rng.randbytes(9)),
    ]
    chosen = [rng.choice(known) for _ in range(rng.choice((0, 1, 1, 2, 4)))]
    chosen.insert(rng.randint(0, len(chosen)), chunk(b"IDAT", zlib.compress(rows)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, rng.choice((0, 0, 1, 7))))
    return "PNG of random chunks", b"\x89PNG\r\n\x1a\n" + head + b"".join(chosen) + chunk(b"IEND", b"")


def any_bmp(rng: random.Random) -> tuple[str, bytes]:
    """Write a BMP of random header and pixels."""
    header = rng.choice((12, 40, 40, 56, 108, 124, 64, 20))
    width, height = rng.choice((8, 33, 200, 30_000)), rng.choice((8, 33, -33, 200, 30_000, -(2**31)))
    bits, coding = rng.choice((1, 4, 8, 16, 24, 32, 32, 3)), rng.choice((0, 0, 0, 3, 3, 1, 2, 4, 5))
    about = struct.pack("<IiiHHII", header, width, height, 1, bits, coding, 0)
    about += struct.pack("<IIII", 0, 0, rng.choice((0, 2, 256, 2**31)), 0)
    about += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, rng.choice((0, 0xFF000000, 7)))
    about += bytes(max(0, header - len(about)))
    start = rng.choice((14 + len(about), 54, 54 + 1024, 0, 2**31))
    body = rng.randbytes(rng.choice((100, 5000, 200_000)))
    return "BMP of random fields", b"BM" + struct.pack("<IHHI", 0, 0, 0, start) + about + body


def any_pixmap(rng: random.Random) -> tuple[str, bytes]:
    """Write a PBM, PGM, PPM or PFM of random fields."""
    kind = rng.choice(("P1", "P2", "P3", "P4", "P5", "P6", "P7", "Pf", "PF", "Py"))
    width, height = rng.choice((8, 40, 12_000, 10**9)), rng.choice((8, 40, 12_000, -3))
    full = rng.choice(("255", "65535", "1", "1023", "0", "99999999999", "1.0", "-1", "x"))
    text = " ".join(str(rng.randint(0, 300)) for _ in range(rng.choice((10, 2000, 5000))))
    body = rng.choice((text.encode(), rng.randbytes(20_000), b"# " + text.encode(), b"1" * 5000, b""))
    between = rng.choice((" ", "\n", "\n# a comment\n", "\t", ""))
    return "PNM of random fields", between.join((kind, str(width), str(height), full)).encode() + b"\n" + body


STRUCTURED = (any_tiff, any_tiff, any_png, any_bmp, any_pixmap)


if __name__ == "__main__":
    sys.exit(main())
