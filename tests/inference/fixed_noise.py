"""Fixed noise for each image, to compare two ways of computing a bound, draw by draw."""

from pyro.poutine.messenger import Messenger


class FixedNoise(Messenger):
    """Draw the latent `z`, a diagonal normal, as loc + scale * noise.

    Args:
        noise: broadcasts against z: (latents,), (batch, latents) or (classes, batch, latents).
    """

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def _pyro_sample(self, message):
        if message["name"] == "z" and message["value"] is None:
            normal = message["fn"].base_dist
            message["value"] = normal.loc + normal.scale * self.noise
