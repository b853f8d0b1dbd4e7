"""A killed keeper costs no service: the server becomes the next keeper and adopts what lives (SPEC 5)."""
import os
import signal
import time

import pytest
from hp import command_of, is_alive, wait_until

SETS = [pytest.param({}, id="cgroups"), pytest.param({"HERO_PROC_NO_CGROUP": "1"}, id="no cgroups")]
everywhere = pytest.mark.parametrize("env", SETS)


@everywhere
def test_services_keep_their_processes_when_the_keeper_is_killed(fresh, env):
    hp = fresh(**env).start()
    names = [f"s{i}" for i in range(30)]
    for n in names:
        hp.define(n, script=f"echo $0 >> {hp.root}/executed.{n}; exec {hp.bin}/pause")
    hp.rpc("service.start", name=names)
    pids = {n: hp.pid(n) for n in names}
    for _ in range(5):
        hp.kill_keeper()
        assert {n: hp.pid(n) for n in names} == pids
        assert all(hp.state(n) == "running" for n in names)
    assert all(len((hp.root / f"executed.{n}").read_text().splitlines()) == 1 for n in names)
    hp.rpc("service.stop", name=names)
    assert not any(is_alive(p) for p in pids.values())


@everywhere
@pytest.mark.parametrize("end", [7, "TERM"])
def test_how_an_adopted_process_ends_is_known(fresh, env, end):
    hp = fresh(**env).start()
    go = hp.root / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.01; done; " + (f"exit {end}" if end == 7 else "kill -TERM $$")
    run = hp.rpc("run.submit", actions=[{"name": "a", "script": script}], wait=False)["run"]
    wait_until(lambda: hp.rpc("run.get", run=run)["state"] == "running", what="the job runs")
    hp.kill_keeper()
    go.touch()
    job = wait_until(lambda: (r := hp.rpc("run.get", run=run))["state"] == "failed" and r, what="it ended")["jobs"][0]
    assert (job["exit_code"] == 7) if end == 7 else (job["signal"] in ("TERM", "SIGTERM", 15)), job


@everywhere
def test_an_adopted_process_that_crashes_is_restarted_by_its_policy_and_not_before(fresh, env):
    hp = fresh(**env).start()
    hp.define("s", retry_policy={"restart": "always", "max_attempts": 3, "delay_ms": 10})
    hp.rpc("service.start", name="s")
    first = hp.pid("s")
    os.kill(first, signal.SIGKILL)
    second = wait_until(lambda: hp.state("s") == "running" and hp.pid("s") != first and hp.pid("s"), what="restarted")
    hp.kill_keeper()
    assert hp.action("s")["restarts"] == 1 and hp.pid("s") == second
    os.kill(second, signal.SIGKILL)
    third = wait_until(lambda: hp.state("s") == "running" and hp.pid("s") not in (None, second) and hp.pid("s"), what="restarted")
    os.kill(third, signal.SIGKILL)
    hp.wait_state("s", "failed")


@everywhere
def test_no_line_of_an_adopted_process_is_lost(fresh, env):
    hp = fresh(**env).start()
    hp.define("s", exec=["python3", "-uc", "import itertools, time\n"
                         "for i in itertools.count():\n print(i)\n if i % 50 == 0: time.sleep(.002)"])
    hp.rpc("service.start", name="s")
    for _ in range(4):
        before = len(hp.log_lines("s"))
        hp.kill_keeper()
        wait_until(lambda: len(hp.log_lines("s")) > before + 100, what="it writes on")
    hp.rpc("service.stop", name="s")
    found = hp.log_lines("s")
    assert found == [str(i) for i in range(len(found))]


@everywhere
def test_the_whole_set_of_an_adopted_process_is_stopped(fresh, env):
    hp = fresh(**env).start()
    hp.define("s", script="trap '' TERM; (trap '' TERM; setsid sleep 1000 & ) ; (sleep 1000 &) ; while :; do sleep 0.05; done",
              stop_timeout_ms=300)
    hp.rpc("service.start", name="s")
    leader = hp.pid("s")
    sleepers = wait_until(lambda: len(found := [p for p in hp.left() if command_of(p) == "sleep 1000"]) == 2 and found,
                          what="its grandchildren run")
    hp.kill_keeper()
    os.kill(leader, signal.SIGKILL)  # what is left of a set is ended before the next attempt
    wait_until(lambda: not any(is_alive(p) for p in sleepers), what=lambda: f"{sleepers} are gone")
    hp.wait_state("s", "running")
    wait_until(lambda: len([p for p in hp.left() if command_of(p) == "sleep 1000"]) == 2, what="the next attempt's")
    hp.kill_keeper()
    hp.rpc("service.stop", name="s")
    assert not [p for p in hp.left() if command_of(p) == "sleep 1000"]


def notifier(hp, name):
    """Says READY=1 when told by a file, and WATCHDOG=1 all the time."""
    return ["python3", "-c", f"""import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
to = os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1)
def say(what):
    try: s.sendto(what, to)
    except OSError: pass
said = False
while True:
    if os.path.exists({str(hp.root / ("ready." + name))!r}) and not said:
        say(b"READY=1\\nSTATUS=it is"); said = True
    say(b"WATCHDOG=1")
    time.sleep(0.05)
"""]


@everywhere
def test_a_set_that_became_empty_before_the_next_keeper_looked_is_empty(fresh, env):
    """Its leader had ended before, and only the killed keeper had been told of the rest."""
    hp = fresh(**env).start()
    names = [f"s{i}" for i in range(20)]
    for n in names:
        hp.define(n, script=f"trap '' TERM; sleep 1000 & echo $! > {hp.root}/left.{n}; exit 3", stop_timeout_ms=60000,
                  retry_policy={"restart": "never"})
    hp.rpc("service.start", name=names, wait=False)
    left = [int(wait_until(lambda: (hp.root / f"left.{n}").exists() and (hp.root / f"left.{n}").read_text()).strip())
            for n in names]
    wait_until(lambda: all(hp.action(n)["state"] == "stopping" for n in names), what=lambda: [hp.action(n) for n in names])
    os.kill(hp.keeper_pid(), signal.SIGSTOP)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    hp.kill_keeper()
    wait_until(lambda: all(hp.state(n) == "failed" for n in names), what=lambda: [hp.status(n) for n in names])
    assert [f for f in hp.rpc("system.doctor")["findings"] if f["check"] != "wanted"] == []
    keeper = hp.keeper_pid()
    hp.define("next")
    hp.rpc("service.restart", name="next")
    assert hp.keeper_pid() == keeper and hp.divergences() == 0


@everywhere
def test_an_adopted_process_is_heard_and_what_it_said_is_known(fresh, env):
    hp = fresh(**env).start()
    for n in ("early", "late"):
        hp.define(n, exec=notifier(hp, n), readiness={"notify": True}, watchdog_ms=1000, stop_timeout_ms=300)
    (hp.root / "ready.early").touch()
    hp.rpc("service.start", name="early")
    hp.rpc("service.start", name="late", wait=False)
    wait_until(lambda: hp.pid("late"), what="executed")
    pids = {n: hp.pid(n) for n in ("early", "late")}
    hp.kill_keeper()
    assert hp.state("early") == "running" and hp.action("early")["status"] == "it is"
    assert hp.state("late") == "starting"
    (hp.root / "ready.late").touch()
    hp.wait_state("late", "running")
    end = time.monotonic() + 1.5  # longer than the watchdog is patient
    wait_until(lambda: time.monotonic() > end, what="time goes by")
    assert {n: hp.pid(n) for n in pids} == pids
    os.kill(pids["early"], signal.SIGSTOP)
    wait_until(lambda: hp.pid("early") not in (None, pids["early"]), what="the watchdog bites")


@everywhere
def test_what_waits_goes_on_waiting_and_an_operation_in_flight_ends(fresh, env):
    hp = fresh(**env).start()
    hp.define("db", readiness={"manual": True})
    hp.define("web", dependencies={"requires": ["db"]})
    op = hp.rpc("service.start", name="web", wait=False)["operation"]
    wait_until(lambda: hp.pid("db"), what="db is executed")
    db = hp.pid("db")
    hp.kill_keeper()
    assert hp.state("web") == "waiting_deps" and hp.pid("db") == db
    hp.rpc("service.ready", name="db")
    hp.wait_state("web", "running")
    wait_until(lambda: hp.rpc("op.get", operation=op)["operation_state"] == "done", what="the operation is done")


@everywhere
def test_twenty_kills_of_the_keeper_among_starts_and_stops_lose_and_double_nothing(fresh, env):
    hp = fresh(**env).start()
    names = [f"s{i}" for i in range(6)]
    for n in names:  # the lock is shared by a service's processes, and goes with the last of them
        hp.define(n, script=f"exec 9>{hp.root}/lock.{n}; flock -n 9 || echo {n} >> {hp.root}/doubled; exec {hp.bin}/pause")
    hp.rpc("service.start", name=names[:3])
    steady = {n: hp.pid(n) for n in names[:3]}
    for i in range(20):
        other = names[3 + i % 3]
        call = hp.later("service.stop" if i // 3 % 2 else "service.start", name=other, wait=False)
        hp.kill_keeper()
        call.join()
        assert {n: hp.pid(n) for n in steady} == steady, hp.log_text()
    for n in names[3:]:
        hp.rpc("service.start", name=n)
        assert hp.state(n) == "running"
    assert not (hp.root / "doubled").exists()


def test_keeper_and_then_server_are_killed_and_nothing_is_doubled(fresh):
    hp = fresh().start()
    hp.define("s", script=f"echo $$ >> {hp.root}/executed; exec {hp.bin}/pause")
    hp.rpc("service.start", name="s")
    pid = hp.pid("s")
    for _ in range(5):
        hp.kill_keeper()
        hp.kill_server()
        assert hp.pid("s") == pid
    assert len((hp.root / "executed").read_text().split()) == 1
