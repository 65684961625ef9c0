"""The figure of the model of a test."""

from stages.figures.style import elbo_curve

TITLE = "toy"
PREDICTIONS = {"evaluate": "toy/{seed}"}
HEADLINES = {"toy.rmse": ("root mean squared error", 2)}


def draw(settings, predictions, history, folder):
    """Draw the training history."""
    elbo_curve(folder, history, "nothing")
