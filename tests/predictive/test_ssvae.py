"""Which classifier each prediction of the semi-supervised VAE is from, and on which images."""

import numpy as np
import pytest
import torch
from torch import nn

from stages import datasets
from stages.predictive import ssvae
from tests import tiny

KEPT, IMAGES = 12, 60


class Always(nn.Module):
    """Nearly certain of one class for every image."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def forward(self, x):
        logits = torch.zeros(len(x), 10)
        logits[:, self.label] = 9.0
        return logits


def settings():
    made = tiny.settings()
    half = made.evaluate.ssvae.halves.model_copy(update={"images": 10, "steps": 2, "samples": 3})
    few = {"halves": half, "student_steps": 1, "importance_samples": 20, "drawn_per_class": 4}
    ssvae = made.evaluate.ssvae.model_copy(update=few)
    return made.model_copy(update={"evaluate": made.evaluate.model_copy(update={"ssvae": ssvae})})


@pytest.fixture(scope="module")
def predictions():
    """The guide's classifier always says 3, the baseline's 5, the judge's 7."""
    images = tiny.images(IMAGES)
    torch.manual_seed(0)
    model, guide = (part.eval() for part in tiny.build("ssvae"))
    (baseline, _), (judge, _) = tiny.build("labels_only"), tiny.build("judge")
    guide.classifier, baseline.classifier, judge.classifier = Always(3), Always(5), Always(7)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(datasets, "load", lambda name, split, sizes, root=None: images)
        patched.setattr(datasets, "published_binarisation", lambda *_: (images.pixels > 127).float())
        patched.setattr(datasets, "kept_labels", lambda seed: (torch.arange(KEPT), images.labels[:KEPT]))
        return ssvae.predict(settings(), 0, ssvae.Trained(model, guide, baseline, judge)), images


def test_every_answer_is_from_its_classifier(predictions):
    found, images = predictions
    cases = found["cases"]
    np.testing.assert_array_equal(cases["labels"], images.labels)
    assert set(cases["kept_labels"]) == {KEPT}
    for name, label in (("", 3), ("labels_only_", 5), ("one_draw_", 3)):
        assert (cases[f"{name}probabilities"].argmax(axis=1) == label).all(), name
    assert set(found["drawn"]["lenet"]) == set(found["real"]["lenet"]) == {7}
    # a temperature that suits a classifier that is always wrong is a high one, and both are
    assert (cases["temperature"] > 1).all() and (cases["labels_only_temperature"] > 1).all()


def test_bounds_are_of_the_same_images(predictions):
    """The bound by importance sampling is above the ELBO, up to chance, for most images."""
    cases = predictions[0]["cases"]
    iwae = np.logaddexp.reduce(cases["log_joint"].astype(np.float64), axis=1)
    assert (iwae > cases["elbo"]).mean() > 0.8


def test_pictures_have_the_sizes_that_figures_expect(predictions):
    pictures = predictions[0]["pictures"]
    shapes = {name: value.shape[:-1] for name, value in pictures.items()}
    assert shapes == {
        "styles": (10, 12),
        "analogies": (12, 10),
        "originals": (12,),
        "planes": (10, 9, 9),
        "halves": (10,),
        "completions": (10, 6),
    }
