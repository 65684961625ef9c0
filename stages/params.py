"""Reading params.yaml: the types of its values, the list of models, and the errors.

Whichever stage runs first checks the whole file, so that a typo stops a run before it costs anything.
stages/settings.py describes the whole file. There are no defaults: all numbers are in params.yaml.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import pydantic
import yaml
from pydantic import ConfigDict, Field

from stages.command import Failure

if TYPE_CHECKING:
    from stages.settings import Settings

# The registry of models. A model needs a line here, its files in stages/, its stages in dvc.yaml, and its params.
MODELS = (
    "blr",
    "bnn",
    "vae",
    "ssvae",
)
TRAINED = (*MODELS, "labels_only", "judge")  # and the baseline of ssvae and the judge of its digits

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, le=1e6)]
NonNegative = Annotated[float, Field(ge=0, le=1e6)]
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
Probability = Annotated[float, Field(ge=0, lt=1)]


class ParamsError(Failure):
    """params.yaml is invalid; the message names the key, the value and the remedy in one line."""


class Section(pydantic.BaseModel):
    """A section of params.yaml: every key is required, unknown keys are errors, types are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Training(Section):
    """Settings of the SVI loop, the same for every model."""

    steps: Count  # gradient steps
    learning_rate: Annotated[float, Field(gt=0, le=10)]  # of Adam, at its peak
    schedule: Literal["constant", "cosine", "one_cycle"]  # of the learning rate
    clip_norm: NonNegative  # longest gradient, nats per datum; a longer one is scaled down to it; 0: no limit
    validate_every: Count  # steps between two rows of elbo.csv
    average_steps: Annotated[int, Field(ge=0, le=10_000_000)]  # last steps whose weights are averaged; 0: the last
    execution: Literal["eager", "traced", "compiled"]  # of gradient steps: by Pyro, or traced once and replayed


def load(path: str | Path = "params.yaml") -> Settings:
    """Read and validate `path`.

    Raises:
        ParamsError: with one line that names the first offending key, its value and what is allowed.
    """
    return validated(read(path), path)


def read(path: str | Path) -> dict[str, Any]:
    """The sections of `path`, not validated.

    Raises:
        ParamsError: if the file does not exist or is not a YAML mapping.
    """
    try:
        document = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}): run from the repository's root") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, no such date, too many digits
        raise ParamsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: must hold sections such as `bnn:`, found {shown(document)}")
    return document


def validated(document: dict[str, Any], path: str | Path) -> Settings:
    """The document that `read` returned for `path`, as a typed, validated object.

    Raises:
        ParamsError: with one line that names the first offending key, its value and what is allowed.
    """
    from stages.settings import Settings  # imports every model, and so torch

    try:
        return Settings.model_validate(document)
    except pydantic.ValidationError as error:
        raise ParamsError(f"{path}: {' '.join(_one_line(error, Settings).split())}") from None


def merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `overrides`, section by section.

    Raises:
        ParamsError: if `overrides` has a key that `base` does not have.
    """
    result = dict(base)
    for key, value in overrides.items():
        if key not in base:
            raise ParamsError(f"{key} is not in params.yaml, so cannot be changed: use one of {', '.join(base)}")
        result[key] = merged(base[key], value) if isinstance(value, dict) else value
    return result


class _Loader(yaml.SafeLoader):
    """Parses numbers by YAML 1.2, as DVC does; plain PyYAML reads 1e-3 as a string, 010 as 8 and 8:20 as 500."""


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


def shown(value: Any) -> str:
    """A value as an error shows it, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _one_line(error: pydantic.ValidationError, schema: type[Section]) -> str:
    first, *others = error.errors(include_url=False)
    key = ".".join(str(part) for part in first["loc"])
    if not key:  # a rule about several sections, whose message names them
        return first["msg"].removeprefix("Value error, ")
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "missing":
        return f"{key} is missing: add it; the committed params.yaml explains its meaning{more}"
    if first["type"] == "extra_forbidden":
        return f"{key} = {shown(first['input'])}: unknown key{_suggestion(first['loc'], schema)}{more}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{key} = {shown(first['input'])}: {message}{more}"


def _suggestion(location: tuple, section: type[Section]) -> str:
    for part in location[:-1]:
        # in a section such as data_sets.local, the names are the user's
        section = get_args(section)[1] if get_origin(section) is dict else section.model_fields[part].annotation
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1)
    if close:
        return f", did you mean {close[0]}?"
    return f", allowed keys are {', '.join(section.model_fields)}"
