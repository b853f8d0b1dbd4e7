"""Every declared readiness, every way to end, and the event stream: one short test each."""
import http.client
import json
import os
import signal
import subprocess

import pytest
from hp import _UnixConnection, healthy, is_alive, wait_until

SAY_READY = """python3 -c '
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"].replace("@", chr(0), 1))
s.send(b"READY=1")
time.sleep(1000)'"""

READY = {
    "notify": ({"notify": True}, SAY_READY),
    "fd": ({"fd": 5}, "echo >&5; exec sleep 1000"),
    "log": ({"log": "^listening on [0-9]+$"}, "echo warming up; echo listening on 80; exec sleep 1000"),
    "after_ms": ({"after_ms": 50}, "exec sleep 1000"),
}


@pytest.mark.parametrize("kind", READY)
def test_declared_readiness_is_what_a_start_waits_for(hp, kind):
    readiness, script = READY[kind]
    hp.define("db", script=script, readiness=readiness)
    assert hp.rpc("service.start", name="db")["state"] == "running"
    assert hp.action("db")["state"] == "ready"


@pytest.mark.parametrize("kind", ["notify", "fd", "log"])
def test_silence_is_no_readiness(hp, kind):
    hp.define("db", script="exec sleep 1000", readiness=READY[kind][0], start_timeout_ms=300,
              retry_policy={"restart": "never"})
    error = hp.refusal("service.start", name="db")
    assert error.data["name"] == "start_failed"
    assert "start_timeout" in json.dumps(hp.status("db"))


def test_readiness_that_comes_while_the_server_is_away_counts(hp):
    mark = hp.root / "go"
    hp.define("db", script=f"while ! [ -e {mark} ]; do sleep 0.02; done; echo listening on 80; exec sleep 1000",
              readiness={"log": "^listening"})
    hp.rpc("service.start", name="db", wait=False)
    wait_until(lambda: hp.pid("db"), what="db is executed")
    pid = hp.pid("db")
    server = hp.info()["pid"]
    os.kill(server, signal.SIGSTOP)
    mark.touch()
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not is_alive(server), what="the server died")
    wait_until(lambda: healthy(hp.socket), what="a new server answers")
    hp.wait_state("db", "running")
    assert hp.pid("db") == pid


def test_manual_readiness_is_given_by_hand_and_only_then(hp):
    hp.define("db", readiness={"manual": True})
    call = hp.later("service.start", name="db")
    wait_until(lambda: hp.state("db") == "starting" and hp.pid("db"), what="db starts")
    hp.rpc("service.ready", name="db")
    assert call.done()["state"] == "running"
    assert hp.refusal("service.ready", name="db").data["name"] == "invalid_state"


def test_stop_exec_is_run_instead_of_the_signal(hp):
    hp.define("db", script="trap '' TERM; while ! [ -e $PATH_ROOT/stop ]; do sleep 0.02; done",
              stop_exec="echo $MAINPID > $PATH_ROOT/stop")
    hp.rpc("service.start", name="db")
    pid = hp.pid("db")
    assert hp.rpc("service.stop", name="db")["state"] == "inactive"
    assert int((hp.root / "stop").read_text()) == pid


def test_what_ignores_the_signal_is_killed_with_its_children(hp):
    hp.define("db", script="trap '' TERM; sleep 1001 & while :; do sleep 1; done", stop_timeout_ms=200)
    hp.rpc("service.start", name="db")
    before = len(hp.left())
    hp.rpc("service.stop", name="db")
    assert len(hp.left()) < before
    assert hp.state("db") == "inactive"


def test_an_executable_that_is_not_there_fails_at_once_and_why_says_so(hp):
    hp.define("db", exec=["/nowhere/db"])
    assert hp.refusal("service.start", name="db").data["name"] == "start_failed"
    assert "/nowhere/db" in hp.rpc("service.why", name="db")["text"]
    assert hp.action("db")["state"] == "failed"


def test_why_gives_the_last_words_of_what_failed(hp):
    hp.define("db", script="echo no disk here >&2; exit 7", readiness={"notify": True},
              retry_policy={"restart": "never"})
    hp.define("web", dependencies={"requires": ["db"]})
    hp.refusal("service.start", name="web")
    text = hp.rpc("service.why", name="web")["text"]
    assert "exit code 7" in text and "no disk here" in text
    assert len(text.splitlines()) <= 6


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_keeper_ends_everything_in_order(hp, signo):
    hp.define("db", script="trap 'date +%s%N > $PATH_ROOT/db; exit 0' TERM; while :; do sleep 0.02; done")
    hp.define("web", script="trap 'date +%s%N > $PATH_ROOT/web; exit 0' TERM; while :; do sleep 0.02; done",
              dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="web")
    os.kill(hp.keeper_pid(), signo)
    assert hp.process.wait(10) == 0
    assert int((hp.root / "web").read_text()) < int((hp.root / "db").read_text())
    assert not hp.socket.exists()
    assert hp.left() == []


def test_a_second_supervisor_names_the_first_and_touches_nothing(hp):
    second = subprocess.run([hp.bin / "hero_proc_server", "--socket", hp.socket], env=hp.env, cwd=hp.root,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert second.returncode == 4
    assert str(hp.keeper_pid()) in second.stderr
    assert healthy(hp.socket)


def events_of(hp, url):
    """(event, data) of a stream, until it ends."""
    c = _UnixConnection(hp.socket, 10)
    c.request("GET", url)
    kind = None
    for raw in c.getresponse():
        line = raw.decode().strip()
        if line.startswith("event:"):
            kind = line.split(":", 1)[1].strip()
        elif line.startswith("data:"):
            yield kind, json.loads(line.split(":", 1)[1])


def test_an_operation_can_be_followed_to_its_end(hp):
    hp.define("db", readiness={"after_ms": 100})
    hp.define("web", dependencies={"requires": ["db"]})
    op = hp.rpc("service.start", name="web", wait=False)["operation"]
    seen = []
    try:
        for kind, data in events_of(hp, f"/events?operation={op}"):
            seen.append((kind, data.get("service")))
            if kind == "done":
                assert data["state"] == "done"
                break
    except http.client.IncompleteRead:
        pass
    assert [s for s in seen if s[0] == "step"] == [("step", "db"), ("step", "web")]
    assert seen[-1][0] == "done"
    stored = hp.rpc("op.get", operation=op)
    assert stored["operation_state"] == "done"
    assert [s["service"] for s in stored["steps"]] == ["db", "web"]
