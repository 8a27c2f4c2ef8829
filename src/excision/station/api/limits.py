"""How much a client may ask of the connections of a service, and what the machine lets it have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of all connections and of each.

    Attributes:
        connections: that may be open at once.
        line_bytes: of the address in the first line of a request; beyond it 414.
        header_bytes: of a header as a whole; beyond it 431.
        header_lines: beyond it 431.
        header_seconds: from accept, or from the first byte of a later request, to the end of the header.
        idle_seconds: between two requests.
        body_seconds: that a body may stand still, or lag behind `body_rate`.
        body_rate: bytes a second that a body may not fall below for longer than `body_seconds`.
        request_seconds: for the body as a whole.
        write_seconds: that an answer may wait for its reader.
        rest_seconds: for what is left of a body once its request is answered.
        farewell_seconds: that a client has to hear why its connection ends.
        pipelined: requests of one connection that may wait for their answers.
    """

    connections: int = 1000
    line_bytes: int = 8 * 2**10
    header_bytes: int = 32 * 2**10
    header_lines: int = 100
    header_seconds: float = 10.0
    idle_seconds: int = 30
    body_seconds: float = 30.0
    body_rate: float = 500.0
    request_seconds: float = 300.0
    write_seconds: float = 30.0
    rest_seconds: float = 10.0
    farewell_seconds: float = 2.0
    pipelined: int = 16

    @property
    def connections_per_address(self) -> int:
        """Give how many connections one address may have, so that it cannot shut out the others."""
        return max(1, self.connections // 2)


def affordable(connections: int, reserve: int) -> int:
    """Give how many connections this process can hold open; its limit of open files is raised for them.

    Args:
        connections: that are wished for.
        reserve: descriptors for files and the database, which connections must leave free.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + reserve
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reachable = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
        except (OSError, ValueError):
            reachable = soft
        soft = reachable
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    return max(soft - reserve, soft // 2, 1)
