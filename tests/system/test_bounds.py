"""What one service, one client or one disk can not do to the others (FIELD-REPORTS: loss, security)."""
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from hp import pss_kib, wait_until


def http(hp, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(str(hp.socket))
        s.sendall(request)
        parts = []
        while part := s.recv(65536):
            parts.append(part)
    return b"".join(parts).decode(errors="replace")


class Stream(threading.Thread):
    """What GET /events tells, from its snapshot on."""

    def __init__(self, hp):
        super().__init__(daemon=True)
        self.told, self.ready = [], threading.Event()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(hp.socket))
        self.socket.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.start()

    def run(self):
        kind = None
        for line in self.socket.makefile(errors="replace"):
            self.ready.set()
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                self.told.append((kind, json.loads(line[5:])))

    def states(self, subject):
        return [d["to"] for k, d in self.told if k == "unit" and d["service"] == subject]


def test_F07_every_change_is_told_and_a_state_can_be_waited_for_without_asking_again(hp):
    stream = Stream(hp)
    assert stream.ready.wait(10)
    hp.define("db", f"trap '' TERM; : > {hp.root}/up; while :; do sleep 0.05; done", stop_timeout_ms=200)
    hp.define("web", depends_on=["db"])
    requests = hp.later("service.start", name="web")
    assert requests.done()["state"] == "running"  # one call, answered when the state is reached
    os.kill(hp.pid("web"), 9)
    hp.rpc("service.stop", name="db")
    wait_until(lambda: stream.states("db")[-1:] == ["inactive"], what=lambda: stream.states("db"))
    kept = [(e["id"], e["event"]) for e in hp.rpc("events.query", limit=1000)["events"]]
    told = lambda: [(d["id"], d["event"]) for k, d in stream.told if k != "snapshot"]
    wait_until(lambda: len(told()) >= len(kept), what=lambda: (told(), kept))
    assert told()[:len(kept)] == kept, "the stream and the history say the same"
    for name, way in (("db", ["running", "stopping", "inactive"]), ("web", ["waiting_deps", "running"])):
        states = iter(stream.states(name))
        assert all(state in states for state in way), (name, stream.states(name))


class Counted(threading.Thread):
    """A socket before the real one, which counts who comes."""

    def __init__(self, hp):
        super().__init__(daemon=True)
        self.hp, self.path, self.came = hp, hp.root / "counted.sock", 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        self.start()

    def pump(self, a, b):
        try:
            while part := a.recv(65536):
                b.sendall(part)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def run(self):
        while True:
            client = self.listener.accept()[0]
            self.came += 1
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(str(self.hp.socket))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()


def test_F07_the_command_line_waits_for_the_end_of_a_run_without_asking_again(hp):
    go = hp.root / "go"
    run = hp.rpc("run.submit", actions=[{"name": "once", "script": f"while ! test -e {go}; do sleep 0.05; done; exit 3"}],
                 wait=False)["run"]
    door = Counted(hp)
    waiting = subprocess.Popen([hp.bin / "hero_proc", "run", "wait", run], env={**hp.env, "HERO_PROC_SOCKET": str(door.path)},
                               stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: door.came >= 2, what=lambda: door.came)
        hp.kill_server()  # it goes on with the next one
        before = door.came
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        assert door.came - before <= 4, "a second of nothing is not filled with questions"
        go.touch()
        assert waiting.wait(10) == 3
    finally:
        waiting.kill()
        waiting.wait()


def test_F07_events_are_followed_without_asking_again(hp):
    door = Counted(hp)
    follow = subprocess.Popen([hp.bin / "hero_proc", "events", "-f", "--json"], text=True, stdout=subprocess.PIPE,
                              env={**hp.env, "HERO_PROC_SOCKET": str(door.path)})
    try:
        wait_until(lambda: door.came >= 2, what=lambda: door.came)
        hp.define("web")
        hp.rpc("service.start", name="web")
        ids, ends = [], 0
        while ends < 2:  # of the definition, of the start
            event = json.loads(follow.stdout.readline())
            ids.append(event["id"])
            ends += event["event"] == "done"
        before = door.came
        with pytest.raises(subprocess.TimeoutExpired):
            follow.wait(1)
        assert door.came - before <= 2
        assert ids == sorted(set(ids)), "each is told once"
    finally:
        follow.kill()
        follow.wait()


def test_F40_a_flood_has_a_bound_in_memory_and_on_disk_and_what_went_is_counted_for_its_service(fresh):
    hp = fresh()
    hp.arguments = ["--keep", "service-logs=1M"]
    hp.start()
    hp.define("quiet", "echo one; exec sleep 1000")
    hp.define("loud", "exec yes 0123456789012345678901234567890123456789")
    hp.rpc("service.start", name="quiet")
    server = hp.info()["pid"]
    before = pss_kib(server)
    hp.rpc("service.start", name="loud")
    wait_until(lambda: hp.metric("hero_proc_log_dropped_bytes_total") > 30 << 20, 20,
               lambda: hp.metric("hero_proc_log_dropped_bytes_total"))
    assert pss_kib(server) - before < 4096
    hp.rpc("service.stop", name="loud")
    used = sum(f.stat().st_size for f in hp.state_dir.rglob("*") if f.is_file() and "loud" in str(f))
    assert 0 < used < 2 << 20, used
    lost = [line["line"] for line in hp.rpc("logs.query", service="loud", limit=3)["lines"] if "dropped" in line["line"]]
    assert lost and int(re.search(r"(\d+) bytes dropped", lost[0])[1]) > 20 << 20, "said in the stream of who flooded"
    assert [r["line"] for r in hp.rpc("logs.query", service="quiet")["lines"]] == ["one"]


def test_F41_quotas_hold_without_being_asked_for(hp):
    """The defaults are told by --help; what they do is F40's and F42's."""
    told = subprocess.run([hp.bin / "hero_proc_server", "--help"], capture_output=True, text=True).stdout
    for word in ("events=100000", "state=256M", "logs=1G", "service-logs=64M", "age=30d"):
        assert word in told


def test_F48_a_line_without_an_end_is_cut_and_marked_and_takes_no_memory(hp):
    hp.define("endless", "head -c 50000000 /dev/zero | tr '\\0' x; echo end; exec sleep 1000")
    hp.rpc("service.start", name="endless")
    server = hp.info()["pid"]
    before = pss_kib(server)
    wait_until(lambda: hp.metric("hero_proc_log_captured_bytes_total") >= 50000000, 20, "it is captured")
    assert pss_kib(server) - before < 4096
    lines = hp.rpc("logs.query", service="endless", limit=5)["lines"]
    cut = [r for r in lines if r["line"].startswith("x")]
    assert cut and all(r.get("truncated") and 65536 <= len(r["line"]) <= 1 << 20 for r in cut)


BROWSER = (b"Origin: http://evil.example\r\n", b"Origin: null\r\n", b"Sec-Fetch-Site: cross-site\r\n")


@pytest.mark.parametrize("header", BROWSER, ids=["origin", "null", "fetch"])
def test_F60_a_page_in_a_browser_gets_nothing(hp, header):
    """Whatever relays its requests to the socket."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"service.define","params":{"service":{"name":"evil"}}}'
    for request in (b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n" + header +
                    b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body,
                    b"OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\n" + header +
                    b"Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n",
                    b"GET /events HTTP/1.1\r\nHost: localhost\r\n" + header + b"Connection: close\r\n\r\n",
                    b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + header + b"Connection: close\r\n\r\n"):
        answer = http(hp, request)
        assert re.match(r"HTTP/1.1 4\d\d ", answer), answer
        assert "access-control" not in answer.lower() and "text/html" not in answer.lower()
    assert hp.rpc("service.list")["services"] == []


def test_F60_the_socket_serves_no_html_and_no_cors(hp):
    for path in ("/", "/index.html", "/rpc", "/health", "/openrpc.json", "/metrics", "/no/such"):
        answer = http(hp, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode()).lower()
        assert "text/html" not in answer and "<html" not in answer and "access-control" not in answer, answer


def test_F60_socket_and_folder_are_closed_to_others_and_another_uid_is_refused(hp):
    assert hp.socket.stat().st_mode & 0o777 == 0o660
    assert hp.socket.parent.stat().st_mode & 0o777 == 0o750
    if os.geteuid() != 0:
        pytest.skip("only root can become another uid")
    for folder in (hp.root, hp.sockets, hp.socket.parent):  # as if the folders were no obstacle
        os.chmod(folder, 0o755)
    os.chmod(hp.socket, 0o666)
    body = '{"jsonrpc":"2.0","id":1,"method":"service.list"}'
    ask = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(5)\n"
           f"s.sendall(b'POST /rpc HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}')\n"
           "print(s.recv(65536).decode())")
    told = subprocess.run(["/usr/bin/python3", "-c", ask, hp.socket], user=61234, group=61234, extra_groups=[],
                          capture_output=True, text=True, timeout=20)
    assert "services" not in told.stdout and "result" not in told.stdout, told
    assert "403" in told.stdout or "denied" in told.stdout or not told.stdout.strip(), told
    assert hp.rpc("service.list")["services"] == []
