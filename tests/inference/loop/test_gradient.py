"""Traced and compiled steps compute the same as Pyro, from the same random numbers."""

import math
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from pyro.poutine.messenger import Messenger
from torch.distributions import Independent, Normal

from stages.inference.local_reparameterization import LocalReparameterization
from stages.inference.loop import gradient, svi
from tests import tiny
from tests.inference.loop.test_svi import training

STEPS = 3


class UndrawnWeights(Messenger):
    """Set the guide's normals to their means without drawing, except for the filters of convolutions.

    A trace leaves out draws that nothing depends on, such as weights under local reparameterisation. This leaves
    them out of plain Pyro too, so that both draw the same noise.
    """

    def _pyro_sample(self, message):
        fn = message["fn"]
        normal = isinstance(fn, Independent) and isinstance(fn.base_dist, Normal)
        if message["value"] is None and normal and fn.base_dist.loc.dim() != 4:
            message["value"] = fn.base_dist.loc + 0.0


@contextmanager
def undrawn():
    with UndrawnWeights(), LocalReparameterization():
        yield


def gradients(made, way, steps=STEPS):
    """Values and gradients for the first few batches, each with the same noise."""
    context = undrawn if made.context is LocalReparameterization else made.context
    run, found = way(made.objective, context), []
    made.objective.train()
    torch.manual_seed(3)
    for step in range(steps):
        value = run(*made.batch(step))
        found.append([value, *(parameter.grad for parameter in made.objective.parameters())])
        for parameter in made.objective.parameters():
            parameter.grad = None
    return found


def assert_equal(found, wanted, tolerance):
    assert len(found) == len(wanted) == STEPS
    for ours, theirs in zip(found, wanted, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            scale = float(b.abs().max())
            assert float((a - b).abs().max()) <= tolerance * scale + 1e-12


TRACED = partial(gradient.Traced, compile=False)
COMPILED = partial(gradient.Traced, compile=True)


@pytest.mark.parametrize(("name", "section"), tiny.VARIANTS.values(), ids=tiny.VARIANTS)
def test_traced_step_is_the_step_of_pyro(problem, name, section):
    plain = gradients(problem(name, **section), gradient.plain)
    assert_equal(gradients(problem(name, **section), TRACED), plain, tolerance=1e-5)
    if name != "blr":
        assert not all(torch.equal(a, b) for a, b in zip(plain[0], plain[1], strict=True))  # noise or data differ


@pytest.mark.parametrize(
    ("name", "section"), [("vae", {}), ("bnn", {"network": "mlp", "inference": "mean_field"})]
)
def test_compiled_step_is_the_step_of_pyro(problem, name, section):
    plain = gradients(problem(name, **section), gradient.plain)
    assert_equal(gradients(problem(name, **section), COMPILED), plain, tolerance=1e-4)


def test_weights_that_local_reparameterisation_never_uses_are_not_drawn(problem):
    """The trace draws only pre-activations; plain Pyro also draws the weights."""
    made = problem("bnn", network="mlp", inference="mean_field")
    traced = TRACED(made.objective, made.context)
    batch = made.batch(0)
    traced(*batch)
    shapes = {
        tuple(node.meta["tensor_meta"].shape if "tensor_meta" in node.meta else node.meta["val"].shape)
        for node in traced.program.graph.nodes
        if "rand" in str(node.target) or "normal" in str(node.target)
    }
    size = len(batch[0][0])
    assert shapes == {(size, 400), (size, 10)}


def test_tracing_draws_no_random_numbers(problem):
    made = problem("vae")
    torch.manual_seed(3)
    batch = made.batch(0)
    TRACED(made.objective, made.context)(*batch)
    after = torch.get_rng_state()
    torch.manual_seed(3)
    made.objective(*made.batch(0))
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize("name", ["bnn", "vae", "ssvae"])
def test_tracing_leaves_the_parameters_where_they_were(problem, name):
    made = problem(name)
    before = list(made.objective.parameters())
    TRACED(made.objective, made.context)(*made.batch(0))
    after = list(made.objective.parameters())
    assert len(before) == len(after)
    assert all(a is b for a, b in zip(before, after, strict=True))


def test_batch_of_another_form_is_refused(problem):
    """Values that are not tensors are constants of the trace: replaying other values would be silently wrong."""
    made = problem("vae")
    x, size, kl_weight = made.batch(0)
    run = TRACED(made.objective, made.context)
    run(x, size, kl_weight)
    for other in ((x[:-1], size, kl_weight), (x, size + 1, kl_weight), (x, size)):
        with pytest.raises(ValueError, match="cannot replay"):
            run(*other)


def test_no_compiler_is_said_once_and_changes_nothing(problem, monkeypatch, tmp_path, capfd):
    """A broken compiler is treated like a missing one."""
    plain = gradients(problem("vae"), gradient.plain)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    broken = {"cpp.cxx": ("there-is-no-such-compiler",), "force_disable_caches": True}
    with torch._inductor.config.patch(broken):
        assert_equal(gradients(problem("vae"), COMPILED), plain, tolerance=1e-5)
    [line] = [line for line in capfd.readouterr().out.splitlines() if "not compiled" in line]
    assert "there-is-no-such-compiler" in line


@pytest.mark.parametrize("name", ["bnn", "ssvae"])
def test_training_by_trace_is_training(problem, name):
    """From the same start, both reduce the loss by the same amount."""
    histories = []
    for execution in ("eager", "traced"):
        made = problem(name)
        torch.manual_seed(1)
        settings = training(steps=60, learning_rate=1e-3, validate_every=20, execution=execution)
        histories.append(svi.fit(made, settings, name).elbo)
    by_pyro, by_trace = histories
    assert by_trace.iloc[-1] > by_trace.iloc[0]
    assert math.isclose(by_trace.iloc[-1], by_pyro.iloc[-1], rel_tol=0.05)
