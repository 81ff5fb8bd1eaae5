"""Networks whose last hidden layer describes an image, for measures of distance and diversity.

The first is the judge of the data set: a classifier sees what makes a digit that digit, and is
blind to what it learned to ignore, such as specks. The second is the same network with random
weights, which has learned to ignore nothing; it checks that a figure is not the classifier's whim.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.apply.judges import JUDGE, Judge
from twofold.experiments.resolve import load_experiment
from twofold.models.base import evaluating

__all__ = ["Extractor", "classifier_extractor", "random_extractor"]

BATCH = 500


@dataclass(frozen=True)
class Extractor:
    """Images to features.

    Attributes:
        name: `classifier` or `random`.
        digest: Of its weights.
        trained_on: The images it has seen.
        embed: From images (B, C, H, W) to features (B, D).
    """

    name: str
    digest: str
    trained_on: str
    embed: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Features of shape (N, D), float32, of images (N, C, H, W) in [0, 1]."""
        features = torch.cat([self.embed(part).float() for part in x.split(BATCH)])
        return features.cpu() if x.device.type == "mps" else features  # which has no float64


def classifier_extractor(judge: Judge) -> Extractor:
    """The last hidden layer of a trained judge."""
    return Extractor("classifier", judge.digest, judge.trained_on, judge.classifier.features)


def random_extractor(image_shape: tuple[int, int, int], device: torch.device) -> Extractor:
    """The same layers with random weights, the same for every data set of one image shape."""
    model = load_experiment(JUDGE).model
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        layers = model.network.model_copy(update={"init": "kaiming"})  # keeps the images' scale
        network = layers.build(input_shape=image_shape, output_shape=None)
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    network.to(device)

    def embed(x: Tensor) -> Tensor:
        with evaluating(network):
            return network(x)

    return Extractor("random", digest.hexdigest()[:16], "nothing", embed)
