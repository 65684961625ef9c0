"""Step 3 for the semi-supervised VAE: MNIST with most labels dropped; missing classes are summed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO
from torch import Tensor, nn

from stages import datasets
from stages.command import Failure
from stages.inference.enumeration import EnumeratedELBO
from stages.inference.loop import svi
from stages.inference.partly_labelled import PartlyLabelled
from stages.inference.path_gradients import PathELBO
from stages.models import labels_only, ssvae

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("images", "ssvae")  # sections of params.yaml that the posterior depends on
DATA = ("data/images/mnist", "data/labels/{seed}.csv")  # and the data


LABEL_WEIGHT = 0.1  # Kingma et al. (2014) weight the labels' mean log likelihood by 0.1 N
CONFIDENT, SHARPNESS = 0.8, 0.4  # probability and temperature, as in Xie et al. (2020)


class Objective(nn.Module):
    """The bounds of equation 9 of Kingma et al. (2014), negated, the labels' likelihood, and consistency.

    One batch of unlabelled and one of labelled images estimate, for N training images in all and in nats,

        elbo_weight * (bound of the unlabelled + bound of the labelled images)
        - 0.1 N alpha * mean cross-entropy of the labels and q(y | view)
        - 0.1 N consistency * disagreement of q(y | view) with q(y | x) on unlabelled images

    where a view is a randomly transformed and freshly binarised copy of the image (stages/views.py).
    """

    def __init__(self, model: ssvae.Model, guide: ssvae.Guide, params: ssvae.Params, size: int):
        super().__init__()
        if params.elbo_weight:
            self.unlabelled = svi.elbo(EnumeratedELBO(), model, guide)
            self.labelled = svi.elbo(PathELBO(), model, guide)
        # a cross-entropy, as a Pyro site: if it is not finite, the error names it
        self.labels = svi.elbo(Trace_ELBO(), labels_only.Model(nn.Identity()), labels_only.Guide())
        self.classifier = guide.classifier
        self.params, self.unit = params, LABEL_WEIGHT * size

    def forward(self, unlabelled: tuple, labelled: tuple, kl_weight: Tensor, ramp: Tensor) -> Tensor:
        """The estimate, scaled to the whole training set; nats, ().

        Args:
            unlabelled: binary pixels (batch, 784), their number in the whole set, and a view of them unless
                `consistency` is 0.
            labelled: binary pixels (batch, 784), labels (batch,), their number in the whole set, and a view.
            kl_weight: of the style's KL term, ().
            ramp: from 0 to 1, of consistency, ().
        """
        x, size, *views = unlabelled
        x_labelled, labels, labelled_size, labelled_view = labelled
        logits = self.classifier(torch.cat([labelled_view, x, *views]))
        of_labelled, of_images, *of_views = logits.split([len(labelled_view), len(x), *map(len, views)])
        total = self.params.alpha * self.unit * self.labels(of_labelled, labels) / len(labels)
        if self.params.elbo_weight:
            bound = self.unlabelled(x, None, size, kl_weight, of_images)
            bound = bound + self.labelled(x_labelled, labels, labelled_size, kl_weight)
            total = total + self.params.elbo_weight * bound
        if self.params.consistency:
            total = total + self.params.consistency * ramp * self.unit * disagreement(of_images, of_views[0])
        return total


def disagreement(of_images: Tensor, of_views: Tensor) -> Tensor:
    """How far the answers to views are from those to the images, where the latter are confident; nats, ().

    The mean of KL(sharpened q(y | x) || q(y | view)), as in unsupervised data augmentation (Xie et al. 2020). The
    gradient is that of the second argument alone: what the network says of an image teaches it about the view.

    Args:
        of_images: logits, (batch, 10).
        of_views: the same of a view of each image.
    """
    of_images = of_images.detach()
    confident = of_images.softmax(-1).amax(-1) > CONFIDENT
    log_p, log_q = (of_images / SHARPNESS).log_softmax(-1), of_views.log_softmax(-1)
    return (confident * (log_p.exp() * (log_p - log_q)).sum(-1)).mean()


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """MNIST with the labels that data/labels/<seed>.csv keeps."""
    params = settings.ssvae
    model, guide = (part.to(device) for part in ssvae.build(params))
    data = PartlyLabelled(settings, seed, device)
    if not len(data.unlabelled):
        raise Failure(f"params.yaml: drop_labels.kept = {len(data.labels)}: no image is without a label: lower it")
    unlabelled = datasets.Minibatches(len(data.unlabelled), params.batch_size, seed, device)
    labelled = datasets.Minibatches(len(data.labelled), params.labelled_batch_size, seed, device)
    start, steps = params.kl_weight_start, params.kl_weight_steps

    def batch(step: int) -> tuple:
        kl_weight = torch.tensor(start + (1 - start) * min(1.0, step / steps), device=device)
        ramp = torch.tensor(min(1.0, step / params.consistency_steps), device=device)
        pixels = data.unlabelled[unlabelled(step)]
        views = [data.view(pixels)] if params.consistency else []
        chosen = labelled(step)
        of_labelled, labels = data.labelled[chosen], data.labels[chosen]
        return (
            (datasets.binarise(pixels), len(data.unlabelled), *views),
            (datasets.binarise(of_labelled), labels, len(data.labels), data.view(of_labelled)),
            kl_weight,
            ramp,
        )

    size = len(data.unlabelled) + len(data.labelled)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=Objective(model, guide, params, size),
        batch=batch,
        size=size,
        batch_size=unlabelled.batch_size + labelled.batch_size,
        validation=lambda: data.error_percent(guide.classifier),
    )
