"""A link that can be cut: a TCP proxy, whose connections end where the test says so."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Passes bytes on to a port of this machine while it is whole.

    Args:
        port: behind it; it may change.
    """

    def __init__(self, port: int) -> None:
        self.behind = port
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection, wherever it is, and refuse new ones."""
        self._whole.clear()
        self.snap()

    def snap(self) -> None:
        """End every connection; new ones are taken."""
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.behind), timeout=60)
            except OSError:
                near.close()
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with self._lock:
            self._open.add(source)
        try:
            while self._whole.is_set() and (piece := source.recv(4096)):
                target.sendall(piece)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(source)
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
