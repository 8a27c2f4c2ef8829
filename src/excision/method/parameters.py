"""The parameters of a detector's constructor: the settings as a whole, and the common ones individually."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from excision.ops.devices import choose_device
from excision.settings import CalibrationSettings, ImageSettings, Settings, TrainingSettings
from excision.settings.checks import as_fields, check_keys, require

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Parameters:
    """The arguments a detector was constructed with; None means not given.

    Attributes:
        settings: all settings.
        device: "cpu", "cuda" or "auto".
        size: overrides `image.size`.
        tile: overrides `image.tile`.
        steps: overrides `training.steps`.
        seed: overrides `training.seed`.
        false_alarm_rate: overrides `calibration.false_alarm_rate`.
    """

    settings: Settings | None
    device: str
    size: tuple[int, int] | None
    tile: tuple[int, int] | None
    steps: int | None
    seed: int | None
    false_alarm_rate: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as they were given."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def changed(self, parameters: dict[str, Any]) -> Parameters:
        """Return a copy with some parameters changed.

        Raises:
            ValueError: there is no such parameter.
        """
        unknown = sorted(parameters.keys() - self.as_dict().keys())
        if unknown:
            known = ", ".join(self.as_dict())
            raise ValueError(f"Detector has no parameter {', '.join(unknown)}; its parameters are {known}")
        return replace(self, **parameters)

    def in_force(self) -> Settings:
        """Return the settings, with the individually given ones taking precedence.

        Raises:
            SettingsError: a parameter has a wrong type or is out of range.
        """
        settings = Settings() if self.settings is None else self.settings
        require(
            isinstance(settings, Settings),
            f"settings is {settings!r}: it must be a Settings; the size of the image is given as size=(H, W)",
        )
        return replace(
            settings,
            image=replace(settings.image, **_section(ImageSettings, "image", size=self.size, tile=self.tile)),
            training=replace(
                settings.training, **_section(TrainingSettings, "training", steps=self.steps, seed=self.seed)
            ),
            calibration=replace(
                settings.calibration,
                **_section(CalibrationSettings, "calibration", false_alarm_rate=self.false_alarm_rate),
            ),
        )

    def __str__(self) -> str:
        """Return the given parameters as in a call; of the settings, those that differ from the defaults."""
        given = _given(**{**self.as_dict(), "settings": None})
        words = [f"{name}={value!r}" for name, value in given.items() if (name, value) != ("device", "auto")]
        if self.settings is not None:
            words.insert(0, f"settings={_differences(self.settings)}")
        return ", ".join(words)


class ParameterMixin:
    """scikit-learn's access to the parameters of a detector's constructor.

    Attributes:
        parameters: as given to the constructor.
        settings: all settings, with these parameters applied.
        device: device to compute on.
    """

    parameters: Parameters
    settings: Settings
    device: torch.device

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002  scikit-learn passes it
        """Return the constructor's parameters as they were given."""
        return self.parameters.as_dict()

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters of the constructor, for the next fit.

        Raises:
            ValueError: there is no such parameter.
            SettingsError: there is no such device, or a parameter is out of range.
        """
        changed = self.parameters.changed(parameters)
        settings, device = changed.in_force(), choose_device(changed.device)
        self.parameters, self.settings, self.device = changed, settings, device
        return self

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what kind of estimator this is."""
        from sklearn.utils import Tags, TargetTags

        return Tags("outlier_detector", TargetTags(required=False), requires_fit=True)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _section(kind: type, name: str, **values: Any) -> dict[str, Any]:
    given = as_fields(_given(**values))
    check_keys(kind, name, given)
    return given


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
