"""Read the stages of a dvc.yaml, and replace their deps without changing any other line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from stages.command import Failure


@dataclass(frozen=True)
class Stage:
    """A stage, and the position of its deps in the file."""

    name: str
    command: str
    deps: dict[str, int]  # entry -> its line
    above: int  # the line above the first entry
    indent: int


def stages_of(path: Path, root: Path) -> Iterator[Stage]:
    """Read the stages of a dvc.yaml in a repository.

    Raises:
        Failure: if a stage is not in the style of this project.
    """
    for name, node in _fields(_fields(yaml.compose(path.read_bytes(), yaml.SafeLoader))["stages"]).items():
        stage = _fields(node).get("do", node)
        fields = _fields(stage)
        cmd, deps, wdir = fields.get("cmd"), fields.get("deps"), fields.get("wdir")
        if (path.parent / (wdir.value if wdir else ".")).resolve() != root.resolve():
            raise Failure(f"{path.relative_to(root)}: {name} must run in the repository's root: set its `wdir`")
        listed = isinstance(deps, yaml.SequenceNode) and not deps.flow_style
        empty = isinstance(deps, yaml.ScalarNode) and not deps.value and not stage.flow_style
        if not isinstance(cmd, yaml.ScalarNode) or not (listed or empty):
            raise Failure(
                f"{path.relative_to(root)}: {name} must have one `cmd`, and `deps` with one entry a line"
            )
        lines = {entry.value: entry.start_mark.line for entry in deps.value}
        indent = deps.start_mark.column if listed else stage.start_mark.column + 2
        yield Stage(name, cmd.value, lines, deps.start_mark.line - listed, indent)


def _fields(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value}


def edited(text: str, changes: list[tuple[Stage, set[str], set[str]]]) -> str:
    """The text of a dvc.yaml with changed deps: for each stage, entries to remove and entries to add.

    A new entry goes after the last existing entry that sorts before it.
    """
    lines = [[line] for line in text.split("\n")]
    for stage, old, new in changes:
        kept = {entry: line for entry, line in stage.deps.items() if entry not in old - new}
        for entry in sorted(new - old):
            after = max((line for other, line in kept.items() if other < entry), default=stage.above)
            lines[after].append(f"{' ' * stage.indent}- {entry}")
        for entry in old - new:
            del lines[stage.deps[entry]][0]
    return "\n".join(line for group in lines for line in group)
