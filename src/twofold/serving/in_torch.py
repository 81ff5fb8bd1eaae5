"""A trained model by its functions, computed by torch."""

import torch

from twofold.experiments.context import Context
from twofold.models.capabilities import Paints
from twofold.sharing.by_functions import Array, ByFunctions
from twofold.sharing.functions import functions_of

__all__ = ["InTorch"]


class InTorch(ByFunctions):
    """What `Portable` is for an exported folder, for a run.

    Arguments:
        context: The model, on its device.

    Raises:
        UsageError: If it can do nothing that is a function of codes or images.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._functions = {one.name: one.eval() for one in functions_of(context.model)}
        painter = context.model.capability(Paints)
        self._num_steps = 1 if painter is None else painter.num_steps

    @property
    def title(self) -> str:
        return self.context.title

    @property
    def latent_dim(self) -> int:
        return self.context.model.latent_dim

    @property
    def num_steps(self) -> int:
        return self._num_steps

    def inputs(self) -> dict[str, list[str]]:
        functions = self._functions.items()
        return {name: [field.name for field in one.inputs] for name, one in functions}

    @torch.no_grad()
    def compute(self, name: str, arrays: list[Array]) -> list[Array]:
        given = (torch.as_tensor(array, device=self.context.device) for array in arrays)
        return [value.cpu().numpy() for value in self._functions[name](*given)]
