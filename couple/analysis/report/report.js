// Draws the views of a report. What they show stands in the page as JSON; long arrays as bytes in base64.
"use strict";
const KINDS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array };
function unpack(packed) {
  const text = atob(packed.bytes), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return new KINDS[packed.kind](bytes.buffer);
}
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"];
const SYMBOLS = ["circle", "diamond", "square", "x"];
const CONFIG = { responsive: true, displaylogo: false, scrollZoom: false };
const FONT = { family: "system-ui, sans-serif", size: 12 };

function draw2d(place, view) {
  const layout = Object.assign({ margin: { l: 80, r: 20, t: 34, b: 45 }, font: FONT }, view.layout);
  return Plotly.newPlot(place, view.data, layout, CONFIG);
}

// A row with a slider over moments, a button that plays them, and any other control.
function bar(place, time, unit, show, ...others) {
  const row = document.createElement("div");
  row.className = "bar";
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: time.length - 1, value: 0 });
  slider.setAttribute("aria-label", "time");
  const said = document.createElement("output"), play = document.createElement("button");
  play.textContent = "play";
  let timer = null;
  const move = () => { said.textContent = `${time[slider.value]} ${unit}`; return show(Number(slider.value)); };
  slider.addEventListener("input", move);
  play.addEventListener("click", () => {
    if (timer) { clearInterval(timer); timer = null; play.textContent = "play"; return; }
    play.textContent = "stop";
    timer = setInterval(() => { slider.value = (Number(slider.value) + 1) % time.length; move(); }, 60);
  });
  row.append(play, slider, said, ...others);
  place.parentElement.insertBefore(row, place);
  return move;
}

// A box as long on each axis as what is in it, the longest side 1.7; ranges are cut to it.
function box(x, y, z) {
  const ends = [x, y, z].map(list => list.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]));
  const longest = Math.max(...ends.map(([low, high]) => high - low)) || 1;
  const ranges = ends.map(([low, high]) => {
    const half = Math.max(high - low, longest / 6) * 0.52;
    return [(low + high) / 2 - half, (low + high) / 2 + half];
  });
  return { ranges, ratio: ranges.map(([low, high]) => 1.7 * (high - low) / (1.04 * longest)) };
}

const SIDES = 8;
// Vertices and triangles of all frusta, and the frustum of each vertex.
function meshOf(frusta) {
  const x = [], y = [], z = [], i = [], j = [], k = [], of = [];
  for (let f = 0; f < frusta.length / 8; f++) {
    const a = frusta.subarray(8 * f, 8 * f + 4), b = frusta.subarray(8 * f + 4, 8 * f + 8);
    let d = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    const length = Math.hypot(...d) || 1;
    d = d.map(v => v / length);
    const e = Math.abs(d[0]) < 0.7 ? [1, 0, 0] : [0, 1, 0];
    let u = [d[1] * e[2] - d[2] * e[1], d[2] * e[0] - d[0] * e[2], d[0] * e[1] - d[1] * e[0]];
    const n = Math.hypot(...u);
    u = u.map(v => v / n);
    const w = [d[1] * u[2] - d[2] * u[1], d[2] * u[0] - d[0] * u[2], d[0] * u[1] - d[1] * u[0]];
    const first = x.length;
    for (const end of [a, b]) for (let s = 0; s < SIDES; s++) {
      const c = Math.cos(2 * Math.PI * s / SIDES) * end[3] / 2, q = Math.sin(2 * Math.PI * s / SIDES) * end[3] / 2;
      x.push(end[0] + c * u[0] + q * w[0]); y.push(end[1] + c * u[1] + q * w[1]); z.push(end[2] + c * u[2] + q * w[2]);
      of.push(f);
    }
    for (let s = 0; s < SIDES; s++) {
      const t = (s + 1) % SIDES;
      i.push(first + s, first + t); j.push(first + t, first + SIDES + t); k.push(first + SIDES + s, first + SIDES + s);
    }
    for (const ring of [first, first + SIDES])  // ends, closed
      for (let s = 1; s < SIDES - 1; s++) { i.push(ring); j.push(ring + s); k.push(ring + s + 1); }
  }
  return { x, y, z, i, j, k, of };
}

function drawShape(place, view) {
  const frusta = unpack(view.frusta), segment = unpack(view.segment), mesh = meshOf(frusta);
  const values = view.quantities.map(q => unpack(q.values));
  const column = view.quantities.map(q => new Map(q.segments.map((s, c) => [s, c])));
  const middle = s => {
    const f = segment.indexOf(s);
    return [0, 1, 2].map(c => (frusta[8 * f + c] + frusta[8 * f + 4 + c]) / 2);
  };
  const at = (q, row, s) => column[q].has(s) ? values[q][row * view.quantities[q].segments.length + column[q].get(s)] : NaN;
  let quantity = 0, row = 0, near = null;
  const whole = box(mesh.x, mesh.y, mesh.z);
  // The whole model, or what is around one site: spines are a thousandth of a cell.
  function scene() {
    const axis = { showgrid: false, zeroline: false, showbackground: false };
    let { ranges, ratio } = whole;
    if (near !== null) {
      const f = segment.indexOf(view.sites[near]), place = middle(view.sites[near]);
      const long = Math.hypot(...[0, 1, 2].map(c => frusta[8 * f + 4 + c] - frusta[8 * f + c]));
      const half = 2.5 * Math.max(long, frusta[8 * f + 3], frusta[8 * f + 7]);
      ranges = place.map(p => [p - half, p + half]);
      ratio = [1.3, 1.3, 1.3];
    }
    const of = (c, name) => ({ ...axis, range: ranges[c], nticks: 5, title: { text: `${name} (µm)` } });
    return { aspectmode: "manual", aspectratio: { x: ratio[0], y: ratio[1], z: ratio[2] },
      camera: { eye: { x: 0.45, y: -1.2, z: 0.6 } }, xaxis: of(0, "x"), yaxis: of(1, "y"), zaxis: of(2, "z") };
  }
  const siteNames = Object.keys(view.sites), points = siteNames.map(name => middle(view.sites[name]));
  const label = (q, r, s) => {
    const v = at(q, r, s), one = view.quantities[q];
    return Number.isFinite(v) ? `${one.name} ${v.toPrecision(4)} ${one.unit}` : `${one ? one.name : ""} not recorded`;
  };
  // Segments with a value are one mesh with a colour scale, those without a grey one.
  function parts() {
    const known = [], unknown = [];
    for (let t = 0; t < mesh.i.length; t++)
      (view.quantities.length && column[quantity].has(segment[mesh.of[mesh.i[t]]]) ? known : unknown).push(t);
    const pick = ts => ({ i: ts.map(t => mesh.i[t]), j: ts.map(t => mesh.j[t]), k: ts.map(t => mesh.k[t]) });
    return [pick(known), pick(unknown)];
  }
  const intensity = () => mesh.of.map(f => { const v = at(quantity, row, segment[f]); return Number.isFinite(v) ? v : 0; });
  const texts = () => mesh.of.map(f => `${view.names[segment[f]]}<br>${view.quantities.length ? label(quantity, row, segment[f]) : ""}`);
  const siteTexts = () => siteNames.map(name => `${name}<br>${view.quantities.length ? label(quantity, row, view.sites[name]) : ""}`);
  function draw() {
    const [known, unknown] = parts(), one = view.quantities[quantity], space = { x: mesh.x, y: mesh.y, z: mesh.z };
    const common = { type: "mesh3d", ...space, flatshading: false, hoverinfo: "text", lighting: { ambient: 0.75, diffuse: 0.5 } };
    const data = [
      { ...common, ...unknown, color: "#bbbbbb", text: texts(), name: "not recorded" },
      { type: "scatter3d", mode: "markers", x: points.map(p => p[0]), y: points.map(p => p[1]), z: points.map(p => p[2]),
        text: siteTexts(), hoverinfo: "text", name: "sites",
        marker: { size: 3, color: "#D55E00", opacity: siteNames.length ? 0.9 : 0 } },
    ];
    if (one) data.push({ ...common, ...known, intensity: intensity(), cmin: one.low, cmax: one.high, colorscale: "Viridis",
      text: texts(), colorbar: { title: { text: `${one.name} (${one.unit})` }, thickness: 12, len: 0.7 }, name: one.name });
    return Plotly.react(place, data, { height: 560, margin: { l: 0, r: 0, t: 0, b: 0 }, font: FONT, showlegend: false,
      uirevision: String(near), scene: scene() }, CONFIG);
  }
  function show(k) {
    row = k;
    if (!view.quantities.length) return;
    Plotly.restyle(place, { text: [siteTexts()] }, [1]);
    return Plotly.restyle(place, { intensity: [intensity()], text: [texts()] }, [2]);
  }
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", "quantity");
  view.quantities.forEach((q, n) => choice.add(new Option(`${q.name} (${q.unit})`, n)));
  choice.addEventListener("change", () => { quantity = Number(choice.value); draw(); });
  const look = document.createElement("select");
  look.setAttribute("aria-label", "place");
  look.add(new Option("whole model", ""));
  siteNames.slice(0, 500).forEach(name => look.add(new Option(name, name)));
  look.addEventListener("change", () => { near = look.value || null; draw(); });
  const others = [...(view.quantities.length > 1 ? [choice] : []), ...(siteNames.length ? [look] : [])];
  const move = bar(place, view.time, view.unit, show, ...others);
  return draw().then(move);
}

function drawParticles(place, view) {
  const [, ny, nz] = view.shape, h = view.spacing;
  const positions = cells => {
    const x = [], y = [], z = [];
    for (const c of cells) {
      x.push((Math.floor(c / (ny * nz)) + 0.5) * h); y.push((Math.floor(c / nz) % ny + 0.5) * h); z.push((c % nz + 0.5) * h);
    }
    return { x, y, z };
  };
  const trace = (name, colour, size, cells, more) =>
    ({ type: "scatter3d", mode: "markers", name, ...positions(cells), marker: { size, color: colour, ...more }, hoverinfo: "name" });
  const data = [trace("surface", "#cccccc", 1.5, unpack(view.outline), { opacity: 0.25 })];
  const symbol = s => SYMBOLS[Math.floor(s / COLOURS.length) % SYMBOLS.length];
  view.species.forEach((name, s) =>
    data.push(trace(name, COLOURS[s % COLOURS.length], 2.2, unpack(view.frames[0][s]), { symbol: symbol(s) })));
  const show = k => {
    const now = view.frames[k].map(f => positions(unpack(f)));
    return Plotly.restyle(place, { x: now.map(p => p.x), y: now.map(p => p.y), z: now.map(p => p.z) }, view.species.map((_, s) => s + 1));
  };
  const span = n => ({ range: [0, view.shape[n] * h], showbackground: false, showgrid: false, zeroline: false,
    title: { text: `${"xyz"[n]} (${h === 1 ? "cells" : "µm"})` } });
  const move = bar(place, view.time, view.unit, show);
  return Plotly.newPlot(place, data, { height: 600, margin: { l: 0, r: 0, t: 0, b: 0 }, font: FONT, uirevision: "keep",
    legend: { itemsizing: "constant", title: { text: view.site }, y: 0.95 },
    scene: { aspectmode: "data", camera: { eye: { x: 1.5, y: -0.9, z: 0.55 } },
      xaxis: span(0), yaxis: span(1), zaxis: span(2) } }, CONFIG).then(move);
}

const DRAW = { shape: drawShape, particles: drawParticles };
const views = JSON.parse(document.getElementById("views").textContent);
Promise.all(Object.entries(views).map(([name, view]) => (DRAW[name] || draw2d)(document.getElementById(`view-${name}`), view)))
  .then(() => { document.body.dataset.ready = "yes"; })
  .catch(error => { document.body.dataset.ready = "no"; console.error(error); });
