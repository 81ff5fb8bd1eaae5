"""The sets that have a name: their files, where these are served, and how to read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twofold.data.download import RemoteFile
from twofold.data.formats import (
    CIFAR10_NAMES,
    SVHN_FILES,
    read_cifar10,
    read_idx_folder,
    read_mat_files,
)
from twofold.data.pixels import Part, Parts
from twofold.data.stacked import STACKED_NAMES

__all__ = ["CATALOG", "DatasetInfo", "Entry", "known_hashes", "list_datasets"]

Reader = Callable[[Mapping[str, Path]], Parts]


@dataclass(frozen=True)
class DatasetInfo:
    """What a reader wants to know before choosing a set.

    Arguments:
        image_shape: (C, H, W).
        counts: Images in each split, as `load_dataset` divides them by default.
        license: Terms, as the authors state them.
        homepage: Where the authors present it.
        embedded: Whether it needs no download.

    Example:
        >>> digits = list_datasets()[0]
        >>> digits.name, digits.image_shape, digits.embedded
        ('digits', (1, 8, 8), True)
    """

    name: str
    title: str
    image_shape: tuple[int, int, int]
    num_classes: int
    counts: Mapping[str, int]
    license: str
    citation: str
    homepage: str
    embedded: bool = False


@dataclass(frozen=True)
class Entry:
    """A named set.

    Arguments:
        read: Local files, by name -> the parts; None for a set that is made of another.
        mirrors: Folders to fetch from, in order, ending in "/".
        validation: Default size of the validation split, a count or a fraction of the training
            images.
        validation_last: Take the last training images, as the field does for this set, and not a
            seeded stratified draw.
        stacks: The named set whose digits are stacked, in place of `read` and `files`.

    Example:
        >>> mnist = CATALOG["mnist"]
        >>> mnist.validation, mnist.validation_last, [file.name for file in mnist.files][0]
        (10000, True, 'train-images-idx3-ubyte.gz')
    """

    info: DatasetInfo
    read: Reader | None
    files: tuple[RemoteFile, ...] = ()
    mirrors: tuple[str, ...] = ()
    validation: int | float = 0.1
    validation_last: bool = False
    class_names: tuple[str, ...] = tuple("0123456789")
    stacks: str = ""


def list_datasets() -> list[DatasetInfo]:
    """The named sets, in the order of the catalog.

    Example:
        >>> [info.name for info in list_datasets()][:4]
        ['digits', 'mnist', 'fashion-mnist', 'kmnist']
    """
    return [entry.info for entry in CATALOG.values()]


def known_hashes() -> set[str]:
    """The SHA-256 of every file of every set, as served and unzipped.

    Example:
        >>> {len(sha256) for sha256 in known_hashes()}
        {64}
    """
    files = [file for entry in CATALOG.values() for file in entry.files]
    return {sha for file in files for sha in (file.sha256, file.unzipped_sha256) if sha}


def _read_digits(_: Mapping[str, Path]) -> Parts:
    """The 17 gray levels 0..16 of the scans are scaled to 0..255 and rounded."""
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    images = np.rint(scans * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Parts({"train": Part(images, labels.astype(np.int64))})


def _mnist_like(
    name: str,
    title: str,
    terms: str,
    citation: str,
    homepage: str,
    sha256: tuple[str, ...],
    sizes: tuple[int, ...],
    mirrors: tuple[str, ...],
    class_names: tuple[str, ...] = tuple("0123456789"),
    unzipped: tuple[str | None, ...] = (None,) * 4,
) -> Entry:
    """A set in MNIST's four files."""
    stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    names = (f"{stem}-ubyte.gz" for stem in stems)
    files = tuple(map(RemoteFile, names, sha256, unzipped, sizes))
    return Entry(
        DatasetInfo(name, title, (1, 28, 28), 10, _MNIST_COUNTS, terms, citation, homepage),
        lambda paths: read_idx_folder(list(paths.values()), name),
        files,
        mirrors,
        validation=10_000,
        validation_last=True,
        class_names=class_names,
    )


def _stacked(base: DatasetInfo, title: str, counts: Mapping[str, int], citation: str) -> Entry:
    """Three digits of a set, one in each color channel."""
    info = replace(
        base,
        name=f"stacked-{base.name}",
        title=title,
        image_shape=(3, *base.image_shape[1:]),
        num_classes=len(STACKED_NAMES),
        counts=counts,
        citation=citation,
    )
    return Entry(info, None, class_names=STACKED_NAMES, stacks=base.name)


_MNIST_COUNTS = {"train": 50_000, "validation": 10_000, "test": 10_000}
_ENTRIES = (
    Entry(
        DatasetInfo(
            "digits",
            "handwritten digits, 8×8 scans that come with scikit-learn",
            (1, 8, 8),
            10,
            {"train": 1437, "validation": 180, "test": 180},
            "CC BY 4.0 (UCI)",
            "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
            "https://archive.ics.uci.edu/dataset/80",
            embedded=True,
        ),
        _read_digits,
    ),
    _mnist_like(
        "mnist",
        "handwritten digits, 28×28",
        "none stated by the authors",
        "LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document "
        "Recognition, Proc. IEEE, 1998",
        "http://yann.lecun.com/exdb/mnist/",
        # Computed from the four files; TensorFlow Datasets' checksums for MNIST agree.
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        (9_912_422, 28_881, 1_648_877, 4_542),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        unzipped=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    _mnist_like(
        "fashion-mnist",
        "articles of clothing, 28×28, made to replace MNIST",
        "MIT",
        "Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
        "https://github.com/zalandoresearch/fashion-mnist",
        # Read in tensorflow/datasets, url_checksums/fashion_mnist.txt, and the same in
        # keras-team/keras, keras/src/datasets/fashion_mnist.py.
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        (26_421_880, 29_515, 4_422_102, 5_148),
        (
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    _mnist_like(
        "kmnist",
        "Kuzushiji, cursive Japanese characters, 28×28",
        "CC BY-SA 4.0",
        "Clanuwat et al., Deep Learning for Classical Japanese Literature, arXiv:1812.01718, 2018",
        "http://codh.rois.ac.jp/kmnist/",
        # Read in tensorflow/datasets, url_checksums/kmnist.txt; ankane/torchvision-ruby agrees.
        (
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
        (18_165_135, 29_497, 3_041_136, 5_120),
        (
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    Entry(
        DatasetInfo(
            "svhn",
            "house numbers from street photographs, cropped to one digit, 32×32 (without the "
            "531 131 easier images of 'extra')",
            (3, 32, 32),
            10,
            {"train": 65_931, "validation": 7_326, "test": 26_032},
            "non-commercial use only",
            "Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, "
            "NIPS workshop, 2011",
            "http://ufldl.stanford.edu/housenumbers/",
        ),
        lambda paths: read_mat_files({k: paths[name] for k, name in SVHN_FILES.items()}, "svhn"),
        # Read in tensorflow/datasets, url_checksums/svhn_cropped.txt.
        (
            RemoteFile(
                SVHN_FILES["train"],
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                size=182_040_794,
            ),
            RemoteFile(
                SVHN_FILES["test"],
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
                size=64_275_384,
            ),
        ),
        (
            "http://ufldl.stanford.edu/housenumbers/",
            "https://ufldl.stanford.edu/housenumbers/",
        ),
    ),
    Entry(
        DatasetInfo(
            "cifar10",
            "animals and vehicles, 32×32 color photographs",
            (3, 32, 32),
            10,
            {"train": 45_000, "validation": 5_000, "test": 10_000},
            "none stated by the authors",
            "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            "https://www.cs.toronto.edu/~kriz/cifar.html",
        ),
        lambda paths: read_cifar10(paths["cifar-10-binary.tar.gz"]),
        # Read in tensorflow/datasets, url_checksums/cifar10.txt (170 052 171 bytes).
        (
            RemoteFile(
                "cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                size=170_052_171,
            ),
        ),
        (
            "https://www.cs.toronto.edu/~kriz/",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        ),
        validation=5_000,
        validation_last=True,
        class_names=CIFAR10_NAMES,
    ),
)

_INFO = {entry.info.name: entry.info for entry in _ENTRIES}
_STACKED = (
    _stacked(
        _INFO["mnist"],
        "three MNIST digits in the color channels, 1000 classes, to count modes",
        _MNIST_COUNTS,
        "Metz, Poole, Pfau and Sohl-Dickstein, Unrolled Generative Adversarial Networks, "
        "arXiv:1611.02163, 2016",
    ),
    _stacked(
        _INFO["digits"],
        "the same of the 8×8 digits that come with scikit-learn",
        {"train": 8000, "validation": 1000, "test": 8000},
        _INFO["digits"].citation,
    ),
)

CATALOG: dict[str, Entry] = {entry.info.name: entry for entry in (*_ENTRIES, *_STACKED)}
