"""Taking images from their results: first the row says that there is none, and then the file goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from excision.station.store.store import Store

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept image.

    Attributes:
        id: number of its result.
        time: of the inspection, seconds since 1970 in UTC.
        verdict: of the result, "failed" for none.
        model: name of the model.
        image: its place, relative to the folder of the database.
        labelled: whether a person said something about it.
    """

    id: int
    time: float
    verdict: str
    model: str
    image: str
    labelled: bool


def kept(store: Store, verdict: str) -> Iterator[Kept]:
    """Give the kept images of results with a verdict, "failed" for none, the oldest first."""
    same = "verdict IS NULL" if verdict == "failed" else "verdict = :verdict"
    place = (-1e300, 0)
    while True:
        rows = store.rows(
            "SELECT id, time, coalesce(verdict, 'failed') AS verdict, model, image, "
            "truth IS NOT NULL AS labelled "
            f"FROM results INDEXED BY results_kept WHERE {same} AND image IS NOT NULL AND time >= :time "
            "AND (time, id) > (:time, :id) ORDER BY time, id LIMIT :count",
            {"verdict": verdict, "time": place[0], "id": place[1], "count": _BATCH},
        )
        for row in rows:
            yield Kept(
                row["id"], row["time"], row["verdict"], row["model"], row["image"], bool(row["labelled"])
            )
        if len(rows) < _BATCH:
            return
        place = rows[-1]["time"], rows[-1]["id"]


def take(store: Store, images: Sequence[Kept]) -> list[Kept]:
    """Take images from their results, in one transaction; their files are to be removed next.

    Returns:
        Those that were taken: an image that got a label meanwhile stays.
    """
    taken = []
    with store.transaction() as connection:
        for found in images:
            changed = connection.execute(
                "UPDATE results SET image = NULL WHERE id = ? AND image = ? AND truth IS NULL",
                (found.id, found.image),
            )
            if changed.rowcount:
                connection.execute("INSERT OR IGNORE INTO removals VALUES (?)", (found.image,))
                taken.append(found)
    return taken


def unfinished(store: Store) -> list[str]:
    """Give images that were taken from their results and whose files may still be there."""
    return [row["image"] for row in store.rows("SELECT image FROM removals")]


def finish(store: Store, images: Sequence[str]) -> None:
    """Note that the files of images are gone."""
    with store.transaction() as connection:
        connection.executemany("DELETE FROM removals WHERE image = ?", [(image,) for image in images])
