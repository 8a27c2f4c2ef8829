"""The state machines of a vision system as plain rules, without OPC UA.

Source: OPC 40100-1, release 1.00 (2019). The station needs no preparation, so it goes from
Preoperational to Operational by itself at its start, and from Initialized to Ready once a trigger is served.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MACHINE, AUTOMATIC = "VisionStateMachineType", "VisionAutomaticModeStateMachineType"


class WrongStateError(Exception):
    """A method was called in a state that does not have it."""


@dataclass
class VisionStates:
    """Where both machines stand.

    Attributes:
        state: of the vision system.
        mode: of its automatic mode; it counts while the state is Operational.
        moves: transitions since they were last taken: (machine, name of the transition).
    """

    state: str = "Preoperational"
    mode: str = "Initialized"
    moves: list[tuple[str, str]] = field(default_factory=list)

    def take_moves(self) -> list[tuple[str, str]]:
        """Give the transitions since the last call, in order."""
        moves, self.moves = self.moves, []
        return moves

    def begin(self) -> None:
        """Become operational by itself."""
        self._go("Operational", "Auto")

    def line(self, able: bool, fault: bool) -> None:
        """Take in how the station is.

        Args:
            able: whether it serves triggers, or works on one.
            fault: whether it shows a fault.
        """
        if fault and self.state in {"Operational", "Preoperational"}:
            self._go("Error", "Auto")
        elif not fault and self.state == "Error":
            self._go("Operational", "Auto")
        if self.state != "Operational":
            return
        if able and self.mode == "Initialized":
            self._switch("Ready", "Auto")
        elif not able and self.mode == "Ready":
            self._switch("Initialized", "Auto")

    def halt(self) -> None:
        """Take no more jobs until a reset.

        Raises:
            WrongStateError: it is halted already.
        """
        if self.state == "Halted":
            raise WrongStateError
        self._go("Halted", "")

    def reset(self) -> None:
        """Become preoperational: SelectModeAutomatic is next.

        Raises:
            WrongStateError: it is preoperational already.
        """
        if self.state == "Preoperational":
            raise WrongStateError
        self._go("Preoperational", "")

    def select_automatic(self) -> None:
        """Become operational.

        Raises:
            WrongStateError: it is not preoperational.
        """
        if self.state != "Preoperational":
            raise WrongStateError
        self._go("Operational", "")

    def check_start(self) -> None:
        """Say whether a job may start.

        Raises:
            WrongStateError: the automatic mode is not ready.
        """
        if (self.state, self.mode) != ("Operational", "Ready"):
            raise WrongStateError

    def started(self) -> None:
        """Note that a job has started."""
        self._switch("SingleExecution", "")

    def done(self) -> None:
        """Note that the job has its result."""
        if self.mode == "SingleExecution":
            self._switch("Ready", "Auto")

    def stop(self, how: str) -> None:
        """Wait no longer for the job.

        Args:
            how: "Stop" or "Abort".

        Raises:
            WrongStateError: there is no job.
        """
        if (self.state, self.mode) != ("Operational", "SingleExecution"):
            raise WrongStateError
        self._switch("Ready", how)

    def _go(self, state: str, how: str) -> None:
        self.moves.append((MACHINE, f"{self.state}To{state}{how}"))
        self.state = state
        if state != "Operational":
            self.mode = "Initialized"

    def _switch(self, mode: str, how: str) -> None:
        self.moves.append((AUTOMATIC, f"{self.mode}To{mode}{how}"))
        self.mode = mode
