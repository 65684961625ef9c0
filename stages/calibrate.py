"""Simulation-based calibration of both guides of the linear regression.

Simulates data sets from the prior, fits each by the model, guide and loop that train_blr uses, and ranks the true
parameters among draws from the fits. Writes predictions/calibration/blr/<guide>.safetensors (the ranks) and,
computed from them alone, metrics/calibration/blr.json.
"""

import argparse
from pathlib import Path

from stages import artifacts, command, params


def main() -> None:
    """Simulate, fit, rank, test."""
    argparse.ArgumentParser(prog="python -m stages.calibrate", description=__doc__).parse_args()
    settings = params.load()

    import torch

    from stages import runtime
    from stages.evaluation import sbc
    from stages.inference import many_regressions, svi

    calibration, toy = settings.calibration, settings.regression
    metrics = {}
    for name in ("full_covariance", "mean_field"):
        # the same data sets for both
        device = runtime.prepare(settings.device, calibration.seed, settings.matmul_precision)
        section = settings.blr.model_copy(update={"guide": name, "coefficient_sd": calibration.coefficient_sd})
        parts = many_regressions.build(section, calibration.data_sets)
        model, guide = (part.to(device) for part in parts)
        uniform = torch.rand(calibration.data_sets, toy.n, device=device)
        x = toy.x_min + (toy.x_max - toy.x_min) * uniform
        truth, y = many_regressions.simulate(model, x)
        problem = many_regressions.problem(model, guide, x, y, calibration.particles)
        svi.fit(problem, calibration, f"calibration {name}")
        draws = many_regressions.draw(guide, x, calibration.draws)
        in_numpy = ({site: value.cpu().numpy() for site, value in of.items()} for of in (truth, draws))
        ranks = sbc.ranks(*in_numpy)
        artifacts.write_arrays(Path(f"predictions/calibration/blr/{name}.safetensors"), ranks)
        metrics[name] = {
            site: sbc.uniformity(values, calibration.draws, calibration.bins) for site, values in ranks.items()
        }
    artifacts.write_json("metrics/calibration/blr.json", metrics)


if __name__ == "__main__":
    command.run(main)
