"""Bayesian linear regression by NUTS, a third way to the posterior that shares no guide and no loop with SVI."""

import numpy as np
import pytest
import torch
from pyro.infer import MCMC, NUTS

from stages.inference import blr as inference
from stages.inference.loop import svi
from stages.models import blr
from stages.predictive import blr as predictive
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
    by_svi, exact = learned("full_covariance")
    assert (np.abs(draws.mean(axis=0) - exact.mean) < 0.2 * exact.coefficient_sd).all()
    assert (np.abs(draws.mean(axis=0) - by_svi.mean(axis=0)) < 0.2 * draws.std(axis=0)).all()
    assert draws.std(axis=0) == pytest.approx(exact.coefficient_sd, rel=0.15)
    assert draws.std(axis=0) == pytest.approx(by_svi.std(axis=0), rel=0.15)
    assert variance.mean() == pytest.approx(exact.rate / (exact.shape - 1), rel=0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_students_t_by_nuts_and_by_svi_agree():
    """No closed form is known here. Means within a quarter of an sd, sds within 25%: the guide is a normal."""
    rewritten = {"mean": "quadratic", "noise": "student_t", "steps": 2000, "learning_rate": 0.05}
    params = tiny.settings(blr=rewritten | {"schedule": "cosine", "particles": 64}).blr
    generator = torch.Generator().manual_seed(5)
    y = Y + 0.1 * (X - 5) ** 2
    y[::12] += 5 * torch.randn(len(y[::12]), generator=generator)
    torch.manual_seed(0)
    problem = inference.of(params, (X, y), (X, y))
    svi.fit(problem, params, title="blr")
    svi_draws = predictive.draw(problem.guide, params, 20_000)

    torch.manual_seed(0)
    sampler = MCMC(NUTS(blr.build(params)[0]), num_samples=DRAWS, warmup_steps=300, disable_progbar=True)
    sampler.run(X, y)
    draws = {site: value.double().numpy() for site, value in sampler.get_samples().items()}
    draws["noise"] = np.sqrt(draws.pop("noise_variance"))
    diagnostics = sampler.diagnostics()
    assert all(float(diagnostics[site]["n_eff"]) > 200 for site in blr.sites(params))
    for name in ("intercept", "slope", "curvature", "noise"):
        assert svi_draws[name].mean() == pytest.approx(draws[name].mean(), abs=0.25 * draws[name].std()), name
        assert svi_draws[name].std() == pytest.approx(draws[name].std(), rel=0.25), name
    # skewed: log-normal in the guide
    logs = [np.log(of["degrees_of_freedom"]) for of in (svi_draws, draws)]
    assert logs[0].mean() == pytest.approx(logs[1].mean(), abs=0.4 * logs[1].std())
