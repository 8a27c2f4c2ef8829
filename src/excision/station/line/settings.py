"""How a station answers the triggers of its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from excision.errors import SettingsError
from excision.system.duration import Duration, write_duration

SHORTEST_DEADLINE, LONGEST_DEADLINE = 0.01, 3600.0
SHORTEST_HEARTBEAT, LONGEST_HEARTBEAT = 0.05, 60.0


@dataclass(frozen=True, slots=True)
class LineSettings:
    """`[signals]`: what holds for every signal.

    Attributes:
        deadline: after a trigger, at which a report goes out in any case: where there is no verdict yet, a
            fault.
        heartbeat: between two times that the signals show how the station is.
        self_triggered: cameras of which every picture is a trigger: those with a hardware trigger of their
            own, or that run freely. A trigger of a signal does not ask them.
        models: model of each camera, by the names of both, where no recipe says otherwise; a camera that is
            missing here has the first model.
    """

    deadline: Duration = 1.0
    heartbeat: Duration = 1.0
    self_triggered: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("deadline", self.deadline, SHORTEST_DEADLINE, LONGEST_DEADLINE)
        _check("heartbeat", self.heartbeat, SHORTEST_HEARTBEAT, LONGEST_HEARTBEAT)

    def check_names(self, cameras: Collection[str], models: Collection[str]) -> None:
        """Refuse names of what there is not.

        Raises:
            SettingsError: a camera or model that the table names is not there.
        """
        for key, names, known, what in (
            ("self_triggered", self.self_triggered, cameras, "camera"),
            ("models", self.models, cameras, "camera"),
            ("models", self.models.values(), models, "model"),
        ):
            for name in names:
                if name not in known:
                    raise SettingsError(
                        f"[signals] {key}: there is no {what} {name!r}; known are "
                        f"{', '.join(known) or 'none'}"
                    )


def _check(name: str, seconds: float, least: float, most: float) -> None:
    if not least <= seconds <= most:
        raise SettingsError(
            f"{name} is {write_duration(seconds)}: it must lie between {write_duration(least)} and "
            f"{write_duration(most)}"
        )
