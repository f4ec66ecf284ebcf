// What changes while the page is open, and the start of it all.

const live = {
  status: null,
  /** Rows of runs that go on; in the overview only. */
  draw() {
    const place = $("going");
    if (!place || !kLive) return;
    const { running = [], waiting = [], eta_s: eta } = this.status ?? {};
    if (!running.length && !waiting.length) return place.replaceChildren();
    if (!place.firstChild) place.append(h("h2", {}, "Running"), h("div", { class: "rows" }), h("p", { class: "soft small waits" }));
    const rows = running.slice(0, 50).map((r) => [h("span", {}, runLink(r.run), " ", r.state === "running" ? null : badge(r.state)), r.label,
      [h("progress", { max: Math.max(1, r.steps), value: r.steps ? r.step : null, "aria-label": `Progress of ${r.run}` }), h("span", { class: "small soft" }, ` ${r.step}${r.steps ? ` of ${r.steps}` : ""}`)],
      r.elapsed_s === null ? kNone : seconds(r.elapsed_s), r.eta_s === null ? kNone : `about ${seconds(r.eta_s)}`]);
    // A new table each second would take the focus away from a link in it.
    if (!place.contains(document.activeElement)) place.querySelector(".rows").replaceChildren(plainTable("Runs that go on", ["Run", "Cell", "Step", "Elapsed", "Left"], rows, [3, 4]));
    place.querySelector(".waits").textContent = [...waiting.map((w) => `${counted(w.cells, "cell")} ${w.cells === 1 ? "waits" : "wait"}: ${w.reason.replace(/^waits: /, "")}.`), eta ? `About ${seconds(eta)} left.` : ""].join(" ");
  },
  start() {
    const source = new EventSource("/api/events");
    let cost = 0, due = 0;
    const refresh = async () => {
      due = 0;
      const began = performance.now();
      loaded.clear();
      await loadMain();
      cost = performance.now() - began;
      update?.();
    };
    source.addEventListener("status", (event) => {
      this.status = JSON.parse(event.data);
      $("live").textContent = this.status.running.length ? `Live: ${counted(this.status.running.length, "run")} going` : "Live";
      this.draw();
      // A large store is not asked for again and again while it grows.
      if (this.status.revision !== data.revision && !due) due = setTimeout(() => refresh().catch((error) => say(error.message)), Math.max(1500, 5 * cost));
    });
    source.onerror = () => { $("live").textContent = "The server is gone"; };
    source.onopen = () => { $("live").textContent = "Live"; };
  },
};

window.addEventListener("hashchange", () => {
  if (location.hash !== "#main") show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
theme.start();
loadMain().then(() => show()).then(() => { if (kLive) live.start(); }).catch((error) => {
  $("main").replaceChildren(h("h1", {}, "Nothing to show"), h("p", { class: "note bad" }, error.message));
  document.documentElement.dataset.ready = "failed";
});
