"""Local reparameterisation and Flipout: same expectations as weight sampling, less noise, no side effects."""

import math
from contextlib import nullcontext

import pyro
import pyro.distributions as dist
import pytest
import torch
import torch.nn.functional as F
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from torch import nn

from stages.inference.local_reparameterization import LocalReparameterization, random_signs
from stages.inference.loop import svi
from stages.models import bnn, weight_priors
from stages.models.weight_guides import MeanFieldGuide, PointGuide

DRAWS = 40_000
CONVOLUTIONS = 5_000  # draws of a convolution, computed one at a time
STANDARD_ERRORS = 5  # tolerance of a Monte Carlo estimate: exceeded once in two million

# layer, its options, and the shapes of inputs and weight
LAYERS = {
    "linear": (F.linear, {}, (6,), (4, 6)),
    "conv2d": (F.conv2d, {}, (2, 4, 4), (3, 2, 3, 3)),
    "conv2d strided and padded": (F.conv2d, {"stride": 2, "padding": 1}, (2, 5, 5), (3, 2, 3, 3)),
}


def dense():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def convolutional():
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10)
    )


def digits(count):
    """A prototype per class and noise around it: images (count, 64) float64, labels (count,)."""
    labels = torch.arange(count) % 10
    return (torch.rand(10, 64)[labels] + 0.1 * torch.randn(count, 64)).double(), labels


def build(network, sd):
    """Guide and negative ELBO of a network, in double precision."""
    weights = {f"network.{name}": value for name, value in network.named_parameters()}
    model, guide = (
        bnn.Model(network, weight_priors.isotropic(1.0)).double(),
        MeanFieldGuide(weights, sd).double(),
    )
    return guide, svi.elbo(TraceMeanField_ELBO(), model, guide)


@pytest.fixture(params=["no bias", "drawn bias", "deterministic bias"])
def bias(request):
    return request.param


def drawn_layer(layer, options, inputs, mean, sd, bias, bias_mean, bias_sd):
    """The outputs of a layer whose weight, and possibly bias, are drawn from normals."""
    with LocalReparameterization():
        weight = pyro.sample("weight", dist.Normal(mean, sd).to_event())
        drawn = pyro.sample("bias", dist.Normal(bias_mean, bias_sd).to_event())
        given = {"no bias": None, "drawn bias": drawn, "deterministic bias": bias_mean}[bias]
        return layer(inputs, weight, given, **options)


def normals(inputs, shape):
    """An input, and means and sds of weight and bias."""
    torch.manual_seed(0)
    sizes = (inputs, shape, shape, shape[:1], shape[:1])
    x, mean, sd, bias_mean, bias_sd = (torch.randn(size).double() for size in sizes)
    return x, mean, sd.abs(), bias_mean, bias_sd.abs()


def assert_moments(outputs, mean, covariance):
    """Outputs (draws, n) are normal draws: each mean, and each entry of the covariance, within its error."""
    draws, variance = len(outputs), covariance.diagonal()
    assert ((outputs.mean(0) - mean).abs() <= STANDARD_ERRORS * (variance / draws).sqrt() + 1e-12).all()
    error = ((covariance**2 + variance[:, None] * variance) / draws).sqrt()  # Isserlis
    assert ((outputs.T.cov() - covariance).abs() <= STANDARD_ERRORS * error + 1e-12).all()


def test_pre_activations_of_a_dense_layer_have_the_closed_form_moments(bias):
    x, mean, sd, bias_mean, bias_sd = parts = normals((6,), (4, 6))
    outputs = drawn_layer(F.linear, {}, x.expand(DRAWS, 6), *parts[1:3], bias, *parts[3:])
    expected = mean @ x + (0 if bias == "no bias" else bias_mean)
    variance = sd**2 @ x**2 + (bias_sd**2 if bias == "drawn bias" else 0)
    assert_moments(outputs, expected, variance.diag())


@pytest.mark.parametrize(
    ("options", "size"), [({}, 4), ({"stride": 2, "padding": 1}, 5)], ids=["plain", "strided and padded"]
)
def test_outputs_of_a_convolution_have_the_closed_form_moments(options, size, bias):
    """The joint distribution of an image's outputs: those of one filter at two places are correlated."""
    x, mean, sd, bias_mean, bias_sd = parts = normals((2, size, size), (3, 2, 3, 3))
    images = torch.stack([x, -2 * x])  # the second must not affect the first
    outputs = torch.stack(
        [
            drawn_layer(F.conv2d, options, images, *parts[1:3], bias, *parts[3:])[0].flatten()
            for _ in range(CONVOLUTIONS)
        ]
    )
    patches = F.unfold(x.unsqueeze(0), (3, 3), **options)[0]  # (inputs of a filter, places)
    expected = (mean.flatten(1) @ patches + (0 if bias == "no bias" else bias_mean[:, None])).flatten()
    blocks = [patches.T * row @ patches for row in sd.flatten(1) ** 2]  # of each filter, (places, places)
    if bias == "drawn bias":
        blocks = [block + one**2 for block, one in zip(blocks, bias_sd, strict=True)]
    assert_moments(outputs, expected, torch.block_diag(*blocks))


def test_every_datum_has_draws_of_its_own():
    """Equal inputs: one weight matrix would give them equal outputs; local draws are independent."""
    torch.manual_seed(0)
    with LocalReparameterization():
        weight = pyro.sample("weight", dist.Normal(torch.zeros(1, 3), 1.0).to_event())
        halves = F.linear(torch.ones(2, DRAWS, 3), weight).squeeze(-1)
    assert abs(torch.corrcoef(halves)[0, 1]) < STANDARD_ERRORS / math.sqrt(DRAWS)


def test_images_of_a_batch_are_uncorrelated_in_a_convolution():
    """Equal images: one filter would give them equal outputs; independent signs make the products cancel."""
    outputs = torch.empty(CONVOLUTIONS, 2)
    torch.manual_seed(0)
    for draw in range(CONVOLUTIONS):
        with LocalReparameterization():
            weight = pyro.sample("weight", dist.Normal(torch.zeros(1, 1, 2, 2), 1.0).to_event())
            outputs[draw] = F.conv2d(torch.ones(2, 1, 2, 2), weight).flatten()
    products = outputs.prod(1)
    assert abs(products.mean()) < STANDARD_ERRORS * products.std() / math.sqrt(CONVOLUTIONS)


def test_signs_are_independent_fair_coins():
    torch.manual_seed(0)
    signs = random_signs(DRAWS, 2, like=torch.empty(0, dtype=torch.float64)).squeeze()
    assert signs.dtype == torch.float64 and set(signs.unique().tolist()) == {-1.0, 1.0}
    for what in (*signs.T, signs.prod(1)):
        assert abs(what.mean()) < STANDARD_ERRORS / math.sqrt(DRAWS)


@pytest.mark.parametrize("network", [dense, convolutional])
def test_expected_log_likelihood_is_that_of_weight_sampling(network):
    """The KL is the same number in both, so the objectives are compared."""
    torch.manual_seed(0)
    _, objective = build(network(), sd=0.2)
    images, labels = digits(32)
    estimates = []
    for context in (nullcontext, LocalReparameterization):
        losses = torch.empty(200)
        for draw in range(len(losses)):
            with torch.no_grad(), context():
                losses[draw] = objective(images, labels)
        estimates.append((losses.mean(), losses.std() / math.sqrt(len(losses))))
    (sampled, error), (local, local_error) = estimates
    assert abs(sampled - local) < STANDARD_ERRORS * math.hypot(error, local_error)


@pytest.mark.parametrize("network", [dense, convolutional])
def test_kl_is_exactly_that_of_weight_sampling(network):
    """With all logits set to zero, the objective is the KL term plus a constant."""
    torch.manual_seed(0)
    guide, objective = build(nn.Sequential(*network(), nn.Threshold(math.inf, 0.0)), sd=0.3)
    images, labels = digits(5)
    with LocalReparameterization():
        local = objective(images, labels)
    assert local == objective(images, labels)

    loc, sd = (torch.cat([p.flatten() for p in part.values()]) for part in (guide.loc, guide.rho))
    sd = F.softplus(sd)
    kl = 0.5 * (sd**2 + loc**2 - 1 - 2 * sd.log()).sum()  # to the prior Normal(0, 1)
    assert local.item() == pytest.approx((kl + 5 * math.log(10)).item(), rel=1e-10)


@pytest.mark.parametrize("network", [dense, convolutional])
def test_gradient_of_the_log_likelihood_is_less_noisy(network, record_property):
    """The analytic KL adds no noise: the variance of the objective's gradient is that of the log likelihood."""
    torch.manual_seed(0)
    guide, objective = build(network(), sd=0.05)
    images, labels = digits(128)

    def variance(context):
        """Summed over all parameters."""
        gradients = []
        for _ in range(60):
            with context():
                loss = objective(images, labels)
            parts = torch.autograd.grad(loss, list(guide.parameters()))
            gradients.append(torch.cat([part.flatten() for part in parts]))
        return torch.stack(gradients).var(0).sum().item()

    factor = variance(nullcontext) / variance(LocalReparameterization)
    print(f"\ngradient variance, {network.__name__}: {factor:.1f} times smaller")
    record_property("gradient_variance_factor", factor)
    assert factor > 5


def test_a_point_guide_is_left_alone():
    torch.manual_seed(0)
    network = dense()
    weights = {f"network.{name}": value for name, value in network.named_parameters()}
    images, labels = digits(8)
    model, guide = bnn.Model(network, weight_priors.isotropic(1.0)).double(), PointGuide(weights).double()
    objective = svi.elbo(TraceMeanField_ELBO(), model, guide)
    outside = objective(images, labels)
    before = torch.get_rng_state()
    with LocalReparameterization():
        inside = objective(images, labels)
    assert inside == outside
    assert torch.equal(torch.get_rng_state(), before)  # nothing was drawn


def test_a_guide_with_correlated_weights_is_left_alone():
    """Its weights are not independent normals, so the layers use the weights that were drawn."""
    torch.manual_seed(0)
    images, labels = torch.rand(8, 64), torch.arange(8)
    model = bnn.Model(nn.Linear(64, 10), weight_priors.isotropic(1.0))
    guide = AutoMultivariateNormal(model, init_scale=0.1)
    with LocalReparameterization():
        trace = poutine.trace(guide).get_trace(images, labels)
        logits = poutine.replay(model, trace)(images, labels)
    weight, bias = (trace.nodes[f"network.{name}"]["value"] for name in ("weight", "bias"))
    torch.testing.assert_close(logits, images @ weight.T + bias)


@pytest.mark.parametrize(("layer", "options", "inputs", "shape"), LAYERS.values(), ids=LAYERS)
def test_layers_are_ordinary_outside_the_context_and_without_drawn_weights(layer, options, inputs, shape):
    inputs, plain = torch.randn(2, *inputs), torch.randn(shape)
    expected = layer(inputs, plain, **options)
    with LocalReparameterization():
        drawn = pyro.sample("weight", dist.Normal(plain, 1.0).to_event())
        local = layer(inputs, drawn, **options)
        assert torch.equal(layer(inputs, plain, **options), expected)
        assert not torch.equal(local, layer(inputs, drawn, **options))  # drawn again
    assert torch.equal(layer(inputs, drawn, **options), layer(inputs, drawn.clone(), **options))


def test_an_error_inside_ends_the_context():
    with pytest.raises(ZeroDivisionError), LocalReparameterization():
        weight = pyro.sample("weight", dist.Normal(torch.zeros(2, 3), 1.0).to_event())
        raise ZeroDivisionError
    assert torch.equal(F.linear(torch.eye(3), weight), weight.T)
    assert not pyro.poutine.runtime._PYRO_STACK


NESTED = {
    "relu": F.relu,
    "softmax": lambda weight: F.softmax(weight, -1),
    "dropout": lambda weight: F.dropout(weight, training=False),
    "layer norm": lambda weight: F.layer_norm(weight, weight.shape[1:]),
    "matrix product": lambda weight: weight @ weight,
    "as a layer's input": lambda weight: F.linear(weight, torch.ones(2, 3)),
}


@pytest.mark.parametrize("function", NESTED.values(), ids=NESTED)
def test_other_functions_see_the_drawn_weight(function):
    torch.manual_seed(0)
    with LocalReparameterization():
        weight = pyro.sample("weight", dist.Normal(torch.zeros(3, 3), 1.0).to_event())
        inside = function(weight)
    assert torch.equal(inside, function(weight))


@pytest.mark.parametrize("layer", [F.linear, F.conv2d])
def test_a_weight_may_be_passed_by_name(layer):
    shape = (2, 3) if layer is F.linear else (2, 3, 1, 1)
    inputs = torch.ones(5, *shape[1:])
    with LocalReparameterization():
        weight = pyro.sample("weight", dist.Normal(torch.zeros(shape), 1.0).to_event())
        outputs = layer(inputs, weight=weight, bias=torch.zeros(2))
    assert not torch.equal(outputs[0], outputs[1])  # local draws differ even for equal inputs
