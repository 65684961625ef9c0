"""Charts as Vega-Lite specs, plain dicts.

A colour is named as in page/style.css, `var(--blue)`: the page's script puts in what it is in light or in dark.
Where a control of the page moves something, the spec has a param that the script sets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Spec = dict[str, Any]
BINS = 46  # of the histogram of entropies
FLOOR = 0.01  # percent, the smallest share that a logarithmic axis shows

BLUE, ORANGE, GREEN, GREY, INK = (f"var(--{name})" for name in ("blue", "orange", "green", "grey", "ink"))


def _spec(description: str, height: int, **rest: Any) -> Spec:
    return {"description": description, "width": "container", "height": height, **rest}


def _axis(field: str, title: str, **rest: Any) -> dict:
    return {"field": field, "type": "quantitative", "title": title, **rest}


def histogram(values: dict[str, np.ndarray], top: float) -> list[dict]:
    """Shares (percent) of each set in bins of [0, top]."""
    edges = np.linspace(0, top, BINS + 1)
    rows = []
    for name, of_set in values.items():
        counts, _ = np.histogram(np.clip(of_set, 0, top), edges)
        rows += [
            {"set": name, "low": round(low, 4), "high": round(high, 4), "share": round(100 * n / len(of_set), 4)}
            for low, high, n in zip(edges, edges[1:], counts.tolist(), strict=False)
            if n
        ]
    return rows


def entropies(rows: list[dict], threshold: float, top: float) -> Spec:
    """Histograms of the predictive entropy, from 0 to `top`; a line that the threshold moves."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    return _spec(
        "Histograms of the predictive entropy on a logarithmic scale, "
        + " and ".join(sets)
        + ", with the threshold",
        260,
        params=[{"name": "threshold", "value": threshold}],
        data={"values": rows},
        layer=[
            {
                "mark": {"type": "bar", "opacity": 0.55, "binSpacing": 0, "clip": True},
                "encoding": {
                    "x": _axis(
                        "low",
                        "predictive entropy (nats)",
                        bin={"binned": True},
                        scale={"domain": [0, top]},
                        axis={"tickCount": 6},
                    ),
                    "x2": {"field": "high"},
                    "y": _axis(
                        "share",
                        "images (%)",
                        stack=None,
                        scale={"type": "log", "domain": [FLOOR, 100]},
                        axis={"values": [0.01, 0.1, 1, 10, 100], "format": "~g"},
                    ),
                    "y2": {"datum": FLOOR},
                    "color": {
                        "field": "set",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": sets, "range": [BLUE, ORANGE]},
                    },
                    "tooltip": [
                        {"field": "set", "title": "images"},
                        {"field": "low", "title": "entropy from", "format": ".2f"},
                        {"field": "high", "title": "to", "format": ".2f"},
                        {"field": "share", "title": "share (%)", "format": ".2f"},
                    ],
                },
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 2},
                "encoding": {"x": {"datum": {"expr": "threshold"}, "type": "quantitative"}},
            },
        ],
    )


def risk_coverage(row: dict, thresholds: list[float], chosen: int, many: str) -> Spec:
    """Errors among the answered against the share answered; a point that the threshold moves."""
    rows = [
        {"at": at, "answered": round(100 - referred, 3), "wrong": wrong, "threshold": round(threshold, 4)}
        for at, (referred, wrong, threshold) in enumerate(
            zip(row["referred"], row["wrong"], thresholds, strict=True)
        )
    ]
    x = _axis("answered", f"{many} answered (%)", scale={"zero": False, "nice": False}, axis={"tickCount": 6})
    y = _axis("wrong", "errors among them (%)")
    tooltip = [
        {"field": "threshold", "title": "threshold (nats)", "format": ".3f"},
        {"field": "answered", "title": "answered (%)", "format": ".1f"},
        {"field": "wrong", "title": "errors among them (%)", "format": ".3f"},
    ]
    return _spec(
        f"Errors among the answered {many} against the share that is answered; the current threshold is a point",
        260,
        params=[{"name": "at", "value": chosen}],
        data={"values": rows},
        encoding={"x": x, "y": y, "tooltip": tooltip},
        layer=[
            {"mark": {"type": "line", "color": BLUE, "strokeWidth": 2}, "encoding": {"order": {"field": "at"}}},
            {"mark": {"type": "point", "opacity": 0, "size": 60, "filled": True}},
            {
                "transform": [{"filter": "datum.at == at"}],
                "mark": {"type": "point", "filled": True, "size": 130, "color": ORANGE, "opacity": 1},
            },
        ],
    )


def reliability(sets: dict[str, list[dict]]) -> Spec:
    """Accuracy against confidence, with intervals; the param `set` says on which images."""
    first = next(iter(sets))
    rows = [{"set": name, **row} for name, of_set in sets.items() for row in of_set]
    unit = {"domain": [0, 1]}
    tooltip = [
        {"field": "confidence", "title": "mean confidence", "format": ".3f"},
        {"field": "accuracy", "title": "accuracy", "format": ".3f"},
        {"field": "low", "title": "95% interval from", "format": ".3f"},
        {"field": "high", "title": "to", "format": ".3f"},
        {"field": "cases", "title": "cases", "format": ","},
    ]
    ticks = {"tickCount": 6, "format": ".1f"}
    x = _axis("confidence", "confidence: the largest class probability", scale=unit, axis=ticks)
    return _spec(
        "Reliability diagram: accuracy against confidence in bins, with 95% intervals, beside the diagonal",
        300,
        params=[{"name": "set", "value": first}],
        data={"values": rows},
        layer=[
            {
                "data": {"values": [{"a": 0}, {"a": 1}]},
                "mark": {"type": "line", "color": GREY, "strokeDash": [3, 4]},
                "encoding": {"x": x | {"field": "a"}, "y": _axis("a", "accuracy", scale=unit)},
            },
            {
                "transform": [{"filter": "datum.set == set"}],
                "encoding": {"x": x, "tooltip": tooltip},
                "layer": [
                    {
                        "mark": {"type": "rule", "color": BLUE, "strokeWidth": 1.5, "opacity": 0.6},
                        "encoding": {"y": _axis("low", "accuracy", scale=unit), "y2": {"field": "high"}},
                    },
                    {
                        "mark": {
                            "type": "line",
                            "color": BLUE,
                            "point": {"color": BLUE, "size": 45, "filled": True},
                        },
                        "encoding": {"y": _axis("accuracy", "accuracy", scale=unit)},
                    },
                ],
            },
        ],
    )


def counts(sets: dict[str, list[dict]]) -> Spec:
    """How many cases are in each bin of the reliability diagram."""
    rows = [{"set": name, **row} for name, of_set in sets.items() for row in of_set]
    top = max(row["cases"] for row in rows)
    return _spec(
        "Number of cases in each bin of confidence, on a logarithmic scale",
        90,
        params=[{"name": "set", "value": next(iter(sets))}],
        data={"values": rows},
        transform=[{"filter": "datum.set == set"}],
        mark={"type": "bar", "color": BLUE, "opacity": 0.45, "clip": True},
        encoding={
            "x": _axis(
                "from", "confidence", bin={"binned": True}, scale={"domain": [0, 1]}, axis={"tickCount": 6}
            ),
            "x2": {"field": "to"},
            "y": _axis(
                "cases",
                "cases",
                scale={"type": "log", "domain": [0.7, 2 * top]},
                axis={"values": [1, 100, 10_000], "format": "~s"},
            ),
            "y2": {"datum": 0.7},
            "tooltip": [
                {"field": "from", "title": "confidence from", "format": ".2f"},
                {"field": "to", "title": "to", "format": ".2f"},
                {"field": "cases", "title": "cases", "format": ","},
            ],
        },
    )


def roc(sets: dict[str, list[dict]]) -> Spec:
    """True against false positive rate of each score; the param `set` says which images are foreign."""
    rows = [{"set": name, **row} for name, of_set in sets.items() for row in of_set]
    scores = list(dict.fromkeys(row["score"] for row in rows))
    x = _axis(
        "fpr",
        "false positive rate, log scale",
        scale={"type": "log", "domain": [1e-4, 1]},
        axis={"values": [1e-4, 1e-3, 1e-2, 0.1, 1], "format": "~g"},
    )
    y = _axis("tpr", "true positive rate", scale={"domain": [0, 1]})
    colour = {
        "field": "score",
        "type": "nominal",
        "title": None,
        "scale": {"domain": scores, "range": [BLUE, ORANGE, GREEN]},
    }
    tooltip = [
        {"field": "score", "title": "score"},
        {"field": "fpr", "title": "false positives", "format": ".4f"},
        {"field": "tpr", "title": "true positives", "format": ".4f"},
    ]
    chance = [{"fpr": float(f"{rate:.3g}")} for rate in np.geomspace(1e-4, 1, 60)]
    return _spec(
        "ROC curves of the scores on a logarithmic false positive rate, beside chance",
        320,
        params=[{"name": "set", "value": next(iter(sets))}],
        data={"values": rows},
        layer=[
            {
                "data": {"values": chance},
                "mark": {"type": "line", "color": GREY, "strokeDash": [3, 4]},
                "encoding": {"x": x, "y": _axis("fpr", y["title"], scale={"domain": [0, 1]})},
            },
            {
                "transform": [{"filter": "datum.set == set && datum.fpr > 0"}],
                "encoding": {"x": x, "y": y, "color": colour},
                "layer": [
                    {"mark": {"type": "line", "strokeWidth": 2}},
                    {
                        "params": [
                            {
                                "name": "near",
                                "select": {
                                    "type": "point",
                                    "on": "pointerover",
                                    "nearest": True,
                                    "clear": "pointerout",
                                },
                            }
                        ],
                        "mark": {"type": "point", "filled": True, "size": 70},
                        "encoding": {
                            "opacity": {
                                "condition": {"param": "near", "empty": False, "value": 1},
                                "value": 0,
                            },
                            "tooltip": tooltip,
                        },
                    },
                ],
            },
        ],
    )


def around(turned: dict, threshold: float) -> Spec:
    """Entropy in its two parts as an image turns; params `image` and `angle` say which and how far."""
    parts = ["aleatoric: shared by all", "epistemic: disagreement"]
    rows = []
    for place, image in enumerate(turned["images"]):
        for angle, total, epistemic in zip(
            turned["degrees"], image["entropy"], image["mutual_information"], strict=True
        ):
            rows.append({"image": place, "angle": angle, "part": parts[0], "nats": round(total - epistemic, 4)})
            rows.append({"image": place, "angle": angle, "part": parts[1], "nats": epistemic})
    top = np.log(len(turned["classes"]))
    x = _axis("angle", "degrees, counter-clockwise", scale={"domain": [0, 355], "nice": False})
    x["axis"] = {"values": [0, 90, 180, 270]}
    return _spec(
        "Predictive entropy in its two parts against the angle, with the threshold and the current angle",
        200,
        params=[{"name": "image", "value": 0}, {"name": "angle", "value": 0}],
        data={"values": rows},
        layer=[
            {
                "transform": [{"filter": "datum.image == image"}],
                "mark": {"type": "area", "opacity": 0.75},
                "encoding": {
                    "x": x,
                    "y": _axis("nats", "entropy (nats)", stack="zero", scale={"domain": [0, round(top, 2)]}),
                    "color": {
                        "field": "part",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": parts, "range": [BLUE, ORANGE]},
                    },
                    "order": {"field": "part", "sort": "descending"},
                    "tooltip": [
                        {"field": "angle", "title": "degrees"},
                        {"field": "part", "title": "part"},
                        {"field": "nats", "title": "nats", "format": ".3f"},
                    ],
                },
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": INK, "strokeDash": [2, 3], "opacity": 0.7},
                "encoding": {"y": {"datum": threshold, "type": "quantitative"}},
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 2},
                "encoding": {"x": {"datum": {"expr": "angle"}, "type": "quantitative"}},
            },
        ],
    )


def history(rows: list[dict], field: str, title: str, colour: str, low: float | None = None) -> Spec:
    """How a training went; `low` cuts off the first steps, which would flatten all the rest."""
    scale = {"zero": False} | ({} if low is None else {"domainMin": low})
    return _spec(
        f"{title} against the gradient step",
        220,
        data={"values": rows},
        mark={
            "type": "line",
            "color": colour,
            "strokeWidth": 2,
            "clip": True,
            "point": {"color": colour, "size": 22},
        },
        encoding={
            "x": _axis("step", "gradient step", axis={"tickCount": 5, "format": "~s"}),
            "y": _axis(field, title, scale=scale),
            "tooltip": [
                {"field": "step", "title": "step", "format": ","},
                {"field": field, "title": title, "format": ".4g"},
            ],
        },
    )
