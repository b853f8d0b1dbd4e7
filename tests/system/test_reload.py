"""service.reload: a signal or a command, and RELOADING/READY where they are spoken (SPEC 4)."""
import os

from hp import DONE, E_NOT_FOUND, E_START, E_STATE, E_TIMEOUT, REFUSED, wait_until
from test_notify import Notifier


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def signalled(hp, name="s", **keys):
    """A service that writes a line for each HUP."""
    hp.define(name, script=f"trap 'echo hup >> {hp.root}/{name}.hups' HUP; echo >&3; "
                           f"while :; do read x < {hp.root}/{name}.fifo; done", readiness={"fd": 3}, **keys)
    os.mkfifo(hp.root / f"{name}.fifo")
    hp.rpc("service.start", name=name)


def test_a_signal_is_sent_to_the_process_and_nothing_is_restarted(hp):
    signalled(hp, reload="SIGHUP")
    pid = hp.pid("s")
    answer = hp.rpc("service.reload", name="s")
    assert answer["reloaded"] == [{"action": "s", "signal": "SIGHUP", "pid": pid}] and answer["operation"] > 0
    wait_until(lambda: lines(hp.root / "s.hups") == ["hup"], what="it got the signal")
    assert (hp.pid("s"), hp.state("s")) == (pid, "running")


def test_the_command_line_reloads(hp):
    signalled(hp, reload="HUP")
    done = hp.cli("service", "reload", "s")
    assert (done.returncode, done.stdout) == (DONE, "s: reloaded\n"), done.stderr
    wait_until(lambda: lines(hp.root / "s.hups") == ["hup"], what="it got the signal")
    hp.rpc("service.stop", name="s")
    assert hp.cli("service", "reload", "s").returncode == REFUSED


def test_a_command_runs_beside_it_and_is_waited_for(hp):
    os.mkfifo(hp.root / "go")
    hp.define("s", reload=f"echo $MAINPID $A > {hp.root}/told; read x < {hp.root}/go; echo end >> {hp.root}/told",
              env={"A": "b"})
    hp.rpc("service.start", name="s")
    call = hp.later("service.reload", name="s")
    wait_until(lambda: lines(hp.root / "told") == [f"{hp.pid('s')} b"], what="the command runs")
    assert call.is_alive()
    (hp.root / "go").write_text("go\n")
    assert call.done()["reloaded"][0]["action"] == "s"
    assert lines(hp.root / "told")[1:] == ["end"]


def test_a_command_that_fails_is_told(hp):
    hp.define("s", reload="echo no such file >&2; exit 7")
    hp.rpc("service.start", name="s")
    failed = hp.refusal("service.reload", name="s")
    assert failed.code == E_START and "exit code 7: no such file" in failed.message
    assert hp.state("s") == "running"


def test_a_command_that_does_not_end_is_ended_with_the_wait(hp):
    hp.define("s", reload=f"echo $$ > {hp.root}/told; exec sleep 77")
    hp.rpc("service.start", name="s")
    late = hp.refusal("service.reload", name="s", timeout_ms=300)
    assert late.code == E_TIMEOUT and "still running" in late.message
    pid = int((hp.root / "told").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="the command is gone")


def test_what_can_not_be_reloaded_is_refused(hp):
    hp.define("plain")
    hp.define("s", reload="SIGHUP")
    hp.rpc("service.start", name="plain")
    assert hp.refusal("service.reload", name="plain").code == E_STATE  # declares nothing
    assert hp.refusal("service.reload", name="s").code == E_STATE      # does not run
    assert hp.refusal("service.reload", name="s", action="t").code == E_NOT_FOUND
    assert hp.refusal("service.reload", name="nobody").code == E_NOT_FOUND


def test_with_notifications_the_call_waits_for_ready(hp):
    n = Notifier(hp, first=["on HUP RELOADING=1", "say READY=1"], wait=True, reload="SIGHUP")
    call = hp.later("service.reload", name="n")
    n.wait_action(notified="reloading", state="ready")
    assert call.is_alive()
    n.tell("say READY=1")
    call.done()
    n.wait_action(notified=None, attempt=1)


def test_a_ready_of_before_the_reload_does_not_end_it(hp):
    Notifier(hp, first=["on HUP STATUS=busy", "say READY=1"], wait=True, reload="SIGHUP")
    late = hp.refusal("service.reload", name="n", timeout_ms=300)
    assert late.code == E_TIMEOUT and "READY=1" in late.message
    assert hp.action("n")["status"] == "busy"
    assert hp.rpc("service.reload", name="n", wait=False)["reloaded"]


def test_a_dry_run_tells_whom_it_would_reach_and_reaches_nobody(hp):
    signalled(hp, reload="SIGHUP")
    told = hp.rpc("service.reload", name="s", dry_run=True)
    assert told["reloaded"] == [{"action": "s", "signal": "SIGHUP", "pid": hp.pid("s")}] and told["dry_run"]
    hp.rpc("service.kill", name="s", signal="HUP")
    wait_until(lambda: lines(hp.root / "s.hups") == ["hup"], what="the signal of the kill, and no other")


def test_an_end_during_the_reload_is_told(hp):
    n = Notifier(hp, first=["on HUP RELOADING=1", "say READY=1"], wait=True, reload="SIGHUP")
    call = hp.later("service.reload", name="n")
    n.wait_action(notified="reloading")
    n.tell("exit 1")
    call.join(10)
    assert call.error.code == E_START and "ended while it reloaded" in call.error.message


def test_all_actions_that_declare_it_are_reloaded(hp):
    script = f"exec {hp.bin}/pause"
    hp.rpc("service.define", service={"name": "s", "actions": [
        {"name": "a", "script": script, "reload": f"echo a >> {hp.root}/told"},
        {"name": "b", "script": script, "reload": f"echo b >> {hp.root}/told"},
        {"name": "c", "script": script}]})
    hp.rpc("service.start", name="s")
    assert [r["action"] for r in hp.rpc("service.reload", name="s")["reloaded"]] == ["a", "b"]
    assert sorted(lines(hp.root / "told")) == ["a", "b"]
    hp.rpc("service.reload", name="s", action="b")
    assert sorted(lines(hp.root / "told")) == ["a", "b", "b"]
