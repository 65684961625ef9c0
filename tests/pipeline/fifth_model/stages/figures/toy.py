"""The figure of the model of a test."""

from stages.figures.style import elbo_curve

PREDICTIONS = {"evaluate": "toy/{seed}"}


def draw(settings, predictions, history, folder):
    """Draw the training history."""
    elbo_curve(folder, history, "nothing")
