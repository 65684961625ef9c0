"""Step 3 for the semi-supervised VAE: MNIST, most labels dropped, the class summed out where it is missing."""

import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor, nn

from stages.inference import svi
from stages.inference.partly_labelled import PartlyLabelled
from stages.models import labels_only, ssvae


class Objective(nn.Module):
    """Equation 9 of Kingma et al. (2014), negated: unlabelled bound, labelled bound, weighted label likelihood."""

    def __init__(self, model: ssvae.Model, guide: ssvae.Guide, classifier_weight: float):
        super().__init__()
        label_model, no_latents = labels_only.Model(guide.classifier), labels_only.Guide()
        self.unlabelled = svi.elbo(TraceEnum_ELBO(max_plate_nesting=1), model, guide)
        self.labelled = svi.elbo(Trace_ELBO(), model, guide)
        self.labels = svi.elbo(Trace_ELBO(), label_model, no_latents)
        self.classifier_weight = classifier_weight

    def forward(self, unlabelled: tuple, labelled: tuple) -> Tensor:
        """The estimate from one batch of each kind, scaled to the whole training set; nats, ().

        Args:
            unlabelled: binary pixels (batch, 784), None, and the number of images without a label.
            labelled: binary pixels (batch, 784), labels (batch,), and the number of images with one.
        """
        bound = self.unlabelled(*unlabelled) + self.labelled(*labelled)
        return bound + self.classifier_weight * self.labels(*labelled)


def problem(params, seed: int, device: torch.device) -> svi.Problem:
    """MNIST with the labels that data/labels/<seed>.csv keeps."""
    model, guide = (part.to(device) for part in ssvae.build(params.ssvae))
    data = PartlyLabelled(params, seed, device)
    unlabelled = data.unlabelled_minibatches(params.ssvae.batch_size)
    labelled = data.labelled_minibatches(params.ssvae.labelled_batch_size)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=Objective(model, guide, params.ssvae.classifier_weight),
        batch=lambda step: (data.unlabelled_batch(unlabelled(step)), data.labelled_batch(labelled(step))),
        size=len(data.unlabelled) + len(data.labelled),
        batch_size=unlabelled.batch_size + labelled.batch_size,
        validation=lambda: data.error_percent(guide.classifier),
    )
