"""Becoming ready, and failing, without waste (SPEC 2.9)."""
import os
import signal
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
