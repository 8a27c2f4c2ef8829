"""An end to a request as a whole: the other side of the socket sees it."""

from __future__ import annotations

import socket
import time

from excision.system.deadline import Deadline


def test_a_socket_is_shut_when_the_time_is_up_and_not_before() -> None:
    ours, other = socket.socketpair()
    with ours, other, Deadline(0.1) as deadline:
        deadline.watch(ours)
        ours.sendall(b"x")
        assert other.recv(1) == b"x"
        other.settimeout(10)
        assert other.recv(1) == b""


def test_a_socket_that_comes_too_late_is_shut_at_once() -> None:
    ours, other = socket.socketpair()
    with ours, other, Deadline(0.01) as deadline:
        time.sleep(0.1)  # connecting takes longer than the whole request may
        deadline.watch(ours)
        other.settimeout(10)
        assert other.recv(1) == b""


def test_a_request_in_time_leaves_its_socket_open() -> None:
    ours, other = socket.socketpair()
    with ours, other:
        with Deadline(0.05) as deadline:
            deadline.watch(ours)
        time.sleep(0.1)
        ours.sendall(b"x")
        assert other.recv(1) == b"x"
