"""The C library's allocator, asked by its own account of its arenas."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import ctypes, sys, threading
from excision.system.allocator import share_memory_of_threads

libc = ctypes.CDLL(None)
libc.fopen.restype = libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
together = threading.Barrier(3)

def take():
    together.wait()
    libc.free(libc.malloc(50_000))
    together.wait()

if sys.argv[1] == "shared":
    share_memory_of_threads()
threads = [threading.Thread(target=take) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
stream = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(
    ("kind", "chosen", "fewest", "most"),
    [("shared", {}, 1, 1), ("apart", {}, 2, 99), ("shared", {"MALLOC_ARENA_MAX": "2"}, 2, 2)],
)
def test_threads_share_one_arena_from_then_on_unless_the_user_has_chosen(
    kind: str, chosen: dict[str, str], fewest: int, most: int, tmp_path: Path
) -> None:
    told = tmp_path / "arenas.xml"
    own = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    subprocess.run([sys.executable, "-c", _SCRIPT, kind, str(told)], check=True, env={**own, **chosen})
    assert fewest <= told.read_text().count("<heap ") <= most
