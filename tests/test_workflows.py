"""The GitHub workflows satisfy GitHub's schema, zizmor's security audit and the rules of this project.

Each check is also tested on a copy of a workflow with a planted fault, where it must fail.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.expressions import evaluate

FOLDER = Path(__file__).parent.parent / ".github" / "workflows"
GPU_RUNNER = "${{ vars.GPU_RUNNER || 'ubuntu-latest' }}"
PAGES = {"pages": "write", "id-token": "write"}  # what publishing needs, of the job that does nothing else
every = pytest.mark.parametrize("name", ["ci.yml", "docs.yml", "reproduce.yml"])


def schema_check(path):
    """GitHub's own JSON schema, shipped with check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", path]
    return subprocess.run(command, capture_output=True, text=True)


def security_check(path):
    """Every audit of zizmor that needs no network; it is a binary, installed beside the interpreter."""
    zizmor = Path(sys.executable).with_name("zizmor")
    flags = ["--offline", "--no-progress", "--strict-collection", "--persona=auditor", "--color=never"]
    return subprocess.run([zizmor, *flags, path], capture_output=True, text=True)


def missing(text):
    """Rules of this project that this workflow breaks."""
    workflow = YAML(typ="safe").load(text)
    jobs = workflow["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    uses = re.findall(r"uses: (.*)", text)
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    asked = {
        "a timeout on every job": all("timeout-minutes" in job for job in jobs.values()),
        "read-only permissions": workflow.get("permissions") == {"contents": "read"}
        and all("permissions" not in job or publishes_alone(job) for job in jobs.values()),
        "concurrency": workflow.get("concurrency", {}).get("cancel-in-progress") is True,
        "no pull_request_target": "pull_request_target" not in workflow["on"],
        "actions pinned by commit, version in a comment": len(uses) > 0
        and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses),
        "artifacts that are not empty": all(
            step["with"].get("if-no-files-found") == "error"
            for step in steps
            if step.get("uses", "").startswith("actions/upload-artifact@")
        ),
        "a checkout that keeps no credentials": len(checkouts) > 0
        and all(step["with"]["persist-credentials"] is False for step in checkouts),
    }
    return [what for what, found in asked.items() if not found]


def publishes_alone(job):
    """Whether a job may write pages and nothing else, and runs none of the repository's code."""
    actions = [step.get("uses", "").split("@")[0] for step in job["steps"]]
    return job["permissions"] == PAGES and actions == ["actions/deploy-pages"]


def labelled(label, head):
    event = {"label": {"name": label}, "pull_request": {"head": {"repo": {"full_name": head}}}}
    return {"event_name": "pull_request", "repository": "owner/project", "event": event}


def fork_guard_faults(text):
    """The events for which the reproduce job would run but must not, or the reverse."""
    condition = YAML(typ="safe").load(text)["jobs"]["reproduce"].get("if", "1 == 1")
    expected = [
        ("started by hand", {"event_name": "workflow_dispatch", "repository": "owner/project"}, True),
        ("labelled here", labelled("reproduce", "owner/project"), True),
        ("another label", labelled("bug", "owner/project"), False),
        ("a fork", labelled("reproduce", "stranger/project"), False),
        ("a deleted fork", labelled("reproduce", None), False),
    ]
    return [event for event, github, runs in expected if evaluate(condition, {"github": github}) is not runs]


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def edited(name, old, new):
    assert old in read(name)
    return read(name).replace(old, new)


@pytest.fixture
def planted(tmp_path):
    """A copy of a workflow in a separate folder, with every `old` replaced by `new`."""

    def plant(name, old, new):
        copy = tmp_path / ".github" / "workflows" / name
        copy.parent.mkdir(parents=True)
        copy.write_text(edited(name, old, new), encoding="utf-8")
        return copy

    return plant


def test_every_workflow_is_checked():
    assert sorted(path.name for path in FOLDER.iterdir()) == ["ci.yml", "docs.yml", "reproduce.yml"]


@every
def test_schema(name):
    result = schema_check(FOLDER / name)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("timeout-minutes:", "timeout-minuts:"),
        ("runs-on:", "runs_on:"),
        ("contents: read", "contents: reading"),
        ("  pull_request:", "  pull_requests:"),
    ],
)
def test_schema_check_can_fail(planted, old, new):
    result = schema_check(planted("reproduce.yml", old, new))
    assert result.returncode == 1
    assert "Schema validation errors were encountered" in result.stdout


@every
def test_security(name):
    result = security_check(FOLDER / name)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "No findings to report" in result.stdout


@pytest.mark.parametrize(
    ("audit", "old", "new"),
    [
        ("template-injection", "dvc repro --force\n", "echo ${{ github.event.pull_request.title }}\n"),
        ("template-injection", '"$BASE"; do', '"${{ inputs.base }}"; do'),
        ("artipacked", "persist-credentials: false", "persist-credentials: true"),
        ("unpinned-uses", "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"),
        ("dangerous-triggers", "pull_request:", "pull_request_target:"),
        ("excessive-permissions", "permissions:\n  contents: read", "permissions: write-all"),
    ],
)
def test_security_check_can_fail(planted, audit, old, new):
    result = security_check(planted("reproduce.yml", old, new))
    assert result.returncode in {11, 12, 13, 14}  # the highest severity found; 1 would be a failure of zizmor
    assert f"[{audit}]" in result.stdout


@pytest.mark.parametrize("check", [schema_check, security_check])
def test_an_unchanged_copy_passes(planted, check):
    assert check(planted("reproduce.yml", "", "")).returncode == 0


@every
def test_nothing_is_missing(name):
    assert missing(read(name)) == []


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("a timeout on every job", "    timeout-minutes: 360\n", ""),
        ("read-only permissions", "contents: read", "contents: write"),
        ("read-only permissions", "permissions:\n  contents: read\n", ""),
        ("read-only permissions", "    timeout-", "    permissions: write-all\n    timeout-"),
        ("concurrency", "cancel-in-progress: true", "cancel-in-progress: false"),
        ("no pull_request_target", "  pull_request:", "  pull_request_target:"),
        ("actions pinned by commit, version in a comment", " # v7.0.1", ""),
        ("actions pinned by commit, version in a comment", "@3d3c42e5aac5ba80", "@"),
        ("artifacts that are not empty", "          if-no-files-found: error\n", ""),
        ("a checkout that keeps no credentials", "persist-credentials: false", "persist-credentials: true"),
    ],
)
def test_what_is_missing_is_found(what, old, new):
    assert missing(edited("reproduce.yml", old, new)) == [what]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("      pages: write", "      contents: write\n      pages: write"),
        ("      - name: Publish\n", "      - run: make docs\n      - name: Publish\n"),
    ],
)
def test_more_than_publishing_is_found(old, new):
    assert missing(edited("docs.yml", old, new)) == ["read-only permissions"]


def test_only_main_is_published():
    jobs = YAML(typ="safe").load(read("docs.yml"))["jobs"]
    for ref, runs in (("refs/heads/main", True), ("refs/pull/1/merge", False), ("refs/heads/other", False)):
        assert evaluate(jobs["publish"]["if"], {"github": {"ref": ref}}) is runs
        assert evaluate(jobs["build"]["steps"][-1]["if"], {"github": {"ref": ref}}) is runs
    assert jobs["publish"]["needs"] == "build"


def test_reproduce_runs_for_no_fork():
    assert fork_guard_faults(read("reproduce.yml")) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("github.event.pull_request.head.repo.full_name == github.repository", "1 == 1", "a fork"),
        ("'reproduce' &&", "'reproduce' ||", "a fork"),
        ("== 'reproduce'", "!= 'reproduce'", "labelled here"),
        ("github.event.label.name == 'reproduce' &&", "", "another label"),
        ("'workflow_dispatch' ||", "'workflow_dispatch' &&", "started by hand"),
        ("    if: >-", "    env-of-no-condition: >-", "a deleted fork"),
    ],
)
def test_fork_guard_check_can_fail(old, new, fault):
    assert fault in fork_guard_faults(edited("reproduce.yml", old, new))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a.b == 'x' && a.c != 'x'", True),
        ("!cancelled() && a.b == 'y'", False),
        ("${{ a.c || a.b }}", "x"),
        ("${{ a.b || 'z' }}", "x"),
        ("${{ a.c || 'z' }}", "z"),
        ("${{ a.c.d }}", ""),
    ],
)
def test_expressions_are_read_as_on_github(expression, value):
    assert evaluate(expression, {"a": {"b": "x", "c": None}}) == value


def test_reproduce_starts_by_hand_or_by_label():
    triggers = YAML(typ="safe").load(read("reproduce.yml"))["on"]
    assert triggers.keys() == {"workflow_dispatch", "pull_request"}
    assert triggers["pull_request"] == {"types": ["labeled"]}
    assert triggers["workflow_dispatch"]["inputs"]["base"]["default"] == "main"


def test_reproduce_runs_on_the_gpu_runner_where_there_is_one():
    job = YAML(typ="safe").load(read("reproduce.yml"))["jobs"]["reproduce"]
    assert job["runs-on"] == GPU_RUNNER
    assert job["steps"][0]["with"]["fetch-depth"] == 0  # the base is somewhere in the history


def test_another_label_cancels_no_reproduction():
    group = YAML(typ="safe").load(read("reproduce.yml"))["concurrency"]["group"]
    assert "${{ github.event.label.name }}" in group


def test_ci_tests_and_gates_main_and_pull_requests():
    workflow = YAML(typ="safe").load(read("ci.yml"))
    assert workflow["on"] == {"push": {"branches": ["main"]}, "pull_request": None}
    runs = [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert runs[-3:] == ["make test", "make test-slow", "make gate"]


@every
def test_no_expression_reaches_a_shell(name):
    steps = [step for job in YAML(typ="safe").load(read(name))["jobs"].values() for step in job["steps"]]
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]
