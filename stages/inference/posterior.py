"""A learned posterior on disk: the parameters of model and guide as safetensors.

No pickle: loading a posterior from somebody else must not run code.
"""

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from stages.artifacts import replacing
from stages.command import Failure


class PosteriorError(Failure):
    """A posterior does not fit the model it is loaded into; the message names the tensor and the remedy."""


def save(path: str | Path, model: nn.Module, guide: nn.Module) -> None:
    """Write all parameters to `path`; equal parameters give equal bytes."""
    with replacing(path) as temporary:
        on_cpu = {name: value.detach().cpu().contiguous() for name, value in tensors(model, guide).items()}
        safetensors.torch.save_file(on_cpu, temporary)


def load(path: str | Path, model: nn.Module, guide: nn.Module) -> None:
    """Read all parameters from `path` into model and guide, which keep their device.

    Raises:
        PosteriorError: if the file is not in safetensors format, or its tensors are not those of model and guide.
    """
    remedy = "the params or the code have changed since it was trained: run `dvc repro`"
    try:
        saved = safetensors.torch.load_file(path)
    except (SafetensorError, FileNotFoundError) as error:
        raise PosteriorError(f"{path} cannot be read as safetensors ({error}): run `dvc repro`") from None
    wanted = tensors(model, guide)
    if missing := sorted(wanted.keys() - saved.keys()):
        raise PosteriorError(f"{path} lacks {missing[0]}; {remedy}")
    if extra := sorted(saved.keys() - wanted.keys()):
        raise PosteriorError(f"{path} holds {extra[0]}, which the model does not have; {remedy}")
    for name, value in wanted.items():
        if saved[name].shape != value.shape or saved[name].dtype != value.dtype:
            found, needed = _described(saved[name]), _described(value)
            raise PosteriorError(f"{path}: {name} is {found}, the model needs {needed}; {remedy}")
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(saved[name])


def tensors(model: nn.Module, guide: nn.Module) -> dict[str, Tensor]:
    """The live parameters of both by name, not copies: writing into one changes the model or guide."""
    parts = {"model": model, "guide": guide}
    return {
        f"{part}.{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict(keep_vars=True).items()
    }


def _described(value: Tensor) -> str:
    return f"{tuple(value.shape)} {value.dtype}".replace("torch.", "")
