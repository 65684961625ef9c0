"""The data sections of params.yaml, as types: images and their registry, the toy regression, the kept labels."""

from typing import Annotated, Literal

import pydantic
from pydantic import AfterValidator, Field

from stages import torchvision_sets
from stages.params import Finite, Positive, Probability, Section, Seed


class DataSize(Section):
    """Number of images used of each split: all of them, except in a quick run."""

    train: Annotated[int, Field(ge=100, le=50_000)]
    validation: Annotated[int, Field(ge=100, le=10_000)]
    test: Annotated[int, Field(ge=100, le=10_000)]


def _class_names(names: list) -> list[str]:
    distinct = {name for name in names if isinstance(name, str)}
    if not 2 <= len(names) == len(distinct) <= 256:
        raise ValueError("must be 2 to 256 different names, digits in quotes")
    return names


ClassNames = Annotated[list, AfterValidator(_class_names)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
MADE = (  # names taken: stages/ood_data.py
    "gaussian_noise",
    "uniform_noise",
    "constant",
    "sklearn_digits",
    "strokes",
    "photographs",
    "shuffled_quarters",
    "shuffled_blocks",
    "flipped_horizontally",
    "flipped_vertically",
)


class Downloaded(Section):
    """A data set that torchvision knows."""

    torchvision: Annotated[str, AfterValidator(torchvision_sets.known)]  # class; of EMNIST, a slash and the split
    classes: ClassNames = Field([])  # what they are called, in the order of the labels; may be left out


class Local(Section):
    """A data set on this machine."""

    path: Annotated[str, Field(min_length=1, pattern=r"^[^~'\n]*$")]  # a dep in dvc.yaml: no shell expands it
    classes: ClassNames = Field([])  # what they are called, in the order of the labels; may be left out


class SomeClasses(Section):
    """Some classes of another data set."""

    of: str  # the other data set
    labels: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1)]
    classes: ClassNames = Field([])  # what they are called; may be left out

    @pydantic.field_validator("classes")
    @classmethod
    def _one_for_each(cls, classes: list[str], info: pydantic.ValidationInfo) -> list[str]:
        if classes and len(classes) != len(labels := info.data.get("labels", classes)):
            raise ValueError(f"has {len(classes)} names for {len(labels)} labels: name all, or leave them out")
        return classes

    @pydantic.field_validator("labels")
    @classmethod
    def _different(cls, labels: list[int]) -> list[int]:
        if len(set(labels)) < len(labels):
            raise ValueError("names a class twice")
        return labels


class DataSets(Section):
    """The registry of image data sets, by name."""

    download: dict[Name, Downloaded]
    local: dict[Name, Local]
    parts: dict[Name, SomeClasses]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed

    def all(self) -> dict[str, Downloaded | Local | SomeClasses]:
        """Every data set by its name."""
        return self.download | self.local | self.parts

    def class_names(self, name: str) -> list[str]:
        """What the classes of a data set are called, in the order of the labels; none if that is not known.

        Some classes of another data set have its names, or its labels.
        """
        entry = self.all()[name]
        if entry.classes or not isinstance(entry, SomeClasses):
            return entry.classes
        names = self.class_names(entry.of)
        return [names[label] if label < len(names) else str(label) for label in entry.labels]


class Regression(Section):
    """The toy regression set: y = intercept + slope x + curvature (x - middle)^2 + noise."""

    n: Annotated[int, Field(ge=3, le=100_000)]
    n_holdout: Annotated[int, Field(ge=2, le=100_000)]
    intercept: Finite
    slope: Finite
    curvature: Finite
    noise: Positive  # sd
    outliers: Probability  # share of the points whose noise is outlier_scale times as large
    outlier_scale: Positive
    x_min: Finite
    x_max: Finite
    seed: Seed

    @pydantic.field_validator("x_max")
    @classmethod
    def _range(cls, x_max: float, info: pydantic.ValidationInfo) -> float:
        if "x_min" in info.data and x_max <= info.data["x_min"]:
            raise ValueError(f"must be greater than x_min = {info.data['x_min']}")
        return x_max


class DropLabels(Section):
    """Which labels the semi-supervised model may see."""

    kept: Annotated[int, Field(ge=10, le=50_000)]
    scheme: Literal["balanced", "random"]

    @pydantic.field_validator("scheme")
    @classmethod
    def _divisible(cls, scheme: str, info: pydantic.ValidationInfo) -> str:
        if scheme == "balanced" and info.data.get("kept", 0) % 10:
            raise ValueError("a balanced scheme needs drop_labels.kept to be a multiple of the 10 classes")
        return scheme
