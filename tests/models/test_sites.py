"""Every guide draws the latent sites of its model, and all parameters belong to their modules."""

import pyro
import pytest
from pyro import poutine

from stages import datasets
from tests import tiny

BATCH = 3
IMAGES = tiny.images(BATCH)
GREY, BINARY = datasets.unit_interval(IMAGES.pixels), (IMAGES.pixels > 127).float()
DATA = {
    "blr": tiny.regression(BATCH),
    "bnn": (GREY, IMAGES.labels),
    "vae": (BINARY,),
    "ssvae": (BINARY, IMAGES.labels),
    "labels_only": (BINARY, IMAGES.labels),
    "judge": (GREY, IMAGES.labels),
}
CASES = [pytest.param(name, section, DATA[name], id=id) for id, (name, section) in tiny.VARIANTS.items()]
CASES.append(pytest.param("ssvae", {}, (BINARY,), id="ssvae without labels"))
CASES.append(pytest.param("ssvae", {"stack": "m1_m2"}, (BINARY,), id="ssvae m1_m2 without labels"))


def traces(model, guide, data):
    """The sites of the guide, and of the model that is given the guide's values."""
    with pyro.validation_enabled():
        guide_trace = poutine.trace(guide).get_trace(*data)
        return guide_trace, poutine.trace(poutine.replay(model, guide_trace)).get_trace(*data)


def latent_sites(trace):
    auxiliary = {name for name in trace.nodes if trace.nodes[name].get("infer", {}).get("is_auxiliary")}
    plates = {name for name in trace.stochastic_nodes if poutine.util.site_is_subsample(trace.nodes[name])}
    return {name: trace.nodes[name] for name in set(trace.stochastic_nodes) - auxiliary - plates}


@pytest.mark.parametrize(("name", "section", "data"), CASES)
def test_guide_draws_the_latent_sites_of_the_model(name, section, data):
    model, guide = tiny.build(name, **section)
    alone = latent_sites(poutine.trace(model).get_trace(*data))
    drawn = latent_sites(poutine.trace(guide).get_trace(*data))
    assert {site: node["value"].shape for site, node in drawn.items()} == {
        site: node["value"].shape for site, node in alone.items()
    }


@pytest.mark.parametrize(("name", "section", "data"), CASES)
def test_values_and_batch_shapes_of_the_guide_fit_the_model(name, section, data):
    guide_trace, model_trace = traces(*tiny.build(name, **section), data)
    drawn, given = latent_sites(guide_trace), latent_sites(model_trace)
    for site, node in given.items():
        assert node["fn"].batch_shape == drawn[site]["fn"].batch_shape
        assert node["fn"].support.check(drawn[site]["value"]).all()
        assert node["value"] is drawn[site]["value"]


@pytest.mark.parametrize(("name", "section", "data"), CASES)
def test_no_parameter_enters_the_global_store(name, section, data):
    pyro.clear_param_store()
    traces(*tiny.build(name, **section), data)
    assert list(pyro.get_param_store().keys()) == []
