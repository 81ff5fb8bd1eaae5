"""Whether a model repeats its training images, or itself; distances are between pixels."""

from collections.abc import Iterator

import torch
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.figure import Figure
from twofold.evaluation.memorization import copying_score, is_copy, threshold_of_duplicates
from twofold.evaluation.neighbors import nearest
from twofold.evaluation.recognition import accuracy_error
from twofold.evaluation.samples import Generated, generated_by
from twofold.experiments.context import Context
from twofold.pictures.sheets import to_uint8

__all__ = ["memorization"]

ENOUGH = 100  # images, below which one twin would be more than a per cent of them
TWINS = 2.0  # twins come in pairs, and the threshold is as uncertain again
SHOWN = 12  # pairs kept for a picture, of each of two kinds
SMOOTH = "smooth images, such as a decoder's means, lie nearer to any image than real ones do"


def memorization(context: Context) -> Iterator[Figure]:
    """Copies of training images, how near these are, and duplicates among generated images."""
    made = generated_by(context)
    train, test = context.real("train"), context.real("test")
    context.progress.say("nearest training image of every generated one")
    distances, indices = nearest(made.x, train, k=2)
    real = _nearest_of_test(test, train)
    _keep_pairs(context, made, train, distances, indices)
    provenance = {**made.provenance, "training_images": len(train), "distance": "pixels"}
    smooth = SMOOTH if "pixels" in made.provenance else ""
    share = is_copy(distances).double().mean().item()
    yield Figure(
        "copies",
        "copies of training images",
        100 * share,
        "%",
        better="lower",
        error=100 * accuracy_error(share, len(made)),
        reference=100 * is_copy(real).double().mean().item(),
        provenance=provenance,
        notes=made.notes,
    )
    yield Figure.of_mean(
        "nearest",
        "distance to the nearest training image",
        distances[:, 0],
        "",
        reference=real[:, 0].mean().item(),
        provenance=provenance,
        notes=join(made.notes, smooth),
    )
    least = min(len(made), len(test), len(train))
    if least < ENOUGH:
        raise NotMeasured(
            f"the copying score and duplicates need {ENOUGH} images of each kind, and there are "
            f"{least}"
        )
    yield Figure(
        "copying",
        "copying score Z_U, below −3 suspicious",
        copying_score(distances[:, 0], real[:, 0]),
        "σ",
        reference=0.0,
        provenance={**provenance, "images": len(test)},
        notes=join(made.notes, smooth),
    )
    yield _duplicates(context, made, least, smooth)


def _duplicates(context: Context, made: Generated, count: int, smooth: str) -> Figure:
    """Among equally many images of each kind, for the more there are the nearer they lie."""
    sets = (context.real("train", count), made.x[:count], context.real("test", count))
    apart = [nearest(x, x, itself=True)[0] for x in sets]
    threshold = threshold_of_duplicates(apart[0])
    shares = [(one <= threshold).double().mean().item() for one in apart[1:]]
    return Figure(
        "duplicates",
        "duplicates among generated images",
        100 * shares[0],
        "%",
        better="lower",
        error=100 * TWINS * accuracy_error(shares[0], count),
        reference=100 * shares[1],
        provenance={**made.provenance, "of_each": count, "threshold": round(threshold, 4)},
        notes=join(made.notes, smooth),
    )


def _nearest_of_test(test: Tensor, train: Tensor) -> Tensor:
    parts = [digest_of(test), digest_of(train)]
    found = remember(
        "nearest", parts, lambda: {"distances": nearest(test, train, k=2)[0].cpu().numpy()}
    )
    return torch.as_tensor(found["distances"]).to(test.device)


def _keep_pairs(
    context: Context, made: Generated, train: Tensor, distances: Tensor, indices: Tensor
) -> None:
    """Generated images beside the training images nearest to them, as evaluation/nearest.npz.

    `first`: the first that were generated, not chosen; `closest`: those that lie nearest. Pictures
    are uint8, (2, n, C, H, W): generated, training; `*_distance` has shape (n,).
    """
    order = {
        "first": torch.arange(min(SHOWN, len(made)), device=distances.device),
        "closest": distances[:, 0].argsort()[:SHOWN],
    }
    arrays = {}
    for name, index in order.items():
        pairs = torch.stack([made.x[index], train[indices[index, 0]]])
        arrays[name] = to_uint8(pairs.cpu().numpy())
        arrays[f"{name}_distance"] = distances[index, 0].cpu().numpy()
    context.run.keep_arrays("nearest", arrays)
