"""The report: one file that loads nothing, with the numbers of metrics/ and predictions/, in a real browser."""

import base64
import contextlib
import io
import itertools
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from stages import artifacts, evaluate, ood, refer, shift, summarize, surrogates
from stages import params as schema
from stages.evaluation import bnn as evaluation
from stages.figures.style import figure as canvas
from stages.inference import posterior
from stages.params import MODELS
from tests.browser import quiet_page
from tests.idx import write_images, write_labels
from tests.pipeline.conftest import TINY
from tests.tiny import ROOT, settings
from tools.report import __main__ as report
from tools.report import charts, headline, network, page, pictures, words

IMAGES = 100  # test images of each data set
SMALL = {
    "images": {"train": 200, "validation": 100, "test": IMAGES},
    "ood": {"images": 20},
    "shift": {"images": 20},
}


def write_data(root):
    """Both data sets, made up: a bright bar whose place says the class, and noise."""
    generator = np.random.default_rng(0)
    for name in ("mnist", "fashion_mnist"):
        for prefix, number in (("train", 6 * IMAGES), ("t10k", IMAGES)):  # the last sixth is for validation
            labels = np.arange(number) % 10
            pixels = generator.integers(0, 50, (number, 28, 28), dtype=np.uint8)
            pixels[np.arange(number), 4 + 2 * labels, 4:24] += 200
            write_images(root / f"images/{name}/{prefix}-images-idx3-ubyte", pixels)
            write_labels(root / f"images/{name}/{prefix}-labels-idx1-ubyte", labels)


def run_stage(stage, **arguments):
    """Run a stage's command in this process, in the current folder."""
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stage", *words])
        stage.main()


def made(folder, seed, **changes):
    """Run every stage that the report reads, with networks that were not trained, in a folder."""
    tiny = yaml.safe_load((ROOT / "params.yaml").read_text())
    for change in (TINY, SMALL, {"seeds": [seed]}, changes):
        tiny = schema.merged(tiny, change)
    with contextlib.chdir(folder), mock.patch.dict(os.environ):
        Path("params.yaml").write_text(yaml.safe_dump(tiny, sort_keys=False))
        loaded = schema.load()
        write_data(Path("data"))
        kept = "index,label\n" + "".join(f"{i},{i % 10 if i < 100 else ''}\n" for i in range(200))
        Path("data/labels").mkdir()
        Path(f"data/labels/{seed}.csv").write_text(kept)
        torch.manual_seed(0)
        for model in ("bnn", "vae", "ssvae", "labels_only", "judge"):
            params = loaded.ssvae if model == "labels_only" else getattr(loaded, model)
            networks = import_module(f"stages.models.{model}").build(params)
            posterior.save(f"posteriors/{model}/{seed}/weights.safetensors", *networks)
        for model in ("bnn", "vae", "ssvae"):
            run_stage(evaluate, model=model, seed=seed)
        for stage in (surrogates, ood, shift, refer):
            run_stage(stage, model="bnn", seed=seed)
        run_stage(summarize)
        for model in MODELS:
            plots = Path("plots", model)
            plots.mkdir(parents=True)
            (plots / "elbo.csv").write_text("step,elbo,validation\n4,-9.5,-8\n8,-7.25,-6\n")
            with canvas(plots / "elbo.png") as axis:
                axis.plot([0, 1])
    return folder


def reported(folder):
    """The report of a folder, as a command run beside it writes it."""
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
        patch.chdir(folder.parent)
        patch.setattr(sys, "argv", ["report", "--folder", folder.name])
        report.main()
    return (folder / "report/index.html").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder where the pipeline has run."""
    return made(tmp_path_factory.mktemp("run"), seed=0)


@pytest.fixture(scope="module")
def html(folder):
    """Its report."""
    return reported(folder)


class Reader(HTMLParser):
    """What a page links to, and its cells by the attribute that names them."""

    def __init__(self, html):
        super().__init__()
        self.links, self.tags, self.named, self.open = [], [], {}, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.links += [
            given[name] for name in ("src", "href", "srcset", "action", "poster", "data") if given.get(name)
        ]
        marks = [(name, value) for name, value in attributes if name.startswith("data-")]
        self.open = marks[0] if marks else None

    def handle_data(self, text):
        if self.open and text.strip():
            self.named.setdefault(self.open, text.strip())


# --- one file ---------------------------------------------------------------------------------------------------


def test_nothing_is_loaded(html):
    assert [link for link in Reader(html).links if not link.startswith(("data:", "#"))] == []
    style = re.search(r"<style>(.*?)</style>", html, flags=re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_the_browser_is_told_to_load_nothing(html):
    policies = [
        given["content"] for _, given in Reader(html).tags if given.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; img-src data:;")


def test_scripts_end_where_they_should(html):
    """No script has the end of a script in it, or the page would show its rest as text."""
    assert html.count("</script>") == html.count("<script") - page.vl_convert.javascript_bundle().count("<script")


def test_images_have_a_text(html):
    images = [given for tag, given in Reader(html).tags if tag == "img"]
    assert len(images) > 20
    assert all("alt" in given for given in images)
    assert all(given["alt"] for given in images if "data-figure" in given)


def test_language_and_headings(html):
    tags = Reader(html).tags
    assert next(given for tag, given in tags if tag == "html")["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))


# --- its numbers ------------------------------------------------------------------------------------------------


def test_headlines_are_those_of_the_metrics(html, folder):
    summary = artifacts.read_json(folder / "metrics/summary.json")
    rows = dict(re.findall(r'data-key="([^"]+)".*?<td class="number">([^<]*)</td>', html, flags=re.S))
    assert "bnn.error_percent" in rows
    assert "vae.iwae" in rows
    for path, shown in rows.items():
        value = summary
        for key in path.split("."):
            value = value[key]
        decimals = len(shown.partition(".")[2])
        assert shown == f"{value['mean']:.{decimals}f}"


def test_decisions_are_those_of_the_metrics(html, folder):
    measured = artifacts.read_json(folder / "metrics/referral/bnn/0.json")
    named = Reader(html).named
    for data_set in ("mnist", *evaluation.out_of_distribution(schema.load(folder / "params.yaml"))):
        assert named["data-referred", data_set] == f"{measured[data_set]['referred_percent']:.1f}%"
    answered = 100 - measured["mnist"]["referred_percent"]
    assert named["data-decision", "answered"] == f"{answered:.1f}%"


def test_every_threshold_is_counted(html, folder):
    data = data_of(html)["decisions"]
    cases = artifacts.read_arrays(folder / "predictions/bnn/0/cases.safetensors")
    p = cases["probabilities"].astype(np.float64)
    entropy = -(p * np.log(p)).sum(axis=1)
    wrong = p.argmax(axis=1) != cases["labels"]
    for at in range(0, len(data["thresholds"]), 20):
        answered = entropy <= data["thresholds"][at] + 1e-6
        assert data["rows"][0]["answered"][at] == answered.sum()
        assert data["rows"][0]["errors"][at] == wrong[answered].sum()


def data_of(html):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.S)[1])


def test_turned_images_have_the_network_s_probabilities(html):
    turned = data_of(html)["turned"]
    assert len(turned["images"]) == 10
    for image in turned["images"]:
        p = np.array(image["probabilities"])
        assert p.shape == (len(turned["degrees"]), 10)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-3)
        assert np.all(np.array(image["mutual_information"]) <= np.array(image["entropy"]) + 1e-3)


def test_bins_hold_every_case():
    confidence, correct = np.array([0.05, 0.95, 0.97, 1.0]), np.array([False, True, True, False])
    bins = network._bins(confidence, correct)
    assert [row["cases"] for row in bins] == [1, 3]
    assert bins[1]["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert bins[1]["low"] < 2 / 3 < bins[1]["high"]


def test_histograms_are_shares():
    rows = charts.histogram({"a": np.array([0.0, 0.0, 1.0]), "b": np.array([0.5])}, top=1.0)
    for name in ("a", "b"):
        assert sum(row["share"] for row in rows if row["set"] == name) == pytest.approx(100, abs=0.01)


def entry(mean, n, seeds, test):
    return {"mean": mean, "n": n, "ci95_seeds": seeds, "ci95_test": test}


def test_intervals_over_trainings_come_first():
    of_test, of_seeds = entry(0.4, 1, None, 0.1), {"mean": 0.5, "n": 5, "ci95_seeds": 0.2}
    assert headline.value(of_test, of_seeds, 2) == {"value": "0.50", "half_width": "0.20", "over": "5 trainings"}
    assert headline.value(of_test, None, 2) == {"value": "0.40", "half_width": "0.10", "over": "test cases"}
    assert headline.value(entry(0.4, 3, 0.3, 0.1), None, 1) == {
        "value": "0.4",
        "half_width": "0.3",
        "over": "3 trainings",
    }
    assert headline.value(entry(20.0, 1, None, None), None, 0) == {"value": "20", "half_width": "", "over": ""}


def test_seeds_of_other_params_are_left_out(tmp_path, monkeypatch):
    """metrics/seeds.json is of the study's params: it says nothing about a run with others."""
    monkeypatch.chdir(tmp_path)
    run = type("Run", (), {"seed": 0})()
    artifacts.write_json("metrics/seeds.json", {"bnn": {"nll": {"mean": 1.0, "n": 5, "ci95_seeds": 0.1}}})
    artifacts.write_json("metrics/bnn/0.json", {"nll": 1.5})
    artifacts.write_json(f"{headline.OF_STUDY}/bnn/0.json", {"nll": 1.5})
    assert list(headline.over_seeds(run)) == ["bnn"]
    artifacts.write_json("metrics/bnn/0.json", {"nll": 1.6})
    assert headline.over_seeds(run) == {}


def test_pictures_are_ink_on_a_clear_ground():
    pixels = np.zeros((2, 3, 784), dtype=np.uint8)
    pixels[1, 2] = 200
    header, _, content = pictures.grid(pixels).partition(",")
    assert header == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        alpha = np.asarray(picture.getchannel("A"))
    assert alpha.shape == (2 * 28 + 2, 3 * 28 + 4)
    assert (alpha[30:, 60:] == 200).all()
    assert alpha[:29].max() == alpha[:, :59].max() == 0


# --- words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "plots").glob("*/*.png")), ids=lambda path: path.stem)
def test_every_committed_figure_has_a_text(path):
    assert f"{path.parent.name}/{path.stem}" in words.FIGURES


def test_texts_follow_the_data_set():
    called = words.figure("bnn/entropy", learned="Fashion-MNIST", other="MNIST", images="clothes")
    assert called.caption == "Predictive entropy of Fashion-MNIST and MNIST"
    assert words.data_set("inverted_fashion_mnist").name == "Inverted clothes"
    assert words.data_set("my_shapes").name == "my shapes"
    assert words.class_name(settings(), "fashion_mnist", 7) == "sneaker"
    assert words.class_name(settings(), "mnist", 7) == "7"


def test_the_other_data_set_the_other_seed(tmp_path):
    """The page speaks of clothes where they were learned, and shows the first seed that there is."""
    html = reported(made(tmp_path, seed=3, bnn={"dataset": "fashion_mnist"}, ood={"bnn": "mnist"}))
    text = re.sub(r"\s+", " ", html.partition("<script>")[0])
    assert "Which clothes should a person read?" in text
    assert "Turn a garment" in text
    assert "Inverted clothes" in text
    assert "held-out digits" not in text
    assert [image["label"] for image in data_of(html)["turned"]["images"]][7] == "sneaker"
    measured = artifacts.read_json(tmp_path / "metrics/referral/bnn/3.json")
    assert Reader(html).named["data-referred", "mnist"] == f"{measured['mnist']['referred_percent']:.1f}%"


# --- what is missing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missing",
    [
        "predictions/bnn/0",
        "predictions/ood/bnn/0",
        "posteriors/bnn/0/weights.safetensors",
        "metrics/summary.json",
        "data",
    ],
)
def test_what_is_missing_is_named(folder, tmp_path, monkeypatch, missing):
    there = tmp_path / "run"
    shutil.copytree(folder, there, ignore=shutil.ignore_patterns("*-ubyte", "report"))
    gone = there / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    monkeypatch.setattr(sys, "argv", ["report", "--folder", str(there)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(schema.Failure, match=f"^{missing} is missing: `make pull` .*`dvc repro`") as caught:
        report.main()
    assert "\n" not in str(caught.value)


def test_a_folder_without_params(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["report", "--folder", str(tmp_path)])
    with pytest.raises(schema.Failure, match=r"params\.yaml is missing: --folder"):
        report.main()


# --- in a browser -----------------------------------------------------------------------------------------------

RULE = '[data-chart=entropies] svg line[stroke-width="2"]'  # the threshold in the histogram
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture
def opened(browser, html, folder):
    """opened(**options): the report in a page that must stay quiet, all charts drawn."""
    address = (folder / "report/index.html").as_uri()
    with contextlib.ExitStack() as pages:

        def open_page(**options):
            made = pages.enter_context(quiet_page(browser, address, **({"viewport": DESKTOP} | options)))
            made.wait_for_selector("html[data-ready]")
            return made

        yield open_page


@pytest.mark.slow
def test_all_charts_are_drawn(opened):
    page = opened()
    charts_ = page.locator("[data-chart]")
    assert charts_.count() == 8
    for place in range(charts_.count()):
        name = charts_.nth(place).get_attribute("data-chart")
        marks = charts_.nth(place).locator("svg g[class*='role-mark'] > *")
        assert marks.count() > 0, name


@pytest.mark.slow
def test_the_threshold_moves_the_numbers_and_the_charts(opened, folder):
    page = opened()
    data = json.loads(page.locator("#data").text_content())["decisions"]
    at_first = page.locator(RULE).get_attribute("transform")
    page.focus("#threshold")
    page.keyboard.press("Home")
    assert page.locator("#threshold-value").text_content() == f"{data['thresholds'][0]:.3f} nats"
    assert page.locator("[data-decision=count]").text_content() == f"{data['rows'][0]['answered'][0]:,}"
    page.keyboard.press("End")
    assert page.locator("[data-decision=count]").text_content() == str(IMAGES)
    assert page.locator("[data-decision=answered]").text_content() == "100.0%"
    page.wait_for_function(f"document.querySelector({RULE!r}).getAttribute('transform') !== {at_first!r}")
    page.click("#reset")
    chosen = data["thresholds"][data["chosen"]]
    assert page.locator("#threshold-value").text_content() == f"{chosen:.3f} nats"


@pytest.mark.slow
def test_an_image_turns_by_the_keyboard(opened):
    page = opened()
    turned = json.loads(page.locator("#data").text_content())["turned"]
    page.check("input[name=image][value='3']")
    page.focus("#angle")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    degrees = turned["degrees"][4]
    assert page.locator("#angle-value").text_content() == f"{degrees}°"
    assert page.locator("#turned").get_attribute("aria-label") == f"3, turned by {degrees} degrees"
    probabilities = turned["images"][3]["probabilities"][4]
    shown = page.locator("#probabilities td.number").all_text_contents()
    assert [float(text.removesuffix("%")) for text in shown] == pytest.approx(
        [100 * p for p in probabilities], abs=0.051
    )
    assert f"Read as {int(np.argmax(probabilities))} with" in page.locator("#reading").text_content()


@pytest.mark.slow
def test_what_is_compared_can_be_chosen(opened):
    page = opened()
    data = json.loads(page.locator("#data").text_content())
    last = list(data["areas"])[-1]
    page.select_option("#roc-set", last)
    assert page.locator("#areas td").first.text_content() == f"{data['areas'][last][0]['auroc']:.4f}"
    name = list(data["calibration"])[-1]
    page.select_option("#reliability-set", name)
    shown = page.locator("[data-calibration=ece]").text_content()
    assert shown == f"{data['calibration'][name]['ece']:.4f}"
    page.select_option("#trained", "vae")
    page.wait_for_selector("[data-drawn=objective-vae] svg")


@pytest.mark.slow
def test_light_and_dark(opened):
    def ground(page):
        return sum(
            map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])
        )

    def label(page):
        return page.locator("[data-chart=risk] svg text").first.get_attribute("fill")

    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    assert ground(light) > 600 > 200 > ground(dark)
    colours = label(light), label(dark)
    assert len(set(colours)) == 2
    light.click("#theme")
    assert ground(light) == ground(dark)
    light.wait_for_function(
        "fill => document.querySelector('[data-chart=risk] svg text').getAttribute('fill') === fill",
        arg=colours[1],
    )
    dark.click("#theme")
    assert ground(dark) > 600


@pytest.mark.slow
def test_contrast_is_good(opened):
    """At least 4.5 to 1 for text, the level AA of the Web Content Accessibility Guidelines."""

    def luminance(colour):
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        for element, ground in (
            ("body", "body"),
            (".lead", "body"),
            (".top nav a", "body"),
            ("figcaption", ".panel"),
        ):
            text = page.evaluate(f"getComputedStyle(document.querySelector('{element}')).color")
            behind = page.evaluate(f"getComputedStyle(document.querySelector('{ground}')).backgroundColor")
            low, high = sorted([luminance(text), luminance(behind)])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, element)


@pytest.mark.slow
def test_a_phone_needs_no_scrolling_sideways(opened):
    page = opened(viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.slow
def test_focus_is_seen_and_figures_open(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".zoom").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator("#large").is_visible()
    assert page.locator("#large img").get_attribute("alt") == page.locator(".zoom img").first.get_attribute("alt")
    page.keyboard.press("Escape")
    assert not page.locator("#large").is_visible()


@pytest.mark.slow
def test_motion_can_be_reduced(opened):
    page = opened(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.bars .bar span')).transitionProperty") == "none"
    )


@pytest.mark.slow
def test_without_scripts_there_is_still_a_page(opened, browser, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "report/index.html").as_uri())
    assert page.locator("noscript").is_visible()
    assert page.locator("[data-decision=answered]").text_content().endswith("%")
    context.close()
