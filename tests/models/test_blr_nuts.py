"""Bayesian linear regression by NUTS, a third way to the posterior that shares no guide and no loop with SVI."""

import numpy as np
import pytest
import torch
from pyro.infer import MCMC, NUTS

from tests import tiny
from tests.models.test_blr import X, Y, learned

DRAWS = 1500


@pytest.fixture(scope="module")
def nuts():
    """Draws of (intercept, slope), (DRAWS, 2), and of the noise variance."""
    torch.manual_seed(0)
    model = tiny.build("blr")[0]
    sampler = MCMC(NUTS(model), num_samples=DRAWS, warmup_steps=300, disable_progbar=True)
    sampler.run(X, Y)
    samples, diagnostics = sampler.get_samples(), sampler.diagnostics()
    assert all(float(diagnostics[site]["n_eff"]) > 300 for site in samples)
    draws = torch.stack([samples["intercept"], samples["slope"]], dim=1).double().numpy()
    return draws, samples["noise_variance"].double().numpy()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_nuts_svi_and_the_closed_form_agree(nuts):
    """Means within a fifth of an sd, sds within 15%: 300 effective draws know no better."""
    draws, variance = nuts
    svi, exact = learned("full_covariance")
    assert (np.abs(draws.mean(axis=0) - exact.mean) < 0.2 * exact.coefficient_sd).all()
    assert (np.abs(draws.mean(axis=0) - svi.mean(axis=0)) < 0.2 * draws.std(axis=0)).all()
    assert draws.std(axis=0) == pytest.approx(exact.coefficient_sd, rel=0.15)
    assert draws.std(axis=0) == pytest.approx(svi.std(axis=0), rel=0.15)
    assert variance.mean() == pytest.approx(exact.rate / (exact.shape - 1), rel=0.05)
