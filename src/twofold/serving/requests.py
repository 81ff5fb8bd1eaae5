"""What the page may ask for: plain data with bounds, and everything else refused.

An image is named by its number among the test images or comes as its pixels; no path does.
"""

from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from twofold.errors import UsageError
from twofold.settings import Natural, Seed, Strict, refusal

__all__ = ["Ask", "Between", "End", "Generate", "Picture", "Read", "Sent", "parse"]

Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Weight = Annotated[float, Field(ge=0, le=1)]
Code = Annotated[list[Number], Field(max_length=100_000)]
Weights = Annotated[list[Weight], Field(max_length=65_536)]


class Ask(Strict):
    """Something of a model, by its number on the page."""

    model: Natural


class Sent(Strict):
    """An image.

    Attributes:
        test: The number of a test image; or
        pixels: Base64 of C × H × W bytes, in the size of the model; or
        file: Base64 of an image file.
    """

    test: Natural | None = None
    pixels: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Sent":
        if sum(value is not None for value in (self.test, self.pixels, self.file)) != 1:
            raise ValueError("an image is either test, pixels or file")
        return self


class Picture(Ask):
    """One image of the model's size."""

    image: Sent


class Read(Picture):
    """What a model makes of an image.

    Attributes:
        weights: Of the classes, for a model of the class; by default the class of the image.
    """

    weights: Weights | None = None


class Generate(Ask):
    """Images of codes.

    Attributes:
        z: The codes; or
        seed: Of codes that are drawn.
        n: How many are drawn.
        weights: Of the classes, for a model of the class.
        image: Of which a part is given, to a model that completes images.
        steps: Also the image after every step, of one code and a model that paints.
    """

    z: Annotated[list[Code], Field(min_length=1, max_length=100)] | None = None
    seed: Seed | None = None
    n: Annotated[int, Field(ge=1, le=100)] = 1
    weights: Weights | None = None
    image: Sent | None = None
    steps: bool = False

    @model_validator(mode="after")
    def _one(self) -> "Generate":
        if (self.z is None) == (self.seed is None):
            raise ValueError("images are made of codes z, or of those of a seed")
        return self


class End(Strict):
    """Where a way begins or ends: a seed or an image, and weights of classes."""

    seed: Seed | None = None
    image: Sent | None = None
    weights: Weights | None = None

    @model_validator(mode="after")
    def _one(self) -> "End":
        if (self.seed is None) == (self.image is None):
            raise ValueError("an end is either a seed or an image")
        return self


class Between(Ask):
    """The way from one end to another, both included."""

    a: End
    b: End
    steps: Annotated[int, Field(ge=2, le=50)] = 17


def parse(kind: type[Ask], body: bytes) -> Ask:
    """A request from its JSON.

    Raises:
        UsageError: If it is none, in words.

    Example:
        >>> parse(Generate, b'{"model": 0, "seed": 3}').seed
        3
        >>> parse(Generate, b'{"model": 0, "seed": -1}')
        Traceback (most recent call last):
        twofold.settings.SettingsError: seed: got -1; input should be greater than or equal to 0
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error) from error
    except RecursionError as error:
        raise UsageError("the request is nested too deeply") from error
