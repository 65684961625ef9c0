"""params.yaml as one typed, validated object: every key of the file and its allowed values.

The section of each model is described by the class `Params` in that model's file, those of the data in
stages/data_settings.py.
"""

import difflib
from typing import Annotated, Literal, TypeVar

import pydantic
from pydantic import AfterValidator, Field

from stages.data_settings import MADE, DataSets, DataSize, DropLabels, Name, Regression
from stages.models import blr, bnn, judge, labels_only, ssvae, vae
from stages.params import Count, Finite, Positive, Probability, Section, Seed, Training, shown


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("every seed may appear only once")
    return seeds


def _ascending(values: list) -> list:
    if sorted(set(values)) != values:
        raise ValueError("must be in ascending order")
    return values


def _other_prior(name: str) -> str:
    if name == "networks":
        raise ValueError("networks is the name of bnn.prior's own: take another one")
    return name


Value = TypeVar("Value")
Levels = Annotated[list[Value], Field(min_length=1), AfterValidator(_ascending)]


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


class PosteriorSamples(Section):
    """For models whose posterior predictive averages over posterior samples."""

    posterior_samples: Annotated[int, Field(ge=1, le=1_000_000)]


class EvaluateBLR(PosteriorSamples):
    """The linear regression's predictive, and its posterior predictive checks."""

    replicates: Annotated[int, Field(ge=10, le=100_000)]  # data sets drawn from the posterior predictive


class EvaluateVAE(Section):
    """The likelihood bound of the VAE."""

    iwae_samples: Annotated[int, Field(ge=1, le=100_000)]


class Halves(Section):
    """Digits whose lower half is hidden."""

    images: Annotated[int, Field(ge=10, le=1000)]
    steps: Count  # gradient steps to the posterior given the upper half, for each class
    learning_rate: Annotated[float, Field(gt=0, le=10)]  # Adam's
    samples: Annotated[int, Field(ge=1, le=100_000)]  # importance samples for each class


class EvaluateSSVAE(Section):
    """Classification, and the digits that the semi-supervised VAE draws and completes."""

    binarisations: Annotated[int, Field(ge=1, le=1000)]  # draws of each image that q(y | x) is averaged over
    importance_samples: Annotated[int, Field(ge=1, le=10_000)]  # of p(x, y), for each class
    drawn_per_class: Annotated[int, Field(ge=2, le=10_000)]
    student_steps: Count  # gradient steps of a classifier on drawn digits
    halves: Halves


class Evaluate(Section):
    """How predictions and metrics are computed from posteriors."""

    split: Literal["validation", "test"]
    bootstrap: Annotated[int, Field(ge=10, le=100_000)]  # resamples of the test cases
    blr: EvaluateBLR
    bnn: PosteriorSamples
    vae: EvaluateVAE
    ssvae: EvaluateSSVAE


class OutOfDistribution(Section):
    """Out-of-distribution images."""

    bnn: str  # one of data_sets, which the network is not trained on
    vae: str  # one of data_sets, which the VAE is not trained on
    images: Annotated[int, Field(ge=10, le=10_000)]  # of each generated data set
    headline: Literal[
        "likelihood",
        "grey_divergence",
        "input_complexity",
        "likelihood_regret",
        "encoder_statistics",
        "all_statistics",
        "latent_density",
        "combined",
        "likelihood_ratio",
    ]
    headline_bnn: Literal[
        "entropy", "mutual_information", "max_probability", "feature_density", "feature_distance"
    ]
    reference: Annotated[int, Field(ge=100, le=50_000)]  # training images
    binarisations: Annotated[int, Field(ge=1, le=1000)]  # binary draws of each image
    importance_samples: Annotated[int, Field(ge=1, le=10_000)]  # for each draw
    components: Annotated[int, Field(ge=1, le=1000)]  # of the fitted normal mixtures
    regret_images: Annotated[int, Field(ge=10, le=10_000)]  # of each data set
    regret_steps: Count
    regret_learning_rate: Annotated[float, Field(gt=0, le=10)]  # Adam's


class Referral(Section):
    """Which images the network answers itself."""

    risk: Annotated[float, Field(gt=0, lt=1)]  # error rate allowed among them
    confidence: Annotated[float, Field(gt=0, lt=1)]  # probability that it is kept


class OtherPrior(Section):
    """What another prior of the weights has in place of bnn.prior."""

    scale: Literal["constant", "fan_in"]
    weight_sd: Positive


class PriorCheck(Section):
    """The prior predictive check."""

    networks: Annotated[int, Field(ge=2, le=10_000)]
    images: Annotated[int, Field(ge=10, le=10_000)]
    others: dict[Annotated[Name, AfterValidator(_other_prior)], OtherPrior]  # to compare with


class Samples(Section):
    """The quality of predictions against the number of posterior samples."""

    images: Annotated[int, Field(ge=10, le=10_000)]
    counts: Levels[Annotated[int, Field(ge=1, le=10_000)]]


class Shift(Section):
    """Images shifted away from the training data: the levels of each shift."""

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
    data_sets: DataSets
    regression: Regression
    drop_labels: DropLabels
    blr: blr.Params
    bnn: bnn.Params
    vae: vae.Params
    ssvae: ssvae.Params
    labels_only: labels_only.Params
    judge: judge.Params
    criticism: Criticism
    calibration: Calibration
    evaluate: Evaluate
    ood: OutOfDistribution
    shift: Shift
    samples: Samples
    prior_check: PriorCheck
    referral: Referral

    @pydantic.model_validator(mode="after")
    def _names_of_data_sets_are_free(self) -> "Settings":
        if "mnist" not in self.data_sets.download:
            raise ValueError("data_sets.download.mnist is missing: the semi-supervised model learns it")
        sources = self.data_sets.download | self.data_sets.local
        for kind, names, others in (
            ("local", self.data_sets.local, self.data_sets.download),
            ("parts", self.data_sets.parts, sources),
        ):
            for name in names:
                if name in others:
                    raise ValueError(f"data_sets.{kind}.{name}: another data set has that name: take another one")
        for name, part in self.data_sets.parts.items():
            if part.of not in sources:
                raise ValueError(f"data_sets.parts.{name}.of = {shown(part.of)}: take one of {', '.join(sources)}")
        for name in self.data_sets.all():
            if name in (*MADE, "validation", "reference", "threshold_nats") or name.startswith("inverted_"):
                raise ValueError(f"data_sets: {name} is the name of something that is made here: take another one")
        return self

    @pydantic.model_validator(mode="after")
    def _data_sets_are_known(self) -> "Settings":
        known = self.data_sets.all()
        for model, learned in (("bnn", self.bnn.dataset), ("vae", self.vae.dataset)):
            other = getattr(self.ood, model)
            for key, name in ((f"{model}.dataset", learned), (f"ood.{model}", other)):
                if name not in known:
                    close = difflib.get_close_matches(name, known, n=1)
                    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
                    raise ValueError(f"{key} = {shown(name)}: is not in data_sets, {hint}")
            if other == learned:
                raise ValueError(f"ood.{model} = {shown(other)}: is what {model}.dataset has: name another one")
        classes, names = self.bnn.classes, self.data_sets.class_names(self.bnn.dataset)
        if names and len(names) != classes:
            said = f"data_sets has {len(names)} names of classes for {self.bnn.dataset}"
            raise ValueError(f"bnn.classes = {classes}: {said}: set it to {len(names)}")
        return self

    @pydantic.model_validator(mode="after")
    def _headline_score_is_computed(self) -> "Settings":
        if self.ood.headline == "likelihood_ratio" and self.vae.levels == 1:
            raise ValueError("ood.headline = likelihood_ratio: needs vae.levels = 2: name another score")
        return self

    @pydantic.model_validator(mode="after")
    def _enough_labels(self) -> "Settings":
        kept, images = self.drop_labels.kept, self.images.train
        if kept > images:
            raise ValueError(f"drop_labels.kept = {kept}: must be at most images.train = {images}")
        return self
