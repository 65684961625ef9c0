"""Each estimator that params.yaml offers has the value that it should have, under every prior."""

import itertools
import math

import pytest
import torch

from stages.predictive import likelihood
from tests import tiny

IMAGES, DRAWS, ESTIMATES = 24, 1_500, 100
BINARY = (tiny.images(IMAGES).pixels > 127).float()
CASES = [
    case
    for case in itertools.product(("elbo", "stl", "dreg"), ("normal", "mixture", "vamp"), (1, 2), (1, 3))
    if case[0] != "dreg" or case[2] == 1
]


@pytest.mark.parametrize(("gradient", "prior", "levels", "particles"), CASES)
def test_value_is_the_average_of_log_weights(problem, gradient, prior, levels, particles):
    """With `dreg`, the bound of Burda et al. (2016) with as many samples as particles; else the ELBO."""
    made = problem("vae", gradient=gradient, prior=prior, levels=levels, particles=particles)
    with torch.no_grad():
        for parameter in (*made.model.parameters(), *made.guide.parameters()):
            parameter.add_(0.1 * torch.randn_like(parameter))  # so that q(z | x) is far from p(z | x)
        weights, _ = likelihood.log_weights(made.model, made.guide, BINARY, DRAWS)
        groups = weights.view(-1, particles, IMAGES)
        elbo, iwae = groups.mean(1).sum(-1), (groups.logsumexp(1) - math.log(particles)).sum(-1)
        expected = iwae if gradient == "dreg" else elbo
        found = torch.stack([-torch.as_tensor(made.objective(BINARY)) for _ in range(ESTIMATES)])
    noise = math.hypot(*(values.std().item() / len(values) ** 0.5 for values in (expected, found)))
    assert found.mean().item() == pytest.approx(expected.mean().item(), abs=4 * noise)
    if particles > 1:
        assert (iwae.mean() - elbo.mean()).item() > 10 * noise  # the wrong one of the two would be noticed
