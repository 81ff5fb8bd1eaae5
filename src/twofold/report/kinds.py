"""The kinds of measures, in the order of the report, each with a word to who does not know it."""

from collections.abc import Sequence
from dataclasses import dataclass

from twofold.evaluation.summary import RunSummary

__all__ = ["Kind", "by_kind"]


@dataclass(frozen=True)
class Kind:
    """Measures that answer one question."""

    title: str
    text: str  # what they say, which way is better, and when they mislead
    names: tuple[str, ...]  # what theirs begin with, up to any slash, in the order of the report


OTHER = Kind("Other", "", ())
KINDS = (
    Kind(
        "Likelihood",
        "How probable the model finds test images; more nats are better. ELBO and IWAE bound lie "
        "below ln p(x), the IWAE bound the closer the larger its k. Models that see other pixels "
        "or have another condition are on another scale, and a good likelihood need not look good.",
        ("elbo", "recon_nll", "kl", "iwae", "bits_per_dim", "ais"),
    ),
    Kind(
        "Recognition",
        "Whether classifiers of real images see what an image was meant to show (GAN-test), and "
        "whether one that learned from generated images knows real ones (GAN-train); higher is "
        "better. GAN-test is blind to diversity: one good image of each class gets 100 %.",
        ("gan_test", "gan_train", "reconstruction", "accuracy"),
    ),
    Kind(
        "Distance",
        "How far generated images lie from test images as a whole; lower is better, and real "
        "training images in their place give the floor. FID grows when fewer images are counted, "
        "its limit and KID do not. The features are this page's own, so the figures of papers, "
        "with Inception's, are on another scale.",
        ("fid", "fid_infinity", "kid"),
    ),
    Kind(
        "Fidelity and diversity",
        "Precision and density: do generated images lie among real ones? Recall and coverage: do "
        "real images have generated ones near? Higher is better. Smooth images can pass the "
        "floor of the first two and fall short in recall. NDB and its divergence count images in "
        "bins of similar ones; lower is better.",
        ("precision", "density", "recall", "coverage", "ndb", "js"),
    ),
    Kind(
        "Memorization",
        "Whether the model repeats its training images, or itself. A model that has learned and "
        "not copied is near the floor. Smooth images lie near to any image, so that a short "
        "distance alone proves nothing; the pairs below show what it is.",
        ("copies", "nearest", "copying", "duplicates"),
    ),
    Kind(
        "Classes",
        "Which classes, or modes, are generated, as a classifier sees them. A model that is asked "
        "for its classes gets their shares for free, and the Inception Score never looks at a "
        "real image.",
        ("class_kl", "modes", "modes_sure", "modes_kl", "inception_score"),
    ),
    Kind(
        "Latent space",
        "How much of the class can be read from the codes of images. An encoder that is given "
        "the true class can leak it into the code: that figure says nothing of what was learned. "
        "The floor is that of as many principal components of the pixels.",
        ("latents",),
    ),
)  # fmt: skip


def by_kind(runs: Sequence[RunSummary]) -> list[tuple[Kind, list[str]]]:
    """The names of all measures that any run has, by kind; what fits none comes last."""
    names = dict.fromkeys(name for run in runs for name in run.figures)
    found = []
    for kind in KINDS:
        members = [name for start in kind.names for name in names if name.split("/")[0] == start]
        members.sort(key=lambda name: name.endswith("/random"))  # those by random features last
        found.append((kind, members))
    placed = {name for _, members in found for name in members}
    found.append((OTHER, [name for name in names if name not in placed]))
    return [(kind, members) for kind, members in found if members]
