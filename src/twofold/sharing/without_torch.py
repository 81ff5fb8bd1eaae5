"""`sample`, `reconstruct` and `classify` for an exported folder: the verbs of a run, without torch.

They take what those take and give the same pictures, tables and arrays; figures are the run's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data import ImageDataset, load_images
from twofold.data.dataset import UNLABELED
from twofold.data.given import class_index, draw_some, fit_to, relabel
from twofold.errors import UsageError
from twofold.pictures.results import (
    COLUMNS,
    label_columns,
    labeled_sheet,
    reconstructed_sheet,
    sampled_sheet,
)
from twofold.ranges import name_list, whole_numbers
from twofold.sharing.by_functions import Array
from twofold.sharing.portable import Portable
from twofold.verbs.result import Result, Save, pixels, write_image_folder

__all__ = ["Shown", "classify", "reconstruct", "sample", "verb"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Shown(Result):
    """A picture with the arrays and the table that it shows.

    Attributes:
        sheet: The picture.
        named: Arrays, for an .npz.
        columns: A table by heading; empty where there is none.
        each: Images, labels and class names for a folder of them; () where that makes no sense.
    """

    sheet: NDArray[np.uint8]
    named: Mapping[str, Any]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    each: tuple[Any, ...] = ()

    def picture(self) -> NDArray[np.uint8]:
        return self.sheet

    def arrays(self) -> Mapping[str, Any]:
        return self.named

    def by_heading(self) -> Mapping[str, Sequence[Any]]:
        return self.columns

    def writers(self) -> dict[str, Save]:
        """Also a folder of PNGs, where there is an image for each."""
        folder: dict[str, Save] = {"": lambda path: write_image_folder(path, *self.each)}
        return {**super().writers(), **(folder if self.each else {})}


def verb(name: str) -> Callable[..., Shown]:
    """What a verb does with an exported folder.

    Raises:
        UsageError: If it needs the run.
    """
    known = {"sample": sample, "reconstruct": reconstruct, "classify": classify}
    if name not in known:
        raise UsageError(
            f"cannot {name} an ONNX export, which can {', '.join(known)}; "
            f"`{name}` the run that it was made of"
        )
    return known[name]


def sample(
    folder: str | Path,
    n: int | None = None,
    label: str | int | Sequence[int | str] | None = None,
    seed: int = 0,
    device: str = "auto",
    *,
    seeds: Sequence[int] | str | None = None,
) -> Shown:
    """Draws images, for a prior of N(0, I) those that the run draws for the seed.

    Raises:
        UsageError: As the verb of a run.
    """
    model = _open(folder, device)
    if n is not None and n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    if isinstance(seeds, str):
        seeds = whole_numbers(seeds, "seeds=")
    if seeds is not None and (n is not None or not seeds):
        raise UsageError("seeds draws a row for each seed: name at least one, and leave n out")
    if model.about == "image":
        raise UsageError(f"{model.title} completes images: `complete` some with the run")
    asked = _asked(model, label)
    used = [seed] if seeds is None else list(seeds)
    first, times = (n or 100, 1) if seeds is None else ((1, len(asked)) if asked else (COLUMNS, 1))
    z = np.concatenate([model.latent(first, one) for one in used]).repeat(times, axis=0)
    drawn = np.repeat(used, first * times)
    labels = np.resize(asked, len(z)) if asked else None
    images = pixels(model.generate(z, None if labels is None else model.condition_of(labels)))
    names = model.classes if asked else ()
    named = {"images": images, "seeds": drawn}
    if labels is not None:
        named |= {"labels": labels, "class_names": np.array(names)}
    words = ", ".join(map(str, used))
    return Shown(
        sheet=sampled_sheet(images, labels, drawn, names),
        named=named,
        each=(images, labels, names),
        caption=f"{model.title}, seed{'s' * (len(used) > 1)} {words}",
    )


def reconstruct(
    folder: str | Path,
    images: str | Path | ImageDataset | None = None,
    *,
    n: int | None = 10,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Shown:
    """Shows images, their reconstructions, and samples of the prior.

    Raises:
        UsageError: As the verb of a run, or if no images are named.
    """
    model = _open(folder, device)
    if not (model.can("encode") or model.can("look")):
        raise UsageError(f"cannot reconstruct: {model.title} has no encoder")
    data, source = _images(model, images, label, resize)
    data = draw_some(data, n, seed)
    x = _floats(model, data, seed)
    c = _condition(model, data, x)
    again = model.generate(model.encode(x, c), c)
    samples = model.generate(model.latent(len(x), seed), c)
    return Shown(
        sheet=reconstructed_sheet(pixels(np.stack([x, again, samples]))),
        named={"x": x, "reconstructions": again, "samples": samples},
        caption=f"{model.title}, {source}, seed {seed}",
    )


def classify(
    folder: str | Path,
    images: str | Path | ImageDataset | None = None,
    *,
    n: int = 30,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Shown:
    """Labels images, with probabilities.

    Raises:
        UsageError: As the verb of a run, or if no images are named.
    """
    model = _open(folder, device)
    if n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    data, source = _images(model, images, label, resize)
    log_probs = model.call("classify", _floats(model, data, seed))[0].astype(np.float64)
    odds = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    labels = np.full(len(data), UNLABELED) if data.labels is None else data.labels
    true = [(*model.classes, "")[k] for k in labels]
    shown = odds.max(axis=1).argsort(kind="stable")[:n]
    names = [model.classes[k] for k in odds.argmax(axis=1)]
    sheet = labeled_sheet(
        data.images[shown],
        [names[i] for i in shown],
        odds.max(axis=1)[shown],
        [true[i] for i in shown],
    )
    return Shown(
        sheet=sheet,
        named={
            "probabilities": odds,
            "predicted": odds.argmax(axis=1),
            "labels": labels,
            "class_names": np.array(model.classes),
        },
        columns=label_columns(model.classes, odds, true, data.files),
        caption=f"{model.title}: {len(data)} images ({source}), the least certain first",
    )


def _open(folder: str | Path, device: str) -> Portable:
    if device not in ("auto", "cpu"):
        raise UsageError(f"device={device}: an ONNX export runs on the CPU; leave device out")
    return Portable(folder)


def _asked(model: Portable, label: Any) -> list[int]:
    """The classes asked for; if none is named those that the model was trained on, if any."""
    if model.about != "class":
        if label is not None:
            raise UsageError(
                f"{model.title} is not conditioned on the class, so none can be asked for"
            )
        return []
    if label is None:
        return model.contract["known_classes"]
    wanted = name_list(label, model.classes) if isinstance(label, str) else label
    wanted = [wanted] if isinstance(wanted, int) else wanted
    return [class_index(one, model.classes) for one in wanted]


def _images(
    model: Portable, images: Any, label: int | str | None, resize: bool
) -> tuple[ImageDataset, str]:
    """Images that fit, and where they are from in words."""
    if images is None:
        raise UsageError(
            "an ONNX export holds no images: name some, with --images mnist or a folder's path"
        )
    C, H, W = model.image_shape
    source = images.name if isinstance(images, ImageDataset) else str(images)
    if not isinstance(images, ImageDataset):
        fit: dict[str, Any] = {"size": (H, W), "gray": C == 1} if resize else {}
        images = load_images(images, **fit)
    fitted = fit_to(images, model.image_shape, model.title, resize)
    return relabel(fitted, model.classes, label), source


def _floats(model: Portable, data: ImageDataset, seed: int) -> Array:
    """Images as the model reads them; what a binarization draws follows from the seed."""
    x = data.images.astype(np.float32) * np.float32(1 / 255)
    binarize = model.contract["image"]["binarize"]
    if binarize == "threshold":
        return (data.images > 127).astype(np.float32)
    if binarize in ("static", "dynamic"):
        return (np.random.default_rng(seed).random(x.shape) < x).astype(np.float32)
    return x


def _condition(model: Portable, data: ImageDataset, x: Array) -> Array | None:
    """What each image is conditioned on; a model that classifies infers a class not given."""
    if model.about != "class":
        return x if model.about == "image" else None
    labels = np.full(len(data), UNLABELED) if data.labels is None else data.labels
    if (labels == UNLABELED).any():
        if not model.can("classify"):
            raise UsageError(
                f"{model.title} is conditioned on each image's class, and these have no labels; "
                "put each class into a folder of its name, or give one for all with --label"
            )
        found = model.call("classify", x)[0].argmax(axis=1)
        labels = np.where(labels == UNLABELED, found, labels)
    return model.condition_of(labels)
