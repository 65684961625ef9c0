"""The judge of drawn digits: an ordinary classifier of real digits, all of them labelled.

Generative story: that of stages/models/labels_only.py, with a network like LeNet. It shares no parameters and no
training with the models that it judges.
"""

from typing import Annotated, Literal

from pydantic import Field

from stages.models import labels_only
from stages.params import Count, Probability, Training


class Params(Training):
    """The section `judge` of params.yaml."""

    network: Literal["lenet", "mlp"]
    width: Annotated[int, Field(ge=1, le=64)]
    dropout: Probability
    batch_size: Count


def build(params: Params) -> tuple[labels_only.Model, labels_only.Guide]:
    """The likelihood of labels and its empty guide."""
    return labels_only.build(params)
