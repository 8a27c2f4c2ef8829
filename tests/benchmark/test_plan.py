"""What a benchmark runs, in which order, and what counts as the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from excision.benchmark.plan import (
    CELL,
    EAR,
    EAR_FEATURES,
    Cell,
    Inference,
    Plan,
    choose_methods,
    method_row,
    settings_of,
    stored_identity,
)
from excision.benchmark.sources import Source, describe
from excision.benchmark.study import Study
from excision.benchmark.variants import ABLATIONS, ablation, paper_rows
from excision.data import load_dataset
from excision.errors import DatasetError, SettingsError
from excision.jobs.pool import Ended, Hear, Job
from excision.method.run_folder import MODEL
from excision.settings import RecoverySettings, Settings
from excision.system.files import write_json

SOURCES = (Source("one", "one", "mvtec", "1"), Source("two", "two", "mvtec", "2"))


def plan(
    *methods: str, minutes: float | None = None, ablations: str = "", settings: Settings | None = None
) -> Plan:
    settings = settings or Settings()
    rows = tuple(method_row(name, settings) for name in methods)
    tables = {name: ablation(name, settings) for name in ablations.split(",") if name}
    return Plan(SOURCES, rows, tables, (0, 1), minutes)


def test_ear_goes_before_those_that_wait_for_it() -> None:
    cells = plan("riad", EAR, "ae", ablations="map,budget").cells()
    places = {(cell.source.name, cell.variant.key, cell.seed): place for place, cell in enumerate(cells)}
    assert len(places) == len(cells) == 2 * 2 * (3 + 3 + 2)
    for (source, _, seed), place in places.items():
        assert places[source, EAR, seed] <= place
    # The first seed of everything comes before the second of anything.
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)


@pytest.mark.parametrize(
    ("methods", "minutes", "budget"),
    [
        ((EAR, "riad"), None, EAR),
        ((EAR, "riad"), 2.5, 2.5),
        (("riad",), None, "steps"),
        (("riad",), 1.0, 1.0),
    ],
)
def test_budget(methods: tuple[str, ...], minutes: float | None, budget: str | float) -> None:
    budgets = {cell.variant.method: cell.budget for cell in plan(*methods, minutes=minutes).cells()}
    assert budgets.pop(EAR, "steps") == "steps"
    assert budgets == {"riad": budget}


def test_identity_tells_apart_what_differs() -> None:
    base = plan(EAR).cells()[0]
    other = replace(base.variant, settings=replace(Settings(), recovery=RecoverySettings(width=8)))
    different = [
        replace(base, seed=1),
        replace(base, variant=other),
        replace(base, variant=replace(base.variant, inference=Inference(mask=False))),
        replace(base, source=replace(base.source, listing="3")),
        replace(base, budget=1.0),
    ]
    identities = [json.dumps(cell.identity()) for cell in [base, *different]]
    assert len(set(identities)) == len(identities)
    # Where a data set lies, and in what order others came before it, is nothing to it.
    moved = replace(base, source=replace(base.source, name="x", path="elsewhere/x"))
    assert moved.identity() == base.identity()


def test_an_identity_with_old_names_of_settings_is_the_same() -> None:
    """Cells that were finished under the old names are not run again."""
    identity = plan(EAR).cells()[0].identity()
    old = json.loads(json.dumps(identity))
    old["settings"]["attention"]["trust"] = old["settings"]["attention"].pop("pretraining_weight")
    old["settings"]["recovery"]["rehearsal"] = old["settings"]["recovery"].pop("replay")
    assert old != identity and stored_identity({"identity": old}) == identity
    old["settings"]["recovery"]["rehearsal"] += 0.1
    assert stored_identity({"identity": old}) != identity
    assert stored_identity({}) == {}


def test_settings_survive_the_way_to_the_child() -> None:
    settings = Settings(recovery=RecoverySettings(width=7))
    settings = replace(settings, image=replace(settings.image, size=(64, 48), channels=3))
    cell = Cell(SOURCES[0], method_row(EAR, settings).variant, 5, "steps")
    arrived = settings_of(json.loads(json.dumps(cell.identity()["settings"])))
    assert arrived == replace(settings, training=replace(settings.training, seed=5))


def test_methods_are_chosen_by_name() -> None:
    assert choose_methods(" ear, padim,ear") == ("ear", "padim")
    with pytest.raises(SettingsError, match=r'"ridd" is not a method.*ear, ear-features, ae.*riad'):
        choose_methods("ear,ridd")
    with pytest.raises(SettingsError, match="no method is named"):
        choose_methods(",")
    assert choose_methods("ear-features,ear") == ("ear-features", "ear")
    with pytest.raises(SettingsError, match="ear-features is measured on the trained run of ear"):
        choose_methods("ear-features,riad")


def test_features_are_measured_on_the_run_of_ear(tmp_path: Path) -> None:
    cells = {cell.variant.key: cell for cell in plan(EAR, EAR_FEATURES).cells() if cell.seed == 0}
    ear, features = cells[EAR], cells[EAR_FEATURES]
    assert features.run(tmp_path) == ear.run(tmp_path) == ear.folder(tmp_path)
    # Its own statistics make another model, which is the one that is timed.
    assert features.model(tmp_path) == (features.folder(tmp_path), Inference())
    assert ear.model(tmp_path) == (ear.folder(tmp_path), Inference())
    assert features.identity()["settings"] == ear.identity()["settings"]
    # If features are the default, the row is the plain method.
    score = replace(Settings().score, features="efficientnet-lite0")
    assert method_row(EAR_FEATURES, replace(Settings(), score=score)).variant.key == EAR


def test_padim_runs_once_whatever_the_seeds() -> None:
    cells = plan(EAR, "padim", "patchcore", "padim-aligned").cells()
    seeds = {key: {c.seed for c in cells if c.variant.key == key} for key in (EAR, "padim", "patchcore")}
    assert seeds == {EAR: {0, 1}, "padim": {0}, "patchcore": {0, 1}}
    assert {cell.seed for cell in cells if cell.variant.key == "padim-aligned"} == {0}


def test_finished_runs_stand_for_the_training_of_ear(tmp_path: Path) -> None:
    (tmp_path / "one-1").mkdir()
    (tmp_path / "one-1" / MODEL).touch()
    chosen = replace(plan(EAR, EAR_FEATURES, "riad"), runs=tmp_path)
    found = {cell.name: run for cell in chosen.cells() if (run := chosen.finished_run(cell)) is not None}
    assert found == {"one, ear, seed 1": tmp_path / "one-1"}


class Idle:
    """Does no job."""

    def run(self, jobs: Iterable[Job], hear: Hear, ended: Ended) -> None:
        pass


def test_missing_runs_are_told_before_the_work(tmp_path: Path) -> None:
    runs, out, told = tmp_path / "runs", tmp_path / "out", list[str]()
    for name in ("one-1", "two-1"):
        (runs / name).mkdir(parents=True)
    (runs / "one-1" / MODEL).touch()  # the other one is not finished
    chosen = replace(plan(EAR), runs=runs)
    done = next(cell for cell in chosen.cells() if cell.name == "two, ear, seed 0")
    write_json(done.folder(out) / CELL, {"identity": done.identity()})
    Study(chosen, out, told.append).run(Idle())
    assert told[0] == f"{runs} has no finished run one-0, two-1: EAR is trained instead"
    for complete in (replace(chosen, runs=None), replace(chosen, seeds=(1,), sources=SOURCES[:1])):
        told.clear()
        Study(complete, out, told.append).run(Idle())
        assert not any("has no finished run" in line for line in told)


def test_an_installed_package_has_its_own_name() -> None:
    pytest.importorskip("elpv_dataset")
    (source,) = describe([("elpv-dataset", load_dataset("elpv-dataset"))])
    assert source.name == "elpv-dataset"


def test_a_change_of_what_only_ear_has_leaves_baselines_as_they_are() -> None:
    changed = replace(Settings(), score=replace(Settings().score, align=False))
    ear, unet = (cell.identity() for cell in plan(EAR, "unet").cells()[:2])
    other_ear, other_unet = (cell.identity() for cell in plan(EAR, "unet", settings=changed).cells()[:2])
    assert ear != other_ear and unet == other_unet
    # Results of a version that had other settings of EAR, or named all of them, stay valid.
    stored = json.loads(json.dumps(unet))
    stored["settings"]["score"] = {"something": "else"}
    assert stored_identity({"identity": stored}) == unet
    wider = replace(Settings(), recovery=RecoverySettings(width=8))
    assert plan("unet", settings=wider).cells()[0].identity() != plan("unet").cells()[0].identity()
    assert settings_of(unet["settings"]) == replace(Settings(), training=replace(Settings().training, seed=0))


def test_an_identity_without_later_changes_is_the_same() -> None:
    identity = plan(EAR).cells()[0].identity()
    old = json.loads(json.dumps(identity))
    del old["inference"]["features"]
    assert old != identity and stored_identity({"identity": old}) == identity


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_changes_one_part(name: str) -> None:
    """Each row differs from the plain method in one section of the settings, or in inference alone."""
    settings = Settings()
    rows = ablation(name, settings)
    assert len({row.label for row in rows}) == len(rows) >= 2
    assert sum(row.variant.key == EAR for row in rows) == 1, "the plain method is a row, and trained once"
    before = dataclasses.asdict(settings)
    for row in rows:
        after = dataclasses.asdict(row.variant.settings)
        sections = [section for section in before if before[section] != after[section]]
        changes = len(sections) + (row.variant.inference != Inference())
        assert changes == (row.variant.key != EAR)
        assert (row.variant.run == EAR) == (not sections)


def test_rows_of_what_trains_otherwise() -> None:
    labels = {name: [row.label for row in ablation(name, Settings())] for name in ABLATIONS}
    assert labels["attention"] == [
        "none",
        "random",
        "random, tuned",
        "plain MNIST",
        "surface MNIST",
        "surface MNIST, tuned",
    ]
    masked = {row.label: row.variant.settings.mask.enabled for row in ablation("attention", Settings())}
    assert [label for label, enabled in masked.items() if not enabled] == ["none"]
    assert labels["budget"] == ["0.02", "0.04", "0.1"]
    assert labels["loss"] == ["nll", "l2", "ssim", "msgms"]
    assert labels["evidence"] == [
        "both",
        "residual",
        "both, no feature distance",
        "both, no attention features",
        "both, not aligned",
    ]


def test_skips_of_every_depth() -> None:
    labels = [row.label for row in ablation("skips", Settings())]
    assert labels == ["all", "level 1 off", "level 2 off", "none"]
    deeper = ablation("skips", Settings(recovery=RecoverySettings(depth=4)))
    assert [row.label for row in deeper] == [
        "all", "level 1 off", "level 2 off", "level 3 off", "deep", "none"
    ]  # fmt: skip
    for depth in (2, 3, 6):
        settings = Settings(recovery=RecoverySettings(depth=depth))
        for row in ablation("skips", settings):
            skips = row.variant.inference.skips
            if skips is not None:
                replace(settings.recovery, inference_skips=skips).skips("inference")


def test_what_changes_nothing_is_the_plain_method() -> None:
    all_on = Settings(recovery=RecoverySettings(inference_skips="1,2"))
    assert [row.variant.key for row in paper_rows(all_on)] == ["ear-mask-off"]
    budgets = ablation("budget", replace(Settings(), mask=replace(Settings().mask, budget=0.1)))
    assert [row.variant.key for row in budgets] == ["ear-budget-0.02", "ear-budget-0.04", EAR]
    with pytest.raises(SettingsError, match='"colour" is not an ablation'):
        ablation("colour", Settings())


def test_data_sets_of_one_name_get_two(kolektor: Path, second: Path) -> None:
    datasets = [(str(path), load_dataset(path)) for path in (kolektor, second, kolektor)]
    sources = describe(datasets)
    assert [source.name for source in sources] == ["surface", "surface-2", "surface-3"]
    assert sources[0].listing == sources[2].listing != sources[1].listing
    assert {source.layout for source in sources} == {"kolektorsdd2"}


def test_data_set_needs_test_images(kolektor: Path) -> None:
    dataset = load_dataset(kolektor)
    with pytest.raises(DatasetError, match="there are no test images"):
        describe([("data", replace(dataset, samples=dataset.train))])
