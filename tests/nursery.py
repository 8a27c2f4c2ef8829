"""Processes of their own whose packages are imported already: forked from one that has done nothing else.

Importing torch takes 1.5 seconds of processor time, and what the service needs one; the tests start hundreds
of processes. A forked one has its own process id, signals, streams, working folder and environment, and is a
child of the test; only the start of the interpreter is not its own. So this is not for tests of what is
imported, or of memory. For other values of the variables that the interpreter reads at its start, there is
another process to fork from.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

# Without onnxruntime, which starts threads when it is imported: a fork of it would wait for them forever.
INSPECTING = (
    *("excision.cli.serve", "excision.station.api.app", "excision.runtime.inspector", "uvicorn"),
    *("excision.cli.inspect", "excision.cli.parts", "excision.report.writing", "tests.prepared"),
)
TRAINING = (
    *("excision.cli.train", "excision.cli.evaluate", "excision.cli.inspect", "excision.report.training"),
    *("excision.report.training_figure", "excision.report.suspects", "excision.inspection.loading"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "tests.small_lessons", "tests.prepared"),
)

_AT_THE_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_")  # read before a program is
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER of prctl(2): orphans below become children of this process


class Nursery:
    """A process that has imported these modules, from which others are forked."""

    def __init__(self, modules: Sequence[str], env: dict[str, str]) -> None:
        self._alone = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=env,
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()  # upon which it ends
        self._process.wait()

    def fork(self, words: Sequence[str], folder: str, env: dict[str, str], streams: Sequence[int]) -> int:
        """Start a program and give the id of its process, which is a child of this one."""
        message = json.dumps([list(words), folder, env]).encode("utf-8", "surrogateescape")
        prctl = ctypes.CDLL(None).prctl
        with self._alone:
            prctl(_ADOPT, 1, 0, 0, 0)
            try:
                socket.send_fds(self._socket, [message], list(streams))
                return int(self._socket.recv(64))
            finally:
                prctl(_ADOPT, 0, 0, 0, 0)


@cache
def _nursery(modules: tuple[str, ...], at_the_start: tuple[tuple[str, str], ...]) -> Nursery:
    others = {name: value for name, value in os.environ.items() if not name.startswith(_AT_THE_START)}
    return Nursery(modules, {**others, **dict(at_the_start)})


class Program(subprocess.Popen[Any]):
    """Popen of `python WORDS`, forked where that is the same.

    Args:
        words: what follows the interpreter: `-m`, a module and its words; `-c`, code and its words; or a
            script and its words.
        modules: what the process has imported: `INSPECTING`, `TRAINING` or others.
        options: as of Popen; of `env` None is the environment of this process.
    """

    def __init__(self, words: Sequence[object], modules: tuple[str, ...], **options: Any) -> None:
        self._words, self._modules = [str(word) for word in words], modules
        super().__init__([sys.executable, *self._words], **options)

    def _execute_child(self, *given: Any) -> None:  # what Popen calls to start
        names = subprocess.Popen._execute_child.__code__.co_varnames[1:]  # type: ignore[attr-defined]
        at = dict(zip(names, given, strict=False))
        env = dict(os.environ if at["env"] is None else at["env"])
        if sys.platform != "linux" or at["shell"] or at["preexec_fn"] or at["pass_fds"]:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        ours = (at["p2cread"], at["c2pwrite"], at["errwrite"])
        streams = [number if end == -1 else end for number, end in enumerate(ours)]
        folder = os.fspath(at["cwd"] or Path.cwd())
        at_the_start = tuple(sorted(each for each in env.items() if each[0].startswith(_AT_THE_START)))
        nursery = _nursery(self._modules, at_the_start)
        self.pid = nursery.fork(self._words, folder, env, streams)
        self._child_created = True
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(at[name] for name in ends))  # type: ignore[attr-defined]


def run(
    words: Sequence[object],
    modules: tuple[str, ...] = TRAINING,
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    given: str | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run` does, with captured text; `given` is what it reads."""
    pipe = subprocess.PIPE
    streams = {"stdin": None if given is None else pipe, "stdout": pipe, "stderr": pipe}
    with Program(words, modules, text=True, cwd=cwd, env=env, **streams) as process:
        try:
            told, said = process.communicate(given, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess([sys.executable, *map(str, words)], process.returncode, told, said)


def printed(script: object, *words: object) -> str:
    """Run a script to its end, which must be a good one, and return what it printed."""
    done = run([script, *words])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wait(link: socket.socket) -> tuple[list[str], str, dict[str, str], list[int]] | None:
    """Fork on request; return in each fork with what it is to do, and in the nursery with None at the end."""
    while True:
        message, streams, *_ = socket.recv_fds(link, 2**20, 3)
        if not message:
            return None
        read, write = os.pipe()
        between = os.fork()
        if between == 0:
            # The process between ends at once, so that the tests adopt its child.
            child = os.fork()
            if child:
                os.write(write, str(child).encode())
                os._exit(0)
            os.close(read)
            os.close(write)
            link.close()
            words, folder, env = json.loads(message.decode("utf-8", "surrogateescape"))
            return words, folder, env, streams
        os.close(write)
        os.waitpid(between, 0)
        link.send(os.read(read, 64))
        for descriptor in (read, *streams):
            os.close(descriptor)


def _become(folder: str, env: dict[str, str], streams: Sequence[int]) -> None:
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        raw = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
        buffered = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
        lines = raw.isatty() or number == 2
        new = io.TextIOWrapper(buffered, old.encoding, old.errors, line_buffering=lines)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def main() -> None:
    """Be a nursery, and in each fork the program that was asked for."""
    link = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = str(Path(__file__).parents[1])
    for name in sys.argv[2:]:
        import_module(name)
    gc.freeze()  # what is shared stays so
    asked = _wait(link)
    if asked is None:
        return
    words, folder, env, streams = asked
    _become(folder, env, streams)
    if words[0] in ("-m", "-c"):
        sys.path[0] = str(Path.cwd())
        sys.argv = words[1:] if words[0] == "-m" else ["-c", *words[2:]]
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            exec(words[1], {"__name__": "__main__"})
    else:
        sys.path[0] = str(Path(words[0]).parent)
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
