"""From what a constructor is given to the parts of a model: networks and likelihoods.

Each may be an object already, or a registered name with its settings.
"""

from typing import Any

from torch import Tensor, nn

from twofold.conditions import Condition, ImageShape
from twofold.errors import UsageError
from twofold.likelihoods import Likelihood
from twofold.registry import make

__all__ = ["call", "make_condition", "make_likelihood", "make_network"]


def make_network(
    network: Any,
    input_shape: tuple[int, ...] | None,
    output_shape: tuple[int | None, ...] | None,
    condition: Condition | None = None,
) -> nn.Module:
    """A network from the layer notation, a registered name with its settings, or a module.

    Arguments:
        network: What the constructor was given.
        input_shape: Without the batch; None where the images are not known yet.
        output_shape: Without the batch; None for a trunk, which ends where its layers do.
        condition: What it is given beside its input.

    Raises:
        UsageError: If it has to be made and nobody knows the images' shape.

    Example:
        >>> import torch
        >>> make_network("fc-8", (1, 4, 4), (2,))(torch.zeros(5, 1, 4, 4)).shape
        torch.Size([5, 2])
    """
    if isinstance(network, nn.Module):
        return network
    if input_shape is None or (output_shape is not None and None in output_shape):
        raise UsageError(
            "a network of the layer notation is made for images of a shape: give the model "
            "image_shape=(channels, height, width)"
        )
    return make(
        "network",
        network,
        input_shape=input_shape,
        output_shape=output_shape,
        condition_dim=condition.dim if condition else 0,
    )


def make_condition(
    condition: Any, image_shape: ImageShape | None = None, num_classes: int = 0
) -> Condition:
    """What a model is given beside the image, from a name with its settings, or as it is.

    Example:
        >>> make_condition("class", num_classes=3).dim
        3
    """
    return make("condition", condition, image_shape=image_shape, num_classes=num_classes)


def make_likelihood(likelihood: Any, image_shape: tuple[int, ...] | None) -> Likelihood:
    """p(x|z) from a registered name with its settings, or as it is.

    Where the images are not known yet, what a likelihood learns is one number for all channels.

    Example:
        >>> make_likelihood("gaussian-map", (3, 32, 32)).decoder_channels
        6
    """
    return make("likelihood", likelihood, channels=image_shape[0] if image_shape else 1)


def call(network: nn.Module, x: Tensor, c: Tensor | None) -> Tensor:
    """network(x), or network(x, c) where there is a condition: plain modules take images alone.

    Example:
        >>> import torch
        >>> call(nn.Identity(), torch.ones(1), None)
        tensor([1.])
    """
    return network(x) if c is None else network(x, c)
