r"""Autoregressive flows, by zuko: an invertible y = f(x; h) and the logarithm of its volume.

.. math:: y_i = f_i(x_i; x_{<i}, h), \quad
          \ln \Big| \det \frac{\partial y}{\partial x} \Big| = \sum_i \ln f_i'(x_i; x_{<i}, h)

Forwards all y_i come in one pass of a masked network; back, x_i needs x_{<i}, which takes D passes.

References:
    Masked Autoregressive Flow for Density Estimation (Papamakarios, Pavlakou and Murray, 2017),
    https://arxiv.org/abs/1705.07057
    Neural Spline Flows (Durkan, Bekasov, Murray and Papamakarios, 2019),
    https://arxiv.org/abs/1906.04032
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from twofold.errors import UsageError

__all__ = ["Autoregressive", "FlowKind"]

FlowKind = Literal["maf", "nsf"]


class Autoregressive(nn.Module):
    """Several autoregressive transforms, each in the order opposite to the one before.

    It starts as the identity: what its masked networks give is zero at first. It computes in single
    precision in any case, for log-determinants add up.

    Arguments:
        dim: D.
        context_dim: Of h; 0 for none.
        kind: `maf`, an affine f_i, or `nsf`, a rational-quadratic spline on [-5, 5] and outside the
            identity.
        transforms: How many.
        hidden_dim: Units of each of the two hidden layers of a masked network.

    Raises:
        UsageError: If zuko is not installed.

    Example:
        >>> flow = Autoregressive(3, kind="nsf")
        >>> y, log_det = flow(torch.zeros(5, 3))
        >>> y.shape, log_det.shape, flow.inverse(y).shape
        (torch.Size([5, 3]), torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        dim: int,
        context_dim: int = 0,
        kind: FlowKind = "maf",
        transforms: int = 3,
        hidden_dim: int = 64,
    ) -> None:
        super().__init__()
        try:
            from zuko import flows
        except ImportError as error:
            raise UsageError("flows need the extra: pip install 'twofold[flows]'") from error
        make = flows.MAF if kind == "maf" else flows.NSF
        sizes: dict[str, Any] = {}
        if dim > 1 or context_dim:  # else there is nothing that a network could read
            sizes["hidden_features"] = (hidden_dim, hidden_dim)
        self.transform: Any = make(dim, context_dim, transforms=transforms, **sizes).transform
        for step in self.transform.transforms:
            last = step.hyper[-1] if hasattr(step, "hyper") else step.phi
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """y and ln |det dy/dx| for x (..., D) and h (..., context_dim): (..., D) and (...)."""
        with torch.autocast(x.device.type, enabled=False):
            return self._given(h).call_and_ladj(_single(x))

    def inverse(self, y: Tensor, h: Tensor | None = None) -> Tensor:
        """x for y (..., D), shape (..., D)."""
        with torch.autocast(y.device.type, enabled=False):
            return self._given(h).inv(_single(y))

    def _given(self, h: Tensor | None) -> Any:
        return self.transform(None if h is None else _single(h))


def _single(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
