"""params.yaml with networks small enough for tests, synthetic data, and models."""

from importlib import import_module
from pathlib import Path

import torch

from stages import datasets, params

ROOT = Path(__file__).parents[1]
SMALL = {
    "vae": {"latents": 3, "hidden": 8, "components": 5},
    "ssvae": {"latents": 3, "features": 4, "hidden": 8, "stack": "m2", "network": "mlp"},
    "judge": {"network": "mlp"},
}
# every kind of model that params.yaml allows: its name and the changes to the committed section; models without
# kinds are added below
VARIANTS = {
    "blr full_covariance": ("blr", {"guide": "full_covariance"}),
    "blr mean_field": ("blr", {"guide": "mean_field"}),
    "blr quadratic": ("blr", {"mean": "quadratic"}),
    "blr quadratic mean_field": ("blr", {"mean": "quadratic", "guide": "mean_field"}),
    "blr student_t": ("blr", {"noise": "student_t"}),
    "blr quadratic student_t mean_field": (
        "blr",
        {"mean": "quadratic", "noise": "student_t", "guide": "mean_field"},
    ),
    "bnn lenet mean_field": ("bnn", {"network": "lenet", "inference": "mean_field"}),
    "bnn lenet mc_dropout": ("bnn", {"network": "lenet", "inference": "mc_dropout", "dropout": 0.5}),
    "bnn lenet map": ("bnn", {"network": "lenet", "inference": "map"}),
    "bnn lenet last_layer_full": ("bnn", {"network": "lenet", "inference": "last_layer_full"}),
    "bnn lenet laplace": ("bnn", {"network": "lenet", "inference": "laplace"}),
    "bnn lenet ensemble": ("bnn", {"network": "lenet", "inference": "ensemble", "members": 2, "member": "map"}),
    "bnn mlp mean_field": ("bnn", {"network": "mlp", "inference": "mean_field"}),
    "bnn mlp ensemble": ("bnn", {"network": "mlp", "inference": "ensemble", "members": 2, "member": "mean_field"}),
    "vae": ("vae", {}),
    "vae normal": ("vae", {"prior": "normal", "gradient": "elbo"}),
    "vae mixture stl": ("vae", {"prior": "mixture", "gradient": "stl"}),
    "vae vamp dreg": ("vae", {"prior": "vamp", "gradient": "dreg", "particles": 3}),
    "vae two levels": ("vae", {"levels": 2, "prior": "vamp", "gradient": "stl", "particles": 2}),
    "vae two levels elbo": ("vae", {"levels": 2, "prior": "normal", "gradient": "elbo", "particles": 2}),
    "vae autoregressive": ("vae", {"pixels": "autoregressive", "prior": "mixture", "gradient": "elbo"}),
    "ssvae m2": ("ssvae", {"stack": "m2", "consistency": 0.0, "augment": "none"}),
    "ssvae m1_m2": ("ssvae", {"stack": "m1_m2"}),
    "ssvae lenet": ("ssvae", {"network": "lenet", "dropout": 0.0}),
    "bnn mlp map": ("bnn", {"network": "mlp", "inference": "map"}),
}
VARIANTS |= {name: (name, {}) for name in params.TRAINED if name not in {model for model, _ in VARIANTS.values()}}


def settings(**sections):
    """The committed params.yaml, with one thread, small networks and the given changes."""
    committed = params.load(ROOT / "params.yaml")
    changes = {name: SMALL.get(name, {}) | sections.get(name, {}) for name in SMALL | sections}
    changed = {name: getattr(committed, name).model_copy(update=change) for name, change in changes.items()}
    return committed.model_copy(update={"threads": 1} | changed)


def build(name, **section):
    """Model and guide, freshly initialised."""
    made = settings(**{name: section})
    network = made.ssvae if name == "labels_only" else getattr(made, name)
    return import_module(f"stages.models.{name}").build(network)


def images(count):
    """Images with a dark half and a noisy one, of all ten classes in turn."""
    noise = torch.randint(256, (count, 784), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return datasets.Images(noise * (torch.arange(784) % 28 > 13), torch.arange(count) % 10)


def regression(count):
    """Inputs and outputs of a noisy line, both (count,)."""
    generator = torch.Generator().manual_seed(2)
    x = 10 * torch.rand(count, generator=generator)
    return x, 2.5 + 0.9 * x + 0.5 * torch.randn(count, generator=generator)
