"""params.yaml as one typed, validated object.

The whole file is checked by whichever stage runs first, so that a typo ends a run before it costs anything.
Each model's section is described by the class `Params` in that model's own file; nothing here has a default:
the numbers live in params.yaml alone.
"""

import difflib
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import AfterValidator, ConfigDict, Field

from stages.command import Failure

MODELS = ("blr", "bnn", "vae", "ssvae")
TRAINED = (*MODELS, "labels_only")  # and the baseline of the last

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, le=1e6)]
NonNegative = Annotated[float, Field(ge=0, le=1e6)]
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
Probability = Annotated[float, Field(ge=0, lt=1)]


class ParamsError(Failure):
    """params.yaml cannot be used; the message is one line that names the key, the value and the remedy."""


class Section(pydantic.BaseModel):
    """A section of params.yaml: every key required, none unknown, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Training(Section):
    """What the SVI loop needs of every model."""

    steps: Count  # gradient steps
    learning_rate: Annotated[float, Field(gt=0, le=10)]  # Adam's, at its peak
    schedule: Literal["constant", "cosine", "one_cycle"]  # of the learning rate
    validate_every: Count  # steps between two rows of elbo.csv
    execution: Literal["eager", "traced", "compiled"]  # of a gradient step: by Pyro, or traced once and replayed


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("every seed may appear once")
    return seeds


class DataSize(Section):
    """How many images of each split are used; all of them, except in a quick run."""

    train: Annotated[int, Field(ge=100, le=50_000)]
    validation: Annotated[int, Field(ge=100, le=10_000)]
    test: Annotated[int, Field(ge=100, le=10_000)]


class Regression(Section):
    """The toy regression set: y = intercept + slope x + Normal(0, noise)."""

    n: Annotated[int, Field(ge=3, le=100_000)]
    n_holdout: Annotated[int, Field(ge=2, le=100_000)]
    intercept: Finite
    slope: Finite
    noise: Positive
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


class EvaluateVAE(Section):
    """The VAE's likelihood bound."""

    iwae_samples: Annotated[int, Field(ge=1, le=100_000)]


class EvaluateSSVAE(Section):
    """The semi-supervised VAE's drawn digits."""

    drawn_per_class: Annotated[int, Field(ge=1, le=10_000)]


class Evaluate(Section):
    """How posteriors are turned into predictions."""

    split: Literal["validation", "test"]
    blr: PosteriorSamples
    bnn: PosteriorSamples
    vae: EvaluateVAE
    ssvae: EvaluateSSVAE


class Summarize(Section):
    """How uncertain the metrics themselves are."""

    bootstrap: Annotated[int, Field(ge=10, le=100_000)]


@cache
def schema() -> type[Section]:
    """The class of the whole file, put together from each model's own `Params`."""
    models = {name: (importlib.import_module(f"stages.models.{name}").Params, ...) for name in TRAINED}
    return pydantic.create_model(
        "Params",
        __base__=Section,
        seeds=(Annotated[list[Seed], Field(min_length=1), AfterValidator(_distinct)], ...),
        checkpoint_seconds=(Annotated[int, Field(ge=0, le=86_400)], ...),
        device=(Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:(0|[1-9][0-9]?))$")], ...),
        images=(DataSize, ...),
        matmul_precision=(Literal["float32", "tf32"], ...),
        regression=(Regression, ...),
        drop_labels=(DropLabels, ...),
        **models,
        calibration=(Calibration, ...),
        evaluate=(Evaluate, ...),
        summarize=(Summarize, ...),
        __validators__={
            "some_labels_are_dropped": pydantic.model_validator(mode="after")(_some_labels_are_dropped)
        },
    )


def _some_labels_are_dropped(params: Any) -> Any:
    kept, images = params.drop_labels.kept, params.images.train
    if kept >= images:
        raise ValueError(f"drop_labels.kept = {kept}: must be less than images.train = {images}")
    return params


def load(path: str | Path = "params.yaml") -> Any:
    """Read and validate `path`.

    Raises:
        ParamsError: with one line that names the first offending key, its value and what is allowed.
    """
    try:
        document = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}): run from the repository's root") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, no such date, too many digits
        raise ParamsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: must hold sections such as `bnn:`, found {_shown(document)}")
    try:
        return schema().model_validate(document)
    except pydantic.ValidationError as error:
        raise ParamsError(f"{path}: {' '.join(_one_line(error).split())}") from None


class _Loader(yaml.SafeLoader):
    """Numbers of YAML 1.2, as DVC reads them: to plain PyYAML 1e-3 is a string, 010 is 8 and 8:20 is 500."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _one_line(error: pydantic.ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    key = ".".join(str(part) for part in first["loc"])
    if not key:  # a rule about several sections: the message names them itself
        return first["msg"].removeprefix("Value error, ")
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "missing":
        return f"{key} is missing: add it, see the committed params.yaml for its meaning{more}"
    if first["type"] == "extra_forbidden":
        return f"{key} = {_shown(first['input'])}: unknown key{_suggestion(first['loc'])}{more}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{key} = {_shown(first['input'])}: {message}{more}"


def _suggestion(location: tuple) -> str:
    section = schema()
    for part in location[:-1]:
        section = section.model_fields[part].annotation
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1)
    if close:
        return f", did you mean {close[0]}?"
    return f", allowed are {', '.join(section.model_fields)}"
