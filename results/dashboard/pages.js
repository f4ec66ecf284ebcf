// One function for each page: (path, query) -> {title, body, shown, update}; `update` hears of new data.

const pages = Object.create(null);

function bySearch(text) {
  // Words in quotes stay together.
  return (text.match(/-?"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', "")).filter(Boolean);
}
function debounce(action) {
  let timer = 0;
  return (...rest) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...rest), 120);
  };
}
function choice(name, value, options, changed) {
  const select = h("select", { onchange: () => changed(select.value) }, options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return h("label", {}, name, select);
}
function search(name, value, placeholder, changed) {
  const input = h("input", { type: "search", value, placeholder, autocomplete: "off", spellcheck: "false", oninput: debounce(() => changed(input.value)) });
  return h("label", { class: "grow" }, name, input);
}
function tile(number, text, tone, href) {
  return h(href ? "a" : "div", { class: `tile ${number ? tone : ""}`, href }, h("b", {}, typeof number === "number" ? number.toLocaleString("en") : number), text);
}
function runLink(run) {
  return h("a", { href: link(["run", run]), class: "mono" }, run);
}
function command(text) {
  const button = h("button", { type: "button", "aria-label": `Copy: ${text}`, onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    say(button.textContent);
  } }, "Copy");
  const code = h("code", { tabindex: 0 }, text);
  return h("div", { class: "command" }, code, button);
}
/** `--out` where it is not what a reader would leave out. */
function outOption() {
  return data.out === "out" ? "" : ` --out ${shellWord(data.out)}`;
}

// --- overview --------------------------------------------------------------------------------------------------------
function seriesLink(series) {
  return h("a", { href: link(["series", String(series.machine), series.name]), class: "wrap" }, series.name);
}
function seriesTable(caption, rows, state, changed) {
  return dataTable({ caption, rows, size: 50, state, changed, empty: "No series fits.", columns: [
    { name: "Series", value: (s) => s.name, cell: (s) => seriesLink(s) },
    { name: "Standing", value: (s) => s.index, cell: (s) => badge(s.standing) },
    { name: "Change", number: true, value: (s) => parseFloat(s.change.replace("−", "-")), cell: (s) => (s.points.length > 1 ? s.change : kNone) },
    { name: "Newest", number: true, value: (s) => s.points.at(-1)[1], cell: (s) => `${short(s.points.at(-1)[1])} ${s.unit}` },
    { name: "History", cell: (s) => spark(s) },
    { name: "Why", cell: (s) => s.why, class: "soft" },
  ] });
}
function regressions() {
  const { series } = data.measured;
  const count = (standing) => series.filter((s) => s.standing === standing).length;
  if (!series.length)
    return [h("p", { class: "note" }, "No measured series yet. ", h("code", {}, "pionbench bench"), " records one sitting of a benchmark program or an output folder; ",
      h("code", {}, "pionbench gate"), " judges the newest against those before it.")];
  const urgent = series.filter((s) => s.urgent);
  const rest = `${counted(count("PASS"), "series").replace("seriess", "series")} inside the noise band, ${count("NEW")} too new to judge, ${count("IMPROVED")} improved, ${count("ACCEPTED")} with an accepted change.`;
  if (!urgent.length) return [h("p", { class: "note good" }, "No regression. ", rest, " ", h("a", { href: "#/history" }, "All series"))];
  const parts = [["REGRESSED", "regressed"], ["UNKNOWN", "left open by a gate"], ["MISSING", "no longer measured"], ["SUSPECT", "beyond the noise band, to be confirmed by a gate"]]
    .filter(([standing]) => count(standing)).map(([standing, text]) => `${count(standing)} ${text}`);
  return [h("p", { class: `note ${count("REGRESSED") ? "bad" : "warn"}` }, `${parts.join(", ")}. `, rest, " ", h("a", { href: "#/history" }, "All series")),
    seriesTable("Series to look at", urgent).element];
}
function claimTiles(claims) {
  return h("div", { class: "tiles" }, ["REPRODUCED", "DIFFERS", "UNDERPOWERED", "NOT RUN"].map((verdict) =>
    tile(claims.filter((c) => c.verdict === verdict).length, verdict.toLowerCase(), kTones[verdict], link(["claims"], { verdict }))));
}
function experimentTable() {
  return dataTable({ caption: "Experiments", rows: data.experiments, size: 50, columns: [
    { name: "Experiment", value: (e) => e.name, cell: (e) => h("a", { href: link(["runs"], { experiment: e.name, scale: e.scale }) }, e.name) },
    { name: "Scale", value: (e) => e.scale, cell: (e) => e.scale },
    { name: "Cells with a result", value: (e) => e.done / e.cells, cell: (e) => [h("progress", { max: Math.max(1, e.cells), value: e.done, "aria-label": `${e.name}: cells with a result` }),
      h("span", { class: "small soft" }, ` ${e.done} of ${e.cells}`)] },
    { name: "Title", value: (e) => e.title, cell: (e) => e.title },
  ] }).element;
}
pages[""] = async () => {
  const failed = failures(data.runs);
  const count = (state) => data.runs.filter((r) => r.state === state).length;
  const board = h("div", {}, h("p", { class: "soft" }, "Judging …"));
  load("claims").then(({ claims }) => {
    const differ = claims.filter((c) => c.verdict === "DIFFERS");
    board.replaceChildren(claimTiles(claims), ...(differ.length ? [plainTable("Claims that differ", ["Claim", "Sentence", "Paper", "Ours"], differ.map((c) =>
      [h("a", { href: link(["claims"], { q: c.id }) }, c.id), c.sentence, c.paper, c.ours ?? kNone]))] : []));
    board.dataset.ready = "true";
  }, (error) => board.replaceChildren(h("p", { class: "note warn" }, `Not judged: ${error.message}`)));
  const going = h("div", { id: "going" });
  const failedPart = failed.length ? [h("h2", {}, "Without a result"), runsTable(failed.slice(0, 10)).element,
    failed.length > 10 && h("p", {}, h("a", { href: link(["runs"], { state: "failed" }) }, `All ${failed.length}`))] : null;
  const body = [h("h2", {}, "Regressions"), regressions(), going, failedPart,
    h("h2", {}, "Claims"), board,
    h("h2", {}, "Runs"), h("div", { class: "tiles" }, tile(data.runs.length, "runs", "", "#/runs"), tile(count("done"), "done", "good", link(["runs"], { state: "done" })),
      tile(count("running"), "running", "info", link(["runs"], { state: "running" })), tile(count("diverged"), "diverged", "warn", link(["runs"], { state: "diverged" })),
      tile(failed.length, "failed", "bad", link(["runs"], { state: "failed" }))),
    data.experiments.length ? experimentTable() : h("p", { class: "note" }, "No experiment yet. Begin with ", h("code", {}, "pionbench reproduce"), ".")];
  return { title: "Overview", body, shown: () => live.draw(), update: () => show({ keepsPlace: true }) };
};

// --- measured series -------------------------------------------------------------------------------------------------
pages.history = async (path, query) => {
  const state = { q: "", standing: "", ...query };
  const table = seriesTable("Measured series", [], state, () => keepQuery(state));
  const filter = () => {
    const words = bySearch(state.q.toLowerCase());
    const rows = data.measured.series.filter((s) => (!state.standing || s.standing === state.standing) &&
      words.every((w) => (w.length > 1 && w[0] === "-" ? !s.name.toLowerCase().includes(w.slice(1)) : s.name.toLowerCase().includes(w))));
    table.setRows(rows);
    said.textContent = `${rows.length.toLocaleString("en")} of ${data.measured.series.length.toLocaleString("en")} series`;
    keepQuery(state);
  };
  const said = h("p", { class: "soft small", role: "status" });
  const again = (name) => (value) => { state[name] = value; state.page = 1; filter(); };
  filter();
  return { title: "History", update: filter, body: [
    h("p", { class: "soft" }, "Every series that ", h("code", {}, "bench"), " or ", h("code", {}, "gate"), " measured, the most urgent first. The band is what the gate's first stage lets pass, from the sittings before; ",
      "circles are points that a gate kept out of the history."),
    h("div", { class: "controls" }, search("Name contains", state.q, "pion real_time", again("q")),
      choice("Standing", state.standing, [["", "all"], ...["REGRESSED", "UNKNOWN", "MISSING", "SUSPECT", "IMPROVED", "ACCEPTED", "NEW", "PASS"].map((s) => [s, s.toLowerCase()])], again("standing"))),
    said, table.element] };
};
pages.series = async ([machine, ...rest]) => {
  const name = rest.join("/");
  const series = data.measured.series.find((s) => s.name === name && String(s.machine) === machine);
  if (!series) throw new Error(`There is no series "${name}" on this machine.`);
  const { sittings, machines } = data.measured;
  const rows = series.points.map((p, i) => ({ p, i })).reverse();
  const better = { lower: "lower is better", higher: "higher is better", neither: "a change either way is to be explained" }[series.better];
  return { title: series.name, body: [
    h("p", {}, badge(series.standing), " ", series.why),
    h("p", { class: "soft small" }, `${better}; less than ${series.floor.replace("+", "")} does not matter. Band: what the gate's first stage lets pass. Bars: lowest to highest sample.`),
    chart("history", `History of ${series.name}`, () => historySpec(series, sittings)),
    h("h2", {}, "Sittings"),
    dataTable({ caption: "Sittings, newest first", rows, size: 30, columns: [
      { name: "Recorded (UTC)", value: ({ i }) => i, cell: ({ p }) => time(sittings[p[0]][1]) },
      { name: "Revision", value: ({ p }) => sittings[p[0]][2], cell: ({ p }) => h("span", { class: "mono wrap" }, sittings[p[0]][2]) },
      { name: `Median${series.unit ? ` (${series.unit})` : ""}`, number: true, value: ({ p }) => p[1], cell: ({ p }) => h("span", { title: String(p[1]) }, short(p[1])) },
      { name: "Lowest", number: true, value: ({ p }) => p[2], cell: ({ p }) => short(p[2]) },
      { name: "Highest", number: true, value: ({ p }) => p[3], cell: ({ p }) => short(p[3]) },
      { name: "Band", number: true, cell: ({ p }) => (p.length > 6 ? `${short(p[6])} to ${short(p[7])}` : kNone) },
      { name: "Gate", value: ({ p }) => p[5], cell: ({ p }) => (p[5] ? badge(p[5]) : kNone) },
      { name: "Taken as", value: ({ p }) => p[4], cell: ({ p }) => p[4] },
    ] }).element,
    h("h2", {}, "Machine"), pairs({ fingerprint: machines[series.machine].fingerprint, ...machines[series.machine].environment })] };
};

// --- claims ----------------------------------------------------------------------------------------------------------
pages.claims = async (path, query) => {
  const { claims } = await load("claims");
  const state = { q: "", verdict: "", ...query };
  const table = dataTable({ caption: "Claims", rows: [], size: 50, state, changed: () => keepQuery(state), empty: "No claim fits.", columns: [
    { name: "Claim", value: (c) => Number(c.id.replace(/\D/g, "")), cell: (c) => c.id },
    { name: "Verdict", value: (c) => c.verdict, cell: (c) => badge(c.verdict) },
    { name: "What the paper says", value: (c) => c.sentence, cell: (c) => [c.sentence, claimDetails(c)] },
    { name: "Paper", value: (c) => c.paper, cell: (c) => c.paper },
    { name: "Ours", value: (c) => c.ours, cell: (c) => [c.ours ?? kNone, c.scale && h("div", { class: "soft small" }, `scale ${c.scale}`)] },
    { name: "95 % interval", number: true, value: (c) => c.interval?.[0], cell: (c) => (c.interval ? `${short(c.interval[0])} to ${short(c.interval[1])}` : kNone) },
    { name: "n", number: true, value: (c) => c.n || null, cell: (c) => c.n || kNone },
    { name: "MDE", number: true, value: (c) => c.mde, cell: (c) => short(c.mde) },
  ] });
  const filter = () => {
    const words = bySearch(state.q.toLowerCase());
    table.setRows(claims.filter((c) => (!state.verdict || c.verdict === state.verdict) &&
      words.every((w) => (/^c\d+$/.test(w) ? c.id.toLowerCase() === w : JSON.stringify([c.id, c.sentence, c.why, c.experiment, c.rule]).toLowerCase().includes(w)))));
    keepQuery(state);
  };
  const again = (name) => (value) => { state[name] = value; state.page = 1; filter(); };
  filter();
  return { title: "Claims", body: [
    h("p", { class: "soft" }, "Each claim of the paper with its rule as code. A verdict belongs to the scale that it names; MDE is the smallest difference that these runs could have shown at 80 % power."),
    claimTiles(claims),
    h("div", { class: "controls" }, search("Contains", state.q, "C12, rank, fig6", again("q")),
      choice("Verdict", state.verdict, [["", "all"], ...["REPRODUCED", "DIFFERS", "UNDERPOWERED", "NOT RUN"].map((v) => [v, v.toLowerCase()])], again("verdict"))),
    table.element] };
};
function claimDetails(claim) {
  return h("details", {}, h("summary", { "aria-label": `Rule and runs of ${claim.id}` }, "rule and runs"),
    pairs({ rule: claim.rule, why: claim.why, source: `${claim.source} (${claim.trust})`, experiment: claim.experiment ? `${claim.experiment}, scale ${claim.scale}` : kNone }),
    claim.runs.length ? h("p", { class: "small" }, `${counted(claim.runs.length, "run")}: `, claim.runs.slice(0, 40).flatMap((run) => [runLink(run), " "]),
      claim.runs.length > 40 && "…") : null);
}

// --- figures and tables ------------------------------------------------------------------------------------------------
pages.figures = async ([only]) => {
  const { exhibits } = await load("exhibits");
  const chosen = only ? exhibits.filter((e) => e.name === only) : exhibits;
  if (!exhibits.length) return { title: "Figures", body: [h("p", { class: "note" }, "No experiment in this store has a figure or a table yet.")] };
  if (!chosen.length) throw new Error(`There is no figure "${only}".`);
  return { title: only ?? "Figures and tables", body: [
    only ? h("p", {}, h("a", { href: "#/figures" }, "All figures and tables"))
      : h("nav", { "aria-label": "Figures and tables" }, exhibits.map((e) => h("a", { href: link(["figures", e.name]) }, e.name))),
    chosen.map(exhibitSection)] };
};
function exhibitSection(exhibit) {
  const heading = h("h2", {}, h("span", { class: "mono soft" }, exhibit.name), " ", exhibit.title, " ", h("span", { class: "badge" }, `scale ${exhibit.scale}`), " ",
    exhibit.missing ? h("span", { class: "badge warn" }, `${exhibit.missing} of ${exhibit.cells} cells missing`) : null);
  const content = h("div", { class: "content" });
  const section = h("section", { class: "exhibit", "aria-label": exhibit.title, "data-exhibit": exhibit.name }, heading, content,
    h("p", { class: "soft small" }, exhibit.caption),
    h("p", { class: "small" }, h("a", { href: link(["runs"], { experiment: exhibit.experiment, scale: exhibit.scale }) }, "Its runs"), " · ",
      h("code", {}, `pionbench why ${exhibit.name}`)));
  const fillIn = async () => {
    try {
      const made = await load(`exhibit/${exhibit.name}`);
      if (exhibit.kind === "figure") content.append(chart(exhibit.name, exhibit.title, () => made.spec));
      else content.append(gridTable(exhibit.title, made.display, made.cell_runs));
      if (made.film) content.append(film(made.film));
      content.append(dataDetails(exhibit, made.data));
    } catch (error) {
      content.append(h("p", { class: "note warn" }, error.message));
    }
  };
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((e) => e.isIntersecting)) return;
    observer.disconnect();
    fillIn();
  }, { rootMargin: "600px" });
  observer.observe(section);
  leave.push(() => observer.disconnect());
  return section;
}
function isRun(text) {
  return data.byName.has(text);
}
/** Episodes side by side: each strip of frames moves past a window of one frame. */
function film({ columns, size, frames_per_second: rate }) {
  const moving = [];
  const windows = columns.map((column) => {
    const shown = h("div", { class: "film", role: "img", "aria-label": `${column.label}: ${column.note}` });
    shown.style.cssText = `width: ${size}px; height: ${size}px; border-color: ${CSS.supports("color", column.color) ? column.color : "currentColor"}`;
    if (column.strip?.startsWith("data:image/png;base64,")) {
      shown.style.backgroundImage = `url("${column.strip}")`;
      const last = Math.max(0, column.frames - 1);
      // A second's rest on the last frame: how an episode ends is what it is looked at for.
      moving.push(shown.animate([{ backgroundPosition: "0 0", easing: `steps(${Math.max(1, last)})` }, { backgroundPosition: `-${last * size}px 0`, offset: column.frames / (column.frames + rate) },
        { backgroundPosition: `-${last * size}px 0` }], { duration: (column.frames + rate) / rate * 1000, iterations: Infinity }));
    }
    return h("div", {}, h("b", {}, column.label), shown, h("p", { class: "small soft" }, column.note));
  });
  const button = h("button", { type: "button", onclick: () => play(button.textContent === "Play") });
  const play = (isOn) => {
    for (const animation of moving) if (isOn) animation.play(); else animation.pause();
    button.textContent = isOn ? "Pause" : "Play";
  };
  play(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  return h("div", {}, moving.length ? button : null, h("div", { class: "films" }, windows));
}
function gridTable(caption, grid, behind) {
  const runsOf = (r, c) => behind?.[r]?.[c] ?? [];
  const numeric = grid.columns.map((_, i) => grid.rows.length > 0 && grid.rows.every((row) => /^[−+-]?[\d.∞–]/.test(row[i] ?? "") || row[i] === ""));
  const rows = grid.rows.map((cells, at) => ({ cells, at }));
  return dataTable({ caption, rows, size: 50, columns: grid.columns.map((name, i) => ({ name, number: numeric[i] && i > 0,
    value: ({ cells }) => { const x = Number((cells[i] ?? "").replace("−", "-")); return cells[i] === "" ? "" : Number.isNaN(x) ? cells[i] : x; },
    cell: ({ cells, at }) => (isRun(cells[i]) ? runLink(cells[i]) : runsOf(at, i).length ? h("a", { href: link(["runs"], { q: "", only: runsOf(at, i).join(",") }) }, cells[i]) : cells[i] ?? "") })) }).element;
}
function dataDetails(exhibit, grid) {
  const details = h("details", {}, h("summary", {}, `Data: ${counted(grid.rows.length, "row")}`));
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    const field = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const csv = [grid.columns, ...grid.rows].map((row) => row.map(field).join(",")).join("\n");
    details.append(h("p", {}, h("button", { type: "button", onclick: () => download(`${exhibit.name}.csv`, `${csv}\n`) }, "Save as CSV")), gridTable(`Data of ${exhibit.title}`, grid));
  });
  return details;
}
function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// --- runs ------------------------------------------------------------------------------------------------------------
function haystack(run) {
  run.text ??= [run.run, run.suite, run.optimizer, run.state, run.reason, ...run.places.map((p) => `${p.experiment.name} ${p.experiment.scale} ${p.arm} ${p.point}`)].join("\n").toLowerCase();
  return run.text;
}
const kComparison = /^(step|steps|train|attempts|value)(>=|<=|>|<)(-?[\d.e+-]+)$/;
/** One word of a filter as a test of a run. */
function runTest(word, valueOf) {
  if (word.length > 1 && word[0] === "-") {
    const test = runTest(word.slice(1), valueOf);
    return (run) => !test(run);
  }
  const comparison = kComparison.exec(word);
  if (comparison) {
    const [, name, sign, text] = comparison;
    const bound = Number(text);
    const compare = { ">": (x) => x > bound, "<": (x) => x < bound, ">=": (x) => x >= bound, "<=": (x) => x <= bound }[sign];
    return (run) => {
      const x = name === "value" ? valueOf(run) : run[name];
      return x !== null && x !== undefined && compare(x);
    };
  }
  // "seed=1" is not "seed=10".
  if (/^[^=<>]+=[^=]+$/.test(word)) return (run) => run.places.some((p) => p.point.toLowerCase().split(" ").includes(word));
  return (run) => haystack(run).includes(word);
}
function metricNames() {
  const names = Object.keys(data.last);
  return [...names.filter((n) => n.startsWith("evaluation/")), ...names.filter((n) => !n.startsWith("evaluation/"))];
}
function runsTable(rows, state = {}, changed) {
  const valueOf = (run) => data.last[state.metric]?.[run.index] ?? null;
  const columns = [
    { name: "Run", value: (r) => r.run, cell: (r) => runLink(r.run) },
    { name: "State", value: (r) => r.state, cell: (r) => badge(r.state) },
    { name: "Experiment", value: (r) => r.places[0]?.experiment.name, cell: (r) => (r.places[0] ? `${r.places[0].experiment.name} (${r.places[0].experiment.scale})` : r.suite) },
    { name: "Arm", value: (r) => r.places[0]?.arm || r.optimizer, cell: (r) => r.places[0]?.arm || r.optimizer || kNone },
    { name: "Point", value: (r) => r.places[0]?.point, cell: (r) => r.places[0]?.point ?? "" },
    { name: "Value", number: true, value: valueOf, cell: (r) => h("span", { title: String(valueOf(r) ?? "") }, short(valueOf(r))) },
    { name: "Step", number: true, value: (r) => r.step, cell: (r) => (r.steps && r.steps !== r.step ? `${r.step} of ${r.steps}` : r.step) },
    { name: "Training", number: true, value: (r) => r.train, cell: (r) => (r.train ? seconds(r.train) : kNone) },
    { name: "Started (UTC)", value: (r) => r.started, cell: (r) => time(r.started) },
    { name: "Reason", value: (r) => r.reason, cell: (r) => r.reason, class: "soft" },
  ];
  if (!state.metric) columns.splice(5, 1);
  return dataTable({ caption: "Runs", rows, state, changed, columns, empty: "No run fits." });
}
pages.runs = async (path, query) => {
  const names = metricNames();
  const state = { q: "", experiment: "", scale: "", state: "", metric: "", ...query };
  state.down = query.down === "true";
  if (!state.metric) state.metric = names.find((n) => /^evaluation\/test\/(greedy|success)/.test(n)) ?? names[0] ?? "";
  const valueOf = (run) => data.last[state.metric]?.[run.index] ?? null;
  const keep = () => keepQuery({ ...state, page: state.page > 1 ? state.page : "", down: state.down || "", metric: query.metric || isChosen ? state.metric : "" });
  let isChosen = false;
  let set = state.only ? new Set(state.only.split(",")) : null;
  if (state.set) set = new Set((await load("exhibits")).exhibits.flatMap((e) => e.sets?.[state.set] ?? []));
  const said = h("p", { class: "soft small", role: "status" });
  const table = runsTable([], state, keep);
  const filter = () => {
    const tests = bySearch(state.q.toLowerCase()).map((word) => runTest(word, valueOf));
    const isFailed = state.state === "failed" ? new Set(failures(data.runs)) : null;
    const rows = data.runs.filter((run) => (!set || set.has(run.run)) &&
      (!state.experiment || run.places.some((p) => p.experiment.name === state.experiment && (!state.scale || p.experiment.scale === state.scale))) &&
      (!state.state || (isFailed ? isFailed.has(run) : run.state === state.state)) && tests.every((test) => test(run)));
    table.setRows(rows);
    const values = rows.map(valueOf).filter((x) => x !== null).sort((a, b) => a - b);
    said.textContent = `${rows.length.toLocaleString("en")} of ${data.runs.length.toLocaleString("en")} runs` +
      (values.length ? `; ${state.metric}: ${short(values[0])} to ${short(values.at(-1))}, median ${short(values.length % 2 ? values[(values.length - 1) / 2] : (values[values.length / 2 - 1] + values[values.length / 2]) / 2)}` : "");
    keep();
  };
  const again = (name) => (value) => {
    state[name] = value;
    state.page = 1;
    if (name === "experiment") state.scale = "";
    if (name === "metric") isChosen = true;
    filter();
  };
  filter();
  const experiments = [...new Set(data.experiments.map((e) => e.name))];
  const states = [...new Set(data.runs.map((r) => r.state))].filter((s) => s !== "failed").sort();
  return { title: "Runs", update: filter, body: [
    h("div", { class: "controls" },
      search("Filter", state.q, "pion seed=0 -failed value>0.5", again("q")),
      choice("Experiment", state.experiment, [["", "all"], ...experiments.map((e) => [e, e])], again("experiment")),
      choice("State", state.state, [["", "all"], ["failed", "failed, not made good"], ...states.map((s) => [s, s])], again("state")),
      choice("Value: last of", state.metric, names.map((n) => [n, n]), again("metric"))),
    h("details", { class: "small" }, h("summary", {}, "How to filter"),
      h("p", {}, "Words must all occur; ", h("code", {}, '"in quotes"'), " stay together; ", h("code", {}, "-word"), " must not occur; ", h("code", {}, "seed=1"), " is one coordinate; ",
        h("code", {}, "step>30"), ", ", h("code", {}, "train<60"), ", ", h("code", {}, "value>=0.5"), ", ", h("code", {}, "attempts>1"), " compare. The address keeps the filter.")),
    set && h("p", { class: "note" }, `Only the ${counted(set.size, "run")} behind what you clicked. `, h("a", { href: "#/runs" }, "All runs")),
    said, table.element] };
};

// --- one run ---------------------------------------------------------------------------------------------------------
function pairs(values) {
  const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
  return h("dl", {}, Object.entries(values).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "mono" }, text(value)))));
}
function commands(run) {
  const name = shellWord(run.run);
  return [command(`pionbench repro ${name}${outOption()}`), command(`pionbench logs ${name}${outOption()}`), command(`pionbench why ${name}${outOption()}`)];
}
/** "evaluation/test/greedy" -> group "greedy" with line "test"; other metrics stand alone. */
function metricGroups(series) {
  const groups = new Map();
  for (const [name, points] of Object.entries(series)) {
    const parts = name.split("/");
    const isEvaluation = parts[0] === "evaluation" && parts.length > 2;
    const group = isEvaluation ? `evaluation: ${parts.slice(2).join("/")}` : name;
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push({ name: isEvaluation ? parts[1] : name, full: name, points });
  }
  return [...groups].sort(([a], [b]) => b.startsWith("evaluation:") - a.startsWith("evaluation:"));
}
function metricCharts(detail) {
  const groups = metricGroups(detail.series);
  if (!groups.length) return [h("p", { class: "soft" }, "It has reported no metric.")];
  return h("div", { class: "small-charts" }, groups.map(([group, lines]) => h("div", {}, h("h3", {}, group),
    h("p", { class: "soft small" }, lines.map(({ name, full, points }, i) => h("span", { "data-metric": full, "data-value": points[1].at(-1) },
      `${lines.length > 1 || name !== full ? `${name}: ` : ""}${short(points[1].at(-1))} at step ${points[0].at(-1)}${i + 1 < lines.length ? "; " : ""}`))),
    lines.every(({ points }) => points[1].every((y) => y === points[1][0])) ? h("p", { class: "soft small" }, "Constant.")
      : chart(group.replace(/\W+/g, "-"), `${group} by step`, () => linesSpec(lines, { y: "", height: 150, field: "split" })))));
}
function spectraPart(detail) {
  const quantities = Object.keys(detail.spectra);
  if (!quantities.length) return null;
  const place = h("div", {});
  let quantity = quantities.find((q) => q.includes("effective_rank")) ?? quantities[0], of = "";
  const parameters = [...new Set(quantities.flatMap((q) => Object.keys(detail.spectra[q])))];
  const draw = () => {
    const byParameter = detail.spectra[quantity];
    const whole = Object.entries(byParameter).filter(([, heads]) => heads[""]);
    const names = shortNames(whole.map(([name]) => name));
    const lines = of === "" ? whole.map(([, heads], i) => ({ name: names[i], points: heads[""] }))
      : Object.entries(byParameter[of] ?? {}).filter(([head]) => head !== "").map(([head, points]) => ({ name: `head ${head}`, points }));
    place.replaceChildren(lines.length ? chart(quantity.replace(/\W+/g, "-"), `${quantity} by step`, () => linesSpec(lines, { y: quantity, height: 260, field: of ? "head" : "parameter" }))
      : h("p", { class: "soft" }, "None were reported."));
  };
  draw();
  const withHeads = parameters.filter((p) => quantities.some((q) => Object.keys(detail.spectra[q][p] ?? {}).some((head) => head !== "")));
  return [h("h2", {}, "Spectra"), h("div", { class: "controls" },
    choice("Quantity", quantity, quantities.map((q) => [q, q]), (value) => { quantity = value; draw(); }),
    withHeads.length ? choice("Of", of, [["", "whole matrices"], ...withHeads.map((p) => [p, `heads of ${p}`])], (value) => { of = value; draw(); }) : null), place];
}
function curvesPart(detail) {
  if (!detail.curves.length) return null;
  const groups = new Map();
  for (const curve of detail.curves) groups.set(curve.name, [...(groups.get(curve.name) ?? []), { name: curve.variant || curve.name, points: [curve.x, curve.y] }]);
  return [h("h2", {}, "Curves"), h("div", { class: "small-charts" }, [...groups].map(([name, lines]) => h("div", {}, h("h3", {}, name),
    chart(name.replace(/\W+/g, "-"), name, () => linesSpec(lines, { x: "x", y: "", field: "variant", height: 200 })))))];
}
function memoryFacts(detail) {
  const facts = {};
  if (detail.peak_memory) facts["peak memory"] = bytes(detail.peak_memory);
  if (detail.peak_device_memory) facts["peak memory on the GPU"] = bytes(detail.peak_device_memory);
  if (detail.devices) facts.GPUs = detail.devices.join(", ");
  if (detail.accumulation) facts["gradient accumulation"] = `${detail.accumulation}, for want of memory`;
  if (detail.disturbance) facts["disturbed by"] = detail.disturbance;
  if (detail.exit_code) facts["exit code"] = detail.exit_code;
  if (detail.signal) facts.signal = detail.signal;
  return facts;
}
pages.run = async (path) => {
  const run = data.byName.get(path.join("/"));
  if (!run) throw new Error(`There is no run "${path.join("/")}" here.`);
  const detail = await loadRun(run);
  const { suite, optimizer, settings, hyper, ...rest } = detail.config ?? {};
  const config = { suite, optimizer, ...settings, ...hyper, ...rest };
  const others = data.runs.filter((r) => r.cell === run.cell && r !== run);
  const phases = Object.fromEntries(Object.entries(detail.phases).map(([name, s]) => [name, seconds(s)]));
  const wasGoing = run.state === "running";
  return { title: run.run, update: () => (wasGoing || kLive && data.byName.get(run.run)?.state === "running") && show({ keepsPlace: true }), body: [
    h("p", {}, badge(run.state), " ", label(run), run.reason ? h("span", { class: "soft" }, `: ${run.reason}`) : null),
    h("div", { class: "columns" },
      h("div", {}, pairs({ suite: run.suite, optimizer: run.optimizer || kNone, step: run.steps ? `${run.step} of ${run.steps}` : run.step, "training time": seconds(run.train),
        started: time(run.started), ended: time(run.ended), attempts: run.attempts, cell: detail.cell, ...memoryFacts(detail) })),
      h("div", {}, h("h2", { class: "hidden" }, "Commands"), h("p", { class: "soft small" }, "Run it again, read its log, see what tells it from others:"), commands(run),
        run.places.length > 1 && h("p", { class: "small" }, `Also ${run.places.slice(1).map((p) => `${p.experiment.name} ${p.arm} ${p.point}`).join("; ")}.`),
        others.length ? h("p", { class: "small" }, "Other runs of this cell: ", others.flatMap((r) => [runLink(r.run), ` (${r.state}) `])) : null)),
    Object.entries(detail.logs).map(([name, text]) => h("details", { open: !isFinished(run) && run.state !== "running" && name === "stderr.log" },
      h("summary", {}, `End of ${name}`), h("pre", { tabindex: 0, "aria-label": `End of ${name}` }, text))),
    detail.thinned && h("p", { class: "note small" }, "Curves are thinned in this file; first and last values are exact. ", h("code", {}, "pionbench serve"), " shows all."),
    h("h2", {}, "Metrics"), metricCharts(detail),
    spectraPart(detail), curvesPart(detail),
    h("h2", {}, "Configuration"), pairs(config),
    h("div", { class: "columns" }, h("section", {}, h("h2", {}, "Environment"), Object.keys(detail.environment).length ? pairs(detail.environment) : h("p", { class: "soft" }, "Not reported.")),
      Object.keys(phases).length ? h("section", {}, h("h2", {}, "Time"), pairs(phases)) : null)] };
};
pages.unknown = async (path) => ({ title: "No such page", body: [h("p", {}, "There is nothing at ", h("code", {}, location.hash), ". ", h("a", { href: "#/" }, "Overview"))] });
