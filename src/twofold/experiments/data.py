"""The images that an experiment names."""

from twofold.data import ImageDataset, load_dataset
from twofold.experiments.schema import DataSettings

__all__ = ["load_data"]


def load_data(settings: DataSettings) -> ImageDataset:
    """Loads and divides the images as the experiment says."""
    return load_dataset(
        settings.name,
        size=settings.size,
        gray=settings.gray,
        limit=settings.limit,
        validation=settings.validation,
        test=settings.test,
        split_seed=settings.split_seed,
    )
