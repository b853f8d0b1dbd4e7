"""Probes and HTTP gates (SPEC 2.4, 4): what is asked of a process, and what follows from it.
Judged by processes and by files that they write."""
import http.server
import socketserver
import threading
import time
from pathlib import Path

import pytest

from hp import INVALID_PARAMS, RpcError, is_alive, wait_until

QUICK = {"interval_ms": 50, "timeout_ms": 1000}


class Answers(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTP server of our own; `status` is what it says from now on, 0: nothing at all."""
    daemon_threads = True

    def __init__(self, address):
        self.status, self.asked = 503, []
        super().__init__(address, Handler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class OverUnix(Answers):
    address_family = __import__("socket").AF_UNIX

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0

    def get_request(self):
        return self.socket.accept()[0], ("unix", 0)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, time.monotonic()))
        if self.server.status:
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    with Answers(("127.0.0.1", 0)) as server:
        yield server


def url(web, path="/health"):
    return f"http://127.0.0.1:{web.server_port}{path}"


def probe(hp, name, role, action=None):
    rows = hp.action(name, action).get("probes", [])
    return next((p for p in rows if p["probe"] == role), None)


def wait_probe(hp, name, role, state):
    return wait_until(lambda: (p := probe(hp, name, role)) and p["state"] == state and p, what=lambda:
                      f"{role} of {name} is {state}; it is {probe(hp, name, role)}")


def probe_events(hp, name):
    rows = [e.get("fact", e) for e in hp.rpc("events.query")["events"]]
    return [e for e in rows if e.get("event") == "probe" and e.get("service") == name]


def touch(path):
    Path(path).write_text("")


# ---- readiness ----------------------------------------------------------------------


def test_ready_is_when_the_handler_answers_F01(hp, web):
    """A process that lives, with a port that is open, is not ready: its answer has to be 2xx."""
    hp.define("db", probes={"readiness": {"http": url(web), **QUICK}})
    hp.define("app", dependencies={"requires": ["db"]})
    call = hp.later("service.start", name="app")
    wait_until(lambda: len(web.asked) >= 3, what="it is asked again and again")
    assert hp.state("db") == "starting" and hp.pid("app") is None
    assert "status 503" in probe(hp, "db", "readiness")["last"]
    assert "status 503" in hp.rpc("service.why", name="app")["text"]
    web.status = 204
    call.done()
    assert hp.state("app") == "running"
    assert wait_probe(hp, "db", "readiness", "passing")["since"]


@pytest.mark.parametrize("kind", ["unix", "tcp", "http", "exec", "log"])
def test_every_kind_can_be_a_readiness_probe(hp, web, kind):
    go = hp.root / "go"
    web.status = 200
    later = f"while [ ! -e {go} ]; do sleep 0.02; done;"
    sock = hp.sockets / "srv" / "x.sock"
    listen = ("exec python3 -c 'import socket,time,os; os.makedirs(os.path.dirname(\"%s\"), exist_ok=True); "
              "s=socket.socket(socket.AF_UNIX); s.bind(\"%s\"); s.listen(); time.sleep(600)'" % (sock, sock))
    spec, run = {
        "unix": ({"unix": "x.sock"}, f"{later} {listen}"),
        "tcp": ({"tcp": f"127.0.0.1:{web.server_port}"}, None),
        "http": ({"http": {"url": url(web)}}, None),
        "exec": ({"exec": f"echo looking; test -e {go}"}, None),
        "log": ({"log": "^up at [0-9]+$"}, f"echo warming up at; {later} echo up at 5; exec {hp.bin}/pause"),
    }[kind]
    hp.define("srv", run, probes={"readiness": {**spec, **QUICK}})
    call = hp.later("service.start", name="srv")
    if kind in ("unix", "exec", "log"):
        wait_until(lambda: probe(hp, "srv", "readiness")["last"] not in ("", None), what="it was asked")
        assert hp.state("srv") == "starting"
        touch(go)
    call.done()
    assert probe(hp, "srv", "readiness")["state"] == "passing"
    assert probe(hp, "srv", "readiness")["kind"] == kind


def test_a_written_threshold_fails_who_waits_and_the_attempt_goes_on(hp, web):
    hp.define("db", probes={"readiness": {"http": url(web), **QUICK, "failure_threshold": 2}})
    hp.define("app", dependencies={"requires": ["db"]})
    with pytest.raises(RpcError) as error:
        hp.rpc("service.start", name="app")
    assert "status 503" in str(error.value)
    pid = hp.pid("db")
    assert is_alive(pid)
    web.status = 200
    hp.wait_state("app", "running")
    assert hp.pid("db") == pid


def test_unhealthy_later_is_degraded_and_healthy_again_is_running(hp, web):
    web.status = 200
    hp.define("db", probes={"readiness": {"http": url(web), **QUICK, "failure_threshold": 2}})
    hp.rpc("service.start", name="db")
    pid = hp.pid("db")
    web.status = 500
    hp.wait_state("db", "degraded")
    assert "status 500" in hp.rpc("service.why", name="db")["text"]
    assert wait_probe(hp, "db", "readiness", "failing")["last"].endswith("status 500")
    web.status = 200
    hp.wait_state("db", "running")
    assert hp.pid("db") == pid


def test_the_condition_healthy_waits_for_the_probe(hp):
    well = hp.root / "well"
    hp.define("db", readiness={"after_ms": 1}, probes={"readiness": {"exec": f"test -e {well}", **QUICK}})
    hp.define("app", depends_on=[{"service": "db", "condition": "healthy"}])
    call = hp.later("service.start", name="app")
    hp.wait_state("db", "running")
    wait_until(lambda: probe(hp, "db", "readiness")["last"], what="it was asked")
    assert hp.pid("app") is None
    touch(well)
    call.done()


def test_healthy_without_a_probe_is_refused_with_its_place_F25(hp):
    hp.define("db")
    error = hp.refusal("service.define", service={"name": "app", "actions": [
        {"name": "app", "script": "sleep 9", "depends_on": [{"service": "db", "condition": "healthy"}]}]})
    assert error.code == INVALID_PARAMS
    row = error.data["errors"][0]
    assert "has no probe" in row["message"] and "probe" in row["hint"]


# ---- startup ------------------------------------------------------------------------------


def test_nothing_is_ready_before_its_startup_probe_passed(hp):
    up, live = hp.root / "up", hp.root / "live"
    hp.define("db", probes={"startup": {"exec": f"test -e {up}", **QUICK, "failure_threshold": 900},
                            "liveness": {"exec": f"echo x >> {live}", **QUICK}})
    call = hp.later("service.start", name="db")
    wait_until(lambda: probe(hp, "db", "startup")["last"] == "exit code 1", what="startup was asked")
    assert hp.state("db") == "starting" and not live.exists()
    assert probe(hp, "db", "liveness")["state"] == "waiting"
    touch(up)
    call.done()
    wait_until(live.exists, what="liveness began")


@pytest.mark.parametrize("readiness", [{"after_ms": 1}, {"log": "hello"}, {"manual": True}], ids=str)
def test_whatever_declares_the_readiness_waits_for_the_startup_probe(hp, readiness):
    up = hp.root / "up"
    hp.define("db", f"echo hello; exec {hp.bin}/pause", readiness=readiness,
              probes={"startup": {"exec": f"test -e {up}", **QUICK, "failure_threshold": 900}})
    call = hp.later("service.start", name="db")
    wait_until(lambda: probe(hp, "db", "startup")["last"] == "exit code 1", what="startup was asked")
    if "manual" in readiness:
        hp.rpc("service.ready", name="db")
    asked = probe(hp, "db", "startup")["since"]
    wait_until(lambda: probe(hp, "db", "startup")["last"], what="it was asked")
    wait_until(lambda: hp.rpc("logs.query", service="db")["lines"], what="it said hello")
    assert hp.state("db") == "starting" and probe(hp, "db", "startup")["since"] == asked
    touch(up)
    call.done()


def test_a_startup_probe_over_its_threshold_fails_the_attempt(hp):
    hp.define("db", retry_policy={"restart": "never"},
              probes={"startup": {"exec": "echo no luck; exit 3", **QUICK, "failure_threshold": 2}})
    with pytest.raises(RpcError):
        hp.rpc("service.start", name="db")
    row = hp.wait_state("db", "failed") and hp.action("db")
    assert row["reason"] == "probe_failed"
    assert "startup probe: exit code 3: no luck" in row["why"]


# ---- liveness ---------------------------------------------------------------------------------


def test_liveness_restarts_within_the_budget_F04(hp):
    hp.define("db", retry_policy={"restart": "always", "max_attempts": 2, "delay_ms": 0},
              probes={"liveness": {"exec": "echo sick; false", **QUICK, "failure_threshold": 2}})
    hp.rpc("service.start", name="db")
    hp.wait_state("db", "failed")
    row = hp.action("db")
    assert row["attempt"] == 2 and "sick" in row["why"], row


def test_a_hung_handler_is_noticed_F06(hp, web):
    web.status = 200
    hp.define("db", probes={"liveness": {"http": url(web), "interval_ms": 50, "timeout_ms": 100,
                                         "failure_threshold": 2}})
    hp.rpc("service.start", name="db")
    first = hp.pid("db")
    wait_probe(hp, "db", "liveness", "passing")
    web.status = 0  # accepts, and answers nothing
    wait_until(lambda: hp.pid("db") not in (None, first), what="another attempt")
    assert not is_alive(first)


def test_liveness_restarts_only_what_is_demanded_F04(hp):
    sick, tries = hp.root / "sick", hp.root / "tries"
    hp.define("db", probes={"liveness": {"exec": f"echo x >> {tries}; test ! -e {sick}", **QUICK, "failure_threshold": 2}})
    hp.define("app", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="app")
    hp.rpc("service.stop", name="app")
    pid = hp.pid("db")
    assert hp.status("db")["demanded"] is False and is_alive(pid)
    touch(sick)
    wait_probe(hp, "db", "liveness", "failing")
    seen = len(tries.read_text())
    wait_until(lambda: len(tries.read_text()) > seen + 8, what="it goes on being asked")
    assert hp.pid("db") == pid and is_alive(pid)
    hp.rpc("service.start", name="app")
    wait_until(lambda: hp.pid("db") not in (None, pid), what="demanded again, it is restarted")


def test_liveness_that_warns_only_shows(hp, web):
    web.status = 200
    hp.define("db", probes={"liveness": {"http": url(web), **QUICK, "failure_threshold": 2, "action": "warn"}})
    hp.rpc("service.start", name="db")
    pid = hp.pid("db")
    wait_probe(hp, "db", "liveness", "passing")
    web.status = 500
    wait_probe(hp, "db", "liveness", "failing")
    assert hp.pid("db") == pid and is_alive(pid)
    assert hp.state("db") == "degraded"
    said = wait_until(lambda: len(e := probe_events(hp, "db")) == 2 and e, what=lambda: probe_events(hp, "db"))
    assert [e["state"] for e in said] == ["passing", "failing"] and "status 500" in said[1]["last"]


def test_a_liveness_log_probe_needs_a_line_each_interval(hp):
    quiet = hp.root / "quiet"
    hp.define("db", f"while [ ! -e {quiet} ]; do echo beat; sleep 0.03; done; exec {hp.bin}/pause",
              probes={"liveness": {"log": "^beat$", "interval_ms": 300, "failure_threshold": 1}})
    hp.rpc("service.start", name="db")
    first = hp.pid("db")
    wait_probe(hp, "db", "liveness", "passing")
    assert hp.pid("db") == first
    touch(quiet)
    wait_until(lambda: hp.pid("db") not in (None, first), what="another attempt")


# ---- processes of probes -----------------------------------------------------------------------


def numbers(path):
    return [int(n) for n in Path(path).read_text().split()] if Path(path).exists() else []


def test_a_probe_past_its_time_is_killed_with_its_grandchildren(hp):
    pids = hp.root / "pids"
    hp.define("db", probes={"readiness": {"exec": f"(setsid sleep 300 & echo $! >> {pids}); echo $$ >> {pids}; sleep 300",
                                          "interval_ms": 50, "timeout_ms": 150}})
    hp.later("service.start", name="db")
    wait_until(lambda: len(numbers(pids)) >= 2, what="it ran")
    last = wait_until(lambda: probe(hp, "db", "readiness")["last"], what="it was given up")
    assert "not over within 150 ms" in last
    first = numbers(pids)[:2]
    wait_until(lambda: not any(is_alive(p) for p in first), what=lambda: f"{first} are gone")
    hp.rpc("service.stop", name="db")
    wait_until(lambda: not any(is_alive(p) for p in numbers(pids)), what="none outlives its attempt")


def test_probes_of_an_action_never_overlap(hp):
    diary = hp.root / "tries"
    hp.define("db", probes={"readiness": {"exec": f"echo begin >> {diary}; sleep 0.12; echo end >> {diary}; false",
                                          "interval_ms": 20, "timeout_ms": 5000}})
    hp.later("service.start", name="db")
    lines = wait_until(lambda: diary.exists() and len(l := diary.read_text().split()) >= 8 and l, what="four tries")
    assert lines[:8] == ["begin", "end"] * 4


def test_the_output_of_a_probe_is_shown_and_bounded(hp):
    hp.define("db", probes={"readiness": {"exec": "echo first words; yes | head -c 300000; exit 7", **QUICK}})
    hp.later("service.start", name="db")
    last = wait_until(lambda: probe(hp, "db", "readiness")["last"], what="it was asked")
    assert last.startswith("exit code 7: first words") and len(last) <= 512
    shown = hp.cli("service", "status", "db").stdout
    assert "readiness probe (exec)" in shown and "exit code 7: first words y y" in shown


# ---- the server is killed -----------------------------------------------------------------------


def test_probes_go_on_after_a_kill_and_ready_stays_ready(hp, web):
    web.status = 200
    hp.define("db", probes={"readiness": {"http": url(web), **QUICK, "failure_threshold": 3}})
    hp.define("app", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="app")
    pids = hp.pid("db"), hp.pid("app")
    hp.kill_server()
    assert hp.state("db") == "running" and (hp.pid("db"), hp.pid("app")) == pids
    asked = len(web.asked)
    wait_until(lambda: len(web.asked) > asked + 2, what="it is asked again")
    web.status = 500
    hp.wait_state("db", "degraded")
    assert (hp.pid("db"), hp.pid("app")) == pids


def test_what_was_ready_is_healthy_for_the_next_server_without_being_asked(hp, web):
    web.status = 200
    hp.define("db", probes={"readiness": {"http": url(web), "interval_ms": 60000}})
    hp.define("app", depends_on=[{"service": "db", "condition": "healthy"}])
    hp.rpc("service.start", name="db")
    web.status = 500
    hp.kill_server()
    assert probe(hp, "db", "readiness")["state"] == "passing"
    hp.rpc("service.start", name="app")
    assert len(web.asked) == 1


def test_a_new_server_ends_the_command_that_a_former_one_began(hp):
    pids = hp.root / "pids"
    hp.define("db", probes={"readiness": {"exec": f"echo $$ >> {pids}; sleep 300", "interval_ms": 60000,
                                          "timeout_ms": 60000}})
    hp.later("service.start", name="db")
    first = wait_until(lambda: numbers(pids), what="it ran")[0]
    hp.kill_server()
    wait_until(lambda: not is_alive(first), what="the old command is gone")
    wait_until(lambda: len(numbers(pids)) > 1, what="another one asks")


# ---- late news ------------------------------------------------------------------------------------


def test_a_line_of_a_former_attempt_makes_nothing_ready(hp):
    """What a grandchild of the first attempt says while the second one starts counts for nothing."""
    once = hp.root / "once"
    hp.define("db", f"if [ ! -e {once} ]; then touch {once}; echo ready now; exit 1; fi; exec {hp.bin}/pause",
              retry_policy={"restart": "always", "delay_ms": 10},
              probes={"readiness": {"log": "ready now", "interval_ms": 100}})
    hp.later("service.start", name="db", timeout_ms=30000)
    wait_until(lambda: hp.action("db")["attempt"] == 2 and hp.pid("db"), what="a second attempt")
    wait_until(lambda: (p := probe(hp, "db", "readiness")) and p["last"] == "no line matched", what="it is asked")
    assert hp.state("db") == "starting"


# ---- what is refused ---------------------------------------------------------------------------------


CAN_NOT_FAIL = [
    {"exec": "true"}, {"exec": ":"}, {"exec": ""}, {"exec": ["true"]}, {"exec": "exit 0"}, {"exec": "/bin/true"},
    {"kind": "unix"}, {"kind": "tcp"}, {"kind": "http"}, {"kind": "exec"}, {"kind": "log"}, {},
    {"tcp": "127.0.0.1"}, {"http": "ftp://x/"}, {"http": "https://127.0.0.1/"}, {"log": ""}, {"log": ".*"},
    {"log": "^.*$"}, {"log": "("}, {"exec": "false", "failure_threshold": 0}, {"exec": "false", "success_threshold": 0},
    {"exec": "false", "interval_ms": 0}, {"exec": "false", "timeout_ms": 0}, {"exec": "false", "tcp": 80},
    {"exec": "false", "treshold": 3}, {"exec": "false", "action": "explode"}]


def test_a_probe_that_can_not_fail_is_refused_F06(hp):
    for role in ("startup", "readiness", "liveness"):
        for bad in CAN_NOT_FAIL:
            error = hp.refusal("service.define", service={"name": "bad", "actions": [
                {"name": "bad", "script": "sleep 9", "probes": {role: bad}}]})
            assert error.code == INVALID_PARAMS and error.data["errors"][0]["message"], bad
    error = hp.refusal("service.register", path="web/service.toml", manifest="""
[[binaries]]
name = "web"
exec = "sleep 9"

[binaries.probes.liveness]
exec = "true"
""")
    row = error.data["errors"][0]
    assert (row["file"], row["line"]) == ("web/service.toml", 6) and "can not fail" in row["message"] and row["hint"]


# ---- the zinit form ------------------------------------------------------------------------------------


def test_health_of_the_zinit_form_is_readiness_and_liveness(hp, web):
    answer = hp.register_text(f"""
[service]
name = "old"
exec = "{hp.bin}/pause"

[health]
http = "{url(web, '/up')}"
interval_ms = 50
retries = 2
""")
    assert not answer["warnings"]
    call = hp.later("service.start", name="old")
    wait_until(lambda: len(web.asked) >= 3 and web.asked[0][0] == "/up", what="it is asked")
    assert hp.state("old") == "starting"
    web.status = 200
    call.done()
    stored = hp.rpc("service.get", name="old")["actions"][0]["probes"]
    assert stored["liveness"]["target"] == stored["readiness"]["target"] == url(web, "/up")
    assert stored["liveness"]["failure_threshold"] == 2
    hp.kill_server()
    assert hp.rpc("service.get", name="old")["actions"][0]["probes"] == stored
    first = hp.pid("old")
    web.status = 500
    wait_until(lambda: hp.pid("old") not in (None, first), what="liveness restarts it")


# ---- gates over HTTP ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_only_a_2xx_answer_opens_an_http_gate(hp, over):
    path = str(hp.root / "outside.sock")
    with (Answers(("127.0.0.1", 0)) if over == "tcp" else OverUnix(path)) as web:
        web.status = 0
        gate = url(web) if over == "tcp" else f"http+unix:{path}:/health"
        hp.define("app", depends_on=[{"gate": gate}])
        call = hp.later("service.start", name="app")
        wait_until(lambda: len(web.asked) >= 3, what="it is asked")
        assert hp.state("app") == "waiting_deps"
        wait_until(lambda: "empty answer" in hp.rpc("service.why", name="app")["text"], what="why tells")
        web.status = 404
        wait_until(lambda: "status 404" in hp.rpc("service.why", name="app")["text"], what="why tells")
        assert hp.pid("app") is None
        web.status = 200
        call.done()
        assert {path for path, _ in web.asked} == {"/health"}


def test_an_http_gate_that_nobody_could_ask_is_refused(hp):
    for gate in ("http://db.local:80/", "https://127.0.0.1/", "http+unix:x.sock:/", "http://127.0.0.1:99999/"):
        error = hp.refusal("service.define", service={"name": "bad", "actions": [
            {"name": "bad", "script": "sleep 9", "depends_on": [{"gate": gate}]}]})
        assert error.code == INVALID_PARAMS and error.data["errors"][0]["hint"]
