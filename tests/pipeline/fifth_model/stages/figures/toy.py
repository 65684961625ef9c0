"""The figure of the model of a test."""

from stages.figures.style import elbo_curve

PREDICTIONS = {"evaluate": "toy/{seed}"}


def draw(settings, predictions, history, folder):
    """The history of its training."""
    elbo_curve(folder, history, "nothing")
