"""params.yaml: the committed file loads, and every error is reported in one line that names the key."""

import copy
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import parse_yaml

from stages import params

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "params.yaml").read_text()
COMMITTED = yaml.safe_load(TEXT)


def leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def sections(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield (*path, key)
            yield from sections(value, (*path, key))


def edited(path, value):
    """The committed document with another value at `path`."""
    tree = copy.deepcopy(COMMITTED)
    at(tree, path[:-1])[path[-1]] = value
    return tree


def without(path):
    tree = copy.deepcopy(COMMITTED)
    del at(tree, path[:-1])[path[-1]]
    return tree


def written(path, value):
    """The committed text with another value at `path`, as it is written here."""
    node = yaml.compose(TEXT)
    for name in path:
        node = next(value for key, value in node.value if key.value == name)
    return TEXT[: node.start_mark.index] + value + TEXT[node.end_mark.index :]


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def write(folder, content):
    path = folder / "params.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


LEAVES = dict(leaves(COMMITTED))
SECTIONS = list(sections(COMMITTED))
WRONG = {  # for every kind of value that params.yaml has
    bool: {"word": "yes", "null": None, "list": [True], "number": 1, "fraction": 0.5},
    int: {"word": "many", "null": None, "list": [1], "yes": True, "nan": math.nan, "huge": 10**30, "fraction": 1.5}
    | {"negative": -1},
    float: {"word": "many", "null": None, "list": [1.0], "yes": True, "nan": math.nan, "huge": 1e300}
    | {"inf": math.inf, "minus_huge": -1e300},
    str: {"typo": "balancd", "null": None, "list": ["cpu"], "mapping": {"a": 1}, "number": 1, "nan": math.nan}
    | {"empty": "", "long": "x" * 5000, "lines": "a\nb"},
    list: {"scalar": 0, "null": None, "empty": [], "mapping": {"a": 1}, "twice": [3, 1, 3]},
}
OPTIONAL = {  # what may be missing
    ("data_sets", "download", "fashion_mnist"),  # unless a model learns it
    ("data_sets", "download", "fashion_mnist", "classes"),
    ("data_sets", "parts", "mnist_0_to_7"),
    ("data_sets", "parts", "mnist_8_and_9"),
    ("prior_check", "others", "one_sd"),
    ("prior_check", "others", "variance_kept"),
}
REQUIRED = [path for path in (*LEAVES, *SECTIONS) if path not in OPTIONAL]
MUTATIONS = [
    pytest.param(path, wrong, id=f"{'.'.join(path)}-{name}")
    for path, value in LEAVES.items()
    for name, wrong in WRONG[type(value)].items()
]
assert len(MUTATIONS) > 200


@pytest.fixture
def message(tmp_path):
    """Loads a document or a text, and returns its one-line error without the file name."""

    def refused(content):
        path = write(tmp_path, content)
        with pytest.raises(params.ParamsError) as raised:
            params.load(path)
        line = str(raised.value)
        assert line.startswith(f"{path}: ")
        assert len(line.splitlines()) == 1
        assert len(line) - len(str(path)) < 300
        return line.removeprefix(f"{path}: ")

    return refused


@pytest.fixture
def load(tmp_path):
    """Loads a document or a text."""

    return lambda content: params.load(write(tmp_path, content))


# --- what is committed -----------------------------------------------------------------------------------


def test_committed_file_loads_value_by_value():
    settings = params.load(ROOT / "params.yaml")
    assert settings.model_dump(exclude_defaults=True) == COMMITTED


def test_quick_overrides_load(load):
    overrides = yaml.safe_load((ROOT / "params.quick.yaml").read_text())
    settings = load(params.merged(COMMITTED, overrides)).model_dump()
    changed = dict(leaves(overrides))
    assert {path for path in LEAVES if at(settings, path) != LEAVES[path]} == set(changed)
    assert all(at(settings, path) == value for path, value in changed.items())


def test_every_key_has_a_comment_on_its_line():
    def lines_of_leaves(node):
        for key, value in node.value:
            if isinstance(value, yaml.MappingNode):
                yield from lines_of_leaves(value)
            else:
                yield TEXT.splitlines()[key.start_mark.line]

    lines = list(lines_of_leaves(yaml.compose(TEXT)))
    assert len(lines) == len(LEAVES)
    assert [line for line in lines if not re.search(r" # \S+", line)] == []


# --- one error at a time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "wrong"), MUTATIONS)
def test_wrong_value_is_named(path, wrong, message):
    shown = repr(wrong) if len(repr(wrong)) <= 60 else repr(wrong)[:50]
    assert message(edited(path, wrong)).startswith(f"{'.'.join(path)} = {shown}")


@pytest.mark.parametrize("path", REQUIRED, ids=".".join)
def test_missing_key_is_named(path, message):
    assert message(without(path)).startswith(f"{'.'.join(path)} is missing")


@pytest.mark.parametrize("path", REQUIRED, ids=".".join)
def test_misspelt_key_is_named(path, message):
    tree = without(path)
    wrong = path[-1][:-1] + "_"
    at(tree, path[:-1])[wrong] = at(COMMITTED, path)
    line = message(tree)
    assert line.startswith((f"{'.'.join(path)} is missing", f"{'.'.join([*path[:-1], wrong])} = "))


@pytest.mark.parametrize("path", SECTIONS, ids=".".join)
@pytest.mark.parametrize("wrong", [None, 3, "text", [1]], ids=["null", "number", "text", "list"])
def test_section_that_is_none_is_named(path, wrong, message):
    assert message(edited(path, wrong)).startswith(f"{'.'.join(path)} = {wrong!r}: ")


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        (("device_",), "device"),
        (("bnn", "stesp"), "steps"),
        (("evaluate", "bnn", "posterior_sample"), "posterior_samples"),
        (("evaluate", "spilt"), "split"),
        (("evaluate", "boostrap"), "bootstrap"),
        (("shift", "rotations"), "rotation"),
    ],
)
def test_unknown_key_comes_with_the_nearest_known_one(path, suggestion, message):
    line = message(edited(path, 5))
    assert line == f"{'.'.join(path)} = 5: unknown key, did you mean {suggestion}?"


def test_unknown_key_like_no_other_comes_with_all_allowed_ones(message):
    assert message(edited(("images", "qqq"), 5)).endswith("allowed keys are train, validation, test")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bnn": {"dataset": "mnits"}}, "bnn.dataset = 'mnits': is not in data_sets, did you mean mnist?"),
        ({"vae": {"dataset": "xyz"}}, "vae.dataset = 'xyz': is not in data_sets, it has fashion_mnist, mnist"),
        (
            {"bnn": {"dataset": "fashion_mnist"}},
            "ood.bnn = 'fashion_mnist': is what bnn.dataset has: name",
        ),
        (
            {"ood": {"vae": "fashion_mnist"}},
            "ood.vae = 'fashion_mnist': is what vae.dataset has: name",
        ),
        (
            {"bnn": {"kl_warmup_steps": 20_000}},
            "bnn.kl_warmup_steps = 20000: must be at most bnn.steps = 12480: a warm-up that goes on leaves a",
        ),
        (
            {"bnn": {"prior": {"scale": "learned"}}},
            "bnn.prior = ",
        ),
        (
            {"data_sets": {"parts": {"mnist_8_and_9": {"classes": ["eight", "nine", "ten"]}}}},
            "data_sets.parts.mnist_8_and_9.classes = ['eight', 'nine', 'ten']: has 3 names for 2 labels",
        ),
        (
            {"ood": {"headline": "likelihood_ratio"}},
            "ood.headline = likelihood_ratio: needs vae.levels = 2: name another score",
        ),
        (
            {"bnn": {"dataset": "fashion_mnist", "classes": 9}, "ood": {"bnn": "mnist"}},
            "bnn.classes = 9: data_sets has 10 names of classes for fashion_mnist: set it to 10",
        ),
        (
            {"prior_check": {"others": {"networks": {"scale": "fan_in", "weight_sd": 1.0}}}},
            "prior_check.others.networks.[key] = 'networks': networks is the name of bnn.prior's own",
        ),
        (
            {"data_sets": {"local": {"mnist": {"path": "x"}}}},
            "data_sets.local.mnist: another data set has that name: take another one",
        ),
        (
            {"data_sets": {"local": {"photographs": {"path": "x"}}}},
            "data_sets: photographs is the name of some",
        ),
        (
            {"data_sets": {"local": {"inverted_x": {"path": "x"}}}},
            "data_sets: inverted_x is the name of some",
        ),
        ({"data_sets": {"local": {"My Set": {"path": "x"}}}}, "data_sets.local.My Set"),
        ({"data_sets": {"local": {"mine": {"path": "~/x"}}}}, "data_sets.local.mine.path = '~/x'"),
        ({"data_sets": {"local": {"mine": {"pth": "x"}}}}, "data_sets.local.mine.path is missing"),
        (
            {"data_sets": {"local": {"mine": {"path": "x", "clases": ["a"]}}}},
            "data_sets.local.mine.clases = ['a']: unknown key, did you mean classes?",
        ),
        (
            {"data_sets": {"download": {"mnist": {"torchvision": "Kmnist"}}}},
            "data_sets.download.mnist.torchvision = 'Kmnist': is no grey image data set with classes that "
            "torchvision has, did you mean KMNIST?",
        ),
        (
            {"data_sets": {"download": {"mnist": {"torchvision": "CIFAR10"}}}},
            "data_sets.download.mnist.torchvision = 'CIFAR10': is no grey image data set",
        ),
    ],
)
def test_data_set_that_cannot_be_is_named_with_the_remedy(changes, said, message):
    tree = copy.deepcopy(COMMITTED)
    for path, value in leaves(changes):
        place = tree
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
    assert message(tree).startswith(said)


def test_data_sets_of_your_own_load(load):
    tree = edited(("data_sets", "local"), {"mine": {"path": "a folder/here"}})
    tree["bnn"] |= {"dataset": "mine", "classes": 3}
    tree["data_sets"]["download"]["letters"] = {"torchvision": "EMNIST/letters"}
    tree["ood"]["vae"] = "letters"
    parts = {"mnist_0_to_7", "mnist_8_and_9"}
    assert {*load(tree).data_sets.all()} == {"mnist", "fashion_mnist", "letters", "mine", *parts}


def test_number_of_further_faults_is_told(message):
    tree = edited(("bnn", "steps"), 0)
    del tree["samples"]
    assert message(tree).endswith("(and 1 more)")


# --- limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed", "refused"),
    [
        (("images", "train"), [50_000], [99, 50_001]),
        (("images", "test"), [100, 10_000], [99, 10_001]),
        (("blr", "steps"), [1], [0]),
        (("blr", "learning_rate"), [1e-9, 10], [0.0, 10.1]),
        (("bnn", "prior", "weight_sd"), [1e-6, 1e6], [0.0, -1.0, 1.1e6]),
        (("bnn", "initial_sd"), [1e-6, 10], [0.0, 1e-7, 11.0]),
        (("ssvae", "dropout"), [0.0, 0.999], [1.0, -0.1]),
        (("ssvae", "alpha"), [0.0, 1.0], [-0.1]),
        (("ssvae", "augment"), ["none", "shift", "affine"], ["rotate", None]),
        (("ssvae", "stack"), ["m2", "m1_m2"], ["m1", "M2"]),
        (("ssvae", "kl_weight_start"), [0.0, 1.0], [-0.1]),
        (("regression", "slope"), [-1e6, 1e6], [-1.1e6, 1.1e6]),
        (("seeds",), [[0], [2**31 - 1, 0]], [[2**31], [-1], ["0"], [0.5], [None], [[0]], [True]]),
        (("device",), ["auto", "cpu", "cuda", "cuda:3"], ["gpu", "cuda:", "cuda:-1", "cpu ", "CPU", "cpu\n"]),
        (("threads",), [1, 256], [0, -1, 257]),
        (("instructions",), ["avx2", "native"], ["avx512", "AVX2"]),
        (("evaluate", "split"), ["test", "validation"], ["train"]),
        (("evaluate", "bootstrap"), [10, 100_000], [9]),
        (("ood", "images"), [10, 10_000], [9, 10_001]),
        (("shift", "rotation"), [[0.0], [-360.0, 360.0]], [[], [361.0]]),
        (("shift", "blur"), [[0.1, 28.0]], [[], [0.0], [28.1]]),
        (("shift", "noise"), [[0.1, 100.0]], [[], [0.0], [100.1]]),
        (("shift", "occlusion"), [[1, 20]], [[], [0], [21], [1.5]]),
        (("samples", "counts"), [[1], [1, 10_000]], [[], [0], [10, 5], [5, 5]]),
        (("vae", "schedule"), ["constant", "cosine", "one_cycle"], ["linear"]),
        (("vae", "execution"), ["eager", "traced", "compiled"], [True, "graph"]),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_limits(path, allowed, refused, load, message):
    for value in allowed:
        assert at(load(edited(path, value)).model_dump(), path) == value
    for value in refused:
        assert message(edited(path, value)).startswith(".".join(path))


@pytest.mark.parametrize("device", ["cuda:01", "cuda:٣", "cuda:999999999999"])
def test_device_that_torch_cannot_parse(device, message):
    assert message(edited(("device",), device)).startswith("device = ")


@pytest.mark.parametrize("x_max", [1.5, -2.0])
def test_x_max_must_be_greater_than_x_min(x_max, message):
    tree = edited(("regression", "x_max"), x_max)
    tree["regression"]["x_min"] = 1.5
    line = message(tree)
    assert line.startswith(f"regression.x_max = {x_max}: ") and "x_min = 1.5" in line


def test_balanced_labels_must_be_a_multiple_of_ten(message, load):
    tree = edited(("drop_labels",), {"kept": 3005, "scheme": "balanced"})
    line = message(tree)
    assert "drop_labels.kept" in line and "balanced" in line
    tree["drop_labels"]["scheme"] = "random"
    assert load(tree).drop_labels.kept == 3005


def test_laplace_knows_a_normal_prior(message, load):
    tree = edited(("bnn", "inference"), "laplace")
    assert load(tree).bnn.inference == "laplace"
    tree["bnn"]["prior"]["family"] = "scale_mixture"
    line = message(tree)
    assert line.startswith("bnn.prior") and "family = normal" in line and "laplace" in line
    tree["bnn"]["inference"] = "map"
    assert load(tree).bnn.prior.family == "scale_mixture"


def test_dreg_knows_one_level(message, load):
    tree = edited(("vae", "gradient"), "dreg")
    assert load(tree).vae.gradient == "dreg"
    tree["vae"]["levels"] = 2
    line = message(tree)
    assert line.startswith("vae.gradient = 'dreg'") and "levels = 1" in line
    tree["vae"]["gradient"] = "stl"
    assert load(tree).vae.levels == 2


@pytest.mark.parametrize("kept", [210, 250])
def test_there_must_be_so_many_labels(kept, message, load):
    tree = edited(("drop_labels", "kept"), kept)
    tree["images"]["train"] = 200
    assert message(tree).startswith(f"drop_labels.kept = {kept}: ")
    tree["images"]["train"] = kept
    assert load(tree).drop_labels.kept == kept


def test_seeds_must_be_distinct(message):
    assert message(edited(("seeds",), [1, 2, 1])).startswith("seeds = [1, 2, 1]: ")


# --- YAML ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1e-3", "1E-3", "5e-1", "1e0", ".5", "2.", "+.5", "1.5e-2", "1"])
def test_float_is_read_as_dvc_reads_it(value, load):
    loaded = load(written(("blr", "learning_rate"), value)).blr.learning_rate
    assert type(loaded) is float
    assert loaded == parse_yaml(f"a: {value}", "")["a"] == float(value)


@pytest.mark.parametrize("value", ["500", "0x1F4", "5_00", "0500", "0o764", "8:20"])
def test_integer_is_read_as_dvc_reads_it_or_refused(value, load):
    try:
        loaded = load(written(("blr", "steps"), value)).blr.steps
    except params.ParamsError:
        assert value != "500"
    else:
        assert loaded == parse_yaml(f"a: {value}", "")["a"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("seeds: [0", id="bracket"),
        pytest.param("a: b: c", id="colons"),
        pytest.param("\tseeds: [0]", id="tab"),
        pytest.param("seeds: *a", id="alias"),
        pytest.param("seeds: \x00", id="nul"),
        pytest.param("device: !!python/object:os.system x", id="object"),
        pytest.param("device: 2020-99-99", id="date"),
        pytest.param("seeds: [" + "9" * 5000 + "]", id="digits"),
    ],
)
def test_file_that_is_not_yaml(text, message):
    assert message(text).startswith("is not YAML")


@pytest.mark.parametrize("key", ["1", "true", "null", "[1]", '"a\\nb"'])
def test_key_that_is_no_word(key, message):
    message(f"{TEXT}\n? {key}\n: 3\n")
    message(re.sub("(samples:.*\n)", f"\\1  ? {key}\n  : 3\n", TEXT))


def test_file_that_is_not_text(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"seeds: \xff\xfe")
    with pytest.raises(params.ParamsError, match=r"is not YAML: .*utf-8"):
        params.load(path)


@pytest.mark.parametrize("text", ["[1, 2]", "text", "3", "", "# only a comment"])
def test_file_without_sections(text, message):
    assert message(text).startswith("must hold sections")


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_file_that_cannot_be_read(name, tmp_path):
    with pytest.raises(params.ParamsError, match=r"cannot be read .*run from the repository's root$"):
        params.load(tmp_path / name)


# --- commands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "content", "expected"),
    [
        ("stages.simulate", None, "cannot be read"),
        ("stages.simulate", "seeds: [", "is not YAML"),
        ("stages.simulate", written(("bnn", "steps"), "0"), "bnn.steps = 0: "),
        (
            "stages.train --model blr --seed 0",
            yaml.safe_dump(without(("vae", "latents"))),
            "vae.latents is missing",
        ),
        (
            "stages.train --model ssvae --seed 0",
            written(("ssvae", "steps"), "many"),
            "ssvae.steps = ",
        ),
        (
            "stages.evaluate --model bnn --seed 0",
            written(("bnn", "kl_weight"), ".nan"),
            "bnn.kl_weight = ",
        ),
        ("stages.ood --model vae --seed 0", written(("vae", "hidden"), "1e30"), "vae.hidden = "),
        (
            "stages.calibrate",
            written(("calibration", "bins"), "7"),
            "calibration.bins = 7: must divide",
        ),
        (
            "stages.drop_labels --seed 0",
            TEXT.replace("kept:", "kepd:"),
            "drop_labels.kept is missing",
        ),
        ("stages.summarize", written(("evaluate", "bootstrap"), "-1"), "evaluate.bootstrap = -1: "),
        ("stages.plot --model bnn", f"{TEXT}\nplots: 3\n", "plots = 3: unknown key"),
        ("stages.simulate", written(("seeds",), "[0, 0]"), "seeds = [0, 0]: every seed"),
        ("stages.simulate", written(("threads",), "0"), "threads = 0: "),
        ("stages.simulate", written(("threads",), "true"), "threads = True: "),
        ("stages.simulate", written(("instructions",), "[avx2]"), "instructions = ['avx2']: "),
    ],
    ids=lambda value: value.split()[0] if value and value.startswith("stages.") else "",
)
def test_command_ends_with_one_line(command, content, expected, tmp_path):
    if content is not None:
        (tmp_path / "params.yaml").write_text(content)
    result = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"params.yaml: {expected}")
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
    assert not (tmp_path / "data").exists()
