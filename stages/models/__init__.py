"""Steps 1 and 2: each file tells one model's generative story and holds its guide and its typed params."""

import pyro

# Parameters belong to their modules, as in any PyTorch code: no global store that models share by name.
# It has to be said before the first PyroModule is made.
pyro.settings.set(module_local_params=True)
