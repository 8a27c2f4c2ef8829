"""The parameters of a detector's constructor: all settings at once, and the common ones by themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from excision.settings import Settings


@dataclass(frozen=True)
class Parameters:
    """What a detector was constructed with; a parameter that is None was not given.

    Attributes:
        settings: everything that can be chosen.
        device: "cpu", "cuda" or "auto".
        size: stands for `image.size`.
        tile: stands for `image.tile`.
        steps: stands for `training.steps`.
        seed: stands for `training.seed`.
        false_alarm_rate: stands for `calibration.false_alarm_rate`.
    """

    settings: Settings | None
    device: str
    size: tuple[int, int] | None
    tile: tuple[int, int] | None
    steps: int | None
    seed: int | None
    false_alarm_rate: float | None

    def as_dict(self) -> dict[str, Any]:
        """Give each parameter as it was given."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def changed(self, parameters: dict[str, Any]) -> Parameters:
        """Give the same with some parameters changed.

        Raises:
            ValueError: there is no such parameter.
        """
        unknown = sorted(parameters.keys() - self.as_dict().keys())
        if unknown:
            known = ", ".join(self.as_dict())
            raise ValueError(f"Detector has no parameter {', '.join(unknown)}; its parameters are {known}")
        return replace(self, **parameters)

    def in_force(self) -> Settings:
        """Give the settings, with the single ones that were given in their place.

        Raises:
            SettingsError: a parameter is out of range.
        """
        settings = self.settings or Settings()
        return replace(
            settings,
            image=replace(settings.image, **_given(size=self.size, tile=self.tile)),
            training=replace(settings.training, **_given(steps=self.steps, seed=self.seed)),
            calibration=replace(settings.calibration, **_given(false_alarm_rate=self.false_alarm_rate)),
        )

    def __str__(self) -> str:
        """Give what was given, as in a call: of the settings those that differ from the defaults."""
        given = _given(**{**self.as_dict(), "settings": None})
        words = [f"{name}={value!r}" for name, value in given.items() if (name, value) != ("device", "auto")]
        if self.settings is not None:
            words.insert(0, f"settings={_differences(self.settings)}")
        return ", ".join(words)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _differences(settings: Settings) -> str:
    """Name the settings that differ from the defaults, at most three of them."""
    default = asdict(Settings())
    changed = [
        f"{section}.{name}={value!r}"
        for section, values in asdict(settings).items()
        for name, value in values.items()
        if value != default[section][name]
    ]
    more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"<{', '.join(changed[:3]) or 'defaults'}{more}>"
