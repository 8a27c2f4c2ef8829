"""What a terminal of 80 columns shows: sentences and tables break between words, and paths stay whole."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

from PIL import Image

from tests.cli.conftest import command
from tests.conftest import draw_surface

_PRINTS = """
from pathlib import Path
from excision.cli.output import say_facts, say_notes, say_table, say_text
say_text("At most 12 % of good parts" + ", which are many words," * 4 + " are called defective.")
say_text("x" * 75 + " 9.4 %")
say_notes(["word " * 30 + "end"])
say_facts([("Name", "word " * 30 + "end"), ("Run folder", Path("/" + "a folder/" * 20))])
say_table("Title", ["left", "right", "both"], [["some words of a cell"] * 3, ["12.5 px"] * 3])
"""


def on_terminal(words: list[str], columns: int = 80) -> list[str]:
    """Run a command on a terminal of so many columns, and give the lines of its standard output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment = {**environment, "TERM": "dumb", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        pieces = []
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError as error:  # Linux ends a terminal in this way
            assert error.errno == errno.EIO
    os.close(ours)
    assert process.returncode == 0
    return b"".join(pieces).decode().splitlines()


def test_words_and_percentages_stay_whole_on_a_terminal() -> None:
    lines = on_terminal([sys.executable, "-c", _PRINTS])
    path = "/" + "a folder/" * 20
    assert [line for line in lines if len(line) > 80] == [f"Run folder  {path[:-1]}"]
    assert not any(line.lstrip().startswith("%") for line in lines)
    assert "9.4 %" in lines
    told = " ".join(" ".join(lines).split())
    assert "are called defective." in told and "word word end" in told
    assert any(line.startswith(" " * 12 + "word") for line in lines), "a value is wrapped below itself"


def test_elsewhere_a_sentence_is_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", _PRINTS], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("At most 12 % of good parts, which are many words,")
    assert done.stdout.splitlines()[0].endswith("many words, are called defective.")


def test_a_check_fits_on_a_terminal(tmp_path: Path) -> None:
    for number in range(12):
        Image.fromarray(draw_surface(number)).save(tmp_path / f"{number:02d}.png")
    lines = on_terminal(command("check", str(tmp_path)))
    assert any(line.startswith("Training would use") for line in lines)
    assert not [line for line in lines if len(line) > 80 and not line.startswith("Data ")]


def test_one_is_not_many() -> None:
    from excision.cli.bench import _name
    from excision.runtime.speed import Speed

    names = [_name(Speed("onnx", threads, 1, {}, 1.0, None, None, 1.0)) for threads in (1, 2)]
    assert names == ["onnx, 1 thread, batch 1", "onnx, 2 threads, batch 1"]
