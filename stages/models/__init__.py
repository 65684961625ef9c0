"""Steps 1 and 2: each file contains the generative story of one model, its guide and its typed params."""

import pyro

# Parameters belong to their modules, as in any PyTorch code, not to a global store that models share by name.
# This must be set before the first PyroModule is created.
pyro.settings.set(module_local_params=True)
