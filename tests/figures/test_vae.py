"""Figures of the VAE from made-up predictions, and what they are drawn from."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stages.evaluation import ood
from stages.figures import vae, vae_ood
from stages.predictive import gallery
from tests import tiny

RANDOM = np.random.default_rng(0)
HISTORY = pd.DataFrame({"step": [1, 2], "elbo": [-9.0, -8.0], "validation": [-9.5, -8.5]})


def scores(shift):
    """Made-up ones, the regret of some images alone."""
    found = {name: RANDOM.normal(shift, size=40) for name in (*ood.SCORES, *ood.BASELINES)}
    found["likelihood_regret"][20:] = np.nan
    return found


def predictions():
    shapes = {"samples": (64,), "draws": (64,), "nearest": (64,), "originals": (16,), "reconstructions": (16,)}
    pictures = {name: RANDOM.random((*shape, 784)) for name, shape in shapes.items()}
    pictures["walks"] = RANDOM.random((6, 10, 784))
    position = {"position": RANDOM.normal(size=(30, 2)), "labels": np.arange(30) % 10}
    strange = {"score": np.arange(36.0), "pixels": RANDOM.integers(256, size=(36, 784))}
    return {
        "evaluate": {"pictures": pictures, "map": position},
        "ood": {"fashion_mnist": scores(0), "mnist": scores(1)},
        "ood_pictures": {"strangest": strange},
    }


@pytest.mark.parametrize("with_bound", [False, True])
def test_all_figures_are_drawn(tmp_path, with_bound):
    made = predictions()
    if with_bound:
        made["evaluate"]["bound"] = {"samples": np.array([1, 10, 50]), "iwae": np.array([-9.0, -8.2, -8.0])}
    vae.draw(tiny.settings(), made, HISTORY, tmp_path)
    names = {"elbo", "samples", "nearest", "reconstructions", "walks", "map", "likelihood", "scores", "strangest"}
    names |= {"roc", "bound"} if with_bound else {"roc"}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    for path in tmp_path.glob("*.png"):
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.std() > 5 and min(pixels.shape) > 150, path.name


def test_curve_of_the_bound_is_the_one_given(tmp_path, monkeypatch):
    drawn = []
    axis = SimpleNamespace(plot=lambda x, y, **_: drawn.append((list(x), list(y))), set=lambda **_: None)

    class Canvas:
        def __enter__(self):
            return axis

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(vae, "figure", lambda path: Canvas())
    vae.bound(tmp_path / "bound.png", {"samples": np.array([1, 5]), "iwae": np.array([-3.0, -2.0])})
    assert drawn == [([1, 5], [-3.0, -2.0])]


def test_roc_curves_are_of_the_compared_scores_and_the_headline(tmp_path):
    vae.draw(tiny.settings(ood={"headline": "latent_density"}), predictions(), HISTORY, tmp_path)
    assert set(pd.read_csv(tmp_path / "roc.csv")["score"]) == {*vae.COMPARED, "latent_density"}


def test_every_image_is_in_the_histograms(tmp_path, monkeypatch):
    """Outliers go into the last bars; images without a score do not count."""
    heights = []
    figure = vae_ood.figure

    def counted(*args, **options):
        class Canvas:
            def __enter__(self):
                self.inner = figure(*args, **options)
                axes = self.inner.__enter__()
                for axis in axes.flat:
                    hist = axis.hist
                    axis.hist = lambda *a, hist=hist, **k: heights.append(hist(*a, **k)[0].sum())
                return axes

            def __exit__(self, *error):
                return self.inner.__exit__(*error)

        return Canvas()

    monkeypatch.setattr(vae_ood, "figure", counted)
    vae_ood.histograms(tmp_path / "scores.png", predictions()["ood"], "fashion_mnist", "mnist")
    assert len(heights) == 2 * (len(ood.SCORES) + 2)
    np.testing.assert_allclose(heights, 100)


def test_nearest_training_image_by_brute_force(monkeypatch):
    monkeypatch.setattr(gallery, "IMAGES_AT_ONCE", 7)
    training, images = tiny.images(20).pixels, torch.rand(5, 784, generator=torch.Generator().manual_seed(0))
    found = gallery.nearest(images, training)
    for image, near in zip(images, found, strict=True):
        distances = [float(((image - other / 255) ** 2).sum()) for other in training]
        assert torch.equal(near, training[int(np.argmin(distances))])


def test_map_keeps_groups_apart_and_is_the_same_each_time():
    labels = np.arange(60) % 3
    latents = RANDOM.normal(size=(60, 8)) + 20 * np.eye(8)[labels]
    found, again = (gallery.latent_map(latents, labels, seed=0) for _ in range(2))
    assert np.array_equal(found["position"], again["position"])
    distance = np.linalg.norm(found["position"][:, None] - found["position"], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(axis=1)] == labels).all()


def test_map_shows_no_more_images_than_it_can(monkeypatch):
    monkeypatch.setattr(gallery, "MAPPED", 30)
    found = gallery.latent_map(RANDOM.normal(size=(50, 4)), np.arange(50), seed=1)
    assert found["position"].shape == (30, 2) and found["labels"].tolist() == list(range(30))


def test_strangest_images_come_first():
    pixels = np.arange(5)[:, None].repeat(784, axis=1)
    found = ood.largest(np.array([0.0, 3.0, np.nan, 5.0, 1.0]), pixels)
    assert found["pixels"][:, 0].tolist() == [3, 1, 4, 0, 2]
