"""`excision attention show`: pictures of the attention and the mask of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.options import VariantOption, number
from excision.cli.output import say, say_notes
from excision.data.own_output import ATTENTION_PICTURES
from excision.progress import Bars
from excision.system.files import write_json
from excision.system.names import cut_text, printable

if TYPE_CHECKING:
    from excision.method.attention.model import Attention

_LONGEST_STEM = 128  # bytes of the name of an image that the name of its picture holds

app = App(
    name="show",
    help_epilogue="Writes one picture per image: the image, its attention, and the mask of the cells with "
    "the strongest attention, which make up the share `--budget`. A trained model uses a threshold "
    "instead, so that less of a good part is excised than of a defective one.\n\n"
    "```\n"
    "excision attention show part_017.png part_018.png --out attention/\n"
    "```",
)


@app.default
def show(
    images: Annotated[list[Path], Parameter(help="Image files, or folders that are searched for images.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write the pictures to.")],
    size: Annotated[
        tuple[int, int] | None,
        Parameter(
            help="Height and width of the working image in pixels. By default derived from the image.",
            negative="",
        ),
    ] = None,
    variant: VariantOption = "surface",
    budget: Annotated[float, Parameter(converter=number, help="Share of each image to mask.")] = 0.1,
) -> int:
    """Draw the attention and the mask of images."""
    from excision.errors import ImageError, SettingsError
    from excision.inspection.batch import find_images
    from excision.method.attention.model import Attention

    if not 0 < budget < 1:
        raise SettingsError(f"--budget is {budget:g}: it must lie between 0 and 1")
    attention = Attention.pretrained(variant)
    notes: list[str] = []
    found, failed = find_images(images, leave_out=out, notes=notes), 0
    say_notes(notes)
    write_json(out / ATTENTION_PICTURES, {"variant": variant, "budget": budget})
    with Bars() as bars:
        for place, path in enumerate(found, start=1):
            try:
                _draw(attention, path, size, budget, out / _drawing_name(place, path))
            except ImageError as error:
                failed += 1
                say(f"Left out: {error}")
            bars.stage("drawing", place, len(found))
    say(f"Wrote {len(found) - failed} pictures to {out}")
    return 2 if failed else 0


def _drawing_name(place: int, path: Path) -> str:
    return f"{place:05d}-{cut_text(printable(path.stem), _LONGEST_STEM)}.png"


def _draw(
    attention: Attention, path: Path, size: tuple[int, int] | None, budget: float, target: Path
) -> None:
    """Write image, attention and mask side by side."""
    import numpy as np
    import torch
    from PIL import Image

    from excision.data.decode import probe_image
    from excision.data.images import load_working_image
    from excision.data.sizes import default_size
    from excision.method.masking import cells_to_mask, patch_attention, select_cells
    from excision.ops.unit_range import to_unit
    from excision.settings import MaskSettings
    from excision.system.files import atomic_path
    from excision.visualization import pictures

    patch = MaskSettings().patch
    chosen = size or default_size([probe_image(path).size])
    image = to_unit(load_working_image(path, chosen, 3))
    seen = attention(torch.from_numpy(image).permute(2, 0, 1)[None])
    cells = select_cells(patch_attention(seen, patch), float("-inf"), budget)
    mask = cells_to_mask(cells, patch, chosen)[0, 0].numpy().astype(bool)
    panels = [
        pictures.show_image(image),
        pictures.attention_map(seen[0, 0].numpy()),
        pictures.show_mask(image, mask),
    ]
    with atomic_path(target) as temporary:
        Image.fromarray(np.concatenate(panels, axis=1)).save(temporary)
