"""Print which files of this project each stage imports, and compare them with the deps in every dvc.yaml.

`+` marks a file that is missing from a stage's deps, `-` an entry that is not needed; the exit status is then 1.
With --write the deps are corrected: code entries are added and removed, everything else stays unchanged.
"""

import argparse
import ast
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from stages.artifacts import replacing
from stages.command import Failure, run
from stages.params import MODELS
from tools import deps

ROOT = Path(__file__).parent.parent
PACKAGES = ("stages", "studies", "tools")
# DVC tracks the values; these only reject values
VALIDATORS = ("stages.data_settings", "stages.params", "stages.settings")
REMEDY = "python -m tools.closure --write"

_parsed = cache(ast.parse)


def main() -> None:
    """Print the imports of all stages; correct the deps if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tools.closure", description=__doc__)
    parser.add_argument("--write", action="store_true", help="correct the deps instead of reporting an error")
    args = parser.parse_args()
    mended = {}
    for path in (ROOT / "dvc.yaml", *sorted(ROOT.glob("studies/*/dvc.yaml"))):
        stages = [(stage, *code_of(stage)) for stage in deps.stages_of(path, ROOT)]
        print(path.relative_to(ROOT))
        for stage, named, wanted in stages:
            print(f"  {stage.name}")
            for entry in sorted(named | wanted):
                print("  ", "+" if entry not in named else "-" if entry not in wanted else " ", entry)
        if any(named != wanted for _, named, wanted in stages):
            mended[path] = deps.edited(path.read_bytes().decode(), stages).encode()
    names = ", ".join(str(path.relative_to(ROOT)) for path in mended)
    if mended and not args.write:
        print(f"The deps in {names} differ from the imports: run `{REMEDY}`")
        raise SystemExit(1)
    for path, text in mended.items():
        with replacing(path) as temporary:
            temporary.write_bytes(text)
    print(f"Corrected: {names}" if mended else "All deps match the imports")


def code_of(stage: deps.Stage) -> tuple[set[str], set[str]]:
    """The code entries that a stage has, and those that it should have.

    An entry is a file, or a folder that is listed now and contains no other code.
    """
    named = {entry for entry in stage.deps if entry.endswith(".py") or in_folder(entry) or gone(entry)}
    imported = of_command(stage.command)
    folders = {entry for entry in named if in_folder(entry) and in_folder(entry) <= imported}
    return named, folders | imported.difference(*map(in_folder, folders))


def of_command(command: str) -> set[str]:
    """Paths, relative to the root, of all files with code that `command` imports.

    In the modules that it runs, `import_module(f"stages.models.{name}")` counts as importing the model given by
    --model, or all models.

    Raises:
        Failure: if the command runs no module of this project.
    """
    words = shlex.split(command.replace("--model=", "--model "))
    entry = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    of_study = words[words.index(entry) + 3 :][:1] if entry == "studies.run" else []  # after study and run
    waiting = [entry, *(f"stages.{name}" for name in of_study)]
    if not all(map(_path, waiting)):
        raise Failure(f"`{command}` runs no module in {', '.join(PACKAGES)}: what does it import?")
    model = words[words.index("--model") + 1] if "--model" in words[:-1] else "${any}"
    models = MODELS if "${" in model else (model,)
    waiting += [name for module in waiting for name in _by_name(_path(module), models)]
    found: set[Path] = set()
    while waiting:
        module = waiting.pop()
        path = _path(module)
        if path and path not in found and module not in VALIDATORS:
            found.add(path)
            waiting += [*imports(path), module.rpartition(".")[0]]
    return {path.relative_to(ROOT).as_posix() for path in found if has_code(path)}


def in_folder(entry: str) -> set[str]:
    """The files with code in a folder of a package; none if `entry` is not such a folder."""
    files = (ROOT / entry).rglob("*.py") if entry.split("/")[0] in PACKAGES else ()
    return {path.relative_to(ROOT).as_posix() for path in files if has_code(path)}


def gone(entry: str) -> bool:
    """Whether it names a deleted folder of code; missing folders in studies/ may be future outputs."""
    return entry.startswith(("stages/", "tools/")) and "${" not in entry and not (ROOT / entry).exists()


def has_code(path: Path) -> bool:
    """Whether a file contains more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in _parsed(path.read_bytes()).body)


def _path(module: str) -> Path | None:
    package, *parts = module.split(".")
    base = ROOT.joinpath(package, *parts)
    candidates = (base.with_suffix(".py"), base / "__init__.py") if package in PACKAGES else ()
    return next((path for path in candidates if path.is_file()), None)


def _executed(path: Path) -> Iterator[ast.AST]:
    """All nodes of a file except those that only type checkers see."""
    waiting: list[ast.AST] = [_parsed(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        yield node
        typing = isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        waiting += node.orelse if typing else ast.iter_child_nodes(node)


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, except those only for type checkers."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in _executed(path):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (module, *(f"{module}.{name.name}" for name in node.names))


def _by_name(path: Path, models: tuple[str, ...]) -> Iterator[str]:
    """What `import_module(f"...{name}")` imports if the braces are replaced by each of `models`."""
    for node in _executed(path):
        match node:
            case ast.Call(func=function, args=[ast.JoinedStr(values=parts), *_]):
                if ast.unparse(function).endswith("import_module"):
                    for model in models:
                        yield "".join(part.value if isinstance(part, ast.Constant) else model for part in parts)


if __name__ == "__main__":
    run(main)
