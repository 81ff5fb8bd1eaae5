r"""An objective: the KL is held at a capacity that grows, instead of being pushed to 0.

.. math:: L = E_q[-\ln p(x|z)] + \gamma \, |D_{KL}(q(z|x) \| p(z)) - C|, \quad
          C = \min(1, \mathrm{epoch} / \mathrm{epochs}) \cdot \mathrm{capacity}

References: Understanding disentangling in β-VAE (Burgess et al., 2018), equation 8, 1804.03599
"""

from twofold.data.batches import Batch
from twofold.objectives import Bound, LatentObjective
from twofold.objectives.base import Infers
from twofold.objectives.elbo import kl_of
from twofold.phases import Terms
from twofold.registry import register
from twofold.settings import Count, NonNegative


@register("objective", "capacity", title="KL held at a growing capacity", paper="Burgess, 2018")
class Capacity(LatentObjective):
    """Reconstruction, and how far the batch's mean KL is from C.

    Arguments:
        capacity: C in the end, in nats per image.
        gamma: Weight of the distance.
        epochs: Over which C grows from 0.
    """

    def __init__(
        self, capacity: NonNegative = 25.0, gamma: NonNegative = 1000.0, epochs: Count = 20
    ) -> None:
        self.capacity, self.gamma, self.epochs = capacity, gamma, epochs

    def bound(self, model: Infers, batch: Batch) -> Bound:
        drawn = self.infer(model, batch)
        kl = kl_of(model, drawn)
        distance = (kl - min(1.0, batch.epoch / self.epochs) * self.capacity).abs()
        rest = Terms({"distance": distance}, {"distance": self.gamma}, watch={"kl": kl})
        return self.bound_of(model, batch, drawn, rest)
