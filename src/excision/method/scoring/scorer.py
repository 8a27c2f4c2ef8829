"""The evidence of a defect, and what is learnt to judge it by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from excision.features.network import FeatureNetwork
from excision.features.record import FINE_CELL, Grid
from excision.method.scoring.alignment import Alignment
from excision.method.scoring.appearances import Appearances
from excision.method.scoring.attention_distance import (
    ATTENTION,
    AttentionDistance,
    attention_features,
    attention_grid,
)
from excision.method.scoring.combination import combined
from excision.method.scoring.edge_features import count_features, edge_features
from excision.method.scoring.evidence import Evidence, Largest, ScorerInput
from excision.method.scoring.feature_distance import FeatureDistance
from excision.method.scoring.learning import FeatureMoments, learn_edges
from excision.method.scoring.network_learning import (
    DescribeAttention,
    learn_attention_features,
    learn_network,
)
from excision.method.scoring.observing import Images, Normal
from excision.method.scoring.own_level import above_own_level
from excision.method.scoring.poses import Posing
from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.position_moments import merged
from excision.method.scoring.residuals import ResidualSums, anomaly_map, anomaly_score, broad_residual
from excision.method.scoring.surprisal import tail
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat


class Scorer(nn.Module):
    """Computes the anomaly map from image, attention, mask and recovery.

    Args:
        settings: settings of mask and score.
        image_format: format of the images.
        network: feature network that is compared beside the edges; None for edges alone.

    Attributes:
        normal_residual: (1, R, H, W) > 0, mean residuals of normal images; (1, R, 1, 1) if residuals stay
            absolute.
        tails: (R + 1, 2), for each residual and for the attention: median over normal images of the largest
            value, and mean excess of those above it; (appearances, R + 1, 2) if there are several.
        describe_edges: computes the features of edges and lines, as `edge_features` does.
        feature_distance: feature distance of each position; None if it does not count, since positions differ
            from image to image.
        alignment: estimates the pose of the part, and which of several appearances it has; None if positions
            are those of the image.
        network: as given; None if these settings do not use it.
        network_distances: distance of the features of networks on each grid that counts, by its name.
    """

    normal_residual: Tensor
    tails: Tensor
    describe_edges: Callable[[Tensor], Tensor]

    def __init__(
        self, settings: Settings, image_format: ImageFormat, network: FeatureNetwork | None = None
    ) -> None:
        super().__init__()
        self.settings = settings
        self.image_format = image_format
        size = image_format.size if settings.score.relative > 0 else (1, 1)
        # Kept even if they do not count now, so that the weights can be used with other settings.
        residuals = 2 if settings.score.broad > 0 else 1
        self.register_buffer("normal_residual", torch.ones(1, residuals, *size))
        self.register_buffer("tails", torch.ones(residuals + 1, 2))
        self.describe_edges = edge_features
        self.feature_distance: FeatureDistance | None = None
        self.alignment: Posing | None = None
        self.network = network if settings.compares_features else None
        self.network_distances = nn.ModuleDict()

    def forward(self, given: ScorerInput) -> Tensor:
        """Compute the anomaly map (B, 1, H, W) >= 0."""
        return self.combine(self.evidence(given))

    def evidence(self, given: ScorerInput) -> Evidence:
        """Compute the evidence of a defect."""
        relative = (
            found / self.normal_residual[:, view : view + 1]
            for view, found in enumerate(self._residuals(given) if given.recovery is not None else ())
        )
        images = given.images
        distance = pose = appearance = None
        if self.alignment is not None:
            pose, appearance = self.alignment.place(images)
            images = self.alignment.align(images, pose)
        shown = self._shown(pose)
        if self.feature_distance is not None:
            distance = self.feature_distance(self.describe_edges(images), shown[FINE_CELL], appearance)
        of_network = tuple(self._of_networks(images, shown, appearance, given.features))
        attention = given.cells.clamp_min(0)
        return Evidence(tuple(relative), attention, distance, pose, shown, of_network, appearance)

    def _of_networks(
        self,
        images: Tensor,
        shown: Mapping[int, Tensor | None],
        appearance: Tensor | None,
        of_attention: Tensor | None,
    ) -> Iterator[Tensor]:
        """Yield the distances of the features of networks in aligned images, on each grid that counts."""
        if self.compares_attention and of_attention is not None:
            yield self.network_distances[ATTENTION](attention_features(of_attention))
        if self.network is None or not self.network_distances:
            return
        for grid, features in zip(self.network.record.grids, self.network(images), strict=True):
            if grid.name in self.network_distances:
                distance = self.network_distances[grid.name](features, shown[grid.cell], appearance)
                # On the coarse grid of a whole image too few positions are left to say what it has in common.
                has_level = grid.cell == FINE_CELL or not self.compares_positions
                yield above_own_level(distance) if has_level else distance

    def combine(self, evidence: Evidence) -> Tensor:
        """Combine the evidence into the anomaly map (B, 1, H, W) >= 0, the weighted surprisal in nats."""
        return combined(self, evidence)

    def _shown(self, pose: Tensor | None) -> dict[int, Tensor | None]:
        """Return `Evidence.seen` for the pose of a part; None without an alignment."""
        cells = (FINE_CELL, *(grid.cell for grid, _ in self.compared()))
        if pose is None or self.alignment is None or not self.judges_what_is_seen:
            return dict.fromkeys(cells)
        return {cell: self.alignment.seen(pose, cell) for cell in dict.fromkeys(cells)}

    def compared(self) -> list[tuple[Grid, PositionDistance]]:
        """Return the grids that count, with their distances."""
        found = []
        for grid in self.grids:
            if grid.name in self.network_distances:
                distance = self.network_distances[grid.name]
                assert isinstance(distance, PositionDistance)
                found.append((grid, distance))
        return found

    def score(self, maps: Tensor) -> Tensor:
        """Compute the anomaly score (B,) of anomaly maps (B, 1, H, W)."""
        return anomaly_score(maps, self.settings.score.top)

    @property
    def distances(self) -> tuple[PositionDistance, ...]:
        """The feature distances that count: that of the edges, then those of the network, finer first."""
        edges = () if self.feature_distance is None else (self.feature_distance,)
        return (*edges, *(distance for _, distance in self.compared()))

    @torch.no_grad()
    def learn_features(
        self,
        images: Images,
        folds: Sequence[int],
        describe: DescribeAttention = lambda _: None,
        count: int = 1,
    ) -> FeatureMoments:
        """Learn which features are normal, if feature distances are to count.

        Positions refer to the image, or to the aligned part if alignment leaves little enough of the variance
        of the edges that position does not explain. On a surface without a shape, it leaves most of it.

        Args:
            images: returns an iterator over normal images (1, C, H, W) in [0, 1]; called up to 12 times.
            folds: fold of each image, counted from 0.
            describe: returns the features of the attention network in an image, or None.
            count: number of images that are looked at at once.

        Returns:
            The moments of the features of each fold, for the distances that count.
        """
        self.feature_distance = self.alignment = None
        self.network_distances = nn.ModuleDict()
        normal = Normal(images, folds, count)
        edges = learn_edges(self, normal) if self.compares_positions else []
        self.divide_tails()
        of_attention = learn_attention_features(self, normal, describe)
        return FeatureMoments(edges, {**of_attention, **learn_network(self, normal)})

    @torch.no_grad()
    def fit_features(self, moments: FeatureMoments) -> None:
        """Fit the feature distances that count to the moments of normal images."""
        if self.feature_distance is not None:
            self.feature_distance.fit(merged(moments.edges))
        for grid, distance in self.compared():
            distance.fit(merged(moments.network[grid.name]))

    def residual_sums(self) -> ResidualSums:
        """Return empty sums, to which the residuals of normal images are added."""
        return ResidualSums.zeros(self.normal_residual[:, : self.residuals])

    @torch.no_grad()
    def residual_of(self, given: ScorerInput) -> tuple[list[Tensor], Tensor | None]:
        """Return the absolute residuals of a normal image, and where they count: what the sums take."""
        return self._residuals(given), given.mask if self.counts_inside_alone else None

    @torch.no_grad()
    def fit_residual(self, sums: ResidualSums) -> None:
        """Set the normal residual to the mean of the residuals summed up, unless residuals stay absolute."""
        if self.settings.score.relative > 0:
            self.normal_residual.fill_(1)
            self.normal_residual[:, : self.residuals] = sums.mean(self.settings.score.relative)

    @torch.no_grad()
    def largest(self, given: ScorerInput) -> Largest:
        """Return the largest value of each kind of evidence in an image: residuals, attention, distances."""
        evidence = self.evidence(given)
        found = [self.score(each) for each in (*evidence.residuals, evidence.attention)]
        of_edges = () if evidence.distance is None else (evidence.distance,)
        found += [each.amax(dim=(1, 2, 3)) for each in (*of_edges, *evidence.network_distances)]
        return Largest(torch.cat(found), 0 if evidence.appearance is None else int(evidence.appearance))

    @torch.no_grad()
    def fit_tails(self, largest: Sequence[Largest]) -> None:
        """Learn the tail of each kind of evidence, if they are combined; of each appearance apart.

        Args:
            largest: `largest` of each of several normal images that took no part in the normal statistics by
                which they are judged: the evidence of the others is underestimated.
        """
        if not self.counts_attention:
            return
        for appearance in range(self.appearances):
            own = [each.values for each in largest if each.appearance == appearance]
            found = torch.tensor([tail(each) for each in torch.stack(own, dim=1)])
            for distance in reversed(self.distances):
                distance.tail.view(-1, 2)[appearance] = found[-1]
                found = found[:-1]
            self.tails.view(-1, *found.shape)[appearance] = found

    def divide_tails(self) -> None:
        """Give each appearance tails of its own."""
        several = () if self.appearances == 1 else (self.appearances,)
        self.tails = self.tails.new_ones(*several, *self.tails.shape[-2:])

    @property
    def appearances(self) -> int:
        """Number of appearances of normal images."""
        return len(self.alignment.images) if isinstance(self.alignment, Appearances) else 1

    def new_feature_distance(self, aligned: bool = False, appearances: int = 1) -> FeatureDistance:
        """Create an untrained feature distance for the size and channels of the images."""
        height, width = (-(-side // FINE_CELL) for side in self.image_format.size)
        channels = count_features(self.image_format.channels)
        distance = FeatureDistance(channels, (height, width), aligned=aligned, appearances=appearances)
        return distance.to(self.tails.device)

    def new_alignment(self, starts: int = 1, alike: int = 0) -> Alignment:
        """Create an untrained alignment with these numbers of poses."""
        return Alignment(self.image_format.size, starts, alike).to(self.tails.device)

    def new_appearances(self, starts: Sequence[int], alike: Sequence[int] | None = None) -> Appearances:
        """Create an untrained alignment for each appearance, with these numbers of poses."""
        return Appearances(self.image_format.size, starts, alike).to(self.tails.device)

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The grids of networks whose features may be compared: that of the attention first, if it counts."""
        distance = self.network_distances[ATTENTION] if self.compares_attention else None
        own = (attention_grid(distance.means.shape[1]),) if isinstance(distance, AttentionDistance) else ()
        return (*own, *(self.network.record.grids if self.network is not None else ()))

    @property
    def compares_attention(self) -> bool:
        """Whether the features of the attention network are compared."""
        return ATTENTION in self.network_distances

    @property
    def judges_what_is_seen(self) -> bool:
        """Whether only what an image shows of the aligned part is judged; in older models, all of it is."""
        return self.feature_distance is not None and self.feature_distance.certainty is not None

    @property
    def counts_inside_alone(self) -> bool:
        """Whether the residual counts in the hole only; without a mask it counts everywhere."""
        return self.settings.score.inside_mask and self.settings.mask.enabled

    @property
    def counts_attention(self) -> bool:
        """Whether the attention counts beside the residual."""
        return self.settings.counts_attention

    @property
    def residuals(self) -> int:
        """Number of residuals that count: without attention, only the residual of each pixel."""
        return 2 if self.settings.score.broad > 0 and self.counts_attention else 1

    @property
    def compares_positions(self) -> bool:
        """Whether the edges of each position are to be compared, if position explains them."""
        return self.settings.compares_positions(self.image_format)

    @property
    def wants_attention(self) -> bool:
        """Whether features of the attention network are to count, if position explains them."""
        return self.settings.compares_attention(self.image_format)

    def _residuals(self, given: ScorerInput) -> list[Tensor]:
        """Compute the absolute residuals, each (B, 1, H, W) >= 0."""
        assert given.recovery is not None
        score, inside = self.settings.score, given.mask if self.counts_inside_alone else None
        residuals = [anomaly_map(given.images, given.recovery, inside, score)]
        if self.residuals == 2:
            residuals.append(broad_residual(given.images, given.recovery, inside, score.broad))
        return residuals
