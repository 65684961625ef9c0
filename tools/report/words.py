"""What things are called on the page: data sets, classes, figures."""

from __future__ import annotations

from dataclasses import dataclass

from stages.settings import Settings


@dataclass(frozen=True)
class DataSet:
    """How to speak of a data set."""

    name: str  # as a title
    one: str  # of its images, with an article
    many: str  # of its images


INVERTED = "inverted_"  # before the name of a data set: its images with black for white
DATA_SETS = {
    "mnist": DataSet("MNIST", "a digit", "digits"),
    "fashion_mnist": DataSet("Fashion-MNIST", "a garment", "clothes"),
    "photographs": DataSet("Patches of a photograph", "a patch", "patches"),
    "gaussian_noise": DataSet("Gaussian noise", "noise", "noise images"),
    "uniform_noise": DataSet("Uniform noise", "noise", "noise images"),
    "strokes": DataSet("Random strokes", "a drawing", "drawings"),
    "shuffled_blocks": DataSet("Shuffled blocks", "a shuffled image", "shuffled images"),
    "sklearn_digits": DataSet("scikit-learn’s digits, enlarged", "a digit", "digits"),
}


def data_set(name: str) -> DataSet:
    """How to speak of a data set; of one that is not listed by its name in params.yaml."""
    if name.startswith(INVERTED):
        of = data_set(name.removeprefix(INVERTED))
        return DataSet(f"Inverted {of.many}", "an inverted image", f"inverted {of.many}")
    return DATA_SETS.get(name) or DataSet(name.replace("_", " "), "an image", "images")


def class_name(settings: Settings, data_set: str, label: int) -> str:
    """What a class of a data set is called in params.yaml; its number if it has no name there."""
    names = settings.data_sets.class_names(data_set)
    return names[label] if names else str(label)


@dataclass(frozen=True)
class Figure:
    """A figure of plots/: what to call it and what is to be seen on it."""

    caption: str
    alt: str


# {learned}, {other}: the data sets of the Bayesian neural network; {images}: what it learned to read
FIGURES = {
    "blr/posterior": Figure(
        "The posterior that SVI learned and the exact one",
        "Three histograms, of intercept, slope and noise. The exact density runs along the top of each histogram; "
        "a vertical line marks the value that generated the data.",
    ),
    "blr/correlation": Figure(
        "Intercept and slope together",
        "A cloud of posterior draws, tilted: a larger intercept goes with a smaller slope. The ellipses of the "
        "exact posterior lie around it.",
    ),
    "blr/predictive": Figure(
        "The posterior predictive",
        "Data points around a rising line. A narrow band holds 90% of the lines, a wide band 90% of new points; "
        "both widen where there were no data.",
    ),
    "blr/sbc": Figure(
        "Simulation-based calibration: ranks of the true value among posterior draws",
        "Six rank histograms, a row for each guide. With the full covariance they are flat; with mean field those "
        "of intercept and slope are high at both ends.",
    ),
    "blr/criticism": Figure(
        "Posterior predictive checks, before and after the model is rewritten",
        "Two rows, before and after: the data with the predictive band, and histograms of four test quantities of "
        "real and replicated data, which lie apart above and overlap below.",
    ),
    "blr/elbo": Figure(
        "Training of the linear regression",
        "The training objective and the validation likelihood rise steeply at first and then level off.",
    ),
    "bnn/entropy": Figure(
        "Predictive entropy of {learned} and {other}",
        "Two histograms on a logarithmic scale, and the threshold above which images go to a person. {learned} is "
        "concentrated at an entropy of zero, {other} spreads over high entropies.",
    ),
    "bnn/reliability": Figure(
        "Reliability on {learned}",
        "Accuracy against confidence in bins, with 95% intervals, beside the diagonal; below, the number of cases "
        "in each bin.",
    ),
    "bnn/risk_coverage": Figure(
        "Error rate against the share of {images} answered",
        "The share of errors among the answered {images} rises with the share that is answered.",
    ),
    "bnn/roc": Figure(
        "Detecting {other} against {learned}",
        "ROC curves of entropy, mutual information and maximum probability, on a logarithmic scale.",
    ),
    "bnn/confusion": Figure(
        "Which classes are confused",
        "A matrix of true against predicted classes; the few errors off the diagonal are shaded.",
    ),
    "bnn/least_sure": Figure(
        "Held-out images with the highest predictive entropy",
        "24 images with their true class and the best guess, and below each the votes of the networks. Many are "
        "hard to read for people, too.",
    ),
    "bnn/most_aleatoric": Figure(
        "Uncertain for all networks alike (aleatoric more than epistemic)",
        "24 of the least sure images, with the votes of the networks: those whose expected entropy is large for "
        "their mutual information.",
    ),
    "bnn/most_epistemic": Figure(
        "Uncertain since the networks disagree (epistemic more than aleatoric)",
        "24 of the least sure images, with the votes of the networks: those whose mutual information is large for "
        "their expected entropy.",
    ),
    "bnn/foreign": Figure(
        "{other}, which the network has not learned",
        "Two rows of images with the class that the network takes them for: its surest answers, and others from "
        "sure to unsure.",
    ),
    "bnn/shift": Figure(
        "{images} under rotation, blur, noise and occlusion",
        "Four panels: error, entropy and calibration error against the strength of rotation, blur, noise and "
        "occlusion. Error and entropy grow together, except under rotation, where the entropy falls again while "
        "the error stays high.",
    ),
    "bnn/samples": Figure(
        "Quality against the number of posterior samples",
        "Negative log likelihood falls steeply over the first ten posterior samples and then levels off; the "
        "AUROC hardly changes.",
    ),
    "bnn/prior": Figure(
        "Prior predictive check: networks drawn from the prior",
        "Two rows of three panels. With one sd for all weights, single networks are sure of what they say, each "
        "has a favourite class, and their average gives every class about the same probability. With sds scaled "
        "by the number of inputs, single networks are unsure.",
    ),
    "bnn/elbo": Figure(
        "Training of the Bayesian neural network",
        "The training objective and the validation likelihood rise steeply at first and then level off.",
    ),
    "vae/samples": Figure("Samples from the prior", "A grid of images that the VAE has drawn from its prior."),
    "vae/reconstructions": Figure(
        "Held-out images and their reconstructions",
        "Held-out images in the first row, their smoother reconstructions below.",
    ),
    "vae/walks": Figure(
        "Interpolation between two images in latent space",
        "Six rows of ten images: in each, one image changes gradually into another.",
    ),
    "vae/likelihood": Figure(
        "Log likelihood of in-distribution and out-of-distribution images",
        "Histograms of the log likelihood: digits, which the VAE has never seen, lie to the right of the clothes "
        "that it was trained on.",
    ),
    "vae/roc": Figure(
        "Detecting digits against clothes",
        "ROC curves: the likelihood alone is worse than chance; corrected scores are far better, and so is the "
        "entropy of the grey image, which needs no model.",
    ),
    "vae/scores": Figure(
        "Every score of clothes and of digits",
        "A histogram for each score: by the likelihood, digits lie among the clothes; by most corrections, apart.",
    ),
    "vae/strangest": Figure(
        "Held-out clothes that the model finds strangest",
        "Three rows of clothes: patterned shirts, bags with straps, two garments in one picture.",
    ),
    "vae/nearest": Figure(
        "Samples, and the training images nearest to them",
        "Three rows: pixel probabilities of samples, binary draws from them, and the nearest training images, "
        "which differ in their details.",
    ),
    "vae/map": Figure(
        "The latent space by class",
        "A map of the latent means: shoes, trousers, bags and tops lie in regions of their own.",
    ),
    "vae/bound": Figure(
        "Bound and importance samples",
        "The bound on the log likelihood rises with the number of importance samples and levels off.",
    ),
    "vae/elbo": Figure(
        "Training of the VAE", "The training objective and the validation bound rise and then level off."
    ),
    "ssvae/drawn": Figure(
        "Digits on demand",
        "A grid of binary digits as the model draws them: a class for each row, legible throughout.",
    ),
    "ssvae/styles": Figure(
        "Styles of digits", "A grid of digits' probabilities: a class for each row, a style for each column."
    ),
    "ssvae/planes": Figure(
        "Two directions of style",
        "Ten grids of digits, a class each: strokes become thicker along one axis, digits slant along the other.",
    ),
    "ssvae/completions": Figure(
        "Digits whose lower half is hidden",
        "Ten upper halves of digits, each with six completions, the whole digit, and its class probabilities.",
    ),
    "ssvae/analogies": Figure(
        "The style of one digit in every class",
        "Twelve rows: a held-out digit on the left, then the digits 0 to 9 drawn in its style.",
    ),
    "ssvae/elbo": Figure(
        "Training of the semi-supervised VAE",
        "The training objective rises and levels off. The error falls.",
    ),
}


def figure(name: str, **names: str) -> Figure:
    """What to call a figure; one that is not listed by its file's name."""
    known = FIGURES.get(name) or Figure(name.replace("_", " "), f"The figure plots/{name}.png.")
    caption, alt = (text.format(**names) for text in (known.caption, known.alt))
    return Figure(caption[0].upper() + caption[1:], alt)
