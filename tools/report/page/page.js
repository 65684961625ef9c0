// What moves on the page. Data and charts come from the script element `data`; Vega is in window.vegaEmbed.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const views = new Map(); // of each chart that is drawn, by the element that holds it
const by = (id) => document.getElementById(id);
const fixed = (value, decimals) =>
  value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

// --- charts, in the colours of the page -------------------------------------------------------------------------

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function appearance() {
  const text = { labelColor: colour("--quiet"), titleColor: colour("--quiet") };
  const font = getComputedStyle(document.body).fontFamily;
  return {
    background: "transparent",
    font,
    view: { stroke: null },
    axis: {
      ...text,
      labelFontSize: 12,
      titleFontSize: 12.5,
      titleFontWeight: "normal",
      titlePadding: 8,
      gridColor: colour("--line"),
      domainColor: colour("--grey"),
      tickColor: colour("--grey"),
      gridOpacity: 0.8,
    },
    axisX: { grid: false, labelFlush: true },
    axisY: { domain: false, ticks: false, tickCount: 5, minExtent: 34 },
    legend: { ...text, orient: "top", labelFontSize: 12.5, labelLimit: 300, symbolType: "square", ...(innerWidth < 700 && { direction: "vertical", columns: 1 }) },
    line: { strokeCap: "round", strokeJoin: "round" },
  };
}

// the value of each param that a control has set, so that a chart drawn anew stands where it stood
const params = {
  entropies: () => ({ threshold: data.decisions.thresholds[Number(by("threshold").value)] }),
  risk: () => ({ at: Number(by("threshold").value) }),
  reliability: () => ({ set: by("reliability-set").value }),
  counts: () => ({ set: by("reliability-set").value }),
  roc: () => ({ set: by("roc-set").value }),
  around: () => ({ image: chosenImage(), angle: data.turned.degrees[Number(by("angle").value)] }),
};

async function draw(element) {
  const name = element.dataset.chart;
  const spec = JSON.parse(
    JSON.stringify(data.charts[name]).replace(/var\((--[a-z]+)\)/g, (_, variable) => colour(variable)),
  );
  const values = params[name]?.() ?? {};
  for (const param of spec.params ?? []) if (param.name in values) param.value = values[param.name];
  views.get(element)?.finalize();
  const options = { mode: "vega-lite", renderer: "svg", actions: false, config: appearance(), tooltip: { theme: "custom" } };
  const { view } = await vegaEmbed(element, spec, options);
  views.set(element, view);
  await update(name); // a control may have moved while it was being drawn
  element.dataset.drawn = name;
}

async function update(name) {
  const view = views.get(document.querySelector(`[data-chart="${name}"]`));
  if (!view) return;
  for (const [param, value] of Object.entries(params[name]?.() ?? {})) view.signal(param, value);
  await view.runAsync();
}

const drawAll = () => Promise.all([...document.querySelectorAll("[data-chart]")].map(draw));

// --- light and dark ---------------------------------------------------------------------------------------------

const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

by("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches;
  root.dataset.theme = dark ? "light" : "dark";
  drawAll();
});
systemIsDark.addEventListener("change", drawAll);

// --- the threshold ----------------------------------------------------------------------------------------------

function decide() {
  const { thresholds, rows } = data.decisions;
  const at = Number(by("threshold").value);
  const nats = `${fixed(thresholds[at], 3)} nats`;
  by("threshold-value").textContent = nats;
  by("threshold").setAttribute("aria-valuetext", nats);
  const own = rows[0];
  const said = {
    answered: `${fixed(100 - own.referred[at], 1)}%`,
    wrong: `${fixed(own.wrong[at], 2)}%`,
    errors: fixed(own.errors[at], 0),
    count: fixed(own.answered[at], 0),
  };
  for (const [key, text] of Object.entries(said)) document.querySelector(`[data-decision="${key}"]`).textContent = text;
  for (const row of rows) {
    document.querySelector(`[data-bar="${row.key}"]`).style.width = `${row.referred[at]}%`;
    document.querySelector(`[data-referred="${row.key}"]`).textContent = `${fixed(row.referred[at], 1)}%`;
  }
  update("entropies");
  update("risk");
}

by("threshold").addEventListener("input", decide);
by("reset").addEventListener("click", () => {
  by("threshold").value = data.decisions.chosen;
  decide();
});

// --- the image that turns ---------------------------------------------------------------------------------------

const chosenImage = () => Number(document.querySelector("input[name=image]:checked").value);

function turn() {
  const { degrees, per_row: perRow, classes, images } = data.turned;
  const image = images[chosenImage()];
  const at = Number(by("angle").value);
  const angle = `${degrees[at]}°`;
  by("angle-value").textContent = angle;
  by("angle").setAttribute("aria-valuetext", `${degrees[at]} degrees`);

  const rows = Math.ceil(degrees.length / perRow);
  const sprite = by("turned");
  const column = at % perRow;
  const row = Math.floor(at / perRow);
  sprite.style.backgroundImage = `url(${image.picture})`;
  sprite.style.backgroundSize = `${100 * perRow}% ${100 * rows}%`;
  sprite.style.backgroundPosition = `${(100 * column) / (perRow - 1)}% ${rows > 1 ? (100 * row) / (rows - 1) : 0}%`;
  sprite.setAttribute("aria-label", `${image.label}, turned by ${degrees[at]} degrees`);

  const probabilities = image.probabilities[at];
  const best = probabilities.indexOf(Math.max(...probabilities));
  [...by("probabilities").rows].forEach((line, place) => {
    line.querySelector("span").style.width = `${100 * probabilities[place]}%`;
    line.lastElementChild.textContent = `${fixed(100 * probabilities[place], 1)}%`;
    line.classList.toggle("best", place === best);
  });

  const entropy = image.entropy[at];
  const epistemic = image.mutual_information[at];
  const threshold = data.decisions.thresholds[data.decisions.chosen];
  const decision = entropy > threshold ? "It is handed to a person" : "The network answers";
  by("reading").innerHTML =
    `Read as <strong>${escaped(classes[best])}</strong> with ${fixed(100 * probabilities[best], 0)}%. ` +
    `<strong>${decision}</strong>: the entropy is ${fixed(entropy, 2)} nats, ` +
    `${fixed(epistemic, 2)} of it from disagreement between networks.`;
  update("around");
}

function escaped(text) {
  const element = document.createElement("i");
  element.textContent = text;
  return element.innerHTML;
}

by("angle").addEventListener("input", turn);
for (const input of document.querySelectorAll("input[name=image]")) input.addEventListener("change", turn);

// --- what is compared -------------------------------------------------------------------------------------------

by("reliability-set").addEventListener("change", () => {
  const metrics = data.calibration[by("reliability-set").value];
  const said = {
    error_percent: `${fixed(metrics.error_percent, 2)}%`,
    ece: fixed(metrics.ece, 4),
    predictive_entropy: `${fixed(metrics.predictive_entropy, 3)} nats`,
  };
  for (const [key, text] of Object.entries(said)) document.querySelector(`[data-calibration="${key}"]`).textContent = text;
  update("reliability");
  update("counts");
});

by("roc-set").addEventListener("change", () => {
  const rows = data.areas[by("roc-set").value];
  [...by("areas").rows].forEach((line, place) => {
    line.cells[0].textContent = rows[place].score;
    line.cells[1].textContent = fixed(rows[place].auroc, 4);
    line.cells[2].textContent = fixed(rows[place].fpr95, 4);
  });
  update("roc");
});

by("trained").addEventListener("change", () => {
  for (const part of ["objective", "validation"]) {
    const element = document.querySelector(`[data-chart^="${part}-"]`);
    element.dataset.chart = `${part}-${by("trained").value}`;
    draw(element);
  }
});

// --- a figure in full size --------------------------------------------------------------------------------------

for (const button of document.querySelectorAll(".zoom"))
  button.addEventListener("click", () => {
    const small = button.querySelector("img");
    const large = by("large").querySelector("img");
    large.src = small.src;
    large.alt = small.alt;
    by("large").querySelector("p").textContent = small.alt;
    by("large").showModal();
  });
by("large").addEventListener("click", (event) => {
  if (event.target === by("large")) by("large").close();
});

turn();
drawAll().then(() => (root.dataset.ready = ""));
