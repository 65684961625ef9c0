"""A folder with params and posteriors of small networks that nobody has trained, and no data."""

from importlib import import_module

import torch
import yaml

from stages import artifacts, params
from stages.inference import posterior
from stages.params import merged
from tests.tiny import ROOT


def write(folder, name, seed=0, **changes):
    """Write params.yaml with these changes, and a new posterior of that model; the model and its guide."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document = merged(document, {"threads": 1, "device": "cpu", **changes})
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    settings = params.load(folder / "params.yaml")
    torch.manual_seed(1)
    model, guide = import_module(f"stages.models.{name}").build(getattr(settings, name))
    posterior.save(folder / f"posteriors/{name}/{seed}/weights.safetensors", model, guide)
    return model, guide


def write_threshold(folder, nats, seed=0):
    """Write the metrics of the stage `refer_bnn`, as far as they matter here."""
    artifacts.write_json(folder / f"metrics/referral/bnn/{seed}.json", {"threshold_nats": nats})
