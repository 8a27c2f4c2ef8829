"""Ablations of EAR: one part of it changed at a time.

A variant that differs only at inference is measured on the run of the plain method; one that does not differ
at all is the plain method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args

from excision.benchmark.plan import EAR, Inference, Row, Variant
from excision.errors import SettingsError
from excision.settings import AnomalyMapKind, AttentionSettings, EvidenceKind, Fill, LossSettings, Settings

BUDGETS = (0.02, 0.04, 0.1)


def ablation(name: str, settings: Settings) -> tuple[Row, ...]:
    """Return the rows of an ablation based on the settings.

    Raises:
        SettingsError: there is no such ablation.
    """
    if name not in ABLATIONS:
        raise SettingsError(f'"{name}" is not an ablation: choose from {", ".join(ABLATIONS)}')
    return tuple(ABLATIONS[name](settings))


def paper_rows(settings: Settings) -> tuple[Row, ...]:
    """Return EAR without the mask, and EAR with all skip connections on, both on the same trained run."""
    rows = (
        Row("EAR, mask off", _measured("mask-off", settings, Inference(mask=False))),
        Row("EAR, all skips on at inference", _measured("skips-all", settings, Inference(skips="all"))),
    )
    return tuple(row for row in rows if row.variant.key != EAR)


def _attention(settings: Settings) -> Iterator[Row]:
    off = replace(settings, mask=replace(settings.mask, enabled=False))
    yield Row("none", _trained("attention-none", off, settings))
    plain = replace(settings.attention, variant="plain")
    surface = replace(settings.attention, variant="surface")
    steps = settings.attention.tuning or AttentionSettings().tuning
    choices = {
        "random": replace(surface, pretrained=False, tuning=0),
        "random, tuned": replace(surface, pretrained=False, tuning=steps),
        "plain MNIST": replace(plain, pretrained=True, tuning=0),
        "surface MNIST": replace(surface, pretrained=True, tuning=0),
        "surface MNIST, tuned": replace(surface, pretrained=True, tuning=steps),
    }
    for label, attention in choices.items():
        key = "attention-" + label.replace(",", "").replace(" ", "-").lower()
        yield Row(label, _trained(key, replace(settings, attention=attention), settings))


def _evidence(settings: Settings) -> Iterator[Row]:
    score = settings.score
    choices = {kind: replace(score, evidence=kind) for kind in get_args(EvidenceKind)}
    choices["both, no feature distance"] = replace(score, evidence="both", feature_distance=False)
    choices["both, no attention features"] = replace(score, evidence="both", attention_features=False)
    choices["both, not aligned"] = replace(score, evidence="both", align=False)
    for label, changed in choices.items():
        key = "evidence-" + label.replace(",", "").replace(" ", "-")
        yield Row(label, _trained(key, replace(settings, score=changed), settings))


def _budget(settings: Settings) -> Iterator[Row]:
    for budget in BUDGETS:
        mask = replace(settings.mask, budget=budget, cap=max(budget, settings.mask.cap))
        yield Row(f"{budget:g}", _trained(f"budget-{budget:g}", replace(settings, mask=mask), settings))


def _fill(settings: Settings) -> Iterator[Row]:
    for fill in get_args(Fill):
        changed = replace(settings, mask=replace(settings.mask, fill=fill))
        yield Row(fill, _trained(f"fill-{fill}", changed, settings))


def _skips(settings: Settings) -> Iterator[Row]:
    levels = range(1, settings.recovery.depth)
    choices = {"all": "all"}
    for off in levels:
        choices[f"level {off} off"] = ",".join(str(level) for level in levels if level != off) or "none"
    choices |= {"deep": "deep", "none": "none"}
    seen = set()
    for label, skips in choices.items():
        recovery = replace(settings.recovery, inference_skips=skips)
        if recovery.skips("inference") in seen:
            continue  # in a shallow network several names denote the same choice
        seen.add(recovery.skips("inference"))
        key = "skips-" + skips.replace(",", "-")
        yield Row(label, _measured(key, settings, Inference(skips=skips)))


def _loss(settings: Settings) -> Iterator[Row]:
    for name in ("nll", "l2", "ssim", "msgms"):
        weights = {"nll": 0.0, "l2": 0.0, "ssim": 0.0, "msgms": 0.0, name: 1.0}
        loss = LossSettings(**weights, hole_weight=settings.loss.hole_weight)
        yield Row(name, _trained(f"loss-{name}", replace(settings, loss=loss), settings))


def _map(settings: Settings) -> Iterator[Row]:
    for kind in get_args(AnomalyMapKind):
        yield Row(kind, _measured(f"map-{kind}", settings, Inference(map=kind)))


ABLATIONS: dict[str, Callable[[Settings], Iterator[Row]]] = {
    "attention": _attention,
    "budget": _budget,
    "fill": _fill,
    "skips": _skips,
    "loss": _loss,
    "map": _map,
    "evidence": _evidence,
}
"""Functions that return the rows of each ablation, by its name."""


def _trained(key: str, settings: Settings, plain: Settings) -> Variant:
    return Variant(EAR if settings == plain else f"{EAR}-{key}", EAR, settings)


def _measured(key: str, settings: Settings, inference: Inference) -> Variant:
    recovery = settings.recovery
    skips = replace(recovery, inference_skips=inference.skips or recovery.inference_skips)
    same = (
        inference.mask in (True, settings.mask.enabled)
        and skips.skips("inference") == recovery.skips("inference")
        and inference.map in (None, settings.score.map)
    )
    return Variant(EAR, EAR, settings) if same else Variant(f"{EAR}-{key}", EAR, settings, inference)
