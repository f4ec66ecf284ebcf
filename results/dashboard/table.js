// A table that sorts and pages, and a small line for a history.

/**
 * columns: [{name, value(row), cell(row), number, wide}]; `value` is what sorting sees, `cell` what is shown.
 * Returns {element, setRows(rows)}. `state` {sort, down, page} is changed in place; `changed` hears of it.
 */
function dataTable({ caption, columns, rows, size = 100, state = {}, changed = () => {}, empty = "Nothing here." }) {
  state.page = Number(state.page) || 1;
  const body = h("tbody", { role: "rowgroup" });
  const heads = columns.map((column) => {
    if (!column.value) return h("th", { role: "columnheader", scope: "col", class: column.number && "number" }, column.name);
    const button = h("button", { type: "button", onclick: () => {
      state.down = state.sort === column.name ? !state.down : Boolean(column.number);
      state.sort = column.name;
      state.page = 1;
      draw();
      changed();
      say(`Sorted by ${column.name}, ${state.down ? "descending" : "ascending"}`);
    } }, column.name);
    return h("th", { role: "columnheader", scope: "col", class: column.number && "number", "data-column": column.name }, button);
  });
  const pager = h("nav", { class: "pager", "aria-label": `Pages of ${caption}` });
  const table = h("table", { role: "table", class: "cards", "aria-label": caption },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), body);

  function sorted() {
    const column = columns.find((c) => c.name === state.sort);
    if (!column) return rows;
    const sign = state.down ? -1 : 1;
    const keyed = rows.map((row) => [column.value(row), row]);
    // What has no value comes last either way.
    const lacks = (x) => x === null || x === undefined || x === "";
    keyed.sort(([a], [b]) => lacks(a) || lacks(b) ? lacks(a) - lacks(b)
      : sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })));
    return keyed.map(([, row]) => row);
  }
  function turn(to) {
    state.page = to;
    draw();
    changed();
    element.scrollIntoView({ block: "start", behavior: "instant" });
    say(`Page ${to}`);
  }
  function draw() {
    const last = Math.max(1, Math.ceil(rows.length / size));
    state.page = Math.min(state.page, last);
    const from = (state.page - 1) * size;
    body.replaceChildren(...sorted().slice(from, from + size).map((row) => h("tr", { role: "row" }, columns.map((column, i) =>
      i === 0 ? h("th", { role: "rowheader", scope: "row", class: column.class }, column.cell(row))
        : h("td", { role: "cell", class: [column.number && "number", column.class].filter(Boolean).join(" ") || null, "data-label": column.name }, column.cell(row))))));
    if (!rows.length) body.append(h("tr", { role: "row" }, h("td", { role: "cell", colspan: columns.length, class: "soft" }, empty)));
    heads.forEach((head, i) => {
      if (columns[i].name === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const focused = document.activeElement?.dataset?.turn;
    pager.replaceChildren(...(last === 1 ? [] : [
      ["First", 1], ["Previous", state.page - 1], null, ["Next", state.page + 1], ["Last", last]].map((step) => step === null
      ? h("span", {}, `${(from + 1).toLocaleString("en")} to ${Math.min(from + size, rows.length).toLocaleString("en")} of ${rows.length.toLocaleString("en")}`)
      : h("button", { type: "button", "data-turn": step[0], disabled: step[1] < 1 || step[1] > last || step[1] === state.page, onclick: () => turn(step[1]) }, step[0]))));
    if (focused) pager.querySelector(`[data-turn="${focused}"]`)?.focus();
  }
  const element = h("div", {}, h("div", { class: "scroll" }, table), pager);
  draw();
  return { element, setRows(next) { rows = next; draw(); } };
}

/** Rows without sorting, for a few. */
function plainTable(caption, names, rows, numbers = []) {
  return h("div", { class: "scroll" }, h("table", { role: "table", class: "cards", "aria-label": caption },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, names.map((name, i) =>
      h("th", { role: "columnheader", scope: "col", class: numbers.includes(i) && "number" }, name)))),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, row.map((cell, i) =>
      i === 0 ? h("th", { role: "rowheader", scope: "row" }, cell)
        : h("td", { role: "cell", class: numbers.includes(i) && "number", "data-label": names[i] }, cell)))))));
}

/** A measured series in a line's height: its band, its medians, and the newest one marked. */
function spark(series) {
  const points = series.points.slice(-40);
  const ys = points.flatMap((p) => [p[1], p[6] ?? p[1], p[7] ?? p[1]]).filter((y) => y !== null);
  const low = Math.min(...ys), high = Math.max(...ys);
  const x = (i) => 2 + (points.length > 1 ? i / (points.length - 1) : 1) * 186;
  const y = (value) => (high > low ? 32 - (value - low) / (high - low) * 28 : 18);
  const banded = points.map((p, i) => [i, p]).filter(([, p]) => p.length > 6);
  const edge = (at) => banded.map(([i, p]) => `${x(i).toFixed(1)},${y(p[at]).toFixed(1)}`);
  const newest = points.at(-1);
  const tone = series.direction > 0 ? "bad" : series.direction < 0 ? "good" : "";
  return svg("svg", { class: "spark", viewBox: "0 0 190 36", role: "img",
    "aria-label": `${counted(points.length, "sitting")}, from ${short(points[0][1])} to ${short(newest[1])} ${series.unit}` },
    banded.length > 1 && svg("polygon", { class: "band", points: [...edge(7), ...edge(6).reverse()].join(" ") }),
    svg("polyline", { class: "line", points: points.map((p, i) => `${x(i).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ") }),
    points.map((p, i) => p[4] === "changed" && svg("circle", { class: "off", cx: x(i), cy: y(p[1]), r: 3.5 })),
    svg("circle", { class: `now ${series.urgent ? tone : ""}`, cx: x(points.length - 1), cy: y(newest[1]), r: 2.6 }));
}
