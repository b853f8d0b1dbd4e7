"""When another attempt follows, and when none does (SPEC 4 retry_policy); tests/unit/engine/test_job.c has every case."""
import os
import time

import pytest

from hp import E_START, wait_until


def executions(hp):
    path = hp.root / "runs"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def define(hp, end, name="s", **keys):
    """A service whose script writes when it was executed, then does `end`; $n is the number of the execution."""
    hp.define(name, script=f"date +%s.%N >> {hp.root}/runs; n=$(wc -l < {hp.root}/runs); {end}", **keys)
    hp.rpc("service.start", name=name, wait=False)


def settled(hp, state, name="s"):
    hp.wait_state(name, state)
    return len(executions(hp))


ALWAYS = {"restart": "always", "delay_ms": 0}


@pytest.mark.parametrize("end,rule,state,reason", [
    ("exit 3", {"code": 3, "then": "fail"}, "failed", "exit_code"),
    ("exit 0", {"code": 0, "then": "fail"}, "failed", "exit_code"),
    ("kill -9 $$", {"signal": "SIGKILL", "then": "fail"}, "failed", "signal"),
], ids=["code", "success", "signal"])
def test_a_rule_that_fails_ends_it_at_once(hp, end, rule, state, reason):
    define(hp, end, retry_policy={**ALWAYS, "rules": [{"code": 9, "then": "restart"}, rule]})
    assert settled(hp, state) == 1
    assert hp.action("s")["reason"] == reason


@pytest.mark.parametrize("end,rule", [("exit 3", {"code": 3, "then": "stop"}),
                                      ("kill -TERM $$", {"signal": "TERM", "then": "stop"})], ids=["code", "signal"])
def test_a_rule_that_stops_is_a_good_end(hp, end, rule):
    define(hp, end, retry_policy={**ALWAYS, "rules": [rule]})
    wait_until(lambda: hp.action("s")["state"] == "succeeded", what=lambda: hp.action("s"))
    assert len(executions(hp)) == 1


def test_a_rule_that_restarts_does_so_against_the_policy(hp):
    define(hp, "[ $n = 3 ] && exit 1; exit 75",
           retry_policy={"restart": "never", "delay_ms": 0, "rules": [{"code": 75, "then": "restart"}]})
    assert settled(hp, "failed") == 3
    assert hp.action("s")["exit_code"] == 1


def test_max_attempts_counts_executions(hp):
    define(hp, "exit 1", retry_policy={**ALWAYS, "max_attempts": 3})
    assert settled(hp, "failed") == 3
    assert (hp.action("s")["reason"], hp.action("s")["attempt"], hp.action("s")["restarts"]) == ("gave_up", 3, 2)


@pytest.mark.parametrize("restarts,executed", [(2, 3), (0, None)])
def test_max_restarts_of_zinit_are_attempts_but_the_first(hp, restarts, executed):
    hp.register_text(f'[service]\nname = "s"\nexec = "echo 1 >> {hp.root}/runs; exit 1"\n'
                     f'[lifecycle]\nrestart = "always"\nrestart_delay_ms = 1\nmax_restarts = {restarts}\n')
    hp.rpc("service.start", name="s", wait=False)
    if executed:
        assert settled(hp, "failed") == executed
    else:  # 0 is no limit, there and here
        wait_until(lambda: len(executions(hp)) > 6, what="it goes on and on")
        assert hp.state("s") != "failed"


def test_a_delay_of_0_is_0_however_often_it_failed(hp):
    define(hp, "[ $n -lt 40 ] && exit 1; exec sleep 99", retry_policy=ALWAYS)
    began = time.monotonic()
    wait_until(lambda: hp.action("s")["attempt"] == 40, 20, what="forty attempts")
    assert time.monotonic() - began < 10


def test_a_configured_delay_holds_for_the_first_restart_and_the_default_does_not(hp):
    define(hp, "[ $n = 1 ] && exit 1; exec sleep 99", retry_policy={"restart": "always", "delay_ms": 300})
    wait_until(lambda: len(executions(hp)) == 2, what="a restart")
    first, second = executions(hp)
    assert second - first >= 0.3
    (hp.root / "runs").unlink()
    define(hp, "[ $n -lt 3 ] && exit 1; exec sleep 99", name="t")
    wait_until(lambda: len(executions(hp)) == 3, what="two restarts")
    first, second, third = executions(hp)
    assert third - second >= 0.1


def test_a_stable_time_resets_the_counter_and_nothing_else_does(hp):
    policy = {**ALWAYS, "max_attempts": 2, "stability_period_ms": 150}
    define(hp, "[ $n -le 3 ] && sleep 0.4; exit 1", retry_policy=policy)
    # three that were stable, then two since the last reset
    assert settled(hp, "failed") == 5
    assert hp.action("s")["reason"] == "gave_up"


@pytest.mark.parametrize("keys,word", [
    ({"exec": ["/no/such/program"]}, "No such file"),
    ({"exec": ["/etc/passwd"]}, "Permission denied"),
    ({"script": "true", "cwd": "/no/such/folder"}, "/no/such/folder"),
    ({"script": "true", "user": "nobody-of-that-name"}, "nobody-of-that-name"),
], ids=["ENOENT", "EACCES", "cwd", "user"])
def test_what_no_attempt_would_mend_fails_at_once(hp, keys, word):
    hp.define("s", retry_policy=ALWAYS, **keys)
    refused = hp.refusal("service.start", name="s")
    assert refused.code == E_START and word in str(refused)
    assert (hp.state("s"), hp.action("s")["attempt"], hp.action("s")["reason"]) == ("failed", 1, "spawn_error")


def test_an_end_by_a_listed_signal_is_success(hp):
    define(hp, "kill -USR1 $$", is_process=False, success_exit_codes=[0, "SIGUSR1"])
    assert settled(hp, "exited") == 1


def test_the_counter_outlives_the_server(hp):
    os.mkfifo(hp.root / "fifo")
    define(hp, "[ $n = 2 ] && read x < fifo; exit 1", retry_policy={**ALWAYS, "max_attempts": 3}, cwd=str(hp.root))
    wait_until(lambda: len(executions(hp)) == 2, what="the second attempt")
    hp.kill_server()
    (hp.root / "fifo").write_text("go\n")
    assert settled(hp, "failed") == 3
    assert hp.action("s")["reason"] == "gave_up"
