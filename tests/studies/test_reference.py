"""The study of the true posterior: the sampled density is that of the Pyro model, and the table says how far."""

import numpy as np
import pytest
import torch
import yaml
from pyro import poutine
from scipy import stats

from stages import artifacts, params
from stages.command import Failure
from stages.evaluation import agreement
from stages.models import bnn, weight_priors
from stages.models.weight_guides import PointGuide
from studies import reference, run

jax = pytest.importorskip("jax", reason="the study's own requirements are not installed")
pytest.importorskip("arviz_stats", reason="the study's own requirements are not installed")
pytest.importorskip("numpyro", reason="the study's own requirements are not installed")

from studies.reference import fitting, problems, summarize, true_posterior  # noqa: E402

STUDY = yaml.safe_load((reference.FOLDER / "study.yaml").read_text())


def made(hidden, data=20, inputs=6, seed=0):
    """A Pyro model, and the same posterior in JAX, with data."""
    torch.manual_seed(seed)
    x, y = torch.randn(data, inputs), torch.randint(problems.CLASSES, (data,))
    prior = weight_priors.Params(
        family="normal", scale="fan_in", weight_sd=1.3, bias_sd=0.7, narrow_sd=0.1, narrow_share=0.5
    )
    network = problems.network(hidden, inputs)
    layers = [layer for layer in network if hasattr(layer, "weight")]
    sds = [tuple(weight_priors.sd(prior, layer, name) for name in ("weight", "bias")) for layer in layers]
    sizes = [inputs, *hidden, problems.CLASSES]
    return network, prior, (x, y), sds, true_posterior.Posterior(x.numpy(), y.numpy(), sizes, sds)


@pytest.mark.parametrize("hidden", [[], [4], [5, 3]])
def test_sampled_density_is_that_of_the_pyro_model(hidden):
    """Up to a constant, for two vectors of weights; and the logits are those of the network."""
    network, prior, (x, y), sds, posterior = made(hidden)
    model = bnn.Model(problems.network(hidden, x.shape[1]), prior)
    densities, potentials = [], []
    for scale in (1.0, 0.3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(scale * torch.randn_like(parameter))
        guide = PointGuide({f"network.{name}": value for name, value in network.named_parameters()})
        trace = poutine.trace(poutine.replay(model, poutine.trace(guide).get_trace(x))).get_trace(x, y)
        densities.append(trace.log_prob_sum().item())
        in_sds = [
            part.detach().flatten() / sd
            for layer, pair in zip([m for m in network if hasattr(m, "weight")], sds, strict=True)
            for part, sd in zip((layer.weight, layer.bias), pair, strict=True)
        ]
        weights = torch.cat(in_sds).numpy()
        assert len(weights) == posterior.size
        potentials.append(float(posterior.potential(jax.numpy.asarray(weights))))
        wanted = network(x).log_softmax(-1).detach().numpy()
        np.testing.assert_allclose(posterior.log_probabilities(weights, x.numpy()), wanted, atol=1e-4)
    assert densities[0] - densities[1] == pytest.approx(potentials[1] - potentials[0], rel=1e-4)


def test_covariance_at_the_mode_is_the_inverse_curvature():
    """Against PyTorch's Hessian at a minimum found by L-BFGS."""
    _, _, (x, y), sds, posterior = made([])
    (weight_sd, bias_sd), inputs = sds[0], x.shape[1]
    weights = torch.zeros(posterior.size, dtype=torch.float64, requires_grad=True)

    def potential(w):
        end = inputs * problems.CLASSES
        logits = x.double() @ (weight_sd * w[:end].view(problems.CLASSES, inputs)).T + bias_sd * w[end:]
        return 0.5 * w.square().sum() + torch.nn.functional.cross_entropy(logits, y, reduction="sum")

    optimiser = torch.optim.LBFGS([weights], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = potential(weights)
        value.backward()
        return value

    optimiser.step(closure)
    wanted = torch.autograd.functional.hessian(potential, weights.detach()).inverse().numpy()
    np.testing.assert_allclose(np.asarray(posterior.covariance_at_mode()), wanted, atol=2e-3)


@pytest.mark.parametrize("curvature", [True, False])
def test_chain_without_data_draws_from_the_prior(curvature):
    """Each weight is standard normal, in units of its prior sd."""
    posterior = true_posterior.Posterior(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), [2, 3], [(1.0, 1.0)])
    sampler = problems.Sampler(warmup=200, draws=2000, every=1, depth=6, curvature=curvature)
    chain = posterior.sample(sampler, seed=0, progress=False)
    assert chain.weights.shape == (2000, 9) and not chain.divergent.any() and (chain.steps >= 1).all()
    np.testing.assert_allclose(chain.weights.mean(axis=0), 0, atol=0.12)
    np.testing.assert_allclose(chain.weights.std(axis=0), 1, atol=0.1)


def test_chains_that_disagree_are_found_out():
    generator = np.random.default_rng(0)
    same = generator.normal(size=(4, 500, 3))
    apart = same + np.array([0.0, 0.0, 0.0, 1.0])[:, None, None] * np.array([0.0, 0.0, 1.0])
    good, bad = summarize.converged(same), summarize.converged(apart, block=2)
    assert good["r_hat_max"] < 1.02 < 1.05 < bad["r_hat_max"]
    assert good["ess_min"] > 1000 > bad["ess_min"]
    apart[:, :, 1] = 0.0
    with pytest.raises(Failure, match="the same log probability in all draws of a chain"):
        summarize.converged(apart)


def test_agreement_and_total_variation():
    one = np.array([[0.6, 0.4, 0.0], [0.2, 0.5, 0.3]])
    other = np.array([[0.3, 0.7, 0.0], [0.2, 0.5, 0.3]])
    assert agreement.agreement(one, other) == 0.5
    assert agreement.total_variation(one, other) == pytest.approx((0.3 + 0.0) / 2)
    assert agreement.agreement(one, one) == 1.0 and agreement.total_variation(one, one) == 0.0


def test_every_family_is_a_run_with_valid_params_and_the_problems_prior():
    document = params.read(run.ROOT / "params.yaml")
    inferences = set()
    for family in STUDY["families"]:
        changed = params.merged(params.merged(document, STUDY["common"]), STUDY["runs"][family])
        settings = params.validated(changed, "study.yaml")
        inferences.add(settings.bnn.inference)
        for name in STUDY["problems"]:
            problem = problems.problem(name)
            section = problems.section(problem, settings.bnn)
            assert (section.prior.weight_sd, section.prior.bias_sd) == (
                problem.prior.weight_sd,
                problem.prior.bias_sd,
            )
            assert section.prior.scale == ("learned" if family == "laplace_evidence" else problem.prior.scale)
    assert inferences == set(bnn.Params.model_fields["inference"].annotation.__args__)


def test_images_of_means():
    image = torch.arange(784.0).view(1, 784)
    found = problems.means(image).view(7, 7)
    square = image.view(28, 28)[4:8, 8:12]
    assert found[1, 2].item() == pytest.approx(square.mean().item())


def test_table_of_a_problem(tmp_path, monkeypatch):
    """A family that is the mean of the chains agrees with them; the halves disagree where they were made to."""
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 10
    chains = generator.dirichlet(np.ones(10), size=(4, 40)).astype(np.float32)
    for chain, p in enumerate(chains):
        trace = {
            "log_probability": generator.normal(size=(30, 40)).astype(np.float32),
            "steps": np.full(30, 7),
            "divergent": (np.arange(30) == chain).astype(np.uint8),
        }
        groups = {"cases": {"probabilities": p, "labels": labels}, "trace": trace}
        artifacts.write_groups(reference.predictions("mlp", f"chain{chain}"), groups)
    mean = chains.astype(float).mean(axis=0)
    uniform = np.full((40, 10), 0.1)
    for family, p in {"same": mean, "uniform": uniform}.items():
        cases = {"probabilities": p.astype(np.float32), "labels": labels}
        artifacts.write_groups(reference.predictions("mlp", family), {"cases": cases})
    found = summarize.compared("mlp", [0, 1, 2, 3], ["same", "uniform"])
    assert found["reference"]["divergences"] == 4 and found["reference"]["steps"] == 7
    halves = chains.astype(float)[:2].mean(axis=0), chains.astype(float)[2:].mean(axis=0)
    assert found["reference"]["half_agreement"] == agreement.agreement(*halves) < 1
    assert found["reference"]["nll"] == pytest.approx(-np.log(mean[np.arange(40), labels]).mean(), rel=1e-5)
    assert found["families"]["same"]["agreement"] == 1.0
    assert found["families"]["same"]["total_variation"] == pytest.approx(0, abs=1e-6)
    assert found["families"]["same"]["nll_minus_reference"] == pytest.approx(0, abs=1e-6)
    of = found["families"]["uniform"]
    paired = stats.ttest_rel(np.full(40, np.log(10)), -np.log(mean[np.arange(40), labels]))
    middle, half_width = of["nll_minus_reference"], of["nll_minus_reference_ci95"]
    np.testing.assert_allclose(
        [middle - half_width, middle + half_width], paired.confidence_interval(0.95), rtol=1e-5
    )


@pytest.mark.parametrize("name", STUDY["problems"])
@pytest.mark.parametrize("family", STUDY["families"])
def test_every_family_can_be_fitted_to_every_problem(name, family):
    """A few steps on a few digits."""
    document = params.merged(
        params.merged(params.read(run.ROOT / "params.yaml"), STUDY["common"]), STUDY["runs"][family]
    )
    section = params.validated(
        params.merged(document, {"bnn": {"steps": 2, "validate_every": 2}}), "study.yaml"
    ).bnn
    problem = problems.problem(name)
    data = torch.rand(30, 8), torch.arange(30) % 10
    model, guide = fitting.fit(problem, problems.section(problem, section), data, data, "")
    p = fitting.predict(model, guide, data[0], 10)
    assert p.shape == (30, 10) and torch.allclose(p.sum(-1), torch.ones(30))


def test_sampled_posteriors_have_converged():
    """The committed ones: goal of the study."""
    for name, problem in artifacts.read_json(run.ROOT / "metrics/bnn_reference.json")["problems"].items():
        assert problem["reference"]["r_hat_max"] <= 1.05, name
