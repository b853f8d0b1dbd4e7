"""What an action declares as its readiness holds for each attempt, and survives the server (SPEC 2.4)."""
import os
import signal
import socket
import time

import pytest

from hp import E_NOT_FOUND, E_START, E_STATE, healthy, is_alive, wait_until

NEVER = {"restart": "never"}


class Pause:
    """A fifo that a shell script waits at: `{p}` in the script; go() lets it pass."""

    def __init__(self, hp, name="gate"):
        self.path = hp.root / name
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR)

    def __str__(self):
        return f"read x < {self.path}"

    def go(self, word="go"):
        os.write(self.fd, f"{word}\n".encode())


def start(hp, name):
    return hp.rpc("service.start", name=name, wait=False)


# ---- {fd} ---------------------------------------------------------------------------

def test_a_newline_on_the_descriptor_makes_it_ready(hp):
    p, q = Pause(hp), Pause(hp, "second")
    hp.define("s", script=f'printf not-yet >&"$HERO_READY_FD"; echo out; {p}; echo >&5; {q}; echo more >&5; '
                          f'echo wrote; exec {hp.bin}/pause', readiness={"fd": 5})
    start(hp, "s")
    wait_until(lambda: "out" in [r["line"] for r in hp.rpc("logs.query", service="s")["lines"]], what="it wrote")
    assert hp.state("s") == "starting"
    p.go()
    hp.wait_state("s", "running")
    q.go()  # whoever writes again is not ended for it
    wait_until(lambda: "wrote" in [r["line"] for r in hp.rpc("logs.query", service="s")["lines"]], what="it wrote")
    assert hp.action("s")["attempt"] == 1


def test_closing_the_descriptor_without_a_newline_is_no_readiness(hp):
    hp.define("s", script=f"printf x >&3; exec 3>&-; exec {hp.bin}/pause", readiness={"fd": 3},
              start_timeout_ms=300, retry_policy=NEVER)
    assert hp.refusal("service.start", name="s").code == E_START
    assert hp.action("s")["reason"] == "start_timeout"


def test_the_keeper_lets_the_descriptor_go_with_the_attempt(hp):
    def held():
        return len(os.listdir(f"/proc/{hp.keeper_pid()}/fd"))
    hp.define("s", script=f"echo >&3; exec {hp.bin}/pause", readiness={"fd": 3})
    hp.rpc("service.start", name="s")
    hp.rpc("service.stop", name="s")
    before = held()
    for _ in range(5):
        hp.rpc("service.start", name="s")
        hp.rpc("service.stop", name="s")
    wait_until(lambda: held() <= before, what=lambda: f"{before} descriptors; there are {held()}")


def test_no_newline_is_lost_whenever_the_server_is_killed(hp):
    """The server had read it and was killed before it was recorded: the pipe was empty for ever."""
    services = []
    for i in range(40):
        p = Pause(hp, f"fifo{i}")
        hp.define(f"s{i}", script=f"{p}; echo >&3; : > {hp.root}/said{i}; exec {hp.bin}/pause", readiness={"fd": 3})
        start(hp, f"s{i}")
        services.append((f"s{i}", p, hp.root / f"said{i}"))
    for name, *_ in services:
        wait_until(lambda: hp.pid(name), what="it is executed")
    for i in range(4):
        batch, server = services[i * 10:i * 10 + 10], hp.info()["pid"]
        for k, (_, p, said) in enumerate(batch):
            p.go()
            if k < 6:
                while not said.exists():  # within microseconds, not milliseconds
                    pass
        began = time.monotonic()
        while time.monotonic() - began < i * 0.001:
            pass
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), what="the server died")
        wait_until(lambda: healthy(hp.socket) and hp.info()["pid"] != server, 15, "a new server answers")
        for name, *_ in batch:
            hp.wait_state(name, "running")
            assert hp.action(name)["attempt"] == 1


# ---- {log} --------------------------------------------------------------------------

def test_F62_a_line_of_a_former_attempt_makes_no_later_one_ready(hp):
    p = Pause(hp)
    hp.define("s", script=f"{p}; echo ready $x; [ $x = no ] || exec {hp.bin}/pause; exit 1",
              readiness={"log": "^ready (yes|no)$"}, retry_policy={"restart": "always", "delay_ms": 0})
    start(hp, "s")
    p.go("no")
    wait_until(lambda: hp.action("s")["attempt"] == 2 and hp.action("s")["state"] == "running", what="a second one")
    assert hp.state("s") == "starting"
    p.go("yes")
    hp.wait_state("s", "running")


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_a_matching_line_of_either_stream_makes_it_ready(hp, stream):
    p = Pause(hp)
    hp.define("s", script=f"echo not ready{stream}; {p}; echo now ready{stream}; exec {hp.bin}/pause",
              readiness={"log": "^now"})
    start(hp, "s")
    wait_until(lambda: hp.rpc("logs.query", service="s")["lines"], what="it wrote")
    assert hp.state("s") == "starting"
    p.go()
    hp.wait_state("s", "running")


def test_a_line_that_was_written_while_the_server_was_away_counts(hp):
    p = Pause(hp)
    hp.define("s", script=f"{p}; echo ready; exec {hp.bin}/pause", readiness={"log": "^ready"})
    start(hp, "s")
    wait_until(lambda: hp.pid("s"), what="it is executed")
    server = hp.info()["pid"]
    os.kill(server, signal.SIGKILL)
    p.go()
    wait_until(lambda: not is_alive(server) and hp.answers(), what="a new server answers")
    hp.wait_state("s", "running")


# ---- {after_ms}, {manual}, {sockets} ---------------------------------------------------

def test_after_ms_is_counted_from_the_execution_also_across_servers(hp):
    hp.define("s", readiness={"after_ms": 900})
    began = time.monotonic()
    start(hp, "s")
    wait_until(lambda: time.monotonic() - began > 0.6, what="two thirds have passed")
    assert hp.state("s") == "starting"
    hp.kill_server()
    hp.wait_state("s", "running")
    assert 0.9 <= time.monotonic() - began < 1.4


def test_manual_readiness_is_given_by_service_ready_once(hp):
    hp.define("s", readiness={"manual": True})
    hp.define("other")
    hp.rpc("service.start", name="other")
    assert hp.refusal("service.ready", name="s").code == E_STATE
    start(hp, "s")
    wait_until(lambda: hp.pid("s"), what="it is executed")
    assert hp.state("s") == "starting"
    assert hp.refusal("service.ready", name="s", action="other").code == E_NOT_FOUND
    hp.kill_server()
    assert hp.rpc("service.ready", name="s", action="s")["ready"] == ["s"]
    assert hp.state("s") == "running"
    assert hp.refusal("service.ready", name="s").code == E_STATE  # it is ready already
    assert hp.refusal("service.ready", name="other").code == E_STATE
    assert hp.refusal("service.ready", name="nobody").code == E_NOT_FOUND
    hp.kill_server()
    assert hp.state("s") == "running"


def test_sockets_are_ready_when_all_of_them_answer(hp):
    path = hp.sockets / "s" / "x.sock"
    path.parent.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hp.define("s", sockets=[{"name": "x.sock"}], tcp=[{"port": port, "host": "127.0.0.1"}])  # nothing declared: sockets and ports
    start(hp, "s")
    wait_until(lambda: hp.pid("s"), what="it is executed")
    with socket.socket(socket.AF_UNIX) as a, socket.socket() as b:
        a.bind(str(path))  # a file that nobody listens behind
        b.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        b.bind(("127.0.0.1", port))
        b.listen()
        wait_until(lambda: "x.sock" in hp.rpc("service.why", name="s")["text"], what="it is known what is missing")
        assert hp.state("s") == "starting"
        a.listen()
        hp.wait_state("s", "running")


# ---- every kind -----------------------------------------------------------------------

@pytest.mark.parametrize("kind", [{"notify": True}, {"fd": 3}, {"log": "ready"}, {"after_ms": 5000}, {"manual": True},
                                  {"sockets": True}], ids=lambda k: next(iter(k)))
@pytest.mark.parametrize("code", [0, 7])
def test_an_end_before_the_declared_readiness_is_a_failed_start_whatever_its_exit_code(hp, kind, code):
    hp.define("s", script=f"exit {code}", readiness=kind, retry_policy=NEVER, success_exit_codes=[0, 7],
              sockets=[{"name": "x.sock"}])
    assert hp.refusal("service.start", name="s").code == E_START
    assert (hp.state("s"), hp.action("s")["exit_code"]) == ("failed", code)
    assert hp.action("s")["reason"] == "not_ready"


def test_a_second_attempt_that_ends_before_its_readiness_has_failed_too(hp):
    p = Pause(hp)
    hp.define("s", script=f"{p}; [ $x = ready ] || exit 0; echo >&3; {p}; exit 1", readiness={"fd": 3},
              retry_policy={"restart": "on_failure", "delay_ms": 0, "max_attempts": 2})
    start(hp, "s")
    p.go("ready")
    hp.wait_state("s", "running")
    p.go()
    wait_until(lambda: hp.action("s")["attempt"] == 2, what="a second attempt")
    p.go("no")
    hp.wait_state("s", "failed")
    assert hp.action("s")["exit_code"] == 0
