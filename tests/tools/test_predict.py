"""What the command says of an image, against plain PyTorch on the same weights; and how it ends."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from stages import image_files
from stages.data_settings import Local
from tests import tiny
from tests.tiny import ROOT
from tests.tools import untrained
from tools import answers, pictures, predict

MAP = {"inference": "map", "network": "mlp"}
DROPOUT = {"inference": "mc_dropout", "network": "lenet", "dropout": 0.5}
ENSEMBLE = {"inference": "ensemble", "member": "map", "members": 3, "network": "mlp"}
MEAN_FIELD_ENSEMBLE = {"inference": "ensemble", "member": "mean_field", "members": 2, "network": "mlp"}
FULL = {"inference": "last_layer_full", "network": "lenet", "initial_sd": 0.5}
LAPLACE = {"inference": "laplace", "network": "lenet"}
MEAN_FIELD = {"inference": "mean_field", "network": "mlp", "initial_sd": 0.1}


def draw(path, digit="7", size=200):
    """Some strokes on white."""
    image = Image.new("L", (size, size), 255)
    points = {
        "7": [(60, 50), (140, 50), (90, 160)],
        "1": [(100, 40), (100, 160)],
        "4": [(60, 50), (60, 110), (140, 110)],
    }
    ImageDraw.Draw(image).line(points[digit], fill=0, width=16, joint="curve")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def seen(path):
    """What the network is shown of it, (1, 784) in [0, 1]."""
    pixels = pictures.prepared(pictures.read(path), "digit").pixels
    return torch.from_numpy(pixels.reshape(1, 784).copy()).float() / 255


def plain(guide, image):
    """Probabilities by an ordinary network with the weights of a guide that is a point, (10,) float64."""
    point = {name: value.detach() for name, value in guide.loc.items()}
    layers = [name.removesuffix("_weight") for name in point if name.endswith("_weight")]
    for layer in layers:
        image = torch.nn.functional.linear(image, point[f"{layer}_weight"], point[f"{layer}_bias"])
        image = image.relu() if layer != layers[-1] else image
    return image.softmax(-1)[0].double().numpy()


def asked(command, *words):
    """The JSON object, and the exit status."""
    status, out, error = command(predict.main, "--json", *words)
    assert error == ""
    return json.loads(out), status


def entropy(p):
    return -sum(q * math.log(q) for q in p)


def test_a_point_estimate_answers_as_an_ordinary_network(tmp_path, command):
    _, guide = untrained.write(tmp_path, "bnn", bnn=MAP)
    untrained.write_threshold(tmp_path, 2.4)
    path = draw(tmp_path / "seven.png")
    wanted = plain(guide, seen(path))
    found, status = asked(command, path)
    (image,) = found["images"]
    assert (status, found["networks"], found["unreadable"]) == (0, 1, [])
    np.testing.assert_allclose(list(image["probabilities"].values()), wanted, atol=1e-6)
    assert image["class"] == str(wanted.argmax())
    assert image["interval"] == [image["probability"]] * 2 == pytest.approx([wanted.max()] * 2, abs=1e-6)
    assert image["entropy"] == pytest.approx(entropy(wanted), abs=1e-5)
    assert image["mutual_information"] == pytest.approx(0, abs=1e-9)


def test_members_of_an_ensemble_vote_and_disagree(tmp_path, command):
    """Interval, entropy and its parts from the definitions, member by member."""
    _, guide = untrained.write(tmp_path, "bnn", bnn=ENSEMBLE)
    untrained.write_threshold(tmp_path, 2.4)
    path = draw(tmp_path / "seven.png")
    each = np.array([plain(member, seen(path)) for member in guide.members])
    mean = each.mean(axis=0)
    found, _ = asked(command, path)
    (image,) = found["images"]
    assert found["networks"] == 3
    np.testing.assert_allclose(list(image["probabilities"].values()), mean, atol=1e-6)
    low, middle, high = sorted(each[:, mean.argmax()])
    wanted = [low + 0.1 * (middle - low), middle + 0.9 * (high - middle)]
    assert image["interval"] == pytest.approx(wanted, abs=1e-6)
    assert image["expected_entropy"] == pytest.approx(np.mean([entropy(p) for p in each]), abs=1e-5)
    assert image["entropy"] == pytest.approx(entropy(mean), abs=1e-5)


@pytest.mark.parametrize(
    "section",
    [MAP, MEAN_FIELD, FULL, LAPLACE, DROPOUT, ENSEMBLE, MEAN_FIELD_ENSEMBLE],
    ids=lambda section: f"{section['inference']} {section.get('member', '')}".strip(),
)
def test_every_family_answers_consistently_and_the_same_each_time(tmp_path, command, section):
    """Alone, among others, and once more: what is said of an image depends on nothing else."""
    untrained.write(tmp_path, "bnn", bnn=section)
    untrained.write_threshold(tmp_path, 2.4)
    seven, one = draw(tmp_path / "seven.png"), draw(tmp_path / "one.png", "1")
    together, _ = asked(command, one, seven, "--samples", 4)
    alone, _ = asked(command, seven, "--samples", 4)
    again, _ = asked(command, seven, "--samples", 4)
    assert alone == again
    assert together["images"][1] == alone["images"][0]
    for image in together["images"]:
        p = image["probabilities"]
        assert list(p) == list("0123456789")
        assert sum(p.values()) == pytest.approx(1, abs=1e-12)
        assert image["probability"] == max(p.values()) == p[image["class"]]
        assert image["entropy"] == pytest.approx(
            image["expected_entropy"] + image["mutual_information"], abs=1e-12
        )
        assert image["entropy"] == pytest.approx(entropy(p.values()), abs=1e-9)
        low, high = image["interval"]
        assert 0 <= low <= high <= 1


def test_drawn_networks_and_seeds_are_those_asked_for(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=DROPOUT)
    untrained.write(tmp_path, "bnn", seed=3, bnn=DROPOUT)  # the same weights
    for seed in (0, 3):
        untrained.write_threshold(tmp_path, 2.4, seed)
    path = draw(tmp_path / "seven.png")
    default, _ = asked(command, path)
    fewer, _ = asked(command, path, "--samples", 5)
    other, _ = asked(command, path, "--seed", 3)
    assert (default["networks"], fewer["networks"], other["networks"]) == (20, 5, 20)
    assert (default["seed"], other["seed"]) == (0, 3)
    assert len({run["images"][0]["probability"] for run in (default, fewer, other)}) == 3
    assert default["images"][0]["mutual_information"] > 0


def test_the_threshold_decides_and_the_status_says_so(tmp_path, command):
    """An entropy of just the threshold is answered, as where the threshold was chosen."""
    untrained.write(tmp_path, "bnn", bnn=MAP)
    paths = [draw(tmp_path / f"{digit}.png", digit) for digit in "17"]
    untrained.write_threshold(tmp_path, 2.4)
    found, status = asked(command, *paths)
    sure, unsure = sorted(image["entropy"] for image in found["images"])
    assert (status, sure < unsure) == (0, True)
    for threshold, asks, wanted in ((unsure, 0, 0), ((sure + unsure) / 2, 1, 3), (sure - 1e-9, 2, 3)):
        untrained.write_threshold(tmp_path, threshold)
        found, status = asked(command, *paths)
        assert found["threshold"] == threshold
        assert sum(image["ask_a_person"] for image in found["images"]) == asks
        assert status == wanted


def test_table_says_the_same_as_json(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=ENSEMBLE)
    paths = [draw(tmp_path / f"{digit}.png", digit) for digit in "17"]
    untrained.write_threshold(tmp_path, 2.4)
    found, _ = asked(command, *paths)
    unsure, sure = sorted(found["images"], key=lambda image: -image["entropy"])
    untrained.write_threshold(tmp_path, (sure["entropy"] + unsure["entropy"]) / 2)
    status, out, _ = command(predict.main, *paths)
    header, *lines = out.splitlines()
    assert (status, len(lines)) == (3, 2)
    assert header.split()[:3] == ["image", "class", "probability"]
    for line in lines:
        image = next(image for image in found["images"] if line.startswith(image["file"]))
        low, high = image["interval"]
        numbers = [image[key] for key in ("entropy", "expected_entropy", "mutual_information")]
        wanted = [image["class"], f"{image['probability']:.4f}", f"{low:.4f}-{high:.4f}"]
        assert line.split()[1:7] == wanted + [f"{number:.4f}" for number in numbers]
        answer = "cannot tell: ask a person" if image is unsure else image["class"]
        assert line.endswith(f"  {answer}")


def test_blank_page_is_for_a_person_however_sure_the_network(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=MAP)
    untrained.write_threshold(tmp_path, 2.4)
    Image.new("L", (100, 100), 240).save(tmp_path / "blank.png")
    found, status = asked(command, tmp_path / "blank.png")
    assert (found["images"][0]["clear_ink"], found["images"][0]["ask_a_person"], status) == (False, True, 3)
    assert "no clear ink: cannot tell: ask a person" in command(predict.main, tmp_path / "blank.png")[1]


def test_clothes_have_their_names(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=MAP | {"dataset": "fashion_mnist"}, ood={"bnn": "mnist"})
    untrained.write_threshold(tmp_path, 2.4)
    found, _ = asked(command, draw(tmp_path / "seven.png"))
    assert found["data_set"] == "fashion_mnist"
    names = list(found["images"][0]["probabilities"])
    assert len(set(names)) == 10
    assert (names[0], names[1], names[9]) == ("T-shirt/top", "trouser", "ankle boot")
    assert found["images"][0]["class"] in names


def test_a_bad_image_is_named_and_the_others_are_answered(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=MAP)
    untrained.write_threshold(tmp_path, 2.4)
    folder = tmp_path / "inbox"
    draw(folder / "b.png")
    (folder / "a.png").write_text("no image")
    status, out, error = command(predict.main, "--json", folder)
    found = json.loads(out)
    assert status == 1
    assert error.splitlines() == [
        f"{folder}/a.png: is no image in a format that Pillow reads: save it as PNG or JPEG"
    ]
    assert [image["file"] for image in found["images"]] == [f"{folder}/b.png"]
    assert found["unreadable"] == [{"file": f"{folder}/a.png", "problem": error.strip()}]


def test_plot_is_a_picture(tmp_path, command):
    """Written whole; the same bytes every time."""
    untrained.write(tmp_path, "bnn", bnn=ENSEMBLE)
    untrained.write_threshold(tmp_path, 2.4)
    paths = [draw(tmp_path / f"{digit}.png", digit) for digit in "17"]
    for name in ("one.png", "two.png"):
        assert command(predict.main, *paths, "--plot", tmp_path / "plots" / name)[0] == 0
    one, two = ((tmp_path / "plots" / name).read_bytes() for name in ("one.png", "two.png"))
    assert one == two
    with Image.open(tmp_path / "plots/one.png") as image:
        grey = np.asarray(image.convert("L"))
    assert grey.std() > 20
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["one.png", "two.png"]


FAULTS = {
    "posterior": (
        "posteriors/bnn/0/weights.safetensors is missing",
        ("dvc repro", "make pull", "make pretrained"),
    ),
    "threshold": ("metrics/referral/bnn/0.json is missing", ("git restore metrics", "dvc repro refer_bnn")),
    "another threshold": ("metrics/referral/bnn/0.json holds no threshold_nats", ("dvc repro refer_bnn",)),
    "image": ("none.png: there is no such file", ("check the name",)),
    "params": ("params.yaml: cannot be read", ("run from the repository's root",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_is_named_in_one_line_with_the_remedy(tmp_path, command, fault):
    untrained.write(tmp_path, "bnn", bnn=MAP)
    untrained.write_threshold(tmp_path, 2.4)
    path = draw(tmp_path / "seven.png")
    if fault == "posterior":
        (tmp_path / "posteriors/bnn/0/weights.safetensors").unlink()
    if fault == "threshold":
        (tmp_path / "metrics/referral/bnn/0.json").unlink()
    if fault == "another threshold":
        (tmp_path / "metrics/referral/bnn/0.json").write_text("{}")
    if fault == "params":
        (tmp_path / "params.yaml").unlink()
    status, out, error = command(predict.main, tmp_path / "none.png" if fault == "image" else path)
    named, remedies = FAULTS[fault]
    assert (status, out, error.count("\n")) == (1, "", 0)
    assert named in error
    assert all(remedy in error for remedy in remedies)


def test_too_many_images_for_a_plot_are_refused_before_the_work(tmp_path, command, monkeypatch):
    untrained.write(tmp_path, "bnn", bnn=MAP)
    monkeypatch.setattr(answers, "PLOTTED", 1)
    paths = [draw(tmp_path / f"{digit}.png", digit) for digit in "17"]
    status, _, error = command(predict.main, *paths, "--plot", "plot.png")
    assert (status, "--plot shows at most 1 images, not 2" in error) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a.png", "--samples", "0"],
        ["a.png", "--seed", "-1"],
        ["a.png", "--plot", "plot.txt"],
        ["a.png", "--colour"],
    ],
)
def test_wrong_usage_is_status_2(tmp_path, command, words):
    assert command(predict.main, *words)[0] == 2


def test_help_lists_every_key_and_status(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=MAP)
    untrained.write_threshold(tmp_path, 2.4)
    found, _ = asked(command, draw(tmp_path / "seven.png"))
    status, out, _ = command(predict.main, "--help")
    assert status == 0
    for key in (*found, *found["images"][0]):
        assert key in out
    for code in "0123":
        assert f"\n  {code}  " in out


def test_no_data_set_is_needed(tmp_path):
    """In a process of its own, in a folder that holds params, weights and the threshold, and nothing else."""
    untrained.write(tmp_path, "bnn", bnn=DROPOUT)
    untrained.write_threshold(tmp_path, 0.0)
    draw(tmp_path / "seven.png")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("DATA_MIRROR", None)
    words = [sys.executable, "-m", "tools.predict", "seven.png", "--plot", "votes.png"]
    ran = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (3, "")
    assert "cannot tell: ask a person" in ran.stdout
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"params.yaml", "posteriors", "metrics", "seven.png", "votes.png"}


def test_posterior_of_another_network_is_one_line(tmp_path, command):
    untrained.write(tmp_path, "bnn", bnn=MAP)
    untrained.write_threshold(tmp_path, 2.4)
    (tmp_path / "kept").mkdir()
    untrained.write(tmp_path / "kept", "bnn", bnn=DROPOUT)
    (tmp_path / "kept/params.yaml").replace(tmp_path / "params.yaml")
    status, _, error = command(predict.main, draw(tmp_path / "seven.png"))
    assert (status, error.count("\n")) == (1, 0)
    assert "run `dvc repro`" in error


def test_names_come_from_the_registry_of_data_sets():
    committed = tiny.settings()
    assert answers.class_names(committed) == tuple("0123456789")
    clothes = answers.class_names(tiny.settings(bnn={"dataset": "fashion_mnist"}))
    assert len(clothes) == committed.bnn.classes and clothes[9] == "ankle boot"


def test_pictures_are_prepared_as_the_data_set_was():
    registered = tiny.settings().data_sets
    registered = registered.model_copy(update={"local": {"mine": Local(path="somewhere")}})
    kinds = {name: pictures.kind_of(name, registered) for name in registered.all()}
    digits = ("mnist", "mnist_0_to_7", "mnist_8_and_9")
    assert kinds == dict.fromkeys(digits, "digit") | {"fashion_mnist": "article", "mine": "whole"}
    levels = np.tile(np.linspace(0, 1, 56), (56, 1))
    converted = image_files.fitted(Image.fromarray(np.rint(255 * levels).astype(np.uint8)))
    np.testing.assert_array_equal(pictures.prepared(levels, "whole").pixels, converted)
