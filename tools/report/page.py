"""The page: all sections in one HTML file that loads nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from stages.evaluation import bnn, vae
from tools.report import (
    autoencoders,
    charts,
    figures,
    headline,
    network,
    reproduction,
    sources,
    training,
    words,
)
from tools.report.sources import Run

FOLDER = Path(__file__).parent / "page"


def content(run: Run) -> dict[str, Any]:
    """All that the page says, as plain dicts.

    Raises:
        Failure: if something is missing, with one line that names it and the remedy.
    """
    sources.check(run)
    names = network.names(run)
    drawn = network.Drawn(run)
    decisions, turned = network.decisions(run), network.turned(run, drawn)
    reliability, roc = network.reliability(run), network.roc(run)
    bins = {name: of_set["bins"] for name, of_set in reliability.items()}
    chosen, trainings = decisions["chosen"], training.section(run)
    many = names["learned"].many
    threshold = decisions["thresholds"][chosen]
    specs = {
        "entropies": charts.entropies(decisions.pop("entropies"), threshold, decisions["top"]),
        "risk": charts.risk_coverage(decisions["rows"][0], decisions["thresholds"], chosen, many),
        "reliability": charts.reliability(bins),
        "counts": charts.counts(bins),
        "roc": charts.roc(roc),
        "around": charts.around(turned, threshold),
    }
    for model in trainings:
        specs |= {f"{part}-{model['model']}": model.pop(part) for part in ("objective", "validation")}
    return {
        "clothes": words.data_set(vae.in_distribution(run.settings)),
        "learned": names["learned"],
        "other": names["other"],
        "other_key": bnn.out_of_distribution(run.settings)[0],
        "samples": network.predictive.draws(run.settings),
        "headlines": headline.section(run),
        "summary": run.metrics("summary")["bnn"],
        "decisions": decisions,
        "promise": run.settings.referral,
        "reliability": reliability,
        "areas": network.areas(run),
        "turned": turned,
        "foreign": network.foreign(run, drawn),
        "galleries": autoencoders.galleries(run),
        "labels": int(run.metrics(f"ssvae/{run.seed}")["labels"]),
        "trainings": trainings,
        "figures": figures.section(learned=names["learned"].name, other=names["other"].name, images=many),
        "reproduction": reproduction.section(run),
        "charts": specs,
    }


def render(page: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        page: as `content` returns it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fixed"] = lambda value, decimals: f"{value:,.{decimals}f}"
    data = {"charts": page["charts"], "decisions": page["decisions"], "turned": page["turned"]}
    data |= {
        "areas": page["areas"],
        "calibration": {
            name: {key: value for key, value in of_set.items() if key != "bins"}
            for name, of_set in page["reliability"].items()
        },
    }
    return environment.get_template("index.html").render(
        page,
        style=(FOLDER / "style.css").read_text(),
        script=(FOLDER / "page.js").read_text(),
        vega=in_script(vl_convert.javascript_bundle()),
        data=json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
    )


def in_script(code: str) -> str:
    """JavaScript without what would end the script element; both strings can only stand in its literals."""
    return code.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")
