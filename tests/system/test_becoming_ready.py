"""Becoming ready, and failing, without waste (SPEC 2.9)."""
import time

import pytest

from hp import wait_until


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
