"""What the networks of a posterior say of a picture: votes, a class and its interval, the parts of the entropy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import entropy

from stages.figures.style import BLUE, GREY, ORANGE
from stages.predictive import bnn, classifier
from tools import pictures

if TYPE_CHECKING:
    from stages.settings import Settings

INTERVAL = 0.9  # central share of the drawn networks
PLOTTED = 100  # images in a plot, at most
ASK = "cannot tell: ask a person"
HEADER = (
    "image",
    "class",
    "probability",
    f"{INTERVAL:.0%} of networks",
    "entropy",
    "aleatoric",
    "epistemic",
    "answer",
)


@dataclass(frozen=True)
class Answer:
    """What the drawn networks say of one image."""

    path: Path
    picture: pictures.Prepared
    votes: np.ndarray  # (networks, classes) float64, the probabilities by each network
    names: tuple[str, ...]  # of the classes
    threshold: float  # nats of entropy, up to which the network answers itself

    @property
    def probabilities(self) -> np.ndarray:
        """Of the classes, the mean over networks, (classes,)."""
        return self.votes.mean(axis=0)

    @property
    def likeliest(self) -> int:
        """The class of largest probability."""
        return int(self.probabilities.argmax())

    @property
    def interval(self) -> tuple[float, float]:
        """Between which the central `INTERVAL` of the networks put the probability of that class."""
        tail = (1 - INTERVAL) / 2
        low, high = np.quantile(self.votes[:, self.likeliest], [tail, 1 - tail])
        return float(low), float(high)

    @property
    def expected_entropy(self) -> float:
        """Mean of the networks' own entropies, the aleatoric part; nats."""
        return float(entropy(self.votes, axis=1).mean())

    @property
    def mutual_information(self) -> float:
        """Of label and weights, the epistemic part: how far the networks disagree; nats."""
        return max(float(entropy(self.probabilities)) - self.expected_entropy, 0.0)

    @property
    def entropy(self) -> float:
        """Of the mean probabilities: the sum of the two parts; nats."""
        return self.expected_entropy + self.mutual_information

    @property
    def ask_a_person(self) -> bool:
        """Whether the entropy is above the threshold, or the picture has no clear ink."""
        return not self.picture.clear or self.entropy > self.threshold


def class_names(settings: Settings) -> tuple[str, ...]:
    """The names of the network's classes in params.yaml, or their numbers."""
    names = settings.data_sets.class_names(settings.bnn.dataset)
    return tuple(names or map(str, range(settings.bnn.classes)))


def votes(settings: Settings, trained: bnn.Trained, pixels: np.ndarray, seed: int) -> np.ndarray:
    """Class probabilities of one image by each drawn network, (networks, classes) float64.

    The generator starts anew, and so does the turn of an ensemble's members: every image is shown to the same
    networks, whatever else was asked before.

    Args:
        settings: `bnn` and `evaluate.bnn` say how many networks to draw.
        trained: model and guide.
        pixels: (28, 28) uint8, light ink on black.
        seed: of the draws.
    """
    model, guide = trained
    torch.manual_seed(seed)
    if hasattr(guide, "turn"):
        guide.turn = 0
    image = torch.from_numpy(pixels.reshape(1, -1).copy()).to(model.device.device)
    drawn = [classifier.cumulative(model, guide, image, (1,))[0, 0] for _ in range(bnn.draws(settings))]
    p = torch.stack(drawn).cpu().numpy().astype(np.float64)
    return p / p.sum(axis=1, keepdims=True)


def table(answers: list[Answer]) -> str:
    """A line for each image, under a header."""
    lines = [HEADER]
    for answer in answers:
        low, high = answer.interval
        parts = (answer.entropy, answer.expected_entropy, answer.mutual_information)
        name = answer.names[answer.likeliest]
        said = name if not answer.ask_a_person else ASK if answer.picture.clear else f"no clear ink: {ASK}"
        probability = answer.probabilities[answer.likeliest]
        numbers = (f"{probability:.4f}", f"{low:.4f}-{high:.4f}", *(f"{part:.4f}" for part in parts))
        lines.append((str(answer.path), name, *numbers, said))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines)


def as_json(answer: Answer) -> dict[str, Any]:
    """One answer in JSON types, by the keys that `python -m tools.predict --help` lists."""
    return {
        "file": str(answer.path),
        "class": answer.names[answer.likeliest],
        "probability": float(answer.probabilities[answer.likeliest]),
        "interval": list(answer.interval),
        "entropy": answer.entropy,
        "expected_entropy": answer.expected_entropy,
        "mutual_information": answer.mutual_information,
        "ask_a_person": answer.ask_a_person,
        "clear_ink": answer.picture.clear,
        "probabilities": dict(zip(answer.names, map(float, answer.probabilities), strict=True)),
    }


def plot(path: Path, answers: list[Answer]) -> None:
    """A row for each image: the original, what the network saw, and the votes of the drawn networks, as PNG."""
    canvas = Figure(figsize=(7.8, 2.2 * len(answers)))
    axes = canvas.subplots(len(answers), 3, squeeze=False, width_ratios=[1, 1, 2])
    for (original, seen, votes), answer in zip(axes, answers, strict=True):
        original.imshow(answer.picture.original, cmap="gray", vmin=0, vmax=255)
        original.set_title(_short(answer.path.name), fontsize=9)
        seen.imshow(answer.picture.pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        seen.set_title("as the network saw it", fontsize=9)
        for axis in (original, seen):
            axis.set_axis_off()
        _draw_votes(votes, answer)
    with pictures.saving(path) as temporary:
        canvas.savefig(temporary, format="png", metadata={"Software": None})


def _draw_votes(axis, answer: Answer) -> None:
    networks, classes = answer.votes.shape
    colour = ORANGE if answer.ask_a_person else BLUE
    axis.bar(range(classes), answer.probabilities, color=colour, alpha=0.35, width=0.8)
    aside = np.linspace(-0.25, 0.25, networks) if networks > 1 else np.zeros(1)
    for label in range(classes):
        axis.plot(label + aside, answer.votes[:, label], ".", color=colour, ms=3)
    title = ASK if answer.ask_a_person else f"{answer.names[answer.likeliest]}"
    said = "a dot for each network" if networks > 1 else "one network"
    axis.set_title(f"{title} ({said})", fontsize=9, color=colour)
    axis.set(ylim=(0, 1.03), yticks=[0, 0.5, 1], xticks=range(classes))
    tilted = max(map(len, answer.names)) > 1
    axis.set_xticklabels(
        answer.names, fontsize=8, rotation=40 if tilted else 0, ha="right" if tilted else "center"
    )
    axis.tick_params(axis="y", labelsize=8, color=GREY)


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"
