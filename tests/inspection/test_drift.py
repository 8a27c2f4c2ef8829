"""The drift monitor: what it promises, what it finds, and that it continues where it was."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from excision.errors import ResultsError, SettingsError
from excision.inspection.drift import SCORE, DriftMonitor, DriftSettings, DriftWarning
from excision.inspection.drift.bets import DIRECTIONS, Bets, _gains, normal_score
from excision.inspection.drift.ranks import MOST_EDGES, ConformalRanks
from excision.inspection.drift.summary import promise_in_words

NAMES = ("brightness", "sharpness")


def stream(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Scores and two statistics of parts without drift."""
    return np.random.default_rng(seed).normal((1, 100, 5), (0.2, 4, 1), (count, 3))


def fed(monitor: DriftMonitor, parts: NDArray[np.float64], threshold: float = math.inf) -> list[DriftWarning]:
    """Count parts, and give the warnings."""
    found = []
    for number, (score, *values) in enumerate(parts.tolist()):
        statistics = dict(zip(NAMES, values, strict=True))
        label = f"part {monitor.parts + 1}"
        found.append(monitor.update(score, statistics, flagged=score > threshold, label=label))
        assert number < 0 or monitor.parts
    return [warning for warning in found if warning is not None]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=400))
@settings(max_examples=40, deadline=None)
def test_ranks_are_those_of_a_slow_version_that_keeps_everything(values: list[int]) -> None:
    ranks = ConformalRanks("a")
    edges: list[float] = []
    seen: list[float] = []
    # Without ties the order is that of the values alone.
    for value in (number + 0.001 * place for place, number in enumerate(values)):
        rank = ranks.place(value)
        low = max((edge for edge in edges if edge < value), default=-math.inf)
        high = min((edge for edge in edges if edge > value), default=math.inf)
        below = sum(other <= low for other in seen)
        inside = sum(low < other < high for other in seen)
        assert below / (len(seen) + 1) <= rank <= (below + inside + 1) / (len(seen) + 1)
        seen.append(value)
        if len(edges) < MOST_EDGES:
            edges.append(value)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "ties", "constant"])
def test_ranks_without_drift_are_uniform_and_independent(kind: str) -> None:
    random = np.random.default_rng(3)
    drawn = {
        "normal": random.normal(size=4000),
        "heavy tails": random.standard_cauchy(4000),
        "ties": random.integers(0, 4, 4000).astype(float),
        "constant": np.zeros(4000),
    }[kind]
    ranks = ConformalRanks(kind)
    found = np.array([ranks.place(value) for value in drawn.tolist()])
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    for lag in (1, 2, 50):
        assert abs(stats.spearmanr(found[:-lag], found[lag:]).statistic) < 3.5 / math.sqrt(4000)


def test_a_fixed_reference_would_find_drift_in_the_end_and_ranks_do_not() -> None:
    random = np.random.default_rng(0)
    reference = np.sort(random.normal(size=80))
    later = random.normal(size=20_000)
    fixed = (np.searchsorted(reference, later) + random.random(20_000)) / 81
    ranks = ConformalRanks("a")
    for value in reference.tolist():
        ranks.place(value)
    growing = [ranks.place(value) for value in later.tolist()]
    assert stats.kstest(fixed, "uniform").pvalue < 1e-9
    assert stats.kstest(growing, "uniform").pvalue > 1e-3


def test_every_bet_pays_one_on_average() -> None:
    for number in range(len(DIRECTIONS)):
        mean, _ = integrate.quad(
            lambda z, number=number: math.exp(_gains(z)[number]) * stats.norm.pdf(z), -12, 12
        )
        assert mean == pytest.approx(1, abs=1e-6)


def test_the_sum_minus_the_parts_is_a_martingale() -> None:
    random = np.random.default_rng(1)
    ends = []
    for _ in range(4000):
        bets = Bets()
        for block in range(4):
            bets.bet(float(random.normal()), 1 + 20 * block, 20)
        # The bets with the lightest tails, whose mean can be seen in a sample.
        ends.append((bets.sums[0] + bets.sums[3]) / 2)
    assert np.mean(ends) == pytest.approx(80, abs=4 * float(np.std(ends)) / math.sqrt(len(ends)))


def test_false_warnings_within_n_parts_are_at_most_n_of_the_promised_number() -> None:
    promised, parts, runs = 4000, 1000, 200
    early = 0
    for seed in range(runs):
        monitor = DriftMonitor(DriftSettings(5, promised, learning=100))
        random = np.random.default_rng(seed)
        early += any(monitor.update(score) is not None for score in random.normal(size=parts).tolist())
    # The bound is a quarter; chance may add three standard deviations.
    assert 0 < early <= runs * (parts / promised + 3 * math.sqrt(0.25 * 0.75 / runs))


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize(("column", "direction"), [(0, "higher"), (1, "lower"), (2, "higher")])
def test_a_change_is_noticed_and_named(anchored: bool, column: int, direction: str) -> None:
    names = (SCORE, *NAMES)
    reference = dict(zip(names, stream(40, seed=9).T.tolist(), strict=True)) if anchored else None
    monitor = DriftMonitor(reference=reference)
    assert fed(monitor, stream(3000)) == []
    moved = stream(600, seed=1)
    moved[:, column] += (1 if direction == "higher" else -1) * np.array([0.2, 4, 1])[column]
    (warning,) = fed(monitor, moved)
    assert (warning.statistic, warning.direction) == (names[column], direction)
    assert warning.part <= 3300
    assert abs(warning.since - 3001) <= 150
    assert warning.since_label == f"part {warning.since}"
    assert warning.before is not None and warning.now is not None
    assert (warning.now > warning.before) == (direction == "higher")
    assert DriftWarning.from_dict(json.loads(json.dumps(warning.to_dict()))) == warning
    assert f"{direction} since about part {warning.since}" in warning.words


def test_a_statistic_that_scatters_more_is_noticed() -> None:
    monitor = DriftMonitor()
    fed(monitor, stream(3000))
    wobbling = stream(1000, seed=1)
    wobbling[:, 1] += np.repeat(np.random.default_rng(2).normal(0, 4, 50), 20)
    assert [(w.statistic, w.direction) for w in fed(monitor, wobbling)] == [("brightness", "more scattered")]


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_true_defects_are_no_drift(share: float) -> None:
    random = np.random.default_rng(4)
    parts = stream(20_000)
    defective = random.random(len(parts)) < share
    # Some defects are missed, and some change the image as a whole.
    parts[defective] += random.exponential((1.0, 20, 3), (defective.sum(), 3))
    assert fed(DriftMonitor(), parts, threshold=1.5) == []


def test_a_line_of_which_most_parts_are_suddenly_flagged_is_drift() -> None:
    monitor = DriftMonitor()
    fed(monitor, stream(3000), threshold=1.5)
    moved = stream(400, seed=1)
    moved[:, 0] += 2
    (warning,) = fed(monitor, moved, threshold=1.5)
    assert (warning.statistic, warning.direction, warning.now) == (SCORE, "higher", None)
    assert "most parts are flagged" in warning.words


def test_alike_neighbours_make_blocks_longer_instead_of_warnings() -> None:
    random = np.random.default_rng(5)
    parts = stream(30_000) + np.repeat(random.normal(0, (0.05, 1, 0.25), (300, 3)), 100, axis=0)
    monitor = DriftMonitor()
    assert fed(monitor, parts) == []
    assert monitor.block > 20


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1200), st.integers(0, 1200))
def test_a_stored_monitor_continues_bit_for_bit(first: int, second: int) -> None:
    parts = stream(1500)
    parts[700:, 1] += 8
    whole = DriftMonitor(DriftSettings(10, learning=200))
    stored = DriftMonitor(DriftSettings(10, learning=200))
    warnings = fed(whole, parts)
    again = []
    for stretch in np.split(parts, sorted([first, second])):
        again += fed(stored, stretch)
        stored = DriftMonitor.from_json(stored.to_json())
    assert again == warnings and len(warnings) == 1
    assert stored.to_json() == whole.to_json()


def test_the_state_is_bounded() -> None:
    monitor = DriftMonitor(DriftSettings(block=1))
    sizes = []
    for seed in range(3):
        fed(monitor, stream(3000, seed))
        sizes.append(len(monitor.to_json()))
    assert sizes[2] < 1.1 * sizes[1]
    assert len(monitor.history.starts) <= 240


def test_a_part_costs_little() -> None:
    monitor = DriftMonitor()
    values = {f"statistic {number}": float(number) for number in range(10)}
    start = time.process_time()
    for number in range(4000):
        monitor.update(float(number % 7), values)
    assert (time.process_time() - start) / 4000 < 1e-4


def test_values_that_are_missing_or_not_finite() -> None:
    monitor = DriftMonitor(DriftSettings(10, learning=100), {SCORE: [1.0, math.nan, 2.0]})
    for number in range(400):
        odd = {"constant": 3.0, "lost": math.nan, "rare": 1.0 if number % 4 == 0 else math.inf}
        assert monitor.update(None if number % 5 == 0 else 1.0, odd) is None
    assert [found.name for found in monitor.statistics] == [SCORE, "constant"]
    assert all(math.isfinite(value) for value in _numbers(monitor.state()))
    # A constant that changes at last is noticed although it never had any spread.
    assert any(monitor.update(1.0, {"constant": 3.001}) for _ in range(300))


def test_blocks_never_cut_a_group() -> None:
    monitor = DriftMonitor(DriftSettings(block=10))
    for group in range(60):
        for _ in range(7):
            monitor.update(1.0, group=str(group))
    monitor.finish()
    assert set(np.diff(monitor.history.starts)) == {14}
    # One that never ends must not fill the memory.
    for _ in range(3000):
        monitor.update(1.0, group="endless")
    assert max(np.diff(monitor.history.starts)) == 1000


def test_parts_without_a_score_are_not_flagged() -> None:
    monitor = DriftMonitor(DriftSettings(block=10, learning=100))
    for number in range(2000):
        # In every second hundred, 6 parts in 10 are not judged.
        judged = number // 100 % 2 == 0 or number % 10 > 5
        monitor.update(1.0 + 0.01 * (number % 7) if judged else None, {"brightness": 1.0})
    assert monitor.warning is None
    assert monitor.history.values[SCORE][15] is None and monitor.history.values[SCORE][5] is not None
    assert json.loads(monitor.to_json())["statistics"][SCORE]["recent"][-1] < 2
    # Of the parts that are judged most are flagged: that is worse than every score.
    warned = [
        monitor.update(1.0, flagged=True) if number % 10 > 3 else monitor.update(None)
        for number in range(600)
    ]
    (warning,) = [found for found in warned if found is not None]
    assert (warning.statistic, warning.direction, warning.now) == (SCORE, "higher", None)


def lots(count: int, length: int, seed: int, spread: float = 2.0) -> NDArray[np.float64]:
    """Parts of lots, the level of which varies more than parts do."""
    random = np.random.default_rng(seed)
    levels = random.normal(0, (0.2 * spread, 4 * spread, spread), (count, 3))
    return stream(count * length, seed + 1000) + np.repeat(levels, length, axis=0)


def test_lots_that_vary_as_the_calibration_did_are_no_drift() -> None:
    known = np.median(lots(20, 30, 5).reshape(20, 30, 3), axis=1)
    reference = dict(zip((SCORE, *NAMES), known.T.tolist(), strict=True))
    plain, expecting = DriftMonitor(None, reference), DriftMonitor(DriftSettings(lots=True), reference)
    parts = lots(30, 500, 6)
    assert len(fed(plain, parts)) == 1
    assert fed(expecting, parts) == []
    assert expecting.statistics[0].basis == "on the calibration images"
    again = DriftMonitor.from_json(expecting.to_json())
    assert again.settings.lots and again.to_json() == expecting.to_json()
    # What is far beyond the lots is drift.
    beyond = stream(1000, seed=7)
    beyond[:, 1] += 60
    assert [w.statistic for w in fed(expecting, beyond)] == ["brightness"]


def test_with_lots_a_statistic_counts_only_if_its_groups_are_known() -> None:
    reference = {SCORE: stream(20, seed=9)[:, 0].tolist()}
    monitor = DriftMonitor(DriftSettings(lots=True), reference)
    moved = stream(4000)
    moved[2000:, 1] += 20
    assert fed(monitor, moved) == []
    assert [found.is_watched for found in monitor.statistics] == [True, False, False]
    moved[:, 0] += 20
    assert [w.statistic for w in fed(monitor, moved[2000:])] == [SCORE]
    monitor.accept()
    assert all(found.is_watched for found in monitor.statistics)
    assert "come in lots" in promise_in_words(monitor)
    monitor.restart()
    assert "come in lots" not in promise_in_words(monitor)


def test_a_state_of_an_earlier_version_is_continued() -> None:
    monitor, moved = moved_monitor()
    state = json.loads(monitor.to_json())
    del state["settings"]["lots"], state["flagged"]
    for name in ("basis", "unit", "compared"):
        del state["warning"][name]
    state["warning"].update(statistic="noise", before=-8.0, now=-6.0)
    for statistic in state["statistics"].values():
        del statistic["basis"], statistic["groups"], statistic["is_watched"]
    again = DriftMonitor.restored(state)
    assert again.warning is not None
    assert again.warning.words.endswith("times as high as before")
    assert again.warning.now == pytest.approx(100 * (2**-6 - 0.125 / 255 / 4))
    again.mended()
    monitor.mended()
    assert [w.part for w in fed(again, moved[:1000])] == [w.part for w in fed(monitor, moved[:1000])]


def moved_monitor() -> tuple[DriftMonitor, NDArray[np.float64]]:
    """A monitor that warns, and further parts of the moved line."""
    monitor = DriftMonitor()
    fed(monitor, stream(3000))
    moved = stream(20_000, seed=1)
    moved[:, 1] += 4
    assert len(fed(monitor, moved[:1000])) == 1
    return monitor, moved[1000:]


def test_a_change_that_is_accepted_is_normal_from_then_on() -> None:
    monitor, moved = moved_monitor()
    monitor.accept()
    assert monitor.warning is None
    assert fed(monitor, moved) == []
    # So is the line as it was before, and what lies between ...
    assert fed(monitor, stream(4000, seed=2)) == []
    # ... but not what lies beyond.
    beyond = stream(1000, seed=3)
    beyond[:, 1] -= 12
    assert [w.statistic for w in fed(monitor, beyond)] == ["brightness"]


def test_a_change_whose_cause_was_removed_is_noticed_again() -> None:
    monitor, moved = moved_monitor()
    monitor.mended()
    assert fed(monitor, stream(2000, seed=2)) == []
    assert [w.statistic for w in fed(monitor, moved[:1000])] == ["brightness"]


def test_a_monitor_that_starts_anew_learns_what_is_normal() -> None:
    monitor, moved = moved_monitor()
    monitor.restart()
    assert monitor.is_learning
    assert fed(monitor, moved[:5000]) == []
    assert [w.direction for w in fed(monitor, stream(1000, seed=2))] == ["lower"]


@pytest.mark.parametrize("settings", [(0, 1000, 0), (20, 10, 0), (20, 1000, -1)])
def test_settings_that_make_no_sense(settings: tuple[int, int, int]) -> None:
    with pytest.raises(SettingsError):
        DriftSettings(*settings)


def test_a_damaged_state_is_refused() -> None:
    monitor, _ = moved_monitor()
    whole = monitor.to_json()
    assert DriftMonitor.from_json(whole).to_json() == whole
    for text in ("", "[]", "{}", whole[:-1], whole.replace('"format": 1', '"format": 2')):
        with pytest.raises(ResultsError, match="drift monitor is damaged"):
            DriftMonitor.from_json(text)
    refused = 0
    for changed in _changed(json.loads(whole)):
        try:
            DriftMonitor.restored(changed)
        except (ResultsError, SettingsError):
            refused += 1
    assert refused > 40


def _numbers(content: Any) -> Iterator[float]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for entry in content:
            yield from _numbers(entry)
    elif isinstance(content, float):
        yield content


def _changed(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the state with one thing at a time replaced by one of another kind, or removed."""
    statistic = state["statistics"][SCORE]
    for holder in (state, state["history"], state["warning"], statistic, statistic["scales"][1]):
        for name, value in list(holder.items()):
            for other in ("text", [1, "text"], -1, None, 10**400):
                holder[name] = other
                yield state
            del holder[name]
            yield state
            holder[name] = value


def test_normal_scores_are_those_of_scipy() -> None:
    for rank in (1e-6, 0.2, 0.5, 0.999):
        assert normal_score(rank) == pytest.approx(stats.norm.ppf(rank), abs=1e-9)
    assert math.isfinite(normal_score(0.0)) and math.isfinite(normal_score(1.0))
