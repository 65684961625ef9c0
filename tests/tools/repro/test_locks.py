"""Lock files are read once and written entry by entry, and have the bytes that DVC gives them."""

import json
import os
import shutil

import pytest
from dvc.dvcfile import Lockfile
from dvc.utils.serialize import load_yaml, modify_yaml

from tests.tiny import ROOT
from tools.repro import dvc_api
from tools.repro.dvc_api import Entry

LOCKS = ["dvc.lock", "studies/seeds/dvc.lock"]
AWKWARD = {
    "cmd": "echo 'a: b' && python -c \"print(1)\" && " + "long " * 40 + "é end",
    "deps": [{"path": "data/images: odd", "hash": "md5", "md5": "12345678901234567890123456789012", "size": 1}],
    "params": {
        "params.yaml": {
            "a": {
                "rate": 1e-05,
                "exp": "1e-05",
                "yes": True,
                "no": "no",
                "none": None,
                "empty": "",
                "list": [],
                "map": {},
            },
            "b.c": [1, 2.5, "x", {"y": [True, None]}],
            "time": "12:30",
            "octal": "010",
        }
    },
    "outs": [{"path": "posteriors/0", "hash": "md5", "md5": "0" * 32, "size": 10**12, "nfiles": 3}],
}


def by_dvc(path, contents):
    """How `dvc repro` writes entries: all of the file is parsed and dumped, stage by stage."""
    for name, content in contents.items():
        with modify_yaml(path) as document:
            if not document:
                document.update({"schema": "2.0"})
            document["stages"] = document.get("stages", {})
            document["stages"].update({name: content})


def entries(contents):
    return [Entry("dvc.lock", name, ".", content) for name, content in contents.items()]


def written(folder, lock, contents):
    """What DVC and what this tool make of a lock file (text, or None for none) and the entries."""
    both = []
    for name, write in (
        ("dvc", by_dvc),
        ("ours", lambda path, new: dvc_api.write_locks(path.parent, entries(new))),
    ):
        path = folder / name / "dvc.lock"
        path.parent.mkdir()
        if lock is not None:
            path.write_text(lock)
        write(path, json.loads(json.dumps(contents)))
        assert os.listdir(path.parent) == ["dvc.lock"]
        both.append(path.read_bytes())
    return both


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_of_this_repository_with_one_entry_changed_and_one_added(tmp_path, name):
    lock = (ROOT / name).read_text()
    first = next(iter(load_yaml(ROOT / name)["stages"]))
    dvc, ours = written(tmp_path, lock, {first: AWKWARD, "new@1": AWKWARD})
    assert ours == dvc
    assert dvc_api.entry_texts(ours.decode()) is not None  # nothing had to be parsed for that


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_of_this_repository_from_nothing(tmp_path, name):
    stages = load_yaml(ROOT / name)["stages"]
    dvc_api.write_locks(tmp_path, entries(stages))
    assert (tmp_path / "dvc.lock").read_bytes() == (ROOT / name).read_bytes()


PLAIN = "schema: '2.0'\nstages:\n  a@0:\n    cmd: echo a\n"


@pytest.mark.parametrize(
    "lock",
    [
        None,
        "",
        PLAIN,
        PLAIN.rstrip(),
        "schema: '2.0'\nstages: {}\n",
        PLAIN + "# a comment\n",
        PLAIN + "    params:\n      p.yaml:\n        x: &id001\n        - 1\n        y: *id001\n",
        PLAIN + "datasets:\n- name: d\n",
        "stages:\n  a@0:\n    cmd: echo a\nschema: '2.0'\n",
        "schema: '2.0'\nstages:\n  '12':\n    cmd: echo a\n",
        "schema: '2.0'\nstages:\n  a@0:\n    cmd: |-\n      echo a\n\n      echo b\n",
    ],
)
@pytest.mark.parametrize("name", ["a@0", "b", "12", "yes"])
def test_any_lock_and_any_name(tmp_path, lock, name):
    dvc, ours = written(tmp_path, lock, {name: AWKWARD, "z@ok": {"cmd": "echo z"}})
    assert ours == dvc


def test_a_lock_is_parsed_once_until_it_changes(tmp_path, monkeypatch):
    shutil.copy(ROOT / "studies/seeds/dvc.lock", tmp_path / "dvc.lock")
    parsed = []

    def load(lock):
        parsed.append(lock.path)
        return load_yaml(lock.path), ""

    once, lock = dvc_api._loaded_once(load), Lockfile(None, str(tmp_path / "dvc.lock"))
    before = once(lock)[0]["stages"]
    assert once(lock)[0]["stages"] == before and len(parsed) == 1
    dvc_api.write_locks(tmp_path, entries({"new": AWKWARD}))
    assert once(lock)[0]["stages"] == before | {"new": AWKWARD} and len(parsed) == 2
