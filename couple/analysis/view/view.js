// Follows what goes on: asks for its state, draws it, and reloads the page when there is a report to show.
"use strict";
const PACE = 300;  // ms
const token = new URLSearchParams(location.search).get("token") || "";
const headers = { "X-Couple-Token": token };
const one = id => document.getElementById(id);
let seen = "", drawn = null, asked = false, lost = 0;

const script = document.createElement("script");
script.src = `/plotly.js?token=${encodeURIComponent(token)}`;
const plotly = new Promise((resolve, reject) => { script.onload = resolve; script.onerror = reject; });
document.head.append(script);

function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "less than a second left";
  if (seconds < 90) return `${Math.round(seconds)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}

function tell(state) {
  one("name").textContent = document.title = state.name || "";
  one("status").textContent = `${state.kind}, ${asked && state.status === "running" ? "stopping" : state.status}`;
  one("stop").hidden = state.status !== "running";
  const known = state.done !== null && state.done !== undefined && state.total;
  if (known) one("bar").value = state.done / state.total; else one("bar").removeAttribute("value");
  const digits = state.unit === "runs" || state.unit === "step" ? 0 : 1;
  one("far").textContent = known ? `${state.done.toFixed(digits)} of ${+state.total.toPrecision(9)} ${state.unit}` : "";
  one("left").textContent = state.status === "running" ? lasting(state.left_s) : "";
  if (state.note) one("said").textContent = state.note;
  if (state.status === "stopped") {
    one("bar").hidden = !known;
    one("said").textContent = known ? "Stopped before its end. Go on with: couple resume" : "Nothing goes on here.";
  }
}

// The last value of each curve, with the panel that it is in.
function values(figure) {
  const rows = figure.data.filter(c => c.y.length && c.fill === undefined).map(c => {
    const axis = figure.layout["yaxis" + c.yaxis.slice(1)], label = axis.title.text.replace("<br>", " ");
    const last = c.y[c.y.length - 1];
    const [, what, unit] = label.match(/^(.*?)(?: \((.*)\))?$/);
    return [c.name === what ? "" : c.name, what, last === null ? "" : last.toPrecision(4), unit || ""];
  });
  const table = one("values");
  table.replaceChildren(...rows.map(row => {
    const line = document.createElement("tr");
    for (const text of row) { const cell = document.createElement("td"); cell.textContent = text; line.append(cell); }
    return line;
  }));
  one("now").hidden = !rows.length;
}

async function draw(figure) {
  await plotly;
  one("traces").hidden = false;
  const font = { family: "system-ui, sans-serif", size: 12 };
  const layout = Object.assign({ margin: { l: 80, r: 20, t: 34, b: 45 }, font, uirevision: "keep" }, figure.layout);
  await Plotly.react(one("view-traces"), figure.data, layout, { responsive: true, displaylogo: false });
  drawn = figure;
}

async function ask() {
  try {
    const answer = await fetch(`/state?seen=${encodeURIComponent(seen)}`, { headers });
    if (!answer.ok) throw new Error(await answer.text());
    const state = await answer.json();
    lost = 0;
    if (state.status === "finished") { location.reload(); return; }
    tell(state);
    if (state.figure) { values(state.figure); await draw(state.figure); }
    seen = state.version || "";
    document.body.dataset.ready = "yes";
  } catch (error) {
    lost += 1;
    if (lost > 3) { one("said").textContent = `No answer from couple view: ${error.message}`; }
  }
  setTimeout(ask, Math.min(PACE * (1 + lost), 5000));
}

one("stop").addEventListener("click", async () => {
  one("stop").disabled = asked = true;
  one("said").textContent = "asked to stop; it saves what it has";
  const answer = await fetch("/stop", { method: "POST", headers });
  if (!answer.ok) { one("said").textContent = await answer.text(); one("stop").disabled = asked = false; }
});

ask();
