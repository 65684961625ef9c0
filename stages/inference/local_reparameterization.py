"""The local reparameterisation trick, and Flipout, as an effect handler around an ordinary network.

Drawing one weight matrix for a whole batch makes the gradient noisy, because all images share its error. Both
tricks draw noise for each image separately. They leave all expectations unchanged and cost two passes, not one.

A dense layer's weights are independent normals, so its pre-activations are too, given the input. The trick draws
the pre-activations directly (Kingma, Salimans and Welling 2015, section 2.3):

    W[k, j] ~ Normal(M[k, j], S[k, j])   =>   (W a)[k] ~ Normal(sum_j M[k, j] a[j], sqrt(sum_j S[k, j]^2 a[j]^2))

A convolution uses its weights at every position, so its pre-activations are not independent. Its weights are drawn
once, W = M + D, and each image multiplies D by its own random signs, r for outputs and s for inputs, which leaves
the distribution of D unchanged (Flipout; Wen et al. 2018):

    out = M * a + r (D * (s a))

The network needs no change. The handler records which tensors were drawn from independent normals at a sample
site. When one of them is passed to `linear` or `conv2d` as a weight, the handler draws the layer's output. A
weight that is shared by two layers would be drawn independently in each; in that case, sample weights instead.
"""

import torch
import torch.nn.functional as F
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.overrides import TorchFunctionMode

LAYERS = (F.linear, F.conv2d)
MIN_VARIANCE = 1e-16  # keeps the gradient of the square root finite where all inputs are zero


class LocalReparameterization(Messenger):
    """A context in which layers' outputs are drawn instead of their normally distributed weights.

    Example:
        with LocalReparameterization():
            loss = elbo(images, labels)
    """

    def __enter__(self):
        """Start recording normal weights and intercepting layers."""
        self._normals: dict[int, tuple[Tensor, Normal | None]] = {}  # keeping the tensor reserves its id
        self._layers = _Layers(self._normals)
        self._layers.__enter__()
        return super().__enter__()

    def __exit__(self, *exception):
        """Stop, and forget what was recorded."""
        self._normals.clear()
        self._layers.__exit__(*exception)
        return super().__exit__(*exception)

    def _pyro_post_sample(self, message) -> None:
        fn, value = message["fn"], message["value"]
        if message["is_observed"] or id(value) in self._normals:
            return  # the guide draws a value first; the model then sees the same tensor, with its prior
        normal = isinstance(fn, Independent) and isinstance(fn.base_dist, Normal)
        self._normals[id(value)] = (value, fn.base_dist if normal else None)


class _Layers(TorchFunctionMode):
    def __init__(self, normals: dict[int, tuple[Tensor, Normal | None]]):
        super().__init__()
        self.normals = normals

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function not in LAYERS:
            return function(*args, **kwargs)
        named, options = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs, args[3:]
        if self._normal(named["weight"]) is None:
            return function(*args, **kwargs)
        inputs, weight, bias = named.pop("input"), named.pop("weight"), named.pop("bias", None)
        weight_mean, weight_sd = self._moments(weight)
        bias_mean, bias_sd = (None, None) if bias is None else self._moments(bias)

        def layer(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            return function(inputs, weight, bias, *options, **named)

        mean = layer(inputs, weight_mean, bias_mean)
        if function is F.linear:
            variance = layer(inputs.square(), weight_sd.square(), None if bias is None else bias_sd.square())
            return mean + variance.clamp(min=MIN_VARIANCE).sqrt() * torch.randn_like(mean)
        size = len(inputs)
        flipped = inputs * random_signs(size, inputs.shape[1], like=inputs)
        noise = layer(flipped, weight - weight_mean) * random_signs(size, len(weight), like=inputs)
        if bias is not None:
            noise = noise + (
                bias_sd * torch.randn(size, len(weight), dtype=inputs.dtype, device=inputs.device)
            ).view(size, -1, 1, 1)
        return mean + noise

    def _normal(self, value: Tensor) -> Normal | None:
        return self.normals.get(id(value), (None, None))[1]

    def _moments(self, value: Tensor) -> tuple[Tensor, Tensor]:
        normal = self._normal(value)
        return (value, torch.zeros_like(value)) if normal is None else (normal.loc, normal.scale)


def random_signs(images: int, channels: int, like: Tensor) -> Tensor:
    """-1 or 1 for each channel of each image, (images, channels, 1, 1)."""
    return torch.randint(2, (images, channels, 1, 1), device=like.device).to(like.dtype) * 2 - 1
