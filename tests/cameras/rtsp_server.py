"""A small RTSP server (RFC 2326) on loopback: one video as MPEG-TS in RTP, within the connection."""

from __future__ import annotations

import base64
import re
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track1\r\n"
_TS = 7 * 188


class _Handler(socketserver.StreamRequestHandler):
    server: RtspServer

    def handle(self) -> None:
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            text = head.decode()
            verb, number = text.split()[0], re.search(r"CSeq: *(\d+)", text)
            self._answer(verb, text, number[1] if number else "0")
            if verb == "PLAY":
                self._send_video()
                return

    def _answer(self, verb: str, text: str, number: str) -> None:
        login = self.server.login
        if login is not None and verb != "OPTIONS":
            wanted = base64.b64encode(login.encode()).decode()
            if f"Authorization: Basic {wanted}" not in text:
                self._write("401 Unauthorized", number, 'WWW-Authenticate: Basic realm="camera"\r\n')
                return
        lines = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
        }.get(verb, "Session: 1\r\n")
        self._write("200 OK", number, lines, _SDP if verb == "DESCRIBE" else "")

    def _write(self, status: str, number: str, lines: str, body: str = "") -> None:
        self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{lines}\r\n{body}".encode())

    def _send_video(self) -> None:
        content = self.server.content
        for place, start in enumerate(range(0, len(content), _TS)):
            if self.server.ended.is_set():
                return
            stamp = int(time.time() * 90000) & 0xFFFFFFFF
            packet = struct.pack(">BBHII", 0x80, 33, place & 0xFFFF, stamp, 1) + content[start : start + _TS]
            self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            time.sleep(0.002)
        # The camera hangs: it sends nothing more, and does not close.
        self.server.ended.wait()


class RtspServer(socketserver.ThreadingTCPServer):
    """Sends the same video to everybody who asks."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, content: bytes, login: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.login = content, login
        self.ended = threading.Event()


@contextmanager
def rtsp_server(content: bytes, login: str | None = None) -> Iterator[int]:
    """Serve a video as MPEG-TS; gives the port."""
    with RtspServer(content, login) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()
