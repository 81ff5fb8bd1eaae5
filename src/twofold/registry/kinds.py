"""The sorts of things that have names."""

from dataclasses import dataclass

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A sort of thing that has names.

    Attributes:
        key: The field that holds the name.
        given: Arguments that are no fields, because the surroundings give them.
        home: The module that registers what Twofold brings.
        default: The name where none is given; its first argument may then stand for the whole.
    """

    key: str = "name"
    given: frozenset[str] = frozenset()
    home: str = ""
    default: str = ""


KINDS = {
    "model": Kind("family", frozenset({"image_shape", "num_classes"}), "twofold.models"),
    "network": Kind(
        given=frozenset({"input_shape", "output_shape", "condition_dim"}),
        home="twofold.networks",
        default="layers",
    ),
    "layer": Kind(given=frozenset({"input_shape"}), home="twofold.networks"),
    "condition": Kind(
        given=frozenset({"image_shape", "num_classes"}), home="twofold.conditions"
    ),
    "likelihood": Kind(given=frozenset({"channels"}), home="twofold.likelihoods"),
    "objective": Kind(home="twofold.objectives"),
    "prior": Kind(home="twofold.priors"),
    "posterior": Kind(home="twofold.posteriors"),
    "adversary": Kind(home="twofold.models", default="adversary"),
    "head": Kind(home="twofold.models"),
    "loss": Kind(home="twofold.models"),
    "dataset": Kind(home="twofold.data"),
    "measure": Kind(home="twofold.evaluation"),
}  # fmt: skip
