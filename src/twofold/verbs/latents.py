"""The codes of images as points on a plane, colored by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.batches import Batch
from twofold.data.splits import balanced_order
from twofold.errors import UsageError, unknown_name
from twofold.evaluation.codes import ways
from twofold.evaluation.planes import principal_axes, tsne
from twofold.experiments.context import Subject, open_run
from twofold.files import write_text
from twofold.models.capabilities import HasCodes
from twofold.pictures.charts import draw_scatter
from twofold.pictures.formats import png_bytes
from twofold.pictures.style import Picture, raster
from twofold.verbs.inputs import Images, load_inputs
from twofold.verbs.result import Result, Save

__all__ = ["LatentMap", "Layout", "latents"]

Layout = Literal["direct", "pca", "tsne"]
FEWEST = 3  # points that make a map
DRAWN = 2000  # points of a picture, and of a t-SNE, which takes its time
COLORS = 128  # of the file: those of the classes, and the shades of their edges


@dataclass(frozen=True, eq=False, repr=False)
class LatentMap(Result):
    """Codes of N images and where they lie on a plane.

    Attributes:
        codes: The means of their posteriors, shape (N, D).
        points: On the plane, shape (N, 2).
        labels: Classes, shape (N,), -1 where not known; None where none is.
        class_names: Of the labels.
        index: Which images of their source they are, shape (N,).
        files: Where each lay; () where they come from no files.
        axes_names: What the two directions are; None where they mean nothing.
    """

    saved = ("codes", "points", "labels", "class_names", "index", "files")

    codes: Tensor
    points: Tensor
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    index: NDArray[np.int64]
    files: tuple[str, ...]
    axes_names: tuple[str, str] | None

    @cached_property
    def scatter(self) -> Picture:
        """The map as PNG and SVG, of at most `DRAWN` points."""
        labels = None if self.labels is None or (self.labels < 0).any() else self.labels
        shown, caption = np.arange(len(self.points)), self.caption
        if len(shown) > DRAWN:
            shown = np.sort(balanced_order(shown, labels, 0)[:DRAWN])
            caption += f"; {DRAWN} of them are shown"
        return draw_scatter(
            self.points.numpy()[shown],
            None if labels is None else labels[shown],
            self.class_names,
            self.axes_names,
            "latents",
            caption,
        )

    def picture(self) -> NDArray[np.uint8]:
        return raster(self.scatter)

    def png(self) -> bytes:
        return png_bytes(self.picture(), [("Description", self.caption)], COLORS)

    def by_heading(self) -> Mapping[str, Sequence[Any]]:
        columns: dict[str, Sequence[Any]] = {"index": self.index.tolist()}
        if self.files:
            columns["file"] = self.files
        if self.labels is not None:
            columns["true"] = [(*self.class_names, "")[k] for k in self.labels]
        return columns | dict(zip("xy", self.points.T.tolist(), strict=True))

    def writers(self) -> dict[str, Save]:
        return {**super().writers(), ".svg": lambda path: write_text(path, self.scatter.svg)}


def latents(
    run: Subject,
    images: Images | None = None,
    *,
    n: int | None = None,
    split: str = "test",
    layout: Layout | None = None,
    label_free: bool = False,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> LatentMap:
    """Maps the latent codes of images on the plane, colored by class.

    An encoder that is given the class need not put it into the code, and may. Which of the two the
    map shows is in its caption.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: Whose codes; by default the run's test images.
        n: How many images, the classes in balance, in the order of their set; by default all, and
            2000 for t-SNE.
        split: Which of the run's own images: train, validation or test.
        layout: `direct`, the two latents themselves; `pca`, the first two principal components of
            the codes; or `tsne`. By default `direct` for two latents, else `pca`.
        label_free: Keep the true class from the encoder of a class-conditional model: it gets the
            class that the model infers, or a random one.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of all draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The map: a .png or .svg of at most 2000 points, a .csv of all, or an .npz of the codes. Each
        row has the number of its image in its set, and the name of its file.

    Raises:
        UsageError: If the model has no encoder, or not two latents for `direct`.

    Example:
        $ twofold latents runs/cvae --layout tsne -n 1000
    """
    context = open_run(run, device)
    able = context.model.capability(HasCodes, "map latents")
    n = DRAWN if n is None and layout == "tsne" else n
    how_many: dict[str, Any] = {"n": n, "seed": seed, "split": split, "in_order": True}
    inputs = load_inputs(context, images, label=label, resize=resize, **how_many)
    if label_free and context.model.condition.about != "class":
        raise UsageError(
            f"this {context.model.title} is conditioned on no class that could be kept from it; "
            "leave label_free out"
        )
    condition = ways(able, seed)[-1 if label_free else 0]

    def encode(batch: Batch) -> tuple[Tensor]:
        pick = context.condition_of if condition.name == "label-conditioned" else condition.pick
        return (able.codes(batch.x, pick(batch)).float(),)

    (codes,) = inputs.each(encode, seed)
    points, axes_names, how = _laid_out(codes, layout)
    what, known = condition.what, inputs.num_known
    if condition.name == "label-conditioned" and known < len(inputs):
        inferred = "the class it infers"
        what = f"the true class of {known} and for the others {inferred}" if known else inferred
    given = f", {what} given to the encoder" if what else ""
    return LatentMap(
        codes,
        points,
        inputs.labels,
        inputs.dataset.class_names,
        np.arange(len(inputs)) if inputs.index is None else inputs.index,
        inputs.dataset.files,
        axes_names,
        caption=f"{context.title}: {how} of {len(codes)} {inputs.source}{given}",
    )


def _laid_out(codes: Tensor, layout: str | None) -> tuple[Tensor, tuple[str, str] | None, str]:
    """Points on the plane, what its axes are, and the layout in words."""
    count, dim = codes.shape
    layout = layout or ("direct" if dim == 2 else "pca")
    if layout not in get_args(Layout):
        raise unknown_name("layout", layout, get_args(Layout))
    if not codes.isfinite().all():
        raise UsageError("codes are not finite: training has diverged; use a smaller lr")
    if count < FEWEST:
        raise UsageError(f"{count} images make no map; give at least {FEWEST}")
    if layout == "direct":
        if dim != 2:
            raise UsageError(f"codes of {dim} dimensions do not lie on a plane; use pca or tsne")
        return codes, ("latent 1", "latent 2"), "codes"
    if dim == 1:
        raise UsageError("codes of one dimension have no map of two; train with latent_dim=2")
    if layout == "tsne":
        return torch.as_tensor(tsne(codes.numpy())), None, "t-SNE of the codes"
    axes = principal_axes(codes.numpy(), 2)
    points = torch.as_tensor(axes.project(codes.numpy()))
    first, second = (
        f"component {i + 1}, {share:.0%} of the variance" for i, share in enumerate(axes.shares)
    )
    return points.float(), (first, second), "principal components of the codes"
