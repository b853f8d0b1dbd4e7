"""Status is reality, every wait has a name, the operator's word wins (SPEC 1, 2.5, 2.7)."""
import os
import signal

import pytest
from hp import (E_CYCLE, E_DEPENDENCY, E_MISSING, E_START, EXAMPLES, REFUSED, is_alive, wait_until)

HERO = EXAMPLES / "hero"
ALL = [HERO / n / "service.toml" for n in ("hero_db", "hero_proxy", "hero_collab")]


def test_a_second_start_changes_nothing_and_says_so(hp):
    hp.register(*ALL)
    first = hp.rpc("service.start", name="hero_collab_web")
    assert first["changed"] is True and set(first["started"]) >= {"hero_db", "hero_collab_web"}
    pids = {n: hp.pid(n) for n in hp.diary.names()}
    second = hp.rpc("service.start", name="hero_collab_web")
    assert second["changed"] is False
    assert {n: hp.pid(n) for n in hp.diary.names()} == pids


def test_two_dependents_start_what_they_share_once(hp):
    hp.register(*ALL)
    calls = [hp.later("service.start", name=n) for n in ("hero_collab_web", "hero_collab_server", "hero_db")]
    for call in calls:
        call.done()
    assert len(hp.diary.pids("hero_db")) == 1


def test_a_missing_dependency_is_refused_before_anything_changes(hp):
    hp.register(HERO / "hero_proxy/service.toml", HERO / "hero_collab/service.toml")
    refused = hp.refusal("service.start", name="hero_collab_web")
    assert refused.code == E_MISSING
    line = 1 + (HERO / "hero_collab/service.toml").read_text()[:(HERO / "hero_collab/service.toml")
                                                               .read_text().index('"lhumina_code/hero_db"')].count("\n")
    text = str(refused)
    assert "hero_db" in text
    assert any(f"hero_collab/service.toml:{at}" in text for at in (line, line - 1)), text
    assert hp.diary.lines() == []
    done = hp.cli("service", "start", "hero_collab_web")
    assert done.returncode == REFUSED, (done.stdout, done.stderr)
    assert "hero_db" in done.stderr + done.stdout


def test_a_cycle_is_refused_with_its_whole_path(hp):
    hp.define("first", dependencies={"requires": ["second"]})
    hp.define("second", dependencies={"requires": ["third"]})
    refused = hp.refusal("service.define", service={"name": "third", "dependencies": {"requires": ["first"]},
                                                    "actions": [{"name": "third", "script": "true"}]})
    assert refused.code == E_CYCLE
    for name in ("first", "second", "third", "requires"):
        assert name in str(refused)
    assert hp.refusal("service.get", name="third").code == -32001


def test_why_names_what_is_waited_for(fresh):
    hp = fresh()
    hold = hp.root / "hold"
    hold.touch()
    hp.env["HERO_HOLD_HERO_PROXY"] = str(hold)
    hp.start().register(*ALL)
    call = hp.later("service.start", name="hero_collab_web")
    hp.wait_state("hero_collab_web", "waiting_deps")
    wait_until(lambda: hp.diary.times("hero_collab_server", "ready"), what="the server is ready")
    answer = wait_until(lambda: (w := hp.rpc("service.why", name="hero_collab_web"))
                        and "hero_proxy" in w["text"] and w, what="why names hero_proxy")
    assert answer["state"] == "waiting_deps"
    assert "rpc.sock" in answer["text"], answer["text"]
    assert answer["chain"]
    waiting = hp.status("hero_collab_web")["waiting_on"]
    assert len(waiting) == 1 and "hero_proxy" in str(waiting[0]), waiting
    hold.unlink()
    call.done()
    assert hp.state("hero_collab_web") == "running"


def test_stopped_means_that_no_process_of_the_set_is_left(hp):
    script = ("sh -c 'trap \"\" TERM; echo $$ > grandchild; while :; do read x < fifo; done' & "
              "trap 'exit 0' TERM; mkfifo fifo2; while :; do read x < fifo2; done")
    hp.define("stubborn", script=f"cd {hp.root}; mkfifo fifo; {script}", stop_timeout_ms=300)
    hp.rpc("service.start", name="stubborn")
    grandchild = wait_until(lambda: (hp.root / "grandchild").exists() and
                            (hp.root / "grandchild").read_text().strip(), what="the grandchild lives")
    hp.rpc("service.stop", name="stubborn")
    assert not is_alive(int(grandchild))
    assert hp.state("stubborn") == "inactive"


def test_a_crash_is_followed_by_a_new_attempt_with_growing_delay(fresh):
    hp = fresh(HERO_CRASH_HERO_DB=3, HERO_DELAY_MS=0).start()
    hp.register(HERO / "hero_db/service.toml")
    hp.rpc("service.start", name="hero_db")
    begins = hp.diary.times("hero_db", "main")
    assert len(begins) == 4
    gaps = [(b - a) / 1e6 for a, b in zip(begins, begins[1:])]
    assert gaps[0] < 90, gaps  # the first restart follows at once
    assert gaps[1] >= 95 and gaps[2] >= 190, gaps  # then 100 ms, 200 ms
    assert hp.action("hero_db")["attempt"] == 4


def test_a_killed_service_comes_back_and_the_status_says_how_it_ended(hp):
    hp.register(HERO / "hero_db/service.toml")
    hp.rpc("service.start", name="hero_db")
    pid = hp.pid("hero_db")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: hp.pid("hero_db") not in (pid, None, 0), what="a new attempt")
    hp.wait_state("hero_db", "running")
    assert hp.action("hero_db")["restarts"] == 1


def test_an_attempt_waits_again_when_its_dependency_is_down(fresh):
    """Every attempt is gated (SPEC 2.4): the dependent crashes while what it needs is away."""
    hp = fresh(HERO_DELAY_HERO_DB=300).start()
    hp.register(HERO / "hero_db/service.toml")
    hp.define("needy", dependencies={"requires": ["hero_db"]})
    hp.rpc("service.start", name="needy")
    needy = hp.pid("needy")
    hp.diary.clear()
    os.kill(hp.pid("hero_db"), signal.SIGKILL)
    wait_until(lambda: hp.state("hero_db") != "running", what="hero_db is seen to be down")
    os.kill(needy, signal.SIGKILL)
    hp.wait_state("needy", "waiting_deps", "blocked")
    hp.wait_state("needy", "running")
    assert hp.diary.times("hero_db", "ready")
    assert hp.pid("needy") != needy


@pytest.mark.parametrize("code", [0, 7])
def test_run_wait_ends_with_the_exit_code_of_the_job(hp, code):
    run = hp.rpc("run.submit", actions=[{"name": "once", "script": f"exit {code}"}], wait=True)
    assert run["state"] == ("succeeded" if code == 0 else "failed")
    assert run["jobs"][0]["exit_code"] == code
    done = hp.cli("run", "wait", run["run"])
    assert done.returncode == code, (done.stdout, done.stderr)


def test_a_service_that_gives_up_fails_with_the_reason(hp):
    hp.define("hopeless", script="exit 9", retry_policy={"restart": "always", "max_attempts": 2, "delay_ms": 0},
              readiness={"after_ms": 500})
    failed = hp.refusal("service.start", name="hopeless")
    assert failed.code == E_START
    hp.wait_state("hopeless", "failed")
    assert hp.action("hopeless")["exit_code"] == 9


def test_a_dependent_of_what_gave_up_is_told_the_chain_and_goes_on_when_it_recovers(hp):
    flag = hp.root / "mended"
    hp.define("base", script=f"test -e {flag} || exit 9; exec {hp.bin}/pause", readiness={"after_ms": 100},
              retry_policy={"restart": "always", "max_attempts": 1, "delay_ms": 0})
    hp.define("top", dependencies={"requires": ["base"]})
    failed = hp.refusal("service.start", name="top")
    assert failed.code == E_DEPENDENCY
    assert "base" in str(failed) and "9" in str(failed)
    hp.wait_state("top", "blocked", "waiting_deps")
    flag.touch()
    hp.rpc("service.start", name="base")
    hp.wait_state("top", "running")


def test_wanted_is_kept_over_a_restart_of_the_daemon(hp):
    hp.define("kept")
    hp.define("off", status="start")
    hp.rpc("service.start", name="kept")
    hp.rpc("service.stop", name="off")
    hp.shutdown()
    hp.start()
    hp.wait_state("kept", "running")
    assert hp.status("kept")["wanted"] == "start"
    assert hp.status("off")["wanted"] == "stop"
    assert hp.state("off") == "inactive"


def test_the_last_word_wins(hp):
    hp.register(HERO / "hero_db/service.toml")
    for method in ("service.start", "service.stop", "service.start", "service.stop", "service.start"):
        hp.rpc(method, name="hero_db", wait=False)
    hp.wait_state("hero_db", "running")
    pid = hp.pid("hero_db")
    assert is_alive(pid)
    living = [p for p in hp.diary.pids("hero_db") if is_alive(p)]
    assert living == [pid]


def test_a_stop_of_the_base_takes_its_dependents_along_and_a_start_brings_them_back(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    hp.rpc("service.stop", name="hero_db")
    assert hp.state("hero_collab_web") == "inactive"
    assert hp.status("hero_collab_web")["wanted"] == "start"
    assert hp.status("hero_collab_server")["reason"] == "dependency_stopped(hero_db)"
    assert "dependency_stopped" in hp.status("hero_collab_web")["reason"]
    assert hp.state("hero_proxy") == "running"
    hp.rpc("service.start", name="hero_db")
    hp.wait_state("hero_collab_web", "running")


def test_the_control_plane_restarts_and_the_media_programs_do_not_notice(hp):
    livekit = EXAMPLES / "livekit"
    hp.register(livekit / "livekit/service.toml", livekit / "livekit_control/service.toml")
    hp.rpc("service.start", name="livekit_control")
    hp.diary.assert_started_after("livekit-server", "livekit-configure")
    hp.diary.assert_started_after("lk-backend", "livekit-configure")
    hp.diary.assert_started_after("livekit_control", "livekit-server")
    hp.diary.assert_started_after("livekit_control", "lk-backend")
    media = hp.pid("livekit", "livekit-server"), hp.pid("livekit", "lk-backend")
    control = hp.pid("livekit_control")
    hp.rpc("service.restart", name="livekit_control")
    assert hp.pid("livekit_control") != control
    assert (hp.pid("livekit", "livekit-server"), hp.pid("livekit", "lk-backend")) == media
    assert all(is_alive(p) for p in media)
    assert len(hp.diary.pids("livekit-configure")) == 1
