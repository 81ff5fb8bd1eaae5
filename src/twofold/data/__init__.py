"""Where images come from, ending in one `ImageDataset` of uint8 (N, C, H, W).

    dataset = load_dataset("mnist")             # or a folder, a zip, .npz, .npy, IDX, .mat
    dataset = as_dataset((images, labels))      # or what other libraries call a data set
    train = dataset.split("train")              # 50 000 images, as the field divides MNIST
    print(summarize(dataset))

Nothing here imports torch; pillow, scipy, scikit-learn and pooch are imported when they are needed.
"""

from twofold.data.catalog import DatasetInfo, list_datasets
from twofold.data.convert import as_dataset
from twofold.data.dataset import ImageDataset
from twofold.data.load import load_dataset, load_images
from twofold.data.summary import Summary, summarize

__all__ = [
    "DatasetInfo",
    "ImageDataset",
    "Summary",
    "as_dataset",
    "list_datasets",
    "load_dataset",
    "load_images",
    "summarize",
]
