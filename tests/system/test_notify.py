"""sd_notify(3): what a service says of itself counts, and only what it says itself (SPEC 2.4, 4)."""
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from hp import E_START, is_alive, wait_until

PROGRAM = Path(__file__).resolve().parent / "programs" / "notifier.py"


class Notifier:
    """A service of notifier.py, and the fifo it is told through."""

    def __init__(self, hp, name="n", first=(), wait=False, **keys):
        self.hp, self.name, self.fifo = hp, name, hp.root / f"{name}.fifo"
        os.mkfifo(self.fifo)
        keys.setdefault("readiness", {"notify": True})
        keys.setdefault("retry_policy", {"restart": "never"})
        hp.define(name, exec=["/usr/bin/python3", str(PROGRAM), str(self.fifo), *first], **keys)
        hp.rpc("service.start", name=name, wait=wait)
        wait_until(lambda: self.action()["pid"], what="it is executed")

    def tell(self, line):
        fd = os.open(self.fifo, os.O_RDWR)
        before = self.said(line)
        os.write(fd, line.encode() + b"\n")
        if not line.startswith("exit") and "trigger" not in line:  # it may be ended before it has written that
            wait_until(lambda: self.said(line) > before, what=line)
        os.close(fd)

    def diary(self):
        path = Path(f"{self.fifo}.diary")
        return path.read_text().splitlines() if path.exists() else []

    def said(self, line):
        return self.diary().count(line)

    def action(self):
        return self.hp.action(self.name)

    def wait_action(self, **want):
        wait_until(lambda: all(self.action().get(k) == v for k, v in want.items()),
                   what=lambda: f"{want}; it is {self.action()}")


def address_of(pid):
    env = dict(e.split("=", 1) for e in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in e)
    return env["NOTIFY_SOCKET"].replace("@", "\0", 1)


def test_status_is_shown_and_stands_in_why_while_it_is_not_ready(hp):
    n = Notifier(hp)
    n.tell("say STATUS=migrating 3/7")
    n.wait_action(state="running", status="migrating 3/7")
    assert "it says: migrating 3/7" in hp.rpc("service.why", name="n")["text"]
    hp.kill_server()
    n.wait_action(state="running", status="migrating 3/7")
    n.tell("say READY=1\\nSTATUS=")
    n.wait_action(state="ready", status=None)


def test_a_status_of_any_bytes_is_readable(hp):
    n = Notifier(hp)
    n.tell("say STATUS=\x1b[31mred")
    n.wait_action(status=" [31mred")


def test_stopping_is_shown_and_its_end_is_judged_by_exit(hp):
    n = Notifier(hp, first=["say READY=1"], wait=True)
    n.tell("say STOPPING=1\\nSTATUS=flushing")
    n.wait_action(state="ready", notified="stopping", status="flushing")
    n.tell("exit 3")
    hp.wait_state("n", "failed")
    assert n.action()["exit_code"] == 3 and "notified" not in n.action()


def test_reloading_is_shown_until_ready_again(hp):
    n = Notifier(hp, first=["say READY=1"], wait=True)
    n.tell("say RELOADING=1")
    n.wait_action(notified="reloading", state="ready")
    hp.kill_server()
    n.wait_action(notified="reloading", state="ready")
    n.tell("say READY=1")
    n.wait_action(notified=None, state="ready")


def test_F63_words_of_a_child_that_is_gone_count(hp):
    n = Notifier(hp)
    n.tell("child READY=1")
    hp.wait_state("n", "running")


@pytest.mark.parametrize("cgroups", [True, False])
def test_words_of_a_process_that_is_not_of_the_attempt_count_for_nothing(fresh, cgroups):
    hp = fresh(**({} if cgroups else {"HERO_PROC_NO_CGROUP": "1"})).start()
    n = Notifier(hp)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:  # of the same user, but of this test
        s.sendto(b"READY=1\nSTATUS=foreign", address_of(n.action()["pid"]))
    n.tell("barrier STATUS=own")
    n.wait_action(status="own", state="running")
    n.tell("child STATUS=of a child")
    n.wait_action(status="of a child")


def test_F62_words_for_a_former_attempt_count_for_nothing(hp):
    n = Notifier(hp, retry_policy={"restart": "always", "delay_ms": 0})
    old = address_of(n.action()["pid"])
    n.tell("say STATUS=first")
    n.tell("exit 1")
    n.wait_action(attempt=2, state="running")
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"READY=1", old)
    assert "status" not in n.action() and address_of(n.action()["pid"]) != old


def test_a_barrier_is_passed_when_what_was_said_before_is_read(hp):
    n = Notifier(hp)
    n.tell("barrier STATUS=before")
    assert n.said("barrier STATUS=before") == 1
    n.wait_action(status="before")


def test_main_pid_is_shown(hp):
    n = Notifier(hp)
    n.tell("say MAINPID=4711")
    n.wait_action(main_pid=4711)


def test_a_start_is_given_the_time_it_asks_for(hp):
    n = Notifier(hp, start_timeout_ms=400, first=["say EXTEND_TIMEOUT_USEC=30000000"])
    began = time.monotonic()
    call = hp.later("service.start", name="n")
    wait_until(lambda: time.monotonic() - began > 0.9, what="more than twice its start_timeout has passed")
    assert n.action()["state"] == "running"
    hp.kill_server()
    n.tell("say READY=1")
    hp.wait_state("n", "running")
    assert n.action()["attempt"] == 1
    call.join(10)


def test_the_call_that_waits_waits_as_long_as_the_start(hp):
    n = Notifier(hp, start_timeout_ms=300, first=["say EXTEND_TIMEOUT_USEC=900000"])
    began = time.monotonic()
    assert hp.refusal("service.start", name="n").code == E_START
    assert time.monotonic() - began > 0.5
    assert n.action()["reason"] == "start_timeout"


def test_a_stop_is_given_the_time_it_asks_for(hp):
    n = Notifier(hp, stop_timeout_ms=300, wait=True,
                 first=["on TERM EXTEND_TIMEOUT_USEC=20000000", "say READY=1"])
    pid = n.action()["pid"]
    call = hp.later("service.stop", name="n")
    wait_until(lambda: "signal TERM" in n.diary(), what="it was told to go")
    told = time.monotonic()
    wait_until(lambda: time.monotonic() - told > 0.8, what="its stop_timeout has passed twice")
    assert is_alive(pid)
    n.tell("exit 0")
    assert call.done()["state"] == "inactive"


def test_a_one_shot_is_given_the_time_it_asks_for(hp):
    n = Notifier(hp, is_process=False, timeout_ms=400, first=["say EXTEND_TIMEOUT_USEC=20000000"])
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.9, what="its timeout has passed twice")
    n.tell("exit 0")
    hp.wait_state("n", "exited")


def test_silence_longer_than_the_watchdog_fails_the_attempt(hp):
    n = Notifier(hp, watchdog_ms=300, first=["say READY=1", "beat 50"], wait=True,
                 retry_policy={"restart": "always", "delay_ms": 20000})
    pid = n.action()["pid"]
    env = Path(f"/proc/{pid}/environ").read_text().split("\0")
    assert "WATCHDOG_USEC=300000" in env and f"WATCHDOG_PID={pid}" in env
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.9, what="it speaks for three periods")
    assert n.action()["pid"] == pid
    n.tell("beat 0")
    n.wait_action(state="retrying", reason="probe_failed")
    assert "no WATCHDOG=1 for" in n.action()["why"] and "watchdog_ms = 300" in n.action()["why"]


def test_the_watchdog_begins_when_it_is_ready(hp):
    n = Notifier(hp, watchdog_ms=200)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.7, what="it is silent while it starts")
    assert n.action()["state"] == "running"
    n.tell("say READY=1")
    n.wait_action(state="failed", reason="probe_failed")


def test_the_watchdog_does_not_bite_because_the_server_was_away(hp):
    n = Notifier(hp, watchdog_ms=400, first=["say READY=1", "beat 50"], wait=True)
    pid, server = n.action()["pid"], hp.info()["pid"]
    os.kill(server, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() - stopped > 1, what="the server sleeps for longer than the watchdog")
    os.kill(server, signal.SIGCONT)
    assert n.action()["pid"] == pid
    hp.kill_server()
    n.wait_action(pid=pid, watchdog_ms=400)
    n.tell("beat 0")  # the new server watches, too
    n.wait_action(state="failed", reason="probe_failed")


def test_the_watchdog_can_be_triggered_and_its_time_changed(hp):
    n = Notifier(hp, watchdog_ms=60000, first=["say READY=1"], wait=True)
    n.tell("say WATCHDOG_USEC=30000000")
    n.wait_action(watchdog_ms=30000)
    hp.kill_server()
    n.wait_action(watchdog_ms=30000)
    n.tell("say WATCHDOG=trigger")
    n.wait_action(state="failed", reason="probe_failed")


def test_a_service_without_a_socket_of_its_own_sees_nobody_elses(fresh):
    hp = fresh(NOTIFY_SOCKET="@of-somebody-else", WATCHDOG_USEC="1", WATCHDOG_PID="1").start()
    hp.define("plain")
    hp.rpc("service.start", name="plain")
    env = Path(f"/proc/{hp.pid('plain')}/environ").read_text()
    assert "NOTIFY_SOCKET" not in env and "WATCHDOG" not in env
