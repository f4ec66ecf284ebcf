"use strict";
// Elements, numbers, the theme, the data and the way between pages. Text from the data becomes text nodes and
// attributes, never markup: nothing in these files parses HTML.

const kLive = document.documentElement.dataset.mode === "live";
const $ = (id) => document.getElementById(id);

function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// --- words and numbers ---------------------------------------------------------------------------------------------
const kNone = "–";
function counted(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
/** Four significant digits, as people write them; the full value goes into a title where it matters. */
function short(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return kNone;
  const size = Math.abs(x);
  const text = Number.isInteger(x) && size < 1e6 ? String(x) : size >= 1e6 || size < 1e-4 ? x.toExponential(3) : String(Number(x.toPrecision(4)));
  return text.replace(/^-/, "−");
}
function seconds(s) {
  if (s === null || s === undefined) return kNone;
  if (s < 60) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`
    : `${Math.floor(whole / 3600)} h ${String(Math.floor(whole / 60) % 60).padStart(2, "0")} min`;
}
function bytes(n) {
  return n < 1e6 ? `${(n / 1024).toFixed(0)} KiB` : n < 1e9 ? `${(n / 1048576).toFixed(0)} MiB`
    : `${(n / 1073741824).toFixed(1)} GiB`;
}
function time(at) {
  return at ? at.slice(0, 16).replace("T", " ") : kNone;
}
function say(text) {
  $("said").textContent = text;
}
/** A word of the shell; quoted where it must be. */
function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const kTones = { REGRESSED: "bad", UNKNOWN: "warn", MISSING: "warn", SUSPECT: "warn", IMPROVED: "good", ACCEPTED: "info", NEW: "", PASS: "good",
  REPRODUCED: "good", DIFFERS: "bad", UNDERPOWERED: "warn", "NOT RUN": "",
  done: "good", running: "info", queued: "info", diverged: "warn", interrupted: "warn", preempted: "warn",
  "timed out": "warn", failed: "bad", "out of memory": "bad", lost: "bad" };
function badge(word) {
  return h("span", { class: `badge ${kTones[word] ?? ""}` }, word);
}

// --- theme ---------------------------------------------------------------------------------------------------------
const kDark = window.matchMedia("(prefers-color-scheme: dark)");
const theme = {
  chosen: "auto",
  get isDark() {
    return this.chosen === "auto" ? kDark.matches : this.chosen === "dark";
  },
  listeners: new Set(),
  apply() {
    document.documentElement.dataset.theme = this.isDark ? "dark" : "light";
    $("theme").textContent = `Theme: ${this.chosen}`;
    for (const listener of this.listeners) listener();
  },
  start() {
    // A page opened from a disk may have no storage.
    try { this.chosen = localStorage.getItem("pionbench-theme") ?? "auto"; } catch { /* auto */ }
    $("theme").addEventListener("click", () => {
      const order = ["auto", "light", "dark"];
      this.chosen = order[(order.indexOf(this.chosen) + 1) % order.length];
      try { localStorage.setItem("pionbench-theme", this.chosen); } catch { /* for this visit only */ }
      this.apply();
    });
    kDark.addEventListener("change", () => this.apply());
    this.apply();
  },
};

// --- data ----------------------------------------------------------------------------------------------------------
async function unpacked(element) {
  const binary = atob(element.textContent);
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; ++i) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}
async function textOf(name) {
  if (kLive) {
    const answer = await fetch(`/api/${name}`);
    if (!answer.ok) throw new Error(`${name}: the server said ${answer.status}`);
    return answer.text();
  }
  const element = document.querySelector(`script[data-name="${CSS.escape(name)}"]`);
  if (!element) throw new Error(`this file has no "${name}"`);
  return unpacked(element);
}
const loaded = new Map();
/** A document of results/dashboard/data.h, once. */
function load(name) {
  if (!loaded.has(name)) {
    const promise = textOf(name).then(JSON.parse);
    promise.catch(() => loaded.delete(name));
    loaded.set(name, promise);
  }
  return loaded.get(name);
}

/** The main document with one object for each run. */
let data = null;
async function loadMain() {
  const main = await load("main");
  const { columns, states, suites, optimizers } = main.runs;
  const runs = columns.run.map((run, i) => ({
    run, index: i, cell: columns.cell[i], state: states[columns.state[i]], suite: suites[columns.suite[i]],
    optimizer: optimizers[columns.optimizer[i]],
    places: columns.places[i].map(([e, arm, point]) => ({ experiment: main.experiments[e], arm, point })),
    step: columns.step[i], steps: columns.steps[i], train: columns.train[i], attempts: columns.attempts[i],
    started: columns.started[i], ended: columns.ended[i], reason: columns.reason[i],
  }));
  main.measured.series.forEach((series, i) => { series.index = i; });
  data = { ...main, runs, last: columns.last, byName: new Map(runs.map((run) => [run.run, run])) };
  const newest = [...columns.ended, ...columns.started, ...main.measured.sittings.map((s) => s[1])].reduce((a, b) => (b > a ? b : a), "");
  $("source").textContent = `Store ${main.out}${main.digest ? ` (${main.digest.slice(0, 12)})` : ""}, newest entry ` +
    `${time(newest)} UTC.${main.thinned ? ` ${main.thinned}` : ""}`;
  return data;
}
async function loadRun(run) {
  if (kLive) {
    loaded.delete(`run/${run.run}`);
    return load(`run/${encodeURIComponent(run.run)}`);
  }
  let block = data.blocks.length - 1;
  while (data.blocks[block] > run.index) --block;
  return (await load(`runs/${block}`))[run.index - data.blocks[block]];
}
function label(run) {
  const place = run.places[0];
  return place ? `${place.experiment.name} ${place.arm} ${place.point}`.trim() : `${run.suite} ${run.optimizer}`.trim();
}
function isFinished(run) {
  return run.state === "done" || run.state === "diverged";
}
/** Failed, and neither made good nor being made good by another run of the cell. */
function failures(runs) {
  const settled = new Set(runs.filter((r) => isFinished(r) || r.state === "running").map((r) => r.cell));
  return runs.filter((r) => ["failed", "out of memory", "lost"].includes(r.state) && !settled.has(r.cell));
}

// --- ways ----------------------------------------------------------------------------------------------------------
/** "#/runs?q=x&page=2" -> {path: ["runs"], query: {q: "x", page: "2"}}. Figures link to "#run-<run>", "#runs-<set>". */
function place() {
  const hash = location.hash.slice(1);
  if (hash.startsWith("run-")) return { path: ["run", decodeURIComponent(hash.slice(4))], query: {} };
  if (hash.startsWith("runs-")) return { path: ["runs"], query: { set: hash } };
  const [path, query] = hash.split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: Object.fromEntries(new URLSearchParams(query)) };
}
function link(path, query) {
  const text = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value !== "" && value != null)).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}
/** Keeps the filter in the address without a new page. */
function keepQuery(query) {
  history.replaceState(null, "", link(place().path, query));
}
const leave = [];  // what the page that is shown must stop when it goes

let shown = 0;
async function show({ keepsPlace = false } = {}) {
  const turn = ++shown;
  const { path, query } = place();
  const name = path[0] ?? "";
  const page = pages[name] ?? pages.unknown;
  for (const a of document.querySelectorAll("header nav a")) {
    const own = a.getAttribute("href").slice(2);
    const isHere = own === name || own === "runs" && name === "run" || own === "history" && name === "series";
    if (isHere) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  const before = leave.splice(0);
  let made;
  try {
    made = await page(path.slice(1), query);
  } catch (error) {
    made = { title: "Cannot show this", body: [h("p", { class: "note bad" }, String(error.message))] };
  }
  if (turn !== shown) {  // the reader has gone on
    leave.push(...before);
    return;
  }
  const top = window.scrollY;
  for (const stop of before) stop();
  update = made.update ?? null;
  document.title = `${made.title} · pionbench`;
  const heading = h("h1", { tabindex: -1 }, made.title);
  const focused = keepsPlace && $("main").contains(document.activeElement) ? document.activeElement : null;
  $("main").replaceChildren(heading, ...[made.body].flat(3).filter(Boolean));
  $("main").dataset.page = name || "overview";
  made.shown?.();
  if (keepsPlace) {
    window.scrollTo({ top, behavior: "instant" });
    const again = focused && [...$("main").querySelectorAll(focused.tagName)].find((e) => e.textContent === focused.textContent);
    again?.focus({ preventScroll: true });
  } else if (isStarted) {
    window.scrollTo({ top: 0, behavior: "instant" });
    heading.focus({ preventScroll: true });
  }
  isStarted = true;
  document.documentElement.dataset.ready = String(turn);
}
let isStarted = false;
let update = null;  // what the page that is shown does when the data is new
