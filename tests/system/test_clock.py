"""The wall clock is set while the supervisor works: no delay is another one (SPEC 9).

The machine's own clock is left alone: chaos_clock.so makes that of one supervisor wrong.
"""
import os
import signal
import struct
import time

import pytest

from hp import is_alive, program, wait_until

HOURS = 3600
STEPS = pytest.mark.parametrize("step", [3 * HOURS, -3 * HOURS], ids=["forwards", "backwards"])
KILLS = pytest.mark.parametrize("killed", [False, True], ids=["same-server", "next-server"])


@pytest.fixture
def hp(fresh):
    """Its clock is stepped by hp.step(seconds); the services have the same wrong clock."""
    hp = fresh()
    path = hp.root / "clock"
    path.write_bytes(struct.pack("q", 0))
    hp.env.update(LD_PRELOAD=str(program("chaos_clock.so")), CHAOS_CLOCK=str(path))

    def step(seconds):
        with open(path, "r+b") as f:
            f.write(struct.pack("q", seconds))

    hp.step = step
    return hp.start()


def uptimes(hp, name):
    """When each attempt began, in seconds since the machine was booted."""
    path = hp.root / f"begun-{name}"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def define(hp, name, then, **keys):
    hp.define(name, script=f"cut -d' ' -f1 /proc/uptime >> {hp.root}/begun-{name}; n=$(wc -l < {hp.root}/begun-{name}); {then}", **keys)


def since(hp, name):
    text = hp.action(name)["since"]
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def test_the_clock_of_the_supervisor_is_the_one_that_is_stepped(hp):
    hp.define("s")
    hp.step(3 * HOURS)
    hp.rpc("service.start", name="s")
    assert 3 * HOURS - 60 < since(hp, "s") - time.time() < 3 * HOURS + 60


@STEPS
@KILLS
def test_F65_a_clock_that_is_set_changes_no_delay(hp, step, killed):
    once = {"restart": "never"}
    define(hp, "pause", "[ $n -gt 1 ] && exec pause; exit 1", retry_policy={"restart": "always", "delay_ms": 1500})
    define(hp, "slow", "exec pause", readiness={"fd": 3}, start_timeout_ms=1500, retry_policy=once)
    hp.define("deaf", f"trap '' TERM; touch {hp.root}/begun-deaf; while :; do sleep 0.1; done", stop_timeout_ms=1500)
    hp.define("needed", script="exec pause", readiness={"fd": 3}, start_timeout_ms=60000)
    hp.define("waits", depends_on=[{"service": "needed", "timeout_ms": 1500}])
    hp.rpc("service.start", name="deaf")
    wait_until((hp.root / "begun-deaf").exists, what="it ignores TERM")
    begun = time.monotonic()
    for name in ("pause", "slow"):
        hp.rpc("service.start", name=name, wait=False)
    waiting = hp.later("service.start", name="waits")
    hp.rpc("service.stop", name="deaf", wait=False)
    hp.wait_state("deaf", "stopping")
    wait_until(lambda: hp.action("pause")["state"] == "retrying", what=lambda: hp.status("pause"))
    pid = hp.action("deaf")["pid"]
    hp.step(step)
    if killed:
        hp.kill_server()
    ends = {}

    def look():
        done = {"pause": len(uptimes(hp, "pause")) > 1, "slow": hp.state("slow") == "failed",
                "deaf": hp.state("deaf") == "inactive", "waits": killed or not waiting.is_alive()}
        for name in (n for n, is_done in done.items() if is_done):
            ends.setdefault(name, time.monotonic() - begun)
        return len(ends) == len(done)

    wait_until(look, what=lambda: (ends, hp.rpc("service.list")["services"]))
    first, second = uptimes(hp, "pause")[:2]
    assert 1.4 < second - first < 2.5, "the pause goes on where it was"
    for name in ("slow", "deaf", "waits")[:2 if killed else 3]:
        # What times a process begins anew with the next server, never shorter.
        assert 1.4 < ends[name] < (4.5 if killed else 2.8), (name, ends)
    assert not is_alive(pid)


@STEPS
def test_F65_a_clock_that_is_set_makes_no_service_stable(hp, step):
    """How long it has been up decides whether the pauses grow from where they were."""
    define(hp, "s", "[ $n -gt 2 ] && exec pause; exit 1",
           retry_policy={"restart": "always", "delay_ms": 200, "factor": 4, "stability_period_ms": 60000})
    hp.rpc("service.start", name="s", wait=False)
    wait_until(lambda: len(uptimes(hp, "s")) == 3 and hp.state("s") == "running", what=lambda: hp.status("s"))
    hp.rpc("flag.set", name="stored")  # the rows before it are, when this is answered
    hp.step(step)
    hp.kill_server()
    killed = float(open("/proc/uptime").read().split()[0])
    os.kill(hp.pid("s"), signal.SIGKILL)
    wait_until(lambda: len(uptimes(hp, "s")) == 4, what=lambda: hp.status("s"))
    assert 3.0 < uptimes(hp, "s")[3] - killed < 4.2, "200 ms, 800 ms, then 3.2 s"
