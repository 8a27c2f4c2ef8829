"""All sections together: checked against each other, saved and loaded as TOML."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.errors import RenamedWarning, SettingsError
from excision.features.choice import EDGES, FeatureChoice
from excision.settings.calibration import CalibrationSettings
from excision.settings.checks import as_fields, check_keys, check_types, require
from excision.settings.recovery import LossSettings, RecoverySettings
from excision.settings.renamed import RENAMED, with_new_names
from excision.settings.scoring import ScoreSettings
from excision.settings.sections import (
    AttentionSettings,
    ImageSettings,
    MaskSettings,
    TrainingSettings,
)
from excision.system.files import write_text
from excision.system.toml_file import read_toml
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat

_MOST_BYTES = 2**20  # of a settings file


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a detector."""

    image: ImageSettings = field(default_factory=ImageSettings)
    attention: AttentionSettings = field(default_factory=AttentionSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    loss: LossSettings = field(default_factory=LossSettings)
    score: ScoreSettings = field(default_factory=ScoreSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            check_types(f.name, getattr(self, f.name))
        require(
            self.attention.variant != "dino" or (self.score.architecture or "").startswith("dinov2"),
            'attention.variant is "dino": give DINOv2\'s weights with score.features and score.architecture',
        )
        size = self.image.tile or self.image.size
        if size is not None:
            self._check_size(size)
        if self.image.tile is not None:
            _ = self.tiling  # refuses tiles that are too small
            require(
                self.score.top == 0,
                f"score.top is {self.score.top}: with image.tile it must be 0, since a share of a large "
                "image has nothing to do with the size of a defect",
            )

    @property
    def tiling(self) -> Tiling | None:
        """How large images are tiled; None if `image.tile` is not set.

        Raises:
            SettingsError: the tiles are too small for the networks and cells.
        """
        if self.image.tile is None:
            return None
        return Tiling.for_networks(
            self.image.tile,
            patch=self.mask.patch,
            stem=self.recovery.stem,
            depth=self.recovery.depth,
            attention_stride=self.attention.stride,
        )

    @property
    def least_visible(self) -> float:
        """The diameter in pixels of the working image below which no defect can be relied on to be seen.

        It is the side of the coarsest grid on which a defect is located: the cells of the mask, the positions
        of the attention and those of the recovery's first level. A disc of that diameter covers a fifth
        (pi / 16) of some cell wherever it lies, one of half of it perhaps a twentieth alone, and the
        attention of a cell is the mean over it. A smoothed residual asks for 2 sqrt(2 ln 2) standard
        deviations at least: a disc of that diameter keeps half of its height under the Gaussian, which is
        1 - exp(-d^2 / 8 sigma^2).
        """
        cell = max(self.mask.patch, self.attention.stride, self.recovery.stem)
        return max(float(cell), 2 * math.sqrt(2 * math.log(2)) * self.score.smoothing)

    def settled(self, image_format: ImageFormat) -> Settings:
        """Give the same settings with this image format, in place of one derived from the images."""
        image = ImageSettings(image_format.size, image_format.channels, image_format.tile)
        return dataclasses.replace(self, image=image)

    @property
    def counts_attention(self) -> bool:
        """Whether the attention counts beside the residual; without a mask the method is a plain U-Net."""
        return self.score.evidence == "both" and self.mask.enabled

    @property
    def compares_features(self) -> bool:
        """Whether features are compared with those of normal images."""
        return self.score.feature_distance and self.counts_attention

    def compares_positions(self, image_format: ImageFormat) -> bool:
        """Tell whether each position has features of its own: not in tiles, where it is none on the part."""
        return self.compares_features and image_format.tiling is None

    def compares_attention(self, image_format: ImageFormat) -> bool:
        """Tell whether the features of the attention network are compared, if position explains them."""
        return self.score.attention_features and self.compares_positions(image_format)

    def feature_choice(self, image_format: ImageFormat) -> FeatureChoice | None:
        """Give the network whose features are compared beside the edges; None for edges alone, or nothing."""
        if self.score.features == EDGES or not self.compares_features:
            return None
        return self.score.feature_choice(image_format.size)

    def without_folds(self) -> Settings:
        """Give the same settings, with no further trainings for the calibration."""
        return dataclasses.replace(self, calibration=dataclasses.replace(self.calibration, folds=0))

    def _check_size(self, size: tuple[int, int]) -> None:
        """Check that images of this size are large enough for masks and networks."""
        cells = math.prod(math.ceil(side / self.mask.patch) for side in size)
        require(
            int(self.mask.cap * cells) >= 1 or not self.mask.enabled,
            f"mask.patch is {self.mask.patch}: an image of {size} pixels has {cells} such cells, "
            f"and mask.cap {self.mask.cap} allows none to be excised",
        )
        # Normalisation layers need more than one pixel.
        deepest = math.prod(min(side, self.training.crop) / 2 ** (self.recovery.depth - 1) for side in size)
        require(
            deepest > 1,
            f"recovery.depth is {self.recovery.depth}: this is too deep for crops of {self.training.crop} "
            f"pixels from images of {size}",
        )

    def save(self, path: Path) -> None:
        """Save the settings as TOML; values that are None are left out, since TOML has no null."""
        import tomli_w

        sections = {
            name: {key: value for key, value in section.items() if value is not None}
            for name, section in dataclasses.asdict(self).items()
        }
        write_text(path, tomli_w.dumps(sections))

    @classmethod
    def of(cls, sections: Mapping[str, Any]) -> Settings:
        """Make settings from sections of plain values; those that are left out have their defaults.

        Raises:
            SettingsError: a name is unknown, or a value is wrong.
        """
        return cls(**{name: _section(name, values) for name, values in sections.items()})

    @classmethod
    def load(cls, path: str | Path, warn_of_old_names: bool = True) -> Settings:
        """Load settings from TOML; those that the file leaves out have their defaults.

        Args:
            path: settings file.
            warn_of_old_names: False for a file that Excision wrote and that nobody has to edit.

        Raises:
            SettingsError: the file is missing or not TOML, or contains an unknown name or a wrong value.
        """
        path = Path(path)
        sections = read_toml(path, _MOST_BYTES, "TOML settings")
        try:
            sections, old_names = with_new_names(sections)
            settings = cls.of(sections)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error
        for old in old_names if warn_of_old_names else ():
            note = f"{path}: the setting {old} is now called {RENAMED[old]}"
            warnings.warn(note, RenamedWarning, stacklevel=2)
        return settings


def _section(name: str, values: Any) -> Any:
    """Make a section of the settings from the values of a TOML file."""
    kinds: dict[str, Any] = {f.name: f.default_factory for f in dataclasses.fields(Settings)}
    require(name in kinds, f"{name} is unknown; known are {', '.join(kinds)}")
    require(isinstance(values, dict), f"{name} must be a section: write [{name}]")
    check_keys(kinds[name], name, values)
    return kinds[name](**as_fields(values))
