"""Step 3 for the semi-supervised VAE: MNIST with most labels dropped; missing classes are summed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO
from torch import Tensor, nn

from stages.inference.enumeration import EnumeratedELBO
from stages.inference.loop import svi
from stages.inference.partly_labelled import PartlyLabelled
from stages.models import labels_only, ssvae

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("images", "ssvae")  # sections of params.yaml that the posterior depends on
DATA = ("data/images/mnist", "data/labels/{seed}.csv")  # and the data


class Objective(nn.Module):
    """Equation 9 of Kingma et al. (2014), negated: both bounds plus the weighted label likelihood."""

    def __init__(self, model: ssvae.Model, guide: ssvae.Guide, classifier_weight: float):
        super().__init__()
        label_model, no_latents = labels_only.Model(guide.classifier), labels_only.Guide()
        self.unlabelled = svi.elbo(EnumeratedELBO(), model, guide)
        self.labelled = svi.elbo(Trace_ELBO(), model, guide)
        self.labels = svi.elbo(Trace_ELBO(), label_model, no_latents)
        self.classifier_weight = classifier_weight

    def forward(self, unlabelled: tuple, labelled: tuple, kl_weight: Tensor) -> Tensor:
        """The estimate from one batch of each kind, scaled to the whole training set; nats, ().

        Args:
            unlabelled: binary pixels (batch, 784), None, and the number of unlabelled images.
            labelled: binary pixels (batch, 784), labels (batch,), and the number of labelled images.
            kl_weight: of the style's KL term, ().
        """
        bound = self.unlabelled(*unlabelled, kl_weight) + self.labelled(*labelled, kl_weight)
        return bound + self.classifier_weight * self.labels(*labelled)


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """MNIST with the labels that data/labels/<seed>.csv keeps."""
    model, guide = (part.to(device) for part in ssvae.build(settings.ssvae))
    data = PartlyLabelled(settings, seed, device)
    unlabelled = data.unlabelled_minibatches(settings.ssvae.batch_size)
    labelled = data.labelled_minibatches(settings.ssvae.labelled_batch_size)
    start, steps = settings.ssvae.kl_weight_start, settings.ssvae.kl_weight_steps

    def batch(step: int) -> tuple:
        kl_weight = torch.tensor(max(1.0, start - (start - 1) * step / steps), device=device)
        unlabelled_batch = data.unlabelled_batch(unlabelled(step))
        return unlabelled_batch, data.labelled_batch(labelled(step)), kl_weight

    return svi.Problem(
        model=model,
        guide=guide,
        objective=Objective(model, guide, settings.ssvae.classifier_weight),
        batch=batch,
        size=len(data.unlabelled) + len(data.labelled),
        batch_size=unlabelled.batch_size + labelled.batch_size,
        validation=lambda: data.error_percent(guide.classifier),
    )
