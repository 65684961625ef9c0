"""GitHub's expressions, as far as the workflows use them: names, strings, ==, !=, &&, ||, ! and cancelled()."""

import re
from typing import Any

NAME = re.compile(r"\b\w+(?:\.\w+)+")


def evaluate(expression: str, contexts: dict[str, Any]) -> Any:
    """The value of an expression, with or without its `${{ }}`.

    An unknown name is empty, as on GitHub: a misspelt name is not an error.
    """
    inner = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", expression, re.DOTALL)
    python = NAME.sub(lambda name: repr(look_up(name[0], contexts)), inner[1] if inner else expression)
    python = re.sub(r"!(?!=)", " not ", python.replace("&&", " and ").replace("||", " or "))
    return eval(" ".join(python.split()), {"__builtins__": {}, "cancelled": lambda: False})


def look_up(name: str, contexts: dict[str, Any]) -> Any:
    """The value at `context.key.key`."""
    node = contexts
    for key in name.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return "" if node is None else node
