"""What a stage of the study has trained. Import it only after params.yaml was read (stages/command.py)."""

from pathlib import Path
from types import ModuleType

import torch
from pydantic import BaseModel
from torch import nn

from stages.inference import posterior


def trained(module: ModuleType, section: BaseModel, path: Path, device: torch.device) -> list[nn.Module]:
    """A model and its guide, ready to predict.

    Args:
        module: of stages/models, which builds both.
        section: its settings.
        path: of the weights.
        device: to put both on.
    """
    parts = [part.to(device).eval() for part in module.build(section)]
    posterior.load(path, *parts)
    return parts
