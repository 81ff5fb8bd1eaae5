"""A data set on the device as uint8, handed out in batches of floats.

Training reads one endless stream: the shuffled epochs laid end to end and cut into batches of equal
size, so that nothing is dropped and every batch is full (where the batch size divides the data set,
this is the usual loop). The order of an epoch depends on the seed and the epoch alone: batch number
`step` is the same whether a run got there in one go or was resumed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from twofold.data.dataset import ImageDataset
from twofold.data.preprocess import fix_binary, shift_randomly, to_unit
from twofold.errors import UsageError

__all__ = ["Batch", "Batches"]


class Batch:
    """Images, labels, and what the phases of one step have in common.

    Attributes:
        x: Images, shape (B, C, H, W), floats in [0, 1].
        y: Labels, shape (B,), -1 where one is not known, or None.
        epoch: How far training has come, in epochs; schedules of a loss read it.
    """

    def __init__(self, x: Tensor, y: Tensor | None = None, epoch: float = float("inf")) -> None:
        self.x = x
        self.y = y
        self.epoch = epoch
        self._shared: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.x)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value that the first phase to ask for it made: fakes are generated once a step."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]


class Batches:
    """A data set on the device.

    Arguments:
        dataset: The images, and labels if there are any.
        batch_size: B.
        binarise: `none`, `dynamic`, `static` or `threshold`.
        shift: Random shifts of up to so many pixels, in training only.
        device: Where the images live.
        seed: Of the order of images.
        binarise_seed: Of the static binarisation, which is part of the data and not of the run.
        channels_last: Memory layout of the batches, for convolutions.

    Raises:
        UsageError: If the batch is larger than the data set, or the shift than the images.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        binarise: str = "none",
        shift: int = 0,
        device: torch.device | str = "cpu",
        seed: int = 0,
        binarise_seed: int = 0,
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
        self.images = fix_binary(images, binarise, binarise_seed).to(device)  # (N, C, H, W)
        self.labels = None if dataset.labels is None else torch.as_tensor(dataset.labels).to(device)
        self.batch_size = batch_size
        self.binarise = binarise
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

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Every image once, in the order of the data set; the last batch may be smaller."""
        index = torch.arange(len(self), device=self.images.device)
        for chunk in index.split(batch_size or self.batch_size):
            yield self._batch(chunk)

    def _batch(self, index: Tensor, epoch: float = float("inf")) -> Batch:
        x = to_unit(self.images.index_select(0, index), self.binarise)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        y = None if self.labels is None else self.labels.index_select(0, index)
        return Batch(x, y, epoch)

    def _order_of(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(_mix(self.seed, epoch))
            self._order = torch.randperm(len(self), generator=generator).to(self.images.device)
            self._epoch = epoch
        return self._order


def _mix(seed: int, epoch: int) -> int:
    """One number of two, far apart for neighbouring seeds and epochs."""
    return (seed * 1_000_003 + epoch * 7_919 + 17) % 2**63
