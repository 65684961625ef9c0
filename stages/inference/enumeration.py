"""The ELBO with a discrete latent variable summed out."""

import pyro
from pyro import poutine
from pyro.infer.enum import get_importance_trace
from pyro.poutine.enum_messenger import EnumMessenger
from torch import Tensor

from stages.inference.path_gradients import held


class EnumeratedELBO(pyro.infer.ELBO):
    """The negative ELBO of one guide site with `infer={"enumerate": "parallel"}`; all sites are in one plate.

    Let y be that site and z the others, with a separate z drawn for each value of y. The bound is

        sum_y q(y | x) E_q(z | x, y)[log p(x, y, z) - log q(y, z | x)]     (Kingma et al. 2014, equation 7)

    The gradient is the path gradient in z (stages/inference/path_gradients.py), and exact in y.

    `pyro.infer.TraceEnum_ELBO` computes the same sum for models of any structure, but it inspects tensor values in
    every step, so its computation cannot be traced.
    """

    def _get_trace(self, model, guide, args, kwargs) -> tuple[poutine.Trace, poutine.Trace]:
        # the plate is dimension -1, the values of y are dimension -2
        guide = EnumMessenger(first_available_dim=-2)(guide)
        return get_importance_trace("flat", 1, model, guide, args, kwargs)

    def differentiable_loss(self, model, guide, *args, **kwargs) -> Tensor:
        """The estimate from one draw of z for each value of y; nats, ()."""
        model_trace, guide_trace = self._get_trace(model, guide, args, kwargs)
        cost, log_q = 0.0, None
        for sign, trace in ((-1, model_trace), (1, guide_trace)):
            for site in trace.nodes.values():
                if site["type"] == "sample":
                    drawn = trace is guide_trace and site["fn"].has_rsample
                    log_prob = held(site) if drawn else site["log_prob"]
                    cost = cost + sign * log_prob  # (values, batch), scaled by plate and handlers
                    if trace is guide_trace and site["infer"].get("enumerate"):
                        log_q = site["unscaled_log_prob"]
        return (log_q.exp() * cost).sum()
