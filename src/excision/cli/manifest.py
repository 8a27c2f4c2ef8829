"""`excision manifest`: images listed once, for jobs that each read a share of the list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import many, say, say_notes
from excision.cli.places import Use

app = App(
    name="manifest",
    help_epilogue="Lists images in a fixed order: `uri`, and for an image in a tar file `offset` and `size` "
    "in bytes. You may add the columns `group` and `serial`; `excision inspect` repeats them in its results. "
    "A table of another program that has a column `uri` is a manifest, too.\n\n"
    "```\n"
    "excision manifest s3://plant/line3/2026/ --out images.parquet\n"
    "excision manifest new_images/ shards/*.tar --out images.parquet\n"
    "```",
)


@app.default
def manifest(
    *sources: Annotated[
        str,
        Parameter(
            help="Folders that are searched for images, image files, tar files, Parquet tables of images, "
            "other manifests, or URLs of these.",
            required=True,
        ),
    ],
    out: Annotated[
        Path,
        Parameter(
            help="File to write, or its URL: .parquet, or .jsonl, which needs no extra.",
        ),
        Use.WRITE_FILE,
    ],
) -> int:
    """List images in a manifest."""
    from excision.cluster.listing import list_entries
    from excision.errors import SettingsError
    from excision.inspection.inputs import expand
    from excision.storage.manifest import is_manifest, write_manifest

    if not is_manifest(out):
        raise SettingsError(f"{out}: name the manifest .parquet or .jsonl")
    notes: list[str] = []
    count = write_manifest(out, list_entries(expand(sources), notes))
    say_notes(notes)
    say(many(count, "image"))
    say(f"Manifest: {out}")
    return 0
