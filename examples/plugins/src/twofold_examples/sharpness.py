r"""A measure: how sharp generated images are, beside real ones, with its picture and its words.

.. math:: s(x) = \frac{1}{HW} \sum_{ij} \sqrt{(x_{i+1,j} - x_{ij})^2 + (x_{i,j+1} - x_{ij})^2}

References: Analysis of focus measure operators (Pertuz et al., 2013), section 3, gradient energy
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, value_of, with_its_unit
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import Panel
from twofold.evaluation.questions import COVERAGE
from twofold.evaluation.samples import generated_by
from twofold.evaluation.summary import RunSummary, those_with
from twofold.experiments.context import Context
from twofold.pictures.style import canvas, drawing, render
from twofold.registry import register

SHARPNESS = Quantity(
    "sharpness",
    "sharpness",
    paper="Pertuz et al. (2013)",
    caveat="Noise is sharp as well, so nearer to real images is better, and not more.",
    least=0.0,
)


def sharpness(x: Tensor) -> Tensor:
    """Mean length of the gradient of images (N, C, H, W), shape (N,).

    Example:
        >>> sharpness(torch.zeros(1, 1, 4, 4))
        tensor([0.])
    """
    down, right = x.diff(dim=2)[..., :-1], x.diff(dim=3)[..., :-1, :]
    return (down.square() + right.square()).sqrt().flatten(1).mean(dim=1)


@register("measure", "sharpness")
class Sharpness(Measure):
    """Mean length of the gradient of generated images, and of test images."""

    question = COVERAGE
    quantities = (SHARPNESS,)

    def take(self, context: Context) -> Iterator[Figure]:
        made = generated_by(context)
        values, real = sharpness(made.x), sharpness(context.real("test"))
        edges = torch.linspace(0.0, float(max(values.max(), real.max())) or 1.0, 21)
        yield SHARPNESS.mean(
            values,
            reference=real.mean().item(),
            provenance=made.provenance,
            notes=made.notes,
            details={
                "edges": edges.tolist(),
                "generated": torch.histogram(values.cpu(), edges, density=True).hist.tolist(),
                "real": torch.histogram(real.cpu(), edges, density=True).hist.tolist(),
            },
        )

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        for run in those_with(runs, "sharpness"):
            found = run.figures["sharpness"].details
            with drawing():
                figure, axes = canvas((4.0, 2.8))
                for of, style in (("real", ":"), ("generated", "-")):
                    axes.stairs(found[of], found["edges"], color=run.ink, linestyle=style, label=of)
                axes.set(xlabel="sharpness", ylabel="share of images")
                axes.legend()
                picture = render(figure, f"sharpness-{run.letter}", f"sharpness of {run.name}")
            yield Panel(f"{run.mention} sharpness", picture)

    def findings(self, runs: Sequence[RunSummary]) -> Iterator[Finding]:
        for run in those_with(runs, "sharpness"):
            one = run.figures["sharpness"]
            kind = "smoother" if one.value < (one.reference or 0.0) else "sharper"
            real = with_its_unit(one.reference, one)
            text = f"{run.mention} has {value_of(one)}, real images {real}: its own are {kind}."
            yield Finding("sharpness", text)
