"""Stopped means that the set is empty (F33), whatever its members did to get away."""
import os
import signal
import sys

import pytest

from hp import command_of, is_alive, wait_until

DAEMON = """
import os, signal, sys, time
folder, how = sys.argv[1:]
def tell(name):
    with open(f"{folder}/{name}.new", "w") as f: f.write(str(os.getpid()))
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")
if os.fork() == 0:
    if how in ("double_fork", "setsid"): os.setsid()
    if os.fork() == 0:
        if how == "setsid": os.setsid()
        if how == "ignores_term": signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell("grandchild")
        if how == "stopped": os.kill(os.getpid(), signal.SIGSTOP)
        while True: time.sleep(60)
    if how in ("double_fork", "setsid"): os._exit(0)
    tell("child")
    while True: time.sleep(60)
while True: time.sleep(60)
"""


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


@pytest.fixture
def escape(hp, tmp_path):
    """Starts a service whose grandchild behaves like that; gives the pids that it left."""
    pids = []

    def start(how):
        script = tmp_path / "daemon.py"
        script.write_text(DAEMON)
        hp.define("web", exec=[sys.executable, str(script), str(tmp_path), how], stop_timeout_ms=300)
        hp.rpc("service.start", name="web")
        told = tmp_path / "grandchild"
        wait_until(told.exists, what="the grandchild runs")
        pids.extend([hp.pid("web"), int(told.read_text())])
        if how == "stopped":
            wait_until(lambda: state_of(pids[1]) == "T", what="the grandchild is stopped")
        return pids

    yield start
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["double_fork", "setsid", "ignores_term", "stopped"])
def test_f33_a_stop_answers_when_no_process_of_the_set_is_left(hp, escape, how):
    pids = escape(how)
    hp.rpc("service.stop", name="web")
    assert [p for p in pids if is_alive(p)] == []


@pytest.mark.parametrize("how", ["double_fork", "setsid", "ignores_term", "stopped"])
def test_f33_a_restart_executes_after_the_last_process_of_the_old_set(hp, tmp_path, escape, how):
    old = list(escape(how))
    (tmp_path / "grandchild").unlink()
    hp.rpc("service.restart", name="web")
    assert [p for p in old if is_alive(p)] == []
    wait_until((tmp_path / "grandchild").exists, what="the new grandchild runs")
    hp.rpc("service.stop", name="web")
    assert not is_alive(int((tmp_path / "grandchild").read_text()))


SETS = pytest.mark.parametrize("env", [pytest.param({}, id="cgroups"), pytest.param({"HERO_PROC_NO_CGROUP": "1"}, id="no cgroups")])
BOMB = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(%r, "w").close()
while True:
    try:
        if os.fork() == 0 and os.fork(): os._exit(0)
    except OSError:
        time.sleep(0.001)
"""


@SETS
@pytest.mark.skipif(os.geteuid() != 0, reason="limits.nproc counts processes of a user, and does not hold for root")
def test_a_fork_bomb_under_a_limit_of_processes_is_stopped_to_the_last_one_and_its_neighbour_does_not_notice(fresh, env):
    hp = fresh(**env)
    hp.root.chmod(0o777)
    hp.start()
    hp.define("neighbour")
    hp.define("bomb", exec=[sys.executable, "-c", BOMB % str(hp.root / "lit")], user="54321", group="54321",
              limits={"nproc": "200"}, stop_timeout_ms=200)
    hp.rpc("service.start", name=["neighbour", "bomb"])
    neighbour = hp.pid("neighbour")
    bombs = lambda: [p for p in hp.left() if "lit" in command_of(p)]  # noqa: E731
    wait_until(lambda: len(bombs()) > 60, what="it went off")
    hp.rpc("service.stop", name="bomb")
    assert bombs() == [] and hp.state("bomb") == "inactive"
    assert hp.pid("neighbour") == neighbour and hp.state("neighbour") == "running"


@SETS
def test_a_stop_that_meets_a_launcher_leaves_nothing_of_what_it_launches(fresh, env):
    """case launcher-ends-ok-after-stop: the daemon that appears during the stop is found."""
    hp = fresh(**env).start()
    hp.define("d", script="trap '' TERM; sleep 0.2; (setsid sleep 1000 &); exit 0", stop_timeout_ms=2000,
              readiness={"manual": True}, retry_policy={"restart": "never"})
    hp.rpc("service.start", name="d", wait=False)
    wait_until(lambda: hp.pid("d"), what="the launcher runs")
    hp.rpc("service.stop", name="d")
    assert hp.state("d") == "inactive" and not [p for p in hp.left() if command_of(p) == "sleep 1000"]


def test_a_service_that_stops_itself_at_its_end_is_not_restarted_and_can_be_by_hand(hp):
    """case down-from-own-finish"""
    ran = hp.root / "ran"
    hp.define("x", script=f"echo x >> {ran}; [ $(wc -l < {ran}) -gt 1 ] && exec sleep 1000; "
                          f"{hp.bin}/hero_proc --socket {hp.socket} service stop x --no-wait; exit 0",
              retry_policy={"restart": "always"})
    hp.rpc("service.start", name="x", wait=False)
    wait_until(lambda: hp.state("x") == "inactive" and ran.exists(), what=lambda: hp.status("x"))
    assert hp.status("x")["wanted"] == "stop" and len(ran.read_text().split()) == 1
    hp.rpc("service.restart", name="x")
    assert hp.state("x") == "running" and len(ran.read_text().split()) == 2
