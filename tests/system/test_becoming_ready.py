"""Becoming ready, and failing, without waste (SPEC 2.9)."""
import os
import signal
import socket
import time

import pytest

from hp import E_START, command_of, healthy, wait_until


def started_in(hp, name):
    began = time.monotonic()
    hp.rpc("service.start", name=name)
    return time.monotonic() - began


@pytest.mark.parametrize("role", ["readiness", "startup"])
@pytest.mark.parametrize("interval", [{}, {"interval_ms": 2000}])
def test_a_probe_sees_what_is_ready_after_300_ms_within_400(hp, role, interval):
    """pg_isready cost a second where postgres was there after a tenth of one."""
    flag = hp.root / "flag"
    hp.define("db", script=f"sleep 0.3; : > {flag}; exec {hp.bin}/pause",
              probes={role: {"exec": f"test -e {flag}", "failure_threshold": 1000, **interval}})
    assert 0.3 <= started_in(hp, "db") < 0.55


def test_a_healthy_edge_on_a_liveness_probe_waits_for_no_interval(hp):
    flag = hp.root / "flag"
    hp.define("db", script=f"sleep 0.3; : > {flag}; exec {hp.bin}/pause",
              probes={"liveness": {"exec": f"test -e {flag}"}})
    hp.define("web", depends_on=[{"service": "db", "condition": "healthy"}])
    assert started_in(hp, "web") < 0.8


def test_after_readiness_a_probe_keeps_to_its_interval(hp):
    asked = hp.root / "asked"
    hp.define("db", probes={"readiness": {"exec": f"echo x >> {asked}; test $(wc -l < {asked}) -ge 4",
                                          "interval_ms": 1000, "failure_threshold": 1000}})
    assert started_in(hp, "db") < 0.5
    time.sleep(0.7)  # nothing is to happen: an interval is not over
    assert asked.read_text().count("x") == 4


# ---- a line of output ---------------------------------------------------------------

LINES = {"coloured": r"\033[32mrea\033[0mdy\n", "without an end": "all is ready", "ended by CR LF": r"ready\r\n",
         "ended by CR": r"99 %%\rready\r", "behind a NUL": r"x\0ready\n"}


@pytest.mark.parametrize("how", ["readiness", "readiness probe", "startup probe"])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_F83_a_line_makes_ready_as_people_read_it(hp, line, how):
    keys = {"readiness": {"readiness": {"log": "ready$"}},
            "readiness probe": {"probes": {"readiness": {"log": "ready$", "interval_ms": 60000}}},
            "startup probe": {"probes": {"startup": {"log": "ready$", "interval_ms": 60000}}}}[how]
    hp.define("s", script=f"printf '{line}'; exec {hp.bin}/pause", start_timeout_ms=3000, **keys)
    assert started_in(hp, "s") < 1.5


@pytest.mark.parametrize("halves", [(r"\033[32mrea", r"\033[0mdy\n"), ("rea", "dy"), (r"ready\n", ""), ("ready", "")])
def test_F83_what_was_said_counts_whenever_the_server_is_killed(hp, halves):
    """Half of the line is stored when the server is killed; the next one hears the other half only."""
    gate = hp.root / "gate"
    hp.define("s", script=f"sleep 0.2; printf '{halves[0]}'; while [ ! -e {gate} ]; do sleep 0.02; done; "
                          f"printf '{halves[1]}'; exec {hp.bin}/pause", readiness={"log": "^ready$"})
    hp.define("other", readiness={"manual": True})  # still waits, so the pipe is read
    hp.rpc("service.start", name="s", wait=False)
    files = hp.state_dir / "logs" / "s"
    wait_until(lambda: any(f.stat().st_size for f in files.glob("*.seg")), what="it wrote")
    hp.kill_server()
    gate.touch()
    hp.wait_state("s", "running")
    assert hp.action("s")["attempt"] == 1


def test_F83_a_run_without_a_service_is_heard_over_a_kill_too(hp):
    gate = hp.root / "gate"
    run = hp.rpc("run.submit", wait=False, actions=[
        {"name": "a", "is_process": True, "readiness": {"log": "^ready$"}, "timeout_ms": 0,
         "script": f"printf rea; while [ ! -e {gate} ]; do sleep 0.02; done; echo dy; exec {hp.bin}/pause"},
        {"name": "b", "depends_on": ["a"], "script": f"echo done > {hp.root}/done"}])["run"]
    folder = hp.state_dir / "logs" / "~runs"
    wait_until(lambda: any(f.stat().st_size for f in folder.glob("*.seg")), what="it wrote")
    hp.kill_server()
    gate.touch()
    wait_until(lambda: (hp.root / "done").exists(), what="b ran")
    hp.rpc("run.cancel", run=run)


# ---- a line that says that it failed ---------------------------------------------------

def processes_of(hp, name):
    return [pid for pid in hp.left() if command_of(pid).endswith(name)]


IN_USE = "Error: listen EADDRINUSE: address already in use :::3000"


def fails_by(hp, name, script, **keys):
    hp.define(name, script=script, fail={"log": "EADDRINUSE|failed to"}, retry_policy={"restart": "never"},
              **{"readiness": {"log": "^listening"}, **keys})
    began = time.monotonic()
    error = hp.refusal("service.start", name=name)
    return error, time.monotonic() - began


@pytest.mark.parametrize("keys", [{}, {"readiness": {"notify": True}}, {"readiness": {"manual": True}},
                                  {"readiness": {"after_ms": 60000}}, {"sockets": [{"name": "rpc.sock"}], "readiness": {"sockets": True}},
                                  {"probes": {"readiness": {"exec": "false"}}, "readiness": None},
                                  {"probes": {"startup": {"exec": "false", "failure_threshold": 1000}}, "readiness": None}])
def test_F84_a_line_that_says_so_ends_the_attempt_at_once(hp, keys):
    """It stays alive after it failed, and everybody waited for the time-out."""
    keys = {"readiness": {"log": "^listening"}, **keys}
    if keys["readiness"] is None:
        del keys["readiness"]
    hp.define("s", script=f"sleep 0.1; echo 'starting'; echo '{IN_USE}' >&2; exec {hp.bin}/pause",
              fail={"log": "EADDRINUSE"}, retry_policy={"restart": "never"}, **keys)
    began = time.monotonic()
    error = hp.refusal("service.start", name="s")
    assert time.monotonic() - began < 2
    assert error.code == E_START and IN_USE in error.message, error
    row = hp.action("s")
    assert (row["state"], row["reason"]) == ("failed", "probe_failed")
    assert IN_USE in hp.rpc("service.why", name="s")["text"]
    assert not processes_of(hp, "pause")


def test_F84_a_coloured_line_without_an_end_counts_too(hp):
    error, _ = fails_by(hp, "s", rf"printf '\033[31mfailed\033[0m to compile'; exec {hp.bin}/pause")
    assert "failed to compile" in error.message


@pytest.mark.parametrize("i", range(5))
def test_F84_who_says_it_and_ends_has_failed_for_that_reason(hp, i):
    """Whichever is faster, the news of its end or its last line."""
    for k in range(8):
        name = f"s{k}"
        error, _ = fails_by(hp, name, f"echo '{IN_USE}'; exit 1" if k % 2 else f"printf '{IN_USE}'; exit 0")
        assert hp.action(name)["reason"] == "probe_failed" and IN_USE in error.message


def test_F84_the_retry_policy_decides_what_follows(hp):
    count = hp.root / "count"
    hp.define("s", script=f"echo x >> {count}; [ $(wc -l < {count}) -gt 2 ] || echo '{IN_USE}'; echo listening; "
                          f"exec {hp.bin}/pause", fail={"log": "EADDRINUSE"}, readiness={"log": "^listening"},
              retry_policy={"restart": "always", "delay_ms": 10})
    hp.rpc("service.start", name="s")
    assert hp.action("s")["attempt"] == 3


def test_F84_after_readiness_no_line_counts(hp):
    hp.define("s", script=f"echo listening; echo '{IN_USE}'; sleep 0.1; echo '{IN_USE}'; exec {hp.bin}/pause",
              fail={"log": "EADDRINUSE"}, readiness={"log": "^listening"})
    hp.rpc("service.start", name="s")
    wait_until(lambda: len(hp.log_lines("s")) == 3, what="it wrote")
    assert hp.state("s") == "running" and hp.action("s")["attempt"] == 1


@pytest.mark.parametrize("ends", ["exit 1", "exec sleep 1000"])
def test_F84_it_counts_over_a_kill_of_the_server(hp, ends):
    gate = hp.root / "gate"
    hp.define("s", script=f"printf 'Error: EADDR'; while [ ! -e {gate} ]; do sleep 0.02; done; echo INUSE; {ends}",
              fail={"log": "EADDRINUSE$"}, readiness={"manual": True}, retry_policy={"restart": "never"})
    hp.rpc("service.start", name="s", wait=False)
    wait_until(lambda: any(f.stat().st_size for f in (hp.state_dir / "logs" / "s").glob("*.seg")), what="it wrote")
    server = hp.info()["pid"]
    os.kill(server, signal.SIGSTOP)  # it ends, and says so, while nobody listens
    gate.touch()
    time.sleep(0.1)
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: healthy(hp.socket) and hp.info()["pid"] != server, 15, "a new server answers")
    hp.wait_state("s", "failed")
    assert hp.action("s")["reason"] == "probe_failed"
    assert "Error: EADDRINUSE" in hp.rpc("service.why", name="s")["text"]


def test_F84_a_one_shot_fails_by_it_as_well(hp):
    hp.define("job", script=f"echo '{IN_USE}'; exec {hp.bin}/pause", is_process=False, fail={"log": "EADDRINUSE"})
    error = hp.refusal("service.start", name="job")
    assert hp.action("job")["reason"] == "probe_failed" and IN_USE in error.message


def test_F84_fail_is_refused_where_it_makes_no_sense_and_shown_where_it_does(hp):
    def errors(value, **keys):
        return hp.refusal("service.define", service={"name": "x", "actions": [{"name": "x", "fail": value, **keys}]}).data["errors"]
    for value in ["x", {}, {"log": 5}, {"log": "("}, {"log": ".*"}, {"log": "x", "logs": "y"}]:
        assert errors(value), value
    done = hp.register_text('[service]\nname = "s"\n[[binaries]]\nname = "s"\nexec = "sleep 9"\nfail = {log = "x"}\n')
    assert "never acts" in done["warnings"][0]["message"] and done["warnings"][0]["line"] == 6
    hp.register_text('[service]\nname = "t"\n[[binaries]]\nname = "t"\nexec = "sleep 9"\nfail = {log = "in use"}\n'
                     'readiness = {manual = true}\n')
    assert hp.rpc("service.get", name="t")["actions"][0]["fail"] == {"log": "in use"}
    hp.kill_server()
    assert hp.rpc("service.get", name="t")["actions"][0]["fail"] == {"log": "in use"}


# ---- a port -----------------------------------------------------------------------------

LISTEN = """
import os, socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if ":" in host:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind((host, port))
s.listen()
time.sleep(1000)
"""


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


@pytest.fixture
def listener(hp):
    (hp.root / "listen.py").write_text(LISTEN)
    return lambda host, port: f"python3 {hp.root}/listen.py {host} {port}"


@pytest.mark.parametrize("how", ["exec {}", "{}", "({}) & wait", "setsid {} & sleep 1000"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.7", "::ffff:127.0.0.1"])
def test_C17_a_port_is_ready_on_any_address_of_its_own(hp, listener, host, how):
    if host.startswith("::ffff"):
        (hp.root / "listen.py").write_text(LISTEN.replace("IPV6_V6ONLY, 1", "IPV6_V6ONLY, 0"))
    port = free_port()
    hp.define("web", script=how.format(listener(host, port)), tcp=[{"port": port}], start_timeout_ms=5000)
    hp.rpc("service.start", name="web")
    assert [f for f in hp.rpc("system.doctor")["findings"] if f["severity"] == "error"] == []


@pytest.mark.parametrize("no_cgroups", [False, True])
def test_C17_a_foreign_listener_never_counts_and_is_named(fresh, no_cgroups):
    hp = fresh(**({"HERO_PROC_NO_CGROUP": 1} if no_cgroups else {})).start()
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("::1", 0))
        s.listen()
        port, other = s.getsockname()[1], free_port()
        (hp.root / "listen.py").write_text(LISTEN)
        hp.define("web", script=f"python3 {hp.root}/listen.py ::1 {other}", tcp=[{"port": port}],
                  start_timeout_ms=2500, retry_policy={"restart": "never"})
        call = hp.later("service.start", name="web")
        # python keeps the listener: its pid is ours
        told = [f"nothing of it listens there; it listens on [::1]:{other}", f"[::1]:{port} is held by pid {os.getpid()} ("]
        wait_until(lambda: all(t in hp.rpc("service.why", name="web")["text"] for t in told), what="why tells what is there")
        call.join(10)
        assert call.error.code == E_START and all(t in call.error.message for t in told), call.error
        assert "which is none of its processes" in call.error.message
        assert hp.action("web")["reason"] == "start_timeout"


def test_C17_a_port_on_another_address_is_named(hp, listener):
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))
        own = s.getsockname()[0]
    hp.define("web", script=listener(own, port), tcp=[{"port": port}], start_timeout_ms=2000, retry_policy={"restart": "never"})
    error = hp.refusal("service.start", name="web")
    assert f"it listens on {own}:{port}" in error.message
    hp.define("host", script=listener(own, port), tcp=[{"port": port, "host": own}])
    hp.rpc("service.start", name="host")


@pytest.mark.parametrize("keys, told", [
    ({"readiness": {"log": "^never$"}}, "no line of output matches `^never$` yet"),
    ({"readiness": {"notify": True}}, "READY=1"),
    ({"sockets": [{"name": "rpc.sock"}]}, "rpc.sock: no such file"),
    ({"probes": {"readiness": {"exec": "echo not yet; exit 2"}}}, "readiness probe: exit code 2: not yet"),
    ({"probes": {"startup": {"exec": "echo not yet; exit 2", "failure_threshold": 999}}}, "startup probe: exit code 2: not yet")])
def test_C17_a_start_that_times_out_says_what_it_waited_for(hp, keys, told):
    hp.define("s", start_timeout_ms=500, retry_policy={"restart": "never"}, **keys)
    error = hp.refusal("service.start", name="s")
    assert error.code == E_START and told in error.message, error
    assert told in hp.rpc("service.why", name="s")["text"]
    assert hp.action("s")["reason"] == "start_timeout"


def test_a_stop_that_waits_names_what_is_left_without_its_leader(hp):
    """Once the leader was gone, why named nobody."""
    hp.define("s", script=f"(trap '' TERM; while :; do sleep 0.1; done) & exec {hp.bin}/pause", stop_timeout_ms=2000)
    hp.rpc("service.start", name="s")
    hp.rpc("service.stop", name="s", wait=False)
    wait_until(lambda: not hp.pid("s"), what="the leader is gone")
    wait_until(lambda: "left: pid" in hp.rpc("service.why", name="s")["text"], what="why names it")
    hp.wait_state("s", "inactive")
