"""A data set on the device as uint8, handed out in batches of floats.

Training reads one endless stream: the shuffled epochs laid end to end and cut into batches of equal
size, so that nothing is dropped and every batch is full (where the batch size divides the data set,
this is the usual loop). The order of an epoch depends on the seed and the epoch alone: batch number
`step` is the same whether a run got there in one go or was resumed.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from twofold.data.dataset import UNLABELED, ImageDataset
from twofold.data.preprocess import fix_binary, shift_randomly, to_unit
from twofold.errors import UsageError

__all__ = ["Batch", "Batches", "PartlyLabeled"]


class Batch:
    """Images, labels, and what the phases of one step have in common.

    Attributes:
        x: Images, shape (B, C, H, W), floats in [0, 1].
        y: Labels, shape (B,), or None.
        num_labeled: How many have a label: the first so many. The others have y = -1.
        labeled_share: Which share of the training images has a label.
        num_images: N, how many images there are where these come from; by default these alone.
        epoch: How far training has come, in epochs; schedules of a loss read it.

    Example:
        >>> batch = Batch(torch.zeros(2, 1, 8, 8))
        >>> batch.once("noise", lambda: torch.ones(2)), batch.once("noise", lambda: None)
        (tensor([1., 1.]), tensor([1., 1.]))
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        epoch: float = float("inf"),
        num_labeled: int | None = None,
        labeled_share: float = 1.0,
        num_images: int | None = None,
    ) -> None:
        self.x = x
        self.y = y
        self.epoch = epoch
        self.num_labeled = (0 if y is None else len(x)) if num_labeled is None else num_labeled
        self.labeled_share = labeled_share
        self.num_images = len(x) if num_images is None else num_images
        self._shared: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.x)

    @property
    def share(self) -> float:
        """Which share of the training images its labeled ones stand for."""
        partly = 0 < self.num_labeled < len(self)
        return self.labeled_share if partly else float(self.num_labeled > 0)

    def weights(self) -> Tensor:
        """What each image counts, shape (B,), adding up to 1.

        Labeled and other images count as they do among the training images, however many of each
        are in the batch.

        Example:
            >>> Batch(torch.zeros(3, 1, 8, 8), num_labeled=1, labeled_share=0.25).weights()
            tensor([0.2500, 0.3750, 0.3750])
        """
        n, device = self.num_labeled, self.x.device
        known = torch.full((n,), self.share / max(n, 1), device=device)
        other = len(self) - n
        return torch.cat(
            [known, torch.full((other,), (1 - self.share) / max(other, 1), device=device)]
        )

    def afresh(self, x: Tensor | None = None) -> "Batch":
        """The same images, or others in their place, of which no phase has made anything yet."""
        x = self.x if x is None else x
        told = (self.epoch, self.num_labeled, self.labeled_share, self.num_images)
        return Batch(x, self.y, *told)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value that the first phase to ask for it made: fakes are generated once a step."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]


class Batches:
    """A data set on the device.

    Arguments:
        binarize: `none`, `dynamic`, `static` or `threshold`.
        shift: Random shifts of up to so many pixels, in training only.
        seed: Of the order of images.
        binarize_seed: Of the static binarization, which is part of the data and not of the run.
        channels_last: Memory layout of the batches, for convolutions.

    Raises:
        UsageError: If the batch is larger than the data set, or the shift than the images.

    Example:
        >>> images = torch.zeros(6, 1, 8, 8, dtype=torch.uint8).numpy()
        >>> batches = Batches(ImageDataset(images, None), batch_size=4)
        >>> batches.training_batch(0).x.shape, batches.training_batch(1).epoch
        (torch.Size([4, 1, 8, 8]), 0.6666666666666666)
        >>> [len(batch) for batch in batches.in_order()]
        [4, 2]
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        binarize: str = "none",
        shift: int = 0,
        device: torch.device | str = "cpu",
        seed: int = 0,
        binarize_seed: int = 0,
        channels_last: bool = False,
    ) -> None:
        if batch_size > len(dataset):
            raise UsageError(
                f"a batch of {batch_size} is larger than the data: {len(dataset)} images; "
                f"use batch_size={len(dataset)} or smaller"
            )
        if shift >= min(dataset.image_shape[1:]):
            raise UsageError(
                f"shift={shift} moves images of {dataset.image_shape[1]}×{dataset.image_shape[2]} "
                "out of sight; use a few pixels"
            )
        images = torch.as_tensor(dataset.images)
        self.images = fix_binary(images, binarize, binarize_seed).to(device)  # (N, C, H, W)
        self.labels = None if dataset.labels is None else torch.as_tensor(dataset.labels).to(device)
        self.batch_size = batch_size
        self.binarize = binarize
        self.shift = shift
        self.seed = seed
        self.channels_last = channels_last
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.images)

    @property
    def steps_per_epoch(self) -> float:
        return len(self) / self.batch_size

    @property
    def images_per_batch(self) -> int:
        """How many images a step of training sees."""
        return self.batch_size

    def training_batch(self, step: int) -> Batch:
        """Batch number `step` of the endless stream, counted from 0."""
        start = step * self.batch_size
        epoch, offset = divmod(start, len(self))
        index = self._order_of(epoch)[offset : offset + self.batch_size]
        if len(index) < self.batch_size:
            rest = self.batch_size - len(index)
            index = torch.cat([index, self._order_of(epoch + 1)[:rest]])
        batch = self._batch(index, epoch=start / len(self))
        if self.shift:
            batch.x = shift_randomly(batch.x, self.shift)
        return batch

    def only(self, index: Tensor, batch_size: int) -> "Batches":
        """The same images, binarized the same way, but no others than those at `index`."""
        part = copy.copy(self)
        index = index.to(self.images.device)
        part.images = self.images[index]
        part.labels = None if self.labels is None else self.labels[index]
        part.batch_size = min(batch_size, len(index))
        part._epoch = -1
        return part

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Every image once, in the order of the data set; the last batch may be smaller."""
        index = torch.arange(len(self), device=self.images.device)
        for chunk in index.split(batch_size or self.batch_size):
            yield self._batch(chunk)

    def _batch(self, index: Tensor, epoch: float = float("inf")) -> Batch:
        x = to_unit(self.images.index_select(0, index), self.binarize)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        y = None if self.labels is None else self.labels.index_select(0, index)
        return Batch(x, y, epoch, num_images=len(self))

    def _order_of(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            # One seed of two numbers, far apart for neighboring seeds and epochs.
            seed = (self.seed * 1_000_003 + epoch * 7_919 + 17) % 2**63
            generator = torch.Generator().manual_seed(seed)
            self._order = torch.randperm(len(self), generator=generator).to(self.images.device)
            self._epoch = epoch
        return self._order


class PartlyLabeled:
    """Labeled and unlabeled images in every batch, each from a shuffled stream of its own.

    An epoch is a pass over the unlabeled images; the labeled ones, which are fewer, come round
    more often.

    Arguments:
        batches: All training images, with the label -1 where it is not known.
        labeled_batch_size: Labeled images in a batch, before the unlabeled ones.

    Raises:
        UsageError: If there are not as many labeled images as that.

    Example:
        >>> from twofold.data import load_dataset
        >>> dataset = load_dataset("digits").keep_labels(20)
        >>> batches = PartlyLabeled(Batches(dataset, batch_size=4), labeled_batch_size=2)
        >>> batches.training_batch(0).y[2:]
        tensor([-1, -1, -1, -1])
    """

    def __init__(self, batches: Batches, labeled_batch_size: int) -> None:
        assert batches.labels is not None
        known = batches.labels != UNLABELED
        labeled, unlabeled = known.nonzero().squeeze(1), (~known).nonzero().squeeze(1)
        for kind, what, size, index in (
            ("labeled", "labeled_batch_size", labeled_batch_size, labeled),
            ("unlabeled", "batch_size", batches.batch_size, unlabeled),
        ):
            if size > len(index):
                raise UsageError(
                    f"{what}={size} is larger than the {len(index)} {kind} images; "
                    f"use {what}={len(index)}" + (" or smaller" if len(index) > 1 else "")
                )
        self.labeled = batches.only(labeled, labeled_batch_size)
        self.unlabeled = batches.only(unlabeled, batches.batch_size)
        self.batch_size = batches.batch_size
        self.images = batches.images
        self.labels = self.labeled.labels
        self.labeled_share = len(labeled) / len(batches)

    def __len__(self) -> int:
        """How many images make an epoch."""
        return len(self.unlabeled)

    @property
    def steps_per_epoch(self) -> float:
        return self.unlabeled.steps_per_epoch

    @property
    def images_per_batch(self) -> int:
        """How many images a step of training sees, the labeled ones among them."""
        return self.labeled.batch_size + self.unlabeled.batch_size

    def training_batch(self, step: int) -> Batch:
        """Batch number `step`: the labeled images first."""
        known, unknown = self.labeled.training_batch(step), self.unlabeled.training_batch(step)
        assert known.y is not None
        assert unknown.y is not None
        x, y = torch.cat([known.x, unknown.x]), torch.cat([known.y, unknown.y])
        num_images = len(self.labeled) + len(self.unlabeled)
        return Batch(x, y, unknown.epoch, len(known), self.labeled_share, num_images)

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Every labeled image once."""
        return self.labeled.in_order(batch_size)
