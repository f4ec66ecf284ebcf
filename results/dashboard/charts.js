// Charts: every one is a Vega-Lite document, drawn when it comes into view, in the colours of the theme.

// results/style.h draws with these; each stands for one of the theme's.
const kPrintText = "#24292f", kPrintGrid = "#e3e7ec";
const kColors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B08A00", "#56B4E9", "#7A7F87", "#8A5FBF"];
// More marks than these are drawn on a canvas: as SVG they would make the page slow.
const kMostSvgMarks = 6000;
const kMostHoverPoints = 3000;

let vegaIsReady = null;
function vega() {
  vegaIsReady ??= textOf("vega").then((code) => {
    if (!code) throw new Error("this build has no chart library; ci/setup installs what it lacks, then build again");
    new Function(code)();
    return window.vegaEmbed;
  });
  return vegaIsReady;
}

function themed(node) {
  if (!theme.isDark) return node;
  if (typeof node === "string") return node === kPrintText ? "#d3dae2" : node === kPrintGrid ? "#2c343e" : node;
  if (Array.isArray(node)) return node.length > 500 ? node : node.map(themed);
  if (!node || typeof node !== "object") return node;
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, key === "values" || key === "datasets" ? value : themed(value)]));
}

function* children(node) {
  for (const key of ["vconcat", "hconcat", "concat", "layer"]) yield* node[key] ?? [];
  if (node.spec) yield node.spec;
}
/** Panels side by side become panels below each other. */
function narrowed(node, width) {
  if (node.hconcat) {
    node.vconcat = node.hconcat;
    delete node.hconcat;
  }
  if (node.columns) node.columns = 1;
  if (typeof node.width === "number") node.width = Math.min(node.width, width);
  for (const child of children(node)) narrowed(child, width);
}
function rowsOf(node) {
  const values = node.data?.values;
  let rows = Array.isArray(values) ? values.reduce((n, row) => n + Math.max(1, ...Object.values(row).map((x) => (Array.isArray(x) ? x.length : 1))), 0) : 0;
  for (const child of children(node)) rows += rowsOf(child);
  return rows;
}
const kPlain = ["line", "point", "circle", "square", "area", "bar", "rect", "rule", "tick", "trail", "text"];
function isContinuous(channel) {
  return channel && (channel.type === "quantitative" || channel.type === "temporal") && !channel.bin;
}

/**
 * Adds what a picture on paper cannot have: zoom, tooltips, and series that can be hidden. Returns the legends that the
 * page shows as buttons in place of the chart's own: [{signal, title, entries: [{value, color, dash}]}].
 */
function makeInteractive(spec) {
  const legends = new Map();
  const legendOf = (field, channel) => {
    const key = JSON.stringify([field, channel.scale.domain]);
    if (!legends.has(key))
      legends.set(key, { signal: `hidden${legends.size}`, field, title: channel.legend?.title ?? channel.title ?? "",
        entries: channel.scale.domain.map((value, i) => ({ value, color: channel.scale.range?.[i] })) });
    return legends.get(key);
  };
  let zooms = 0;
  const visitUnit = (unit, inherited, group) => {
    const type = unit.mark?.type ?? unit.mark;
    if (!kPlain.includes(type)) return;
    const encoding = { ...inherited, ...unit.encoding };
    const mark = typeof unit.mark === "string" ? { type: unit.mark } : unit.mark;
    unit.mark = mark;
    mark.clip ??= true;
    // A whole line or area is one mark, which knows of its first point only; points tell of themselves.
    const isPath = ["line", "area", "trail"].includes(type);
    const siblings = group.layer ?? [unit];
    const hasPoints = siblings.some((s) => ["point", "circle", "square"].includes(s.mark?.type ?? s.mark));
    if (type === "line" && !hasPoints && !mark.point && rowsOf(unit) < kMostHoverPoints) mark.point = { opacity: 0, size: 60, filled: true };
    if (!encoding.tooltip && mark.tooltip === undefined) {
      if (mark.point && typeof mark.point === "object") mark.point.tooltip ??= { content: "data" };
      if (!["rule", "text"].includes(type)) mark.tooltip = isPath ? null : { content: "data" };
    }
    for (const name of ["color", "stroke", "fill", "strokeDash", "shape"]) {
      const channel = encoding[name];
      if (!channel?.field || !Array.isArray(channel.scale?.domain) || !["nominal", "ordinal"].includes(channel.type) || channel.legend === null) continue;
      const legend = legendOf(channel.field, channel);
      if (name === "strokeDash") legend.entries.forEach((entry, i) => { entry.dash = channel.scale.range?.[i]; });
      if (["color", "stroke", "fill"].includes(name)) legend.entries.forEach((entry, i) => { entry.color = channel.scale.range?.[i]; });
      unit.encoding = { ...unit.encoding, [name]: { ...channel, legend: null } };
      const filter = `indexof(${legend.signal}, datum[${JSON.stringify(channel.field)}]) < 0`;
      unit.transform ??= [];
      if (!unit.transform.some((t) => t.filter === filter)) unit.transform = [...unit.transform, { filter }];
    }
    const canZoom = isContinuous(encoding.x) && isContinuous(encoding.y) && !encoding.row && !encoding.column && !encoding.facet;
    if (canZoom && !group.hasZoom) {
      group.hasZoom = true;
      // Plain wheel and touch stay the page's own.
      unit.params = [...(unit.params ?? []), { name: `zoom${zooms++}`, bind: "scales", select: { type: "interval", encodings: ["x", "y"],
        zoom: "wheel![event.ctrlKey || event.metaKey]",
        translate: "[pointerdown[event.pointerType === 'mouse'], window:pointerup] > window:pointermove!" } }];
    }
  };
  const visit = (node, inherited, group) => {
    // A log scale has no zero, and Vega-Lite warns of one that is asked for or not.
    for (const channel of Object.values(node.encoding ?? {})) if (channel?.scale?.type === "log") delete channel.scale.zero;
    const encoding = { ...inherited, ...node.encoding };
    if (node.mark) return visitUnit(node, inherited, group ?? node);
    for (const child of children(node)) visit(child, node.layer ? encoding : {}, node.layer ? (group ?? node) : null);
  };
  visit(spec, {}, null);
  const clean = (node) => { delete node.hasZoom; for (const child of children(node)) clean(child); };
  clean(spec);
  if (legends.size) spec.params = [...(spec.params ?? []), ...[...legends.values()].map((legend) => ({ name: legend.signal, value: [] }))];
  return { legends: [...legends.values()], zooms };
}

/** The tooltip's library makes HTML of what this returns. */
function tooltipText(value) {
  const text = String(value);
  return (/^-?\d+\.\d{5,}(e[-+]?\d+)?$/.test(text) ? short(Number(text)) : text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function swatch(entry) {
  return svg("svg", { viewBox: "0 0 28 14", "aria-hidden": "true" }, svg("line", { x1: 1, x2: 27, y1: 7, y2: 7, "stroke-width": 4,
    stroke: entry.color ?? "currentColor", "stroke-dasharray": entry.dash?.[1] ? entry.dash.join(" ") : null }));
}

/** Where a chart's panels are on the screen, each with the element that hears its events. Vega names what holds the
 *  marks of a view "..._group"; other groups are rows of views, of no size, and the paths of lines. */
function panelsOf(place, view) {
  const drawing = place.querySelector("svg.marks, canvas.marks");
  if (!drawing) return [];
  if (drawing.tagName !== "CANVAS") {
    const grounds = (selector) => [...drawing.querySelectorAll(`${selector} > g > path.background`)]
      .map((target) => ({ target, box: target.getBoundingClientRect() })).filter(({ box }) => box.width > 0);
    const panels = grounds(".role-scope[class$='_group']");
    return panels.length ? panels : grounds(".role-frame");
  }
  const { left, top } = drawing.getBoundingClientRect(), [x0, y0] = view.origin();
  const panels = [], frames = [];
  const visit = (mark, x, y) => {
    if (mark.marktype !== "group") return;
    for (const group of mark.items) {
      const box = { x: x + (group.x || 0), y: y + (group.y || 0), width: group.width, height: group.height };
      const into = mark.role === "frame" ? frames : mark.role === "scope" && mark.name?.endsWith("_group") ? panels : null;
      if (box.width > 0) into?.push({ target: drawing, box });
      for (const child of group.items ?? []) visit(child, box.x, box.y);
    }
  };
  visit(view.scenegraph().root, left + x0, top + y0);
  return panels.length ? panels : frames;
}
/** What the mouse would do, at the middle of each panel: for the keyboard, and where there is no mouse. On a canvas Vega
 *  acts on what the pointer was last over, so it comes first; and leaves at the end, or its tooltip would stay. */
function actOnPanels(place, view, act) {
  for (const { target, box } of panelsOf(place, view)) {
    const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
    const common = { bubbles: true, cancelable: true, view: window, pointerType: "mouse" };
    const send = (type, to = at, more = {}, on = target) => on.dispatchEvent(new PointerEvent(type, { ...common, ...to, ...more }));
    send("pointermove");
    act({ target, box, at, common, send });
    send("pointerout");
  }
}
function zoomBy(place, view, factor) {
  actOnPanels(place, view, ({ target, at, common }) =>
    target.dispatchEvent(new WheelEvent("wheel", { ...common, ...at, deltaY: -Math.log(factor) / Math.log(1.001), ctrlKey: true })));
}
function moveBy(place, view, right, down) {
  actOnPanels(place, view, ({ box, at, send }) => {
    const to = { clientX: at.clientX - right * box.width, clientY: at.clientY - down * box.height };
    send("pointerdown", at, { buttons: 1 });
    send("pointermove", to, { buttons: 1 }, window);
    send("pointerup", to, {}, window);
  });
}

/**
 * A place for a chart, drawn once it is seen and again when the theme changes. `make` returns a Vega-Lite document.
 * Returns the element; `leave` gets what ends it.
 */
function chart(name, description, make) {
  const place = h("div", { class: "chart" });
  const toggles = h("div", { class: "toggles", role: "group", "aria-label": "Shown series" });
  const frame = h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": description }, place);
  const element = h("div", {}, toggles, frame);
  const hidden = new Map();  // signal -> values; survives a change of the theme
  let view = null, isSeen = false, turn = 0;
  const reset = h("button", { type: "button", hidden: true, onclick: () => draw() }, "Reset zoom");
  const zoom = (factor) => { reset.hidden = false; zoomBy(place, view, factor); };
  const move = (right, down) => { reset.hidden = false; moveBy(place, view, right, down); };
  const magnify = [["+", "Zoom in", 1.25], ["−", "Zoom out", 0.8]].map(([sign, label, factor]) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick: () => zoom(factor) }, sign));
  const keys = { "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => draw() };
  const shifted = { ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1) };
  // Vega lets neither event through, so they are heard on their way in.
  const hear = { capture: true, passive: true };
  place.addEventListener("wheel", (event) => { if (event.ctrlKey || event.metaKey) reset.hidden = false; }, hear);
  place.addEventListener("pointermove", (event) => { if (event.buttons && event.pointerType === "mouse") reset.hidden = false; }, hear);

  function showToggles(legends, zooms) {
    toggles.replaceChildren(...legends.flatMap((legend) => [legend.title ? h("span", { class: "soft" }, `${legend.title}:`) : null,
      ...legend.entries.map((entry) => {
        const gone = hidden.get(legend.signal) ?? hidden.set(legend.signal, []).get(legend.signal);
        const button = h("button", { type: "button", "aria-pressed": String(!gone.includes(entry.value)), onclick: () => {
          const at = gone.indexOf(entry.value);
          if (at < 0) gone.push(entry.value); else gone.splice(at, 1);
          button.setAttribute("aria-pressed", String(at >= 0));
          view?.signal(legend.signal, [...gone]).runAsync();
        } }, swatch(entry), String(entry.value));
        return button;
      })]).filter(Boolean));
    if (!zooms) return;
    reset.hidden = true;
    place.title = "Ctrl and wheel zoom, dragging moves, a double click resets; by keyboard + and −, Shift and arrows, 0";
    frame.setAttribute("aria-keyshortcuts", "+ - 0 Shift+ArrowLeft Shift+ArrowRight Shift+ArrowUp Shift+ArrowDown");
    frame.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target !== frame) return;
      const act = event.shiftKey && shifted[event.key] || keys[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    toggles.append(...magnify, reset);
  }
  async function draw() {
    const own = ++turn;
    try {
      const embed = await vega();
      const spec = structuredClone(make());
      const width = place.clientWidth || 800;
      if (width < 640) narrowed(spec, width - 80);
      spec.background = "transparent";
      place.classList.toggle("filling", spec.width === "container");
      // One description and a table of the data say more than a thousand named dots.
      spec.description ??= description;
      spec.config = { ...spec.config, mark: { ...spec.config?.mark, aria: false } };
      const isBig = rowsOf(spec) > kMostSvgMarks;
      const { legends, zooms } = makeInteractive(spec);
      delete spec.$schema;  // a document of Vega-Lite 5 may meet a newer one, which would warn of it
      const result = await embed(place, themed(spec), { mode: "vega-lite", renderer: isBig ? "canvas" : "svg", downloadFileName: name,
        actions: { export: true, source: false, compiled: false, editor: false }, tooltip: { sanitize: tooltipText } });
      if (own !== turn) return result.finalize();
      view?.finalize();
      view = result.view;
      for (const [signal, gone] of hidden) if (gone.length) view.signal(signal, [...gone]);
      await view.runAsync();
      showToggles(legends, zooms);
      const menu = place.querySelector("summary");
      menu?.setAttribute("aria-label", "Save the chart");
      menu?.querySelector("svg")?.setAttribute("aria-hidden", "true");
      place.dataset.drawn = "true";
    } catch (error) {
      place.replaceChildren(h("p", { class: "note warn" }, `No chart: ${error.message}`));
      place.dataset.drawn = "failed";
    }
  }
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting) || isSeen) return;
    isSeen = true;
    observer.disconnect();
    draw();
  }, { rootMargin: "300px" });
  observer.observe(place);
  const again = () => isSeen && draw();
  theme.listeners.add(again);
  leave.push(() => {
    observer.disconnect();
    theme.listeners.delete(again);
    ++turn;
    view?.finalize();
  });
  return element;
}

// --- the page's own charts -------------------------------------------------------------------------------------------
function own(body) {
  const axis = { labelColor: kPrintText, titleColor: kPrintText, gridColor: kPrintGrid, domainColor: "#8b949e", tickColor: "#8b949e",
    labelFontSize: 11, titleFontSize: 11, titleFontWeight: 400, tickCount: 6 };
  return { $schema: "https://vega.github.io/schema/vega-lite/v5.json", padding: 4,
    config: { font: "Liberation Sans, Arial, Helvetica, sans-serif", view: { stroke: null }, axis, line: { strokeWidth: 1.8 },
      legend: { labelColor: kPrintText, titleColor: kPrintText }, title: { color: kPrintText, fontSize: 12, anchor: "start" } }, ...body };
}
function ordinalColor(field, values) {
  const color = (i) => (values.length <= kColors.length ? kColors[i] : `hsl(${Math.round(i * 360 / values.length)}, 65%, 48%)`);
  return { field, type: "nominal", sort: null, scale: { domain: values, range: values.map((_, i) => color(i)) },
    legend: values.length > 40 || values.length < 2 ? null : { title: null } };
}
/** "model.layers.0.up.weight", "model.layers.1.up.weight" -> "0.up", "1.up": how all begin, and one last word, say nothing. */
function shortNames(names) {
  const words = names.map((name) => name.split("."));
  const fewest = Math.min(...words.map((w) => w.length));
  const areSame = (at) => words.every((w) => w.at(at) === words[0].at(at));
  let front = 0, back = 0;
  if (names.length > 1) {
    while (front < fewest - 1 && areSame(front)) ++front;
    back = front < fewest - 2 && areSame(-1) ? 1 : 0;
  }
  return words.map((w) => w.slice(front, w.length - back).join("."));
}

/** lines: [{name, points: [[steps], [values]]}] */
function linesSpec(lines, { x = "step", y, field = "series", height = 180, width = "container" }) {
  const values = lines.flatMap(({ name, points: [xs, ys] }) => xs.map((at, i) => ({ [field]: name, [x]: at, value: ys[i] })));
  const isShort = lines.every(({ points }) => points[0].length < 60);
  return own({ data: { values }, width, height, mark: { type: "line", point: isShort ? { size: 18, filled: true } : undefined },
    encoding: { x: { field: x, type: "quantitative", title: x, axis: { grid: false }, scale: { nice: false, padding: 5 } },
      y: { field: "value", type: "quantitative", title: y, scale: { zero: false, padding: 5 } },
      color: ordinalColor(field, lines.map((line) => line.name)) } });
}

function historySpec(series, sittings) {
  const values = series.points.map(([at, value, low, high, state, gate, bandLow, bandHigh], i) => ({ nth: i, value, low, high,
    state: state === "good" ? "measured" : state, gate: gate || "not judged", revision: sittings[at][2], recorded: time(sittings[at][1]),
    ...(bandLow === undefined ? {} : { "band from": bandLow, "band to": bandHigh }) }));
  const unit = series.unit ? ` (${series.unit})` : "";
  const x = { field: "nth", type: "quantitative", title: "sitting, oldest first", axis: { grid: false, format: "d", tickMinStep: 1 }, scale: { nice: false, padding: 8 } };
  const y = (field) => ({ field, type: "quantitative", title: `median${unit}`, scale: { zero: false } });
  const tooltip = ["revision", "recorded", "value", "low", "high", "band from", "band to", "state", "gate"].map((field) => ({ field, type: typeof values[0][field] === "string" ? "nominal" : "quantitative" }))
    .map((t) => (["revision", "recorded", "state", "gate"].includes(t.field) ? { ...t, type: "nominal" } : { ...t, type: "quantitative", format: ".5~g" }));
  return own({ data: { values }, width: "container", height: 260, layer: [
    { transform: [{ filter: "isValid(datum['band from'])" }], mark: { type: "area", opacity: 0.16, color: "#0072B2", tooltip: null }, encoding: { x, y: y("band from"), y2: { field: "band to" } } },
    { mark: { type: "rule", opacity: 0.5, color: "#8b949e" }, encoding: { x, y: y("low"), y2: { field: "high" } } },
    { mark: { type: "line", color: "#8b949e", strokeWidth: 1, tooltip: null }, encoding: { x, y: y("value") } },
    { mark: { type: "point", filled: true, size: 45, opacity: 1 }, encoding: { x, y: y("value"), tooltip,
      color: { field: "state", type: "nominal", scale: { domain: ["measured", "changed", "accepted"], range: ["#0072B2", "#D55E00", "#009E73"] }, legend: { title: null } } } },
  ] });
}
