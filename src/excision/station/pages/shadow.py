"""What a challenger would have said beside the model in use, as a page shows it."""

from __future__ import annotations

from typing import Any

from excision.station.improve.comparing import Judged, figures
from excision.station.station import Station
from excision.station.store.shadows import shadow_counts, shadow_pairs, shadow_runs

_SHOWN = 50
_MOST_LABELLED = 5000


def shadow_of(station: Station, model: str) -> dict[str, Any] | None:
    """Give the last shadow of a model with its table, or None.

    Returns:
        "run", "running", "counts" by (verdict, shadow's verdict), "seen", "agreeing", "changed" results, and
        "rows" of the comparison on parts that were labelled since.
    """
    runs = shadow_runs(station.store, model)
    if not runs:
        return None
    run = runs[0]
    counts = shadow_counts(station.store, run.id)
    pairs = shadow_pairs(station.store, run.id, labelled=True, count=_MOST_LABELLED)
    judged = [
        Judged(
            pair.result,
            pair.source,
            pair.truth == "defect",
            str(pair.result),
            pair.score,
            pair.shadow_score,
            pair.verdict,
            pair.shadow_verdict,
        )
        for pair in pairs
    ]
    return {
        "run": run,
        "running": station.shadows.of(model) is not None,
        "counts": counts,
        "verdicts": [v for v in ("good", "review", "defect", "unfit") if any(v in pair for pair in counts)],
        "seen": sum(counts.values()),
        "agreeing": sum(count for (old, new), count in counts.items() if old == new),
        "changed": shadow_pairs(station.store, run.id, changed=True, count=_SHOWN),
        "labelled": len(judged),
        "rows": figures(judged)["rows"] if judged else [],
    }
