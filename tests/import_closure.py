"""Which files of this project a command imports, read from the source itself."""

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
VALIDATOR = "stages.params"  # DVC tracks the values; the validator cannot change a result, only refuse one
BY_NAME = {
    "stages.train": ["stages.inference.{}"],
    "stages.evaluate": ["stages.evaluation.{}"],
    "stages.ood": ["stages.evaluation.{}"],
    "stages.shift": ["stages.evaluation.{}"],
    "stages.refer": ["stages.evaluation.{}"],
    "stages.samples": ["stages.evaluation.{}"],
    "stages.summarize": ["stages.evaluation.{}"],
    "stages.plot": ["stages.figures.{}"],
}
ALL_MODELS = ("blr", "bnn", "vae", "ssvae")


PACKAGES = ("stages", "studies")


def of_command(command: str) -> set[str]:
    """Paths, relative to the root, of all files with code in them that `command` imports."""
    words = shlex.split(command)
    entry = words[words.index("-m") + 1]
    runs = [f"stages.{words[words.index(entry) + 3]}"] if entry == "studies.run" else []  # study, run, stage
    models = [words[words.index("--model") + 1]] if "--model" in words else ALL_MODELS
    patterns = [pattern for module in (entry, *runs) for pattern in BY_NAME.get(module, [])]
    by_name = [*runs, *(pattern.format(model) for pattern in patterns for model in models)]
    found: set[str] = set()
    waiting = [entry, *by_name]
    while waiting:
        module = waiting.pop()
        path = _path(module)
        if path is None or module == VALIDATOR or str(path.relative_to(ROOT)) in found:
            continue
        if has_code(path):
            found.add(str(path.relative_to(ROOT)))
        waiting += [*_imports(path), *_parents(module)]
    return found


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith(PACKAGES))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGES):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def has_code(path: Path) -> bool:
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)
