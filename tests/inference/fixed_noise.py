"""Fixed noise for each image, to compare two ways of computing a bound, draw by draw."""

from pyro.poutine.messenger import Messenger


class FixedNoise(Messenger):
    """Draw the latent `z`, a diagonal normal, as loc + scale * noise, and other sites in the same way.

    Args:
        noise: broadcasts against z: (latents,), (batch, latents) or (classes, batch, latents).
        others: noise of other sites, by name.
    """

    def __init__(self, noise, **others):
        super().__init__()
        self.noise = {"z": noise} | others

    def _pyro_sample(self, message):
        if message["name"] in self.noise and message["value"] is None:
            normal = message["fn"].base_dist
            message["value"] = normal.loc + normal.scale * self.noise[message["name"]]
