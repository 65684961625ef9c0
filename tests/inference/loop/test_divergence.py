"""A non-finite ELBO: the error names its origin."""

import math
import re

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule

from stages.inference.loop import svi
from stages.inference.loop.divergence import DivergedError, SiteWatch, bad_parameter
from tests.inference.loop.test_svi import training

pytestmark = pytest.mark.filterwarnings("ignore:Encountered NaN")


def message(problem, steps=3, **changes):
    torch.manual_seed(0)
    with pytest.raises(DivergedError) as error:
        svi.fit(problem, training(steps=steps, learning_rate=1e-3, **changes), "it 0")
    line = str(error.value)
    assert "\n" not in line
    return line


def parameters(made):
    return dict([*made.guide.named_parameters(), *made.model.named_parameters()])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("blr", "loc"),
        ("bnn", "loc.network_1_weight"),
        ("vae", "encoder.0.linear.weight"),
        ("vae", "decoder.2.bias"),
        ("ssvae", "classifier.0.weight"),
    ],
)
def test_parameter_is_named(problem, name, parameter, bad):
    made = problem(name)
    found = [key for key in parameters(made) if key.endswith(parameter.split(".", 1)[-1])]
    assert found, sorted(parameters(made))
    with torch.no_grad():
        parameters(made)[found[0]].view(-1)[0] = bad
    line = message(made)
    assert line.startswith("it 0: step 1: the ELBO is ")
    name = found[0].removeprefix("members.0.")  # an ensemble's members have guides of their own
    assert re.search(rf"parameter (\S+\.)?{re.escape(name)} became {bad}", line)
    assert "lower learning_rate (now 0.001) in params.yaml" in line


def test_gradient_that_is_no_number_stops_before_the_next_step(problem):
    """A hook sets a parameter to nan in step 2: the error names it, and step 3 is not taken."""
    made = problem("vae")
    weight = made.model.decoder[0].linear.weight
    calls = []

    def spoil(gradient):
        calls.append(None)
        return gradient * math.nan if len(calls) == 2 else gradient

    weight.register_hook(spoil)
    line = message(made, steps=9)
    assert len(calls) == 3  # the gradient of step 3 is computed with its ELBO, but not applied
    assert "step 3: the ELBO is nan: parameter model.decoder.0.linear.weight became nan in the step before" in line


def test_gradient_that_is_no_number_in_the_last_step_gives_no_posterior(problem):
    made = problem("vae")
    weight = made.guide.encoder[0].linear.weight
    weight.register_hook(lambda gradient: gradient * math.inf)
    assert "step 1: parameter guide.encoder.0.linear.weight became" in message(made, steps=1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_pixels_that_are_no_numbers_are_named_as_data(problem, bad):
    made = problem("vae")
    good = made.batch
    spoilt = good(0)[0].clone()
    spoilt[0, 5] = bad
    object.__setattr__(made, "batch", lambda step: (spoilt, *good(step)[1:]) if step == 1 else good(step))
    line = message(made)
    assert line.startswith("it 0: step 2: the ELBO is ")
    assert "sample site" in line or "observed" in line


class Exploding(PyroModule):
    """Of two normals, the scale of the second overflows where the first is large."""

    def forward(self, x):
        a = pyro.sample("a", dist.Normal(x, 1.0))
        pyro.sample("b", dist.Normal(0.0, 1.0).mask(True), obs=torch.exp(1000 + 0 * a))


def test_watch_names_the_first_site():
    with SiteWatch() as watch:
        Exploding()(torch.tensor(0.0))
    assert watch.first == "sample site 'b' is observed as inf" and watch.observed
    with SiteWatch() as watch:
        Exploding()(torch.tensor(math.nan))
    assert watch.first == "sample site 'a' is drawn as nan" and not watch.observed


def test_watch_names_a_log_probability():
    with SiteWatch() as watch:
        pyro.sample("c", dist.Normal(0.0, 1.0), obs=torch.tensor(1e30))
    assert watch.first == "sample site 'c' has log probability -inf" and not watch.observed


def test_watch_and_parameters_find_nothing_where_nothing_is(problem):
    made = problem("ssvae")
    with SiteWatch() as watch:
        made.objective(*made.batch(0))
    assert watch.first is None
    assert bad_parameter(made.objective) is None
