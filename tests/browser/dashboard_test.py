"""The dashboard's one file in a real browser: what it shows is what the store has, and it can be used by hand, by
keyboard, on a phone and by a screen reader. Screenshots stay in $PIONBENCH_PICTURES."""

import base64
import csv
import io
import json
import re
import statistics
import struct
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Browser, find_chromium  # noqa: E402
from support import PICTURES, Truth, make_store, pionbench, skip  # noqa: E402

PAGES = ["#/", "#/history", "#/claims", "#/figures", "#/runs"]
GREEDY = "evaluation/test/greedy"
CELLS = "[...document.querySelectorAll('main table[aria-label=\"%s\"] tbody tr')].map(r => [...r.children].map(c => c.textContent))"


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.out = Path(cls.folder.name) / "out"
        make_store(cls.out)
        cls.file = Path(cls.folder.name) / "a folder with spaces" / "dashboard.html"
        cls.told = json.loads(pionbench("dashboard", "--out", cls.out, "-o", cls.file, "--json"))
        if not cls.told["charts"]:
            skip("this build has no chart library: vl-convert-python was missing")
        cls.truth = Truth(cls.out)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    def setUp(self):
        self.page = self.browser.page()
        self.open()

    def tearDown(self):
        self.assertEqual(self.page.problems, [])
        self.assertIsNone(self.page.run("window.injected ?? null"), "markup of the data was let")
        asked = [url for url in self.page.requests if not url.startswith(("data:", "blob:"))]
        self.assertTrue(all(url == self.file.as_uri() for url in asked), asked)

    def open(self, hash_=""):
        self.page.open(self.file.as_uri() + hash_)

    def table(self, caption):
        return self.page.run(CELLS % caption)

    def runs_shown(self):
        """Of all pages of the table."""
        shown = []
        while True:
            shown += [row for row in self.table("Runs") if len(row) > 1]
            if not self.page.run("(() => { const next = document.querySelector('[data-turn=Next]'); if (!next || next.disabled) return false; next.click(); return true; })()"):
                return shown

    def charts(self):
        """Brings every chart into view and waits until it is drawn."""
        return self.page.run("""(async () => {
          const all = () => [...document.querySelectorAll('.chart')];
          const next = () => document.querySelector('.content:empty') ?? all().find((c) => !c.dataset.drawn);
          for (let one; (one = next());) {
            one.scrollIntoView({ block: 'center', behavior: 'instant' });  // drawn charts push the others down
            await new Promise((r) => setTimeout(r, 20));
          }
          scrollTo(0, 0);
          return all().map((c) => c.dataset.drawn + ' ' + c.querySelectorAll('svg path, canvas').length);
        })()""")

    # --- what it shows -----------------------------------------------------------------------------------------------
    def test_one_file_with_the_same_bytes_and_no_address_in_it(self):
        text = self.file.read_text(encoding="utf-8")
        again = self.file.with_name("again.html")
        pionbench("dashboard", "--out", self.out, "-o", again)
        self.assertEqual(again.read_text(encoding="utf-8"), text)
        bare = re.sub(r'<script type="application/x-deflate".*?</script>', "", text, flags=re.S)
        addresses = set(re.findall(r"https?://[^\s\"'<>)]+", bare)) - {"http://www.w3.org/2000/svg"}
        self.assertEqual(addresses, {"https://vega.github.io/schema/vega-lite/v5.json"})  # a name, asked for by nobody
        self.assertNotIn("window.injected", bare)

    def test_regressions_come_first_and_the_most_urgent_of_them_first(self):
        self.assertEqual(self.page.run("document.querySelector('main h2').textContent"), "Regressions")
        shown = {row[0]: row[1] for row in self.table("Series to look at")}
        self.assertEqual(list(shown.items()), [("step/muon:real_time", "REGRESSED"), ("gemm:real_time", "MISSING"), ("step/pion:real_time", "SUSPECT")])
        self.assertEqual(self.told["to_look_at"], 3)
        self.assertIn("measured again, 9 samples against 9: +6.0 %", self.table("Series to look at")[0])
        self.page.go("#/history")
        standings = {row[0]: row[1] for row in self.table("Measured series")}
        self.assertEqual(standings["step/adamw:real_time"], "PASS")
        self.assertEqual(standings["probe:real_time"], "PASS")  # beyond its band, and cleared by a gate
        self.assertEqual(standings["rollout:tokens_per_second"], "ACCEPTED")
        self.assertEqual([s for name, s in standings.items() if name.startswith("<img")], ["NEW"])
        self.page.picture(PICTURES / "history.png", whole=True)

    def test_a_series_shows_the_medians_of_the_store_and_its_noise_band(self):
        self.page.go("#/series/0/step%2Fpion%3Areal_time")
        expected = self.truth.samples("step/pion:real_time")
        rows = self.table("Sittings, newest first")
        self.assertEqual([row[1] for row in rows], [revision for revision, _ in expected])
        medians = self.page.run("[...document.querySelectorAll('td[data-label^=Median] span')].map(s => Number(s.title))")
        for shown, (_, samples) in zip(medians, expected, strict=True):
            self.assertEqual(shown, statistics.median(samples))
        low, high = (float(x) for x in rows[0][5].split(" to "))
        self.assertLess(low, 400)
        self.assertTrue(400 < high < medians[0], "the newest point lies above its band")
        self.assertEqual(self.charts()[0].split()[0], "true")
        self.page.picture(PICTURES / "series.png", whole=True)

    def test_the_runs_are_those_of_the_store(self):
        self.page.go("#/runs")
        states, greedy = self.truth.states(), self.truth.last(GREEDY)
        shown = self.runs_shown()
        self.assertEqual({row[0]: row[1] for row in shown}, states)
        self.assertEqual(self.page.run("document.querySelectorAll('option[value=\"evaluation/test/greedy\"]:checked').length"), 1)
        for row in shown:
            value = row[5].replace("−", "-")
            if row[0] in greedy:
                self.assertAlmostEqual(float(value), greedy[row[0]], delta=6e-5, msg=row[0])
            else:
                self.assertEqual(value, "–", row[0])

    def test_a_run_shows_exact_last_values_configuration_environment_and_logs(self):
        for run in self.truth.rows("SELECT run FROM runs r JOIN cells c USING (cell) ORDER BY c.suite, run LIMIT 3"):
            self.page.go(f"#/run/{run[0]}")
            shown = dict(self.page.run("[...document.querySelectorAll('[data-metric]')].map(e => [e.dataset.metric, Number(e.dataset.value)])"))
            self.assertEqual(shown, self.truth.metrics_of(run[0]))
            text = self.page.run("document.querySelector('main').innerText")
            config = json.loads(self.truth.one("SELECT config FROM cells JOIN runs USING (cell) WHERE run = ?", run[0]))
            for name in [*config["settings"], *config["hyper"]]:
                self.assertIn(name, text)
            self.assertIn("2.13.0", text)
            self.assertIn(f"pionbench repro {run[0]}", text)
            self.assertTrue(all(chart.startswith("true") for chart in self.charts()))
        odd = self.truth.one("SELECT run FROM experiment_cells JOIN runs USING (cell) WHERE name = 'odd' LIMIT 1")
        self.page.go(f"#/run/{odd}")
        self.assertIn("<script>window.injected=1</script>", self.page.run("document.querySelector('main').textContent"))
        self.page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        self.assertIn("Spectra", self.page.run("document.querySelector('main').innerText"))
        self.charts()
        self.page.picture(PICTURES / "run.png", whole=True)

    def test_a_failed_run_opens_on_what_it_said_last(self):
        run = next(run for run, state in self.truth.states().items() if state == "failed")
        self.page.go(f"#/run/{run}")
        self.assertEqual(self.page.run("document.querySelector('details[open] pre').textContent"), "terminate called")

    def test_the_claims_are_those_that_claims_prints(self):
        self.page.go("#/claims")
        printed = json.loads(pionbench("claims", "--json", "--out", self.out, code=None))["claims"]
        self.assertEqual([row[:2] for row in self.table("Claims")], [[c["id"], c["verdict"]] for c in printed])
        self.page.run("document.querySelector('details').open = true")
        self.page.picture(PICTURES / "claims.png", whole=True)

    def test_every_figure_is_drawn_from_the_data_of_the_report(self):
        pionbench("report", "--out", self.out, "--quiet")
        self.page.go("#/figures")
        drawn = self.charts()
        self.assertTrue(drawn and all(chart.startswith("true") for chart in drawn), drawn)
        names = self.page.run("load('exhibits').then(x => x.exhibits.filter(e => e.kind === 'figure').map(e => e.name))")
        self.assertEqual(sorted(names), sorted(p.stem for p in (self.out / "report/figures").glob("*.csv")))
        for name in names:
            data = self.page.run(f"load('exhibit/{name}').then(x => x.data)")
            rows = list(csv.reader(io.StringIO((self.out / f"report/figures/{name}.csv").read_text(encoding="utf-8"))))
            self.assertEqual([data["columns"], *data["rows"]], rows, name)
        self.page.picture(PICTURES / "figures.png", whole=True)

    # --- how it is used ------------------------------------------------------------------------------------------------
    def test_a_figure_hides_series_zooms_and_tells_what_is_under_the_pointer(self):
        self.page.go("#/figures/fig2b")
        self.charts()
        marks = "document.querySelectorAll('.chart svg .mark-line path[d*=L], .chart svg .mark-area path').length"
        before = self.page.run(marks)
        self.page.click(".toggles button[aria-pressed]")
        self.page.wait(f"{marks} < {before}")
        self.assertEqual(self.page.run("document.querySelector('.toggles button').getAttribute('aria-pressed')"), "false")
        self.page.click(".toggles button[aria-pressed]")
        self.page.wait(f"{marks} === {before}")

        at = self.page.run("(() => { const r = document.querySelector('.chart svg .mark-symbol path').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        self.page.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
        self.page.wait("document.querySelector('#vg-tooltip-element.visible td')")

        labels = "[...document.querySelectorAll('.chart svg .role-axis-label text')].map(t => t.textContent).join()"
        before = self.page.run(labels)
        self.page.call("Input.dispatchMouseEvent", type="mouseWheel", x=at[0] + 40, y=at[1] + 40, deltaX=0, deltaY=-300, modifiers=2)
        self.page.wait(f"{labels} !== {json.dumps(before)}")
        self.page.wait("[...document.querySelectorAll('.toggles button')].some(b => b.textContent === 'Reset zoom' && !b.hidden)")
        self.page.run("[...document.querySelectorAll('.toggles button')].find(b => b.textContent === 'Reset zoom').click()")
        self.page.wait(f"{labels} === {json.dumps(before)}")

    def test_a_figure_zooms_and_moves_without_a_mouse(self):
        for name in ("fig2b", "fig3"):  # few marks, drawn as SVG; many, drawn on a canvas
            self.page.go(f"#/figures/{name}")
            self.charts()
            picture = ("(() => { const c = document.querySelector('.chart canvas.marks'); return c ? [...c.toDataURL()].reduce((h, x) => (h * 31 + x.charCodeAt(0)) | 0, 0)"
                       " : [...document.querySelectorAll('.chart svg .role-axis-label text')].map(t => t.getAttribute('transform') + t.textContent).join(); })()")
            now = lambda: self.page.run(picture)
            focus = "document.querySelector('.exhibit .scroll[tabindex]').focus()"
            press = lambda key, shift=False: self.page.run(
                "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
                f"{{key: {json.dumps(key)}, shiftKey: {json.dumps(shift)}, bubbles: true, cancelable: true}}))")
            first = now()
            self.page.run(focus)
            press("+")
            self.page.wait(f"{picture} !== {json.dumps(first)}")
            zoomed = now()
            press("ArrowRight", shift=True)
            self.page.wait(f"{picture} !== {json.dumps(zoomed)}")
            press("0")
            self.page.wait(f"{picture} === {json.dumps(first)}")
            self.page.click("button[aria-label='Zoom in']")
            self.page.wait(f"{picture} !== {json.dumps(first)}")

    def test_a_mark_leads_to_the_runs_behind_it(self):
        self.page.go("#/figures/fig2b")
        self.charts()
        self.page.click(".chart svg .mark-symbol path")
        self.page.wait("document.querySelector('main h1').textContent !== 'fig2b'")
        self.page.wait("document.querySelector('main').innerText.includes('behind what you clicked')")
        shown = {row[0] for row in self.runs_shown()}
        self.assertTrue(1 < len(shown) <= 3, shown)
        arms = self.truth.rows("SELECT DISTINCT e.arm FROM experiment_cells e JOIN runs r USING (cell) WHERE r.run IN "
                               f"({','.join('?' * len(shown))})", *shown)
        self.assertEqual(len(arms), 1, "the seeds of one arm")

    def test_a_film_plays_every_frame_stops_and_asks_for_no_picture(self):
        # 8 frames of 4 × 4 pixels, side by side.
        size, frames = 4, 8
        rows = b"".join(b"\0" + bytes(30 * (x // size) for x in range(size * frames)) for _ in range(size))
        chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
        png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size * frames, size, 8, 0, 0, 0, 0))
               + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
        strip = "data:image/png;base64," + base64.b64encode(png).decode()
        film = {"size": size, "frames_per_second": 20, "columns": [
            {"label": "A", "color": "#009E73", "note": "success", "strip": strip, "frames": frames},
            {"label": "B", "color": "red; background: url(http://elsewhere/)", "note": "no episode", "strip": "http://elsewhere/", "frames": 3}]}
        seen = self.page.run(f"""(async () => {{
          document.querySelector('main').prepend(film({json.dumps(film)}));
          const at = () => getComputedStyle(document.querySelector('.film')).backgroundPositionX, seen = new Set(), end = performance.now() + 5000;
          while (seen.size < {frames} && performance.now() < end) {{ seen.add(at()); await new Promise(requestAnimationFrame); }}
          document.querySelector('main button').click();
          await new Promise(requestAnimationFrame);
          const stopped = at();
          await new Promise((r) => setTimeout(r, 300));
          return [[...seen].sort(), stopped === at()];
        }})()""")
        self.assertEqual(seen, [sorted(f"{-size * i}px" if i else "0px" for i in range(frames)), True])

    def filter(self, text):
        self.page.run("(() => { const i = document.querySelector('input[type=search]'); i.value = ''; i.focus(); })()")
        self.page.type(text)
        self.page.wait(f"new URLSearchParams(location.hash.split('?')[1]).get('q') === {json.dumps(text)}")
        return {row[0] for row in self.runs_shown()}

    def test_filters_take_words_coordinates_and_comparisons(self):
        self.page.go("#/runs")
        places = self.truth.rows("SELECT r.run, e.arm, e.point FROM experiment_cells e JOIN runs r USING (cell)")
        states, greedy = self.truth.states(), self.truth.last(GREEDY)
        seed = {run: json.loads(point).get("seed") for run, _, point in places}
        pion = {run for run, arm, _ in places if "pion" in arm.lower()}
        self.assertEqual(self.filter("pion per-head"), {run for run, arm, _ in places if arm == "Pion per-head"})
        self.assertEqual(self.filter("pion seed=1"), {run for run in pion if seed[run] == "1"})
        self.assertEqual(self.filter('"muon, scale 5" -done'), {run for run, arm, _ in places if arm == "Muon, scale 5" and states[run] != "done"})
        self.assertEqual(self.filter("value>0.5"), {run for run, value in greedy.items() if value > 0.5})
        self.assertEqual(self.filter("nothing has this"), set())

    def test_sorting_and_the_filter_stay_in_the_address(self):
        self.open("#/runs?q=seed%3D1&sort=Value&down=true")
        values = [float(row[5]) for row in self.table("Runs") if row[5] != "–"]
        self.assertTrue(len(values) > 5)
        self.assertEqual(values, sorted(values, reverse=True))
        self.assertEqual(self.page.run("document.querySelector('th[data-column=Value]').getAttribute('aria-sort')"), "descending")
        self.page.click("th[data-column=Value] button")
        values = [float(row[5]) for row in self.table("Runs") if row[5] != "–"]
        self.assertEqual(values, sorted(values))

    def test_it_can_be_used_by_keyboard_alone(self):
        focus = "document.activeElement.textContent"
        self.page.press("Tab")
        self.assertEqual(self.page.run(focus), "Skip to content")
        self.page.press("Enter")
        self.assertEqual(self.page.run("document.activeElement.id"), "main")
        for _ in range(200):
            self.page.press("Tab")
            if self.page.run(focus) == "step/muon:real_time":
                break
        self.assertNotEqual(self.page.run("getComputedStyle(document.activeElement).outlineStyle"), "none")
        self.page.press("Enter")
        self.page.wait("document.querySelector('main h1').textContent === 'step/muon:real_time'")
        self.assertEqual(self.page.run("document.activeElement.tagName"), "H1")
        self.page.go("#/runs")
        for _ in range(40):
            self.page.press("Tab")
            if self.page.run("document.activeElement.closest('th')?.dataset.column") == "Training":
                break
        self.page.press("Enter")
        self.assertEqual(self.page.run("document.activeElement.closest('th').getAttribute('aria-sort')"), "descending")
        self.assertIn("Sorted by Training", self.page.run("document.getElementById('said').textContent"))

    def test_a_screen_reader_finds_names_headings_and_landmarks(self):
        for hash_ in [*PAGES, "#/series/0/step%2Fpion%3Areal_time", f"#/run/{self.truth.one('SELECT min(run) FROM runs')}"]:
            self.page.go(hash_) if hash_ != "#/" else None
            self.charts()
            nodes = [n for n in self.page.call("Accessibility.getFullAXTree")["nodes"] if not n.get("ignored")]
            role = lambda n: n.get("role", {}).get("value")  # noqa: E731
            roles = [role(n) for n in nodes]
            for wanted in ("banner", "navigation", "main", "contentinfo"):
                self.assertIn(wanted, roles, hash_)
            nameless = [role(n) for n in nodes if role(n) in ("button", "link", "searchbox", "combobox", "table", "progressbar", "image", "graphics-document")
                        and not n.get("name", {}).get("value")]
            self.assertEqual(nameless, [], hash_)
            self.assertEqual(self.page.run("document.querySelectorAll('h1').length"), 1, hash_)

    CONTRAST = """(() => {
      const light = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)); return .2126 * r + .7152 * g + .0722 * b; };
      const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
      const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
      const bad = [];
      for (const e of document.querySelectorAll('main *, header *, footer *')) {
        if (e.closest('svg') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest(':disabled')) continue;
        const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 4.5) bad.push(e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 30) + ' ' + ((a + .05) / (b + .05)).toFixed(2));
      }
      return bad;
    })()"""

    def test_text_can_be_read_in_light_and_dark(self):
        for scheme in ("light", "dark"):
            self.page.prefer(prefers_color_scheme=scheme)
            for hash_ in PAGES:
                self.open(hash_)
                self.assertEqual(self.page.run("document.documentElement.dataset.theme"), scheme)
                self.charts()
                self.assertEqual(self.page.run(self.CONTRAST), [], f"{scheme} {hash_}")
                self.page.picture(PICTURES / f"{hash_.strip('#/') or 'overview'}-{scheme}.png", whole=True)

    def test_the_theme_can_be_chosen_against_the_system(self):
        self.page.prefer(prefers_color_scheme="dark")
        self.open()
        self.page.click("#theme")
        self.assertEqual(self.page.run("[document.documentElement.dataset.theme, document.getElementById('theme').textContent]"), ["light", "Theme: light"])
        self.page.run("localStorage.clear()")

    def test_a_phone_scrolls_in_one_direction_only(self):
        self.page.resize(390, 800, is_phone=True)
        for hash_ in [*PAGES, f"#/run/{self.truth.one('SELECT min(run) FROM runs')}", "#/series/0/step%2Fpion%3Areal_time"]:
            self.open(hash_)
            self.charts()
            self.assertLessEqual(self.page.run("document.documentElement.scrollWidth"), 390, hash_)
            self.page.picture(PICTURES / f"phone-{re.sub(r'[^a-z]+.*', '', hash_.strip('#/')) or 'overview'}.png", whole=True)

    def test_ways_that_lead_nowhere_say_so(self):
        for hash_, says in [("#/nowhere", "nothing at"), ("#/run/absent", "no run"), ("#/series/0/absent", "no series"), ("#/figures/absent", "no figure")]:
            self.page.go(hash_)
            self.assertIn(says, self.page.run("document.querySelector('main').innerText"))


if __name__ == "__main__":
    if not find_chromium():
        skip("there is no Chromium; ci/setup --tests installs Debian's")
    unittest.main(verbosity=2)
