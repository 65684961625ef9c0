"""The two problems of the study: inputs, network and prior."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from stages import datasets, params
from stages.inference import posterior
from stages.models import bnn
from stages.models.networks import Dropout
from stages.params import Count, Positive, Section
from stages.predictive.features import mean_networks
from stages.settings import Settings
from studies import run
from studies.reference import STUDY, study

MEAN_OF = 4  # pixels along each side of the squares that are averaged
CLASSES = 10


class Prior(Section):
    """What differs from bnn.prior, if the scale is not learned."""

    scale: Literal["constant", "fan_in"]
    weight_sd: Positive
    bias_sd: Positive


class Sampler(Section):
    """The No-U-Turn sampler of each chain."""

    warmup: Count  # draws that are thrown away
    draws: Count
    every: Count  # draw of these whose log probabilities are kept, to see whether the chains agree
    depth: Annotated[int, Field(ge=1, le=15)]  # of a trajectory: 2^depth - 1 leapfrog steps at most
    curvature: bool  # whether the mass matrix is the curvature at the mode; otherwise a diagonal, from the warm-up


class Problem(Section):
    """A network, its data and its prior."""

    inputs: Literal["features", "means"]
    digits: Count  # of the training set
    hidden: list[Count]  # units of hidden layers
    prior: Prior
    nuts: Sampler


def problem(name: str) -> Problem:
    """One of `problems` in study.yaml."""
    return Problem.model_validate(study()["problems"][name])


def section(problem: Problem, family: bnn.Params) -> bnn.Params:
    """The section `bnn` of a family with the prior of the problem."""
    changed = problem.prior.model_dump(exclude={"scale"} if family.prior.scale == "learned" else None)
    return family.model_copy(update={"prior": family.prior.model_copy(update=changed)})


def data(problem: Problem, split: str, settings: Settings) -> tuple[Tensor, Tensor]:
    """Inputs (digits, inputs) float32 and labels (digits,) of one split; of `train` the problem's first digits."""
    images = datasets.load("mnist", split, settings.images)
    most = problem.digits if split == "train" else None
    pixels, labels = datasets.unit_interval(images.pixels[:most]), images.labels[:most]
    return (features if problem.inputs == "features" else means)(pixels), labels


def means(images: Tensor) -> Tensor:
    """The means of squares of 4 x 4 pixels, (images, 784) -> (images, 49)."""
    return F.avg_pool2d(images.view(-1, 1, 28, 28), MEAN_OF).flatten(1)


@torch.no_grad()
def features(images: Tensor) -> Tensor:
    """What the last layer of the study's MAP network is given, (images, 784) -> (images, 128)."""
    folder = run.prepare(STUDY, "features")
    section = params.load(folder / "params.yaml").bnn
    model, guide = bnn.build(section)
    posterior.load(folder / f"posteriors/bnn/{study()['seeds'][0]}/weights.safetensors", model, guide)
    (trained,) = mean_networks(section, guide)
    return torch.cat([trained[:-1](part) for part in images.split(1000)])


def network(hidden: list[int], inputs: int, dropout: float = 0.0) -> nn.Sequential:
    """Dense layers with ReLU units between them, and dropout, if any, at the inputs of the last."""
    layers: list[nn.Module] = [] if hidden else [nn.Identity()]  # a last layer, for Laplace, comes after another
    for units, after in pairwise([inputs, *hidden]):
        layers += [nn.Linear(units, after), nn.ReLU()]
    mask = [Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, *mask, nn.Linear([inputs, *hidden][-1], CLASSES))
