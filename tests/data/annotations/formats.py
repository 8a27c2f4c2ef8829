"""One small data set written in the format of each annotation tool, with the same meaning."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as oracle

from excision.data import Dataset, Sample
from excision.data.masks import read_mask

Mask = NDArray[np.bool_]


def runs(mask: Mask) -> list[tuple[int, int, int]]:
    """Give the row, the first column and the column after the last of each run of marked pixels."""
    found = []
    for row, line in enumerate(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)):
        steps = np.flatnonzero(np.diff(line))
        found += [(row, int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]
    return found


def rectangles(mask: Mask) -> list[list[float]]:
    """Give a polygon x, y, x, y ... along the edges of the pixels of each run."""
    return [[a, y, b, y, b, y + 1, a, y + 1] for y, a, b in runs(mask)]


def truth(sample: Sample) -> Mask:
    with Image.open(sample.image) as picture:
        size = picture.height, picture.width
    assert sample.mask is not None
    return read_mask(sample.mask, size)


def flat(sample: Sample) -> str:
    """Give a name such as train/good_000.png, in folders that do not tell the label."""
    return f"{sample.split}/{sample.label}_{sample.image.name}"


def copied(dataset: Dataset, root: Path, prefix: str = "") -> list[tuple[Sample, str]]:
    """Copy the images, and give each sample with its name in the copy."""
    found = []
    for sample in dataset.samples:
        name = prefix + flat(sample)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.image, root / name)
        found.append((sample, name))
    return found


def coco(dataset: Dataset, root: Path, how: str) -> None:
    """Write instances_train.json and instances_test.json; `how` is polygons, counts or compressed."""
    kinds = sorted({s.label for s in dataset.samples if s.defective})
    samples = copied(dataset, root, "images/")
    (root / "annotations").mkdir()
    for split in ("train", "test"):
        images: list[dict[str, Any]] = []
        regions: list[dict[str, Any]] = []
        for number, (sample, name) in enumerate(
            (pair for pair in samples if pair[0].split == split), start=1
        ):
            with Image.open(sample.image) as picture:
                width, height = picture.size
            images.append(
                {"id": number, "file_name": name[7:].replace("/", "\\"), "width": width, "height": height}
            )
            if sample.mask is not None:
                regions.append(
                    {
                        "id": number,
                        "image_id": number,
                        "category_id": kinds.index(sample.label) + 1,
                        "iscrowd": int(how != "polygons"),
                        "segmentation": segmentation(truth(sample), how),
                    }
                )
        categories = [{"id": n, "name": kind} for n, kind in enumerate(kinds, start=1)]
        content = {"info": {}, "images": images, "annotations": regions, "categories": categories}
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))


def segmentation(mask: Mask, how: str) -> Any:
    if how == "polygons":
        return rectangles(mask)
    encoded = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    if how == "compressed":
        return {"size": encoded["size"], "counts": encoded["counts"].decode()}
    flat = mask.T.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], edges])).tolist()}


def labelme(dataset: Dataset, root: Path, how: str) -> None:
    """Write one JSON file for each defective image; `how` is polygons, rectangles or masks."""
    for sample, name in copied(dataset, root):
        if sample.mask is not None:
            mask = truth(sample)
            content = {
                "version": "5.5.0",
                "flags": {},
                "shapes": [{"label": sample.label, **shape} for shape in labelme_shapes(mask, how)],
                "imagePath": Path(name).name,
                "imageData": base64.b64encode(sample.image.read_bytes()).decode(),
                "imageHeight": mask.shape[0],
                "imageWidth": mask.shape[1],
            }
            (root / name).with_suffix(".json").write_text(json.dumps(content))


def labelme_shapes(mask: Mask, how: str) -> list[dict[str, Any]]:
    if how == "polygons":
        return [
            {"shape_type": "polygon", "points": np.reshape(polygon, (-1, 2)).tolist()}
            for polygon in rectangles(mask)
        ]
    if how == "rectangles":
        return [{"shape_type": "rectangle", "points": [[b, y + 1], [a, y]]} for y, a, b in runs(mask)]
    (top, left), (bottom, right) = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0)
    stream = io.BytesIO()
    Image.fromarray(mask[top : bottom + 1, left : right + 1].astype(np.uint8)).save(stream, "PNG")
    corners = [[float(left), float(top)], [float(right), float(bottom)]]
    return [{"shape_type": "mask", "points": corners, "mask": base64.b64encode(stream.getvalue()).decode()}]


def yolo(dataset: Dataset, root: Path, how: str) -> None:
    """Write data.yaml, images/ and labels/; `how` is polygons or boxes."""
    kinds = sorted({s.label for s in dataset.samples if s.defective})
    for sample, name in copied(dataset, root, "images/"):
        file = (root / name.replace("images/", "labels/", 1)).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        if sample.mask is not None:
            mask = truth(sample)
            height, width = mask.shape
            lines = []
            for y, a, b in runs(mask):
                corners = [a / width, y / height, b / width, y / height, b / width, (y + 1) / height]
                corners += [a / width, (y + 1) / height]
                box = [(a + b) / 2 / width, (y + 0.5) / height, (b - a) / width, 1 / height]
                numbers = box if how == "boxes" else corners
                lines.append(" ".join(map(repr, [kinds.index(sample.label), *numbers])))
            file.write_text("\n".join(lines))
        elif len(name) % 2:
            file.write_text("")
    names = "".join(f"  {n}: {kind}\n" for n, kind in enumerate(kinds))
    (root / "data.yaml").write_text(
        f"path: ../data # here\ntrain: images/train\nval: images/test\nnames:\n{names}"
    )


COLOURS = ("#2ca02c", "#1f77b4", "#ff0000", "#00ff00", "#000000")


def lookout(dataset: Dataset, root: Path, how: str) -> None:
    """Write train.manifest and test.manifest; `how` is single or jobwide, for the map of colours."""
    kinds = sorted({s.label for s in dataset.samples if s.defective})
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for sample, name in copied(dataset, root):
        item: dict[str, Any] = {
            "source-ref": f"s3://a-bucket/project/images/{name}",
            "anomaly-label": int(sample.defective),
            "anomaly-label-metadata": {
                "class-name": "anomaly" if sample.defective else "normal",
                "type": "groundtruth/image-classification",
            },
        }
        if sample.mask is not None:
            mask = truth(sample)
            colour = COLOURS[kinds.index(sample.label)]
            pixels = np.full((*mask.shape, 3), 255, np.uint8)
            pixels[mask] = tuple(bytes.fromhex(colour[1:]))
            (root / "masks").mkdir(exist_ok=True)
            file = root / "masks" / f"{name.replace('/', '_')}.png"
            Image.fromarray(pixels).save(file)
            item["anomaly-mask-ref"] = f"s3://a-bucket/output/masks/{file.name}"
            used = kinds if how == "jobwide" else [sample.label]
            classes = {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0}}
            for number, kind in enumerate(used, start=1):
                known = {"class-name": kind, "hex-color": COLOURS[kinds.index(kind)], "confidence": 0.0}
                classes[str(number)] = known
            item["anomaly-mask-ref-metadata"] = {
                "internal-color-map": classes,
                "type": "groundtruth/semantic-segmentation",
            }
        lines[sample.split].append(json.dumps(item))
    for split, found in lines.items():
        (root / f"{split}.manifest").write_text("\n".join(found))
