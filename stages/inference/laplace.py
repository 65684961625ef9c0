"""A Laplace approximation of the last layer, by laplace-torch: a normal that matches the curvature at the MAP."""

import warnings

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from stages.models import weight_priors
from stages.models.weight_guides import LaplaceGuide

BATCH = 1000  # images per pass; the curvature is summed over all of them
STEPS = 300  # of Adam on the logarithm of the prior precision


def fit(guide: LaplaceGuide, network: nn.Sequential, prior: weight_priors.Params, images: Tensor, labels: Tensor):
    """Set the covariance of the guide's last layer.

    It is the inverse of the generalised Gauss-Newton matrix of the log likelihood, Kronecker-factored, plus the
    prior's precision; weights and biases are separate blocks (Ritter et al. 2018; Daxberger et al. 2021). With
    prior.scale = learned, all weights and biases of that layer share one precision, that with the highest evidence
    of the data by the same approximation (MacKay 1992; Immer et al. 2021). The weight of the KL term multiplies
    the prior's precision and, since it scales the entropy too, the covariance.

    Args:
        guide: already trained.
        network: of the same kind; its weights are overwritten.
        prior: of the weights; normal.
        images: the training set, intensities in [0, 1], (images, 784).
        labels: (images,).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # a dependency uses torch.jit, which is deprecated
        from laplace import Laplace

    names = [name for name, _ in network.named_parameters()]
    network.load_state_dict({name: guide.q(f"network.{name}").mean.detach() for name in names})
    network.to(images.device)
    sds = [weight_priors.sd(prior, network[-1], name) for name, _ in network[-1].named_parameters()]
    precisions = torch.tensor([sd**-2 for sd in sds], device=images.device)
    approximation = Laplace(network, "classification", "last_layer", "kron", prior_precision=precisions)
    batches = DataLoader(TensorDataset(images, labels), batch_size=BATCH)
    tqdm.write("Laplace approximation of the last layer")
    approximation.fit(batches)
    if prior.scale == "learned":
        precisions = most_evident(approximation, precisions[:1]).expand(len(precisions))
    approximation.prior_precision = guide.kl_weight * precisions
    root = approximation.posterior_precision.to_matrix(exponent=-0.5)  # of the covariance, symmetric
    lower = torch.linalg.qr(root, mode="r").R.T  # rounding cannot make it fail, as it can for a Cholesky factor
    with torch.no_grad():
        guide.scale_tril.copy_(guide.kl_weight**0.5 * lower * lower.diag().sign())


def most_evident(approximation, precision: Tensor) -> Tensor:
    """The prior precision with the highest evidence by a Laplace approximation, (1,).

    Args:
        approximation: fitted, by laplace-torch.
        precision: where to start, (1,).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "By default `link_approx`")  # of predictions, which are not made here
        approximation.optimize_prior_precision("glm", "marglik", n_steps=STEPS, init_prior_prec=precision)
    learned = approximation.prior_precision.detach()
    tqdm.write(f"prior sd of the last layer: {float(learned.rsqrt()):.3g}")
    return learned
