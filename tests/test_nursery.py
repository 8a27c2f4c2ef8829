"""Forked programs are like started ones: streams, status, folder, environment and signals are their own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests import nursery
from tests.compatibility.test_format_1 import HERE
from tests.nursery import Program

LIGHT = ("json",)


def test_streams_status_folder_and_environment(tmp_path: Path) -> None:
    code = (
        "import os, sys; print(sys.argv[1:], sys.stdin.read(), os.getcwd(), os.environ['MINE'], "
        "os.getppid()); print('said', file=sys.stderr); sys.exit(3)"
    )
    env = {**os.environ, "MINE": "yes"}
    done = nursery.run(["-c", code, "a b"], LIGHT, cwd=tmp_path, env=env, given="read")
    assert done.returncode == 3
    assert done.stdout == f"['a b'] read {tmp_path} yes {os.getpid()}\n"
    assert done.stderr == "said\n"


def test_an_error_is_told_as_usual() -> None:
    done = nursery.run(["-c", "raise ValueError('odd')"], LIGHT)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ValueError: odd")


def test_what_the_interpreter_reads_at_its_start_is_as_asked_for() -> None:
    code = "import sys; print(sys.stdout.encoding, end='')"
    encodings = [
        nursery.run(["-c", code], LIGHT, env={**os.environ, "PYTHONIOENCODING": name}).stdout
        for name in ("ascii", "utf-8")
    ]
    assert encodings == ["ascii", "utf-8"]


def test_a_kill_and_an_interrupt() -> None:
    code = "import time; print('here', flush=True); time.sleep(60)"
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 1)):
        pipe = subprocess.PIPE
        with Program(["-c", code], LIGHT, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "here\n"
            assert process.poll() is None
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
        assert process.returncode in (status, -signal.SIGINT)
        assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)


def test_loading_a_run_and_counting_its_operations_import_no_compiler() -> None:
    """As torch does for some tensors on the device "meta", and to count operations itself: for seconds."""
    code = (
        "import sys; from excision import Detector; assert 'sympy' not in sys.modules; "
        f"found = Detector.load({str(HERE / 'run')!r}); print('sympy' in sys.modules); "
        "from excision.export.operations import count_operations; "
        "print(min(count_operations(found.pipeline).values()) > 0, 'torch._dynamo' in sys.modules)"
    )
    done = nursery.run(["-c", code])
    assert done.stdout == "False\nTrue False\n", done.stderr
