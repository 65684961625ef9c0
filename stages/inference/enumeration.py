"""The ELBO with a discrete latent variable summed out."""

from pyro import poutine
from torch import Tensor

from stages.inference.path_gradients import HeldELBO, held


class EnumeratedELBO(HeldELBO):
    """The negative ELBO of one guide site with `infer={"enumerate": "parallel"}`; all sites are in one plate.

    Let y be that site and z the others. The bound is

        sum_y q(y | x) E_q(z | x, y)[log p(x, y, z) - log q(y, z | x)]     (Kingma et al. 2014, equation 7)

    A site that is drawn after y in the guide has one draw for each value of y. A site before it, which cannot
    depend on y (the features of M1+M2), has one draw for all. The gradient is the path gradient in z
    (stages/inference/path_gradients.py), and exact in y.

    `pyro.infer.TraceEnum_ELBO` computes the same sum for models of any structure. But its gradient includes the
    score of z, and it inspects tensor values in every step, so `make_fx` cannot trace it.
    """

    def differentiable_loss(self, model, guide, *args, **kwargs) -> Tensor:
        """The estimate from one draw of z; nats, ()."""
        enumerated = poutine.enum(guide, first_available_dim=-2)  # -1 is the plate, -2 are the values of y
        model_trace, guide_trace = self._get_trace(model, enumerated, args, kwargs)
        cost = -sum(site["log_prob"] for site in _samples(model_trace))  # (values, batch), scaled as the sites are
        for site in _samples(guide_trace):
            if site["infer"].get("enumerate"):
                log_q = site["fn"].log_prob(site["value"])  # (values, batch)
                cost = cost + site["scale"] * log_q
            else:
                cost = cost + held(site)
        return (log_q.exp() * cost).sum()


def _samples(trace: poutine.Trace) -> list[dict]:
    """The sample sites that are no plates."""
    sites = poutine.util.prune_subsample_sites(trace).nodes.values()
    return [site for site in sites if site["type"] == "sample"]
