"""Settings of the tests in this folder."""

import torch

torch.set_num_threads(1)  # with tensors this small, a second thread only waits
