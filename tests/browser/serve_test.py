"""`pionbench serve`: the dashboard while the store grows; read-only, this machine alone, nothing but its own documents."""

import fcntl
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Browser, find_chromium  # noqa: E402
from support import BIN, PICTURES, Truth, make_store, pionbench  # noqa: E402


class Serve:
    """A running server; ends with the block."""

    def __init__(self, out, *arguments):
        self.process = subprocess.Popen([BIN / "pionbench", "serve", "--json", "--out", out, *(arguments or ("--port", "0"))],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        text = ""
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(self.process.stderr.read())
            text += line
        self.told = json.loads(text)
        self.port, self.url = self.told["port"], self.told["url"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def ask(self, path, method="GET", host=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=host is not None)
        if host:
            connection.putheader("Host", host)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, text, {name.lower(): value for name, value in response.getheaders()}

    def json(self, name):
        status, text, _ = self.ask(f"/api/{name}")
        assert status == 200, (name, status, text)
        return json.loads(text)

    def raw(self, request):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            return connection.recv(1 << 16)

    def listen(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection


def statuses(connection, wanted, seconds=20):
    """Reads events until one is as wanted."""
    text, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([connection], [], [], 0.5)[0]:
            more = connection.recv(1 << 16)
            if not more:
                break
            text += more
        for line in text.split(b"\n"):
            if line.startswith(b"data: ") and line.endswith(b"}") and wanted(event := json.loads(line[6:])):
                return event
    raise AssertionError(f"no such event in {text!r}")


def files(folder):
    # A reader of a WAL database leaves shared memory beside it.
    return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in Path(folder).rglob("*")
            if p.is_file() and not p.name.startswith("store.sqlite-")}


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.out = Path(cls.folder.name) / "out"
        make_store(cls.out)
        make_store(cls.out, "step", "0")
        cls.run_name = Truth(cls.out).one("SELECT run FROM runs LIMIT 1")
        (Path(cls.folder.name) / "secret").write_text("a secret")
        (cls.out / "secret").write_text("a secret")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_documents_are_those_of_the_store(self):
        with Serve(self.out) as serve:
            self.assertEqual(sorted(serve.json("main")["runs"]["columns"]["run"]), sorted(Truth(self.out).states()))
            self.assertEqual(serve.json(f"run/{self.run_name}")["run"], self.run_name)
            self.assertEqual(len(serve.json("claims")["claims"]), 29)
            names = [e["name"] for e in serve.json("exhibits")["exhibits"]]
            self.assertIn("fig2b", names)
            self.assertIn("spec", serve.json("exhibit/fig2b"))

    def test_nothing_but_its_own_documents(self):
        paths = ["/../../secret", "/../secret", "/secret", "/api/../secret", "/api/run/../secret", "/api/run/..%2f..%2fsecret",
                 "/%2e%2e/%2e%2e/secret", "//secret", "/store.sqlite", "/api/store.sqlite", "/api/run/", "/api/run/.", "/api/run/..",
                 f"/api/run/{self.run_name}/../../../secret", f"/api/run/{self.run_name}%2f..%2f..%2fsecret", f"/api/run/{self.run_name}%00",
                 "/api/exhibit/../../secret", "/api/exhibit/%2e%2e%2fsecret", "/api/", "/api", "/index.html", "/favicon.ico", f"{self.out}/secret"]
        with Serve(self.out) as serve:
            for path in paths:
                status, text, _ = serve.ask(path)
                self.assertEqual(status, 404, path)
                self.assertNotIn(b"secret", text, path)
                self.assertNotIn(b"SQLite", text, path)
            for request in (b"GET ../../secret HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/9\r\nHost: localhost\r\n\r\n", b"\0\1\2\r\n\r\n",
                            b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"):
                answer = serve.raw(request)
                self.assertNotIn(b"a secret", answer)
                self.assertNotIn(b"200 OK", answer)
            self.assertEqual(serve.ask("/")[0], 200, "it still answers")

    def test_only_get_and_head(self):
        with Serve(self.out) as serve:
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                for path in ("/", "/api/main", f"/api/run/{self.run_name}"):
                    status, _, headers = serve.ask(path, method, body=b"{}" if method != "OPTIONS" else None)
                    self.assertEqual((status, headers.get("allow")), (405, "GET, HEAD"), f"{method} {path}")
            status, text, _ = serve.ask("/", "HEAD")
            self.assertEqual((status, text), (200, b""))

    def test_only_hosts_that_no_other_site_can_point_here(self):
        with Serve(self.out) as serve:
            for host in ("localhost", f"localhost:{serve.port}", "LOCALHOST", f"127.0.0.1:{serve.port}", f"[::1]:{serve.port}"):
                self.assertEqual(serve.ask("/api/main", host=host)[0], 200, host)
            for host in ("evil.example", f"evil.example:{serve.port}", "localhost.evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "[::1", "[evil]", ":80"):
                self.assertEqual(serve.ask("/api/main", host=host)[0], 403, host)
            self.assertIn(b"403", serve.raw(b"GET /api/main HTTP/1.1\r\n\r\n"))

    def test_headers_keep_other_sites_out_and_scripts_to_our_own(self):
        with Serve(self.out) as serve:
            _, _, headers = serve.ask("/")
            policy = headers["content-security-policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("script-src 'sha256-", policy)
            self.assertNotIn("script-src 'unsafe-inline'", policy)
            for name, value in (("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "same-origin"), ("x-frame-options", "DENY"), ("cache-control", "no-store")):
                self.assertEqual(headers[name], value)
            self.assertNotIn("access-control-allow-origin", headers)

    def test_loopback_alone_unless_told_otherwise(self):
        with Serve(self.out) as serve:
            self.assertTrue(serve.url.startswith("http://127.0.0.1:"))
            listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            hosts = [row[1].split(":")[0] for row in listening if row[3] == "0A" and int(row[1].split(":")[1], 16) == serve.port]
            self.assertEqual(hosts, ["0100007F"])
        with Serve(self.out, "--port", "0", "--host", "0.0.0.0") as serve:
            self.assertEqual(serve.ask("/api/main", host=f"{socket.gethostname()}:{serve.port}")[0], 200)
            self.assertEqual(serve.ask("/api/main", host="evil.example")[0], 403)

    def test_it_writes_nothing_and_keeps_nobody_from_running(self):
        before = files(self.out)
        with Serve(self.out) as serve:
            for name in ("main", "claims", "exhibits", f"run/{self.run_name}"):
                serve.json(name)
            with serve.listen() as connection:
                statuses(connection, lambda event: event["running"])
                with open(self.out / "lock", "a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        after = files(self.out)
        # Like every verb that reads, it takes in what is new when it starts.
        for made in ("lock", "store.sqlite"):
            before.pop(self.out / made, None)
            after.pop(self.out / made, None)
        self.assertEqual(after, before)

    def test_what_runs_is_told_as_it_goes_on(self):
        with Serve(self.out) as serve, serve.listen() as connection:
            name = statuses(connection, lambda event: event["running"])["running"][0]["run"]
            make_store(self.out, "step", "7")
            at = lambda event, step: any(r["run"] == name and (r["step"], r["steps"]) == (step, 40) for r in event["running"])  # noqa: E731
            statuses(connection, lambda event: at(event, 7))
            make_store(self.out, "step", "8")
            statuses(connection, lambda event: at(event, 8))

    def test_more_listeners_than_it_has_room_for_are_told_so(self):
        with Serve(self.out) as serve:
            connections = [serve.listen() for _ in range(32)]
            for connection in connections:
                statuses(connection, lambda event: True)
            with serve.listen() as one_more:
                self.assertIn(b"503", one_more.recv(1000))
            self.assertEqual(serve.ask("/")[0], 200, "pages are still answered")
            for connection in connections:
                connection.close()

    def test_ctrl_c_ends_it_at_once_with_pages_open(self):
        for how in (signal.SIGINT, signal.SIGTERM):
            serve = Serve(self.out)
            with serve.listen() as connection:
                statuses(connection, lambda event: True)
                began = time.monotonic()
                self.assertEqual(serve.stop(how), 0)
                self.assertLess(time.monotonic() - began, 10)
            with socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex(("127.0.0.1", serve.port)), 0)

    def test_a_taken_port_is_a_usage_error_and_the_usual_one_gives_way(self):
        with Serve(self.out) as serve:
            result = subprocess.run([BIN / "pionbench", "serve", "--out", self.out, "--port", str(serve.port)], capture_output=True, text=True)
            self.assertEqual(result.returncode, 2)
            self.assertIn("--port", result.stderr)
        with Serve(self.out, "--quiet") as one, Serve(self.out, "--quiet") as two:
            self.assertNotEqual(one.port, two.port)

    def test_dry_run_opens_nothing(self):
        self.assertIn("would serve", pionbench("serve", "--out", self.out, "--dry-run"))

    def test_an_empty_folder_is_served_and_filled_later(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "later"
            with Serve(out) as serve, serve.listen() as connection:
                self.assertEqual(serve.json("main")["runs"]["columns"]["run"], [])
                self.assertEqual(serve.ask(f"/api/run/{self.run_name}")[0], 404)
                self.assertFalse(out.exists())
                make_store(out, "grow")
                statuses(connection, lambda event: event["revision"])
                self.assertEqual(len(serve.json("main")["runs"]["columns"]["run"]), 1)

    def test_a_rebuilt_store_is_seen(self):
        with Serve(self.out) as serve:
            before = serve.json("main")
            pionbench("store", "rebuild", "--out", self.out)
            after = serve.json("main")
            self.assertEqual(after["runs"], before["runs"])
            self.assertNotEqual(after["revision"], before["revision"])

    @unittest.skipUnless(find_chromium(), "there is no Chromium; ci/setup --tests installs Debian's")
    def test_an_open_page_follows_the_store(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            make_store(out)
            make_store(out, "step", "0")
            with Serve(out) as serve, Browser() as browser:
                page = browser.page()
                page.open(serve.url)
                page.wait("document.getElementById('live').textContent.startsWith('Live')")
                page.wait("document.querySelector('#going progress')")
                make_store(out, "step", "12")
                page.wait("document.querySelector('#going progress').value === 12")
                page.picture(PICTURES / "live.png", whole=True)
                runs = page.run("data.runs.length")
                page.go("#/runs?q=seed")
                page.run("(() => { const input = document.querySelector('input[type=search]'); input.focus(); input.value = '-nothing'; input.dispatchEvent(new Event('input')); })()")
                make_store(out, "grow")
                page.wait(f"document.querySelector('main [role=status]').textContent.startsWith('{runs + 1} of {runs + 1}')")
                self.assertEqual(page.run("[document.activeElement.type, document.activeElement.value]"), ["search", "-nothing"])
                page.go("#/figures/fig2b")
                page.wait("document.querySelector('.chart[data-drawn=true] svg')")
                self.assertEqual(page.problems, [])
                self.assertTrue(all(url.startswith((serve.url, "data:", "blob:")) for url in page.requests), page.requests)
                serve.stop()
                page.wait("document.getElementById('live').textContent === 'The server is gone'")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    unittest.main(verbosity=2)
