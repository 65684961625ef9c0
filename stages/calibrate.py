"""Simulation-based calibration of both guides of the linear regression.

Simulates data sets from the prior, fits each by the model, guide and loop that train_blr uses, and ranks the true
parameters among draws from the fits. Writes predictions/calibration/blr/<guide>.safetensors (the ranks) and,
computed from them alone, metrics/calibration/blr.json.
"""

from stages import command

GUIDES = ("full_covariance", "mean_field")


def main() -> None:
    """Simulate, fit, rank, test."""
    settings = command.opened(__doc__).settings

    import torch

    from stages import artifacts, runtime
    from stages.evaluation import sbc
    from stages.inference import many_regressions
    from stages.inference.loop import svi

    calibration, toy = settings.calibration, settings.regression
    predictions = {}
    for name in GUIDES:
        device = runtime.prepare(settings, calibration.seed)  # the same data sets for both
        section = settings.blr.model_copy(update={"guide": name, "coefficient_sd": calibration.coefficient_sd})
        parts = many_regressions.build(section, calibration.data_sets)
        model, guide = (part.to(device) for part in parts)
        uniform = torch.rand(calibration.data_sets, toy.n, device=device)
        x = toy.x_min + (toy.x_max - toy.x_min) * uniform
        truth, y = many_regressions.simulate(model, x)
        problem = many_regressions.problem(model, guide, x, y, calibration.particles)
        svi.fit(problem, calibration, f"calibration {name}")
        draws = many_regressions.draw(guide, x, calibration.draws, list(truth))
        in_numpy = ({site: value.cpu().numpy() for site, value in of.items()} for of in (truth, draws))
        predictions[name] = sbc.ranks(*in_numpy)

    artifacts.write_groups("predictions/calibration/blr", predictions)
    metrics = {
        name: {site: sbc.uniformity(ranks, calibration.draws, calibration.bins) for site, ranks in of.items()}
        for name, of in predictions.items()
    }
    artifacts.write_json("metrics/calibration/blr.json", metrics)


if __name__ == "__main__":
    command.run(main)
