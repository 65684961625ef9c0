"""Many regressions at once are the same as one after another."""

import pytest
import torch
from pyro import poutine

from stages.inference import many_regressions
from stages.models import blr
from tests import tiny

SITES = ("intercept", "slope", "noise_variance")
GUIDES = pytest.mark.parametrize("guide_name", ["full_covariance", "mean_field"])
SETS, N = 5, 30


def section(guide_name, **changes):
    return tiny.settings(blr={"guide": guide_name} | changes).blr


def data():
    generator = torch.Generator().manual_seed(4)
    x = 10 * torch.rand(SETS, N, generator=generator)
    return x, 2.5 + 0.9 * x + torch.randn(SETS, N, generator=generator)


@GUIDES
def test_joint_density_is_the_product_over_data_sets(guide_name):
    """At the same draws, log p(y, latents) and log q(latents) are sums of what each data set has alone."""
    x, y = data()
    torch.manual_seed(0)
    model, guide = many_regressions.build(section(guide_name), SETS)
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter += 0.3 * torch.randn_like(parameter)  # other values for each data set
    q = poutine.trace(guide).get_trace(x, y)
    p = poutine.trace(poutine.replay(model, q)).get_trace(x, y)
    log_q, log_p = 0.0, 0.0
    for i in range(SETS):
        model_alone, guide_alone = blr.build(section(guide_name))
        with torch.no_grad():
            for alone, together in zip(guide_alone.parameters(), guide.parameters(), strict=True):
                alone.copy_(together[i, 0])
        drawn = {name: q.nodes[name]["value"][i, 0] for name in q.stochastic_nodes if name != "data_sets"}
        # AutoMultivariateNormal computes its sites from one auxiliary draw, which it names after where it stands
        q_alone = poutine.trace(guide_alone).get_trace(x[i], y[i])
        own_names = dict(zip(q_alone.stochastic_nodes, drawn, strict=True))
        auxiliary = {own: drawn[name] for own, name in own_names.items() if own.startswith("_")} or drawn
        log_q += poutine.trace(poutine.condition(guide_alone, auxiliary)).get_trace(x[i], y[i]).log_prob_sum()
        log_p += poutine.trace(poutine.condition(model_alone, drawn)).get_trace(x[i], y[i]).log_prob_sum()
    torch.testing.assert_close(q.log_prob_sum(), log_q)
    torch.testing.assert_close(p.log_prob_sum(), log_p)


@GUIDES
def test_gradient_of_a_data_set_comes_from_its_data_alone(guide_name):
    """With the same noise, other data in the last set change the gradient of its parameters and of no others."""
    x, y = data()
    gradients = []
    for changed in (False, True):
        torch.manual_seed(0)
        model, guide = many_regressions.build(section(guide_name), SETS)
        torch.manual_seed(1)
        values = y.clone()
        values[-1] += 3.0 * changed
        many_regressions.problem(model, guide, x, values, particles=2).objective(x, values).backward()
        gradients.append([parameter.grad.flatten(1) for parameter in guide.parameters()])
    for before, after in zip(*gradients, strict=True):
        torch.testing.assert_close(before[:-1], after[:-1])
        assert not torch.allclose(before[-1], after[-1])


def test_simulated_parameters_and_outputs_are_of_the_model():
    """Moments of the prior, and residuals of the size of the noise."""
    params = section("mean_field", coefficient_sd=2.0, noise_shape=6.0, noise_rate=5.0)
    torch.manual_seed(0)
    model, _ = many_regressions.build(params, 20_000)
    x = 10 * torch.rand(20_000, 8)
    truth, y = many_regressions.simulate(model, x)
    assert {name: value.shape for name, value in truth.items()} == dict.fromkeys(SITES, (20_000,))
    assert y.shape == x.shape
    assert truth["noise_variance"].mean().item() == pytest.approx(5 / (6 - 1), rel=0.02)
    noise = truth["noise_variance"].sqrt()
    for name in ("intercept", "slope"):
        assert (truth[name] / noise).std().item() == pytest.approx(2.0, rel=0.03)
    line = truth["intercept"].unsqueeze(1) + truth["slope"].unsqueeze(1) * x
    residuals = (y - line) / noise.unsqueeze(1)
    assert residuals.std().item() == pytest.approx(1.0, rel=0.01)
    assert abs(residuals.mean().item()) < 0.01


def test_model_of_one_data_set_is_as_before():
    """`build` makes no difference to the parts that it wraps."""
    x, y = data()
    model, guide = blr.build(section("mean_field"))
    assert [tuple(p.shape) for p in guide.parameters()] == [(3,), (3,)]
    assert model(x[0], y[0]).shape == (N,)
