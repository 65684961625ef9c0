"""params.yaml as one typed, validated object: every key of the file, and what its value may be.

Each model's section is described by the class `Params` in that model's own file.
"""

from typing import Annotated, Literal, TypeVar

import pydantic
from pydantic import AfterValidator, Field

from stages.models import blr, bnn, labels_only, ssvae, vae
from stages.params import Finite, Positive, Probability, Section, Seed, Training


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("every seed may appear once")
    return seeds


def _ascending(values: list) -> list:
    if sorted(set(values)) != values:
        raise ValueError("must ascend")
    return values


Value = TypeVar("Value")
Levels = Annotated[list[Value], Field(min_length=1), AfterValidator(_ascending)]


class DataSize(Section):
    """How many images of each split are used; all of them, except in a quick run."""

    train: Annotated[int, Field(ge=100, le=50_000)]
    validation: Annotated[int, Field(ge=100, le=10_000)]
    test: Annotated[int, Field(ge=100, le=10_000)]


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


class Calibration(Training):
    """Simulation-based calibration of the linear regression's guides."""

    data_sets: Annotated[int, Field(ge=10, le=100_000)]
    coefficient_sd: Positive  # prior sd of intercept and slope, in units of the noise
    particles: Annotated[int, Field(ge=1, le=10_000)]  # posterior samples per ELBO estimate
    draws: Annotated[int, Field(ge=1, le=100_000)]  # posterior draws among which the truth is ranked
    bins: Annotated[int, Field(ge=2, le=1000)]  # of the rank histogram
    seed: Seed

    @pydantic.field_validator("bins")
    @classmethod
    def _even(cls, bins: int, info: pydantic.ValidationInfo) -> int:
        if (ranks := info.data.get("draws", -1) + 1) % bins:
            raise ValueError(f"must divide the {ranks} possible ranks, calibration.draws + 1")
        return bins


class Specification(Section):
    """What the linear regression takes the data for."""

    mean: Literal["line", "quadratic"]
    noise: Literal["normal", "student_t"]


class Criticism(Section):
    """A second toy set, which the model explains after it was rewritten."""

    curvature: Finite
    outliers: Probability
    before: Specification
    after: Specification


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


class PosteriorSamples(Section):
    """For models whose predictive averages over posterior samples."""

    posterior_samples: Annotated[int, Field(ge=1, le=1_000_000)]


class EvaluateBLR(PosteriorSamples):
    """The linear regression's predictive, and its posterior predictive checks."""

    replicates: Annotated[int, Field(ge=10, le=100_000)]  # data sets drawn from the posterior predictive


class EvaluateVAE(Section):
    """The VAE's likelihood bound."""

    iwae_samples: Annotated[int, Field(ge=1, le=100_000)]


class EvaluateSSVAE(Section):
    """The semi-supervised VAE's drawn digits."""

    drawn_per_class: Annotated[int, Field(ge=1, le=10_000)]


class Evaluate(Section):
    """How posteriors are turned into predictions, and these into metrics."""

    split: Literal["validation", "test"]
    bootstrap: Annotated[int, Field(ge=10, le=100_000)]  # resamples of the test cases
    blr: EvaluateBLR
    bnn: PosteriorSamples
    vae: EvaluateVAE
    ssvae: EvaluateSSVAE


class OutOfDistribution(Section):
    """Images of a kind that a model was not trained on."""

    images: Annotated[int, Field(ge=10, le=10_000)]  # of each data set that is made here


class PriorCheck(Section):
    """What networks drawn from the prior say."""

    networks: Annotated[int, Field(ge=2, le=10_000)]
    images: Annotated[int, Field(ge=10, le=10_000)]


class Samples(Section):
    """How good a prediction is by more and more posterior samples."""

    images: Annotated[int, Field(ge=10, le=10_000)]
    counts: Levels[Annotated[int, Field(ge=1, le=10_000)]]


class Shift(Section):
    """Digits that drift away from what was trained on: the levels of each shift."""

    images: Annotated[int, Field(ge=10, le=10_000)]
    rotation: Levels[Annotated[float, Field(ge=-360, le=360)]]  # degrees
    blur: Levels[Annotated[float, Field(gt=0, le=28)]]  # sd, pixels
    noise: Levels[Annotated[float, Field(gt=0, le=100)]]  # sd, share of white
    occlusion: Levels[Annotated[int, Field(ge=1, le=20)]]  # side, pixels


class Settings(Section):
    """The whole of params.yaml."""

    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(_distinct)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:(0|[1-9][0-9]?))$")]
    threads: Annotated[int, Field(ge=1, le=256)]
    instructions: Literal["avx2", "native"]
    matmul_precision: Literal["float32", "tf32"]
    checkpoint_seconds: Annotated[int, Field(ge=0, le=86_400)]
    images: DataSize
    regression: Regression
    drop_labels: DropLabels
    blr: blr.Params
    bnn: bnn.Params
    vae: vae.Params
    ssvae: ssvae.Params
    labels_only: labels_only.Params
    criticism: Criticism
    calibration: Calibration
    evaluate: Evaluate
    ood: OutOfDistribution
    shift: Shift
    samples: Samples
    prior_check: PriorCheck

    @pydantic.model_validator(mode="after")
    def _some_labels_are_dropped(self) -> "Settings":
        kept, images = self.drop_labels.kept, self.images.train
        if kept >= images:
            raise ValueError(f"drop_labels.kept = {kept}: must be less than images.train = {images}")
        return self
