"""Stopped means that the set is empty (F33), whatever its members did to get away."""
import os
import signal
import sys

import pytest

from hp import is_alive, wait_until

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
