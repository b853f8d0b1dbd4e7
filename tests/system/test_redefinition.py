"""Redefinition and deletion of what waits, runs, stops and retries, through every way in
(SPEC 2.2, 2.7)."""
import json

import pytest
from hp import E_CONFLICT, is_alive, wait_until

NEVER = {"restart": "never"}


def manifest(name, script, keys=""):
    return f"[service]\nname = \"{name}\"\n{keys}[[binaries]]\nname = \"{name}\"\nexec = '''{script}'''\n"


def by_register(hp, name, script, needs=()):
    keys = f"requires = {json.dumps(list(needs))}\n" if needs else ""
    return hp.rpc("service.register", manifest=manifest(name, script, keys), path=f"/m/{name}/service.toml")


def by_set(hp, name, script, needs=()):
    return hp.rpc("service.set", service={"name": name, "dependencies": {"requires": list(needs)},
                                          "actions": [{"name": name, "script": script}]})


def by_action(hp, name, script, needs=()):
    return hp.rpc("action.set", service=name, action={"name": name, "script": script, "depends_on": list(needs)})


def by_apply(hp, name, script, needs=()):
    """Without a start of anything: nothing runs that would be restarted when it is used first."""
    keys = f"requires = {json.dumps(list(needs))}\n" if needs else ""
    return hp.rpc("config.apply", manifests=[{"path": f"/m/{name}/service.toml",
                                              "text": manifest(name, script, keys)}])


WAYS = [by_register, by_set, by_action]


def first(hp, way, name, script, needs=()):
    if way is by_action:
        by_register(hp, name, script)
    way(hp, name, script, needs)


def pause(hp, word=""):
    return f": {word}; exec {hp.bin}/pause"


@pytest.mark.parametrize("way", WAYS)
def test_what_runs_shows_that_and_how_it_was_redefined_until_it_is_restarted(hp, way):
    first(hp, way, "web", pause(hp, "one"))
    hp.rpc("service.start", name="web")
    pid = hp.pid("web")
    way(hp, "web", pause(hp, "two"))
    status = hp.status("web")
    assert status["definition_changed"] is True and hp.pid("web") == pid
    assert status["differences"] == [f"script: {pause(hp, 'one')} -> {pause(hp, 'two')}"]
    way(hp, "web", pause(hp, "one"))
    assert "definition_changed" not in hp.status("web"), "it is what it was"
    way(hp, "web", pause(hp, "two"))
    hp.rpc("service.restart", name="web")
    assert "definition_changed" not in hp.status("web") and hp.pid("web") != pid


def test_that_it_was_redefined_is_known_after_a_kill_of_the_server(hp):
    by_register(hp, "web", pause(hp, "one"))
    hp.rpc("service.start", name="web")
    by_register(hp, "web", pause(hp, "two"))
    before = hp.status("web")["differences"]
    hp.kill_server()
    assert hp.status("web")["differences"] == before
    hp.rpc("service.restart", name="web")
    assert "definition_changed" not in hp.status("web")


def test_apply_ends_what_a_registration_left_changed(hp):
    by_register(hp, "web", pause(hp, "one"))
    hp.rpc("service.start", name="web")
    pid = hp.pid("web")
    by_apply(hp, "web", pause(hp, "two"))
    assert hp.pid("web") != pid and "definition_changed" not in hp.status("web")


@pytest.mark.parametrize("way", WAYS + [by_apply])
def test_what_waits_takes_its_new_edges_at_once(hp, way):
    by_register(hp, "never", "sleep 1000", ())
    hp.rpc("service.set", service={"name": "slow", "actions": [
        {"name": "slow", "script": pause(hp), "readiness": {"manual": True}}]})
    first(hp, way, "web", pause(hp), ["slow"])
    hp.rpc("service.start", name="web", wait=False)
    hp.wait_state("web", "waiting_deps")
    run = hp.status("web")["run"]["id"]
    way(hp, "web", pause(hp), [])
    hp.wait_state("web", "running")
    assert hp.status("web")["run"]["id"] == run


@pytest.mark.parametrize("way", WAYS)
def test_a_restart_brings_up_what_the_new_definition_needs(hp, way):
    by_register(hp, "db", pause(hp))
    first(hp, way, "web", pause(hp))
    hp.rpc("service.start", name="web")
    way(hp, "web", pause(hp), ["db"])
    assert hp.state("db") == "inactive", "what runs keeps its edges"
    hp.rpc("service.restart", name="web")
    assert (hp.state("db"), hp.state("web")) == ("running", "running")


@pytest.mark.parametrize("way", WAYS)
def test_the_next_attempt_of_what_retries_is_made_from_the_new_definition(hp, way):
    mark = hp.root / "mark"
    first(hp, way, "web", "exit 1")
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: hp.action("web")["state"] == "retrying" and hp.action("web")["restarts"] >= 2,
               what="it is in back-off")
    way(hp, "web", f"touch {mark}; " + pause(hp))
    hp.wait_state("web", "running")
    wait_until(mark.exists, what="the new command was executed")
    assert "definition_changed" not in hp.status("web")


def deaf(hp, word=""):
    """Does not end on TERM until it may."""
    return f": {word}; trap : TERM; echo up; while [ ! -e {hp.root}/go ]; do sleep 0.01; done"


@pytest.mark.parametrize("way", WAYS)
def test_what_is_redefined_while_it_stops_for_a_restart_comes_back_as_the_new_one(hp, way):
    first(hp, way, "web", deaf(hp))
    hp.rpc("service.start", name="web")
    wait_until(lambda: hp.rpc("logs.query", service="web")["lines"], what="it listens to signals")
    call = hp.later("service.restart", name="web")
    hp.wait_state("web", "stopping")
    mark = hp.root / "mark"
    way(hp, "web", f"touch {mark}; " + pause(hp))
    (hp.root / "go").touch()
    call.done()
    wait_until(mark.exists, what="the new command was executed")
    assert hp.state("web") == "running"


def test_a_process_is_stopped_as_it_was_executed_after_a_redefinition(hp):
    said = hp.root / "said"
    script = f"trap 'echo int > {said}; exit' INT; trap 'echo term > {said}; exit' TERM; echo up; " \
             "while :; do sleep 0.01; done"
    hp.define("web", script, stop_signal="SIGINT")
    hp.rpc("service.start", name="web")
    wait_until(lambda: hp.rpc("logs.query", service="web")["lines"], what="it listens to signals")
    hp.rpc("service.set", service={"name": "web", "actions": [{"name": "web", "script": pause(hp)}]})
    hp.rpc("service.restart", name="web")
    assert said.read_text() == "int\n"


def test_a_process_is_stopped_as_it_was_executed_when_it_is_deleted(hp):
    said = hp.root / "said"
    script = f"trap 'echo int > {said}; exit' INT; trap 'echo term > {said}; exit' TERM; echo up; " \
             "while :; do sleep 0.01; done"
    hp.define("web", script, stop_signal="SIGINT")
    hp.rpc("service.start", name="web")
    wait_until(lambda: hp.rpc("logs.query", service="web")["lines"], what="it listens to signals")
    hp.rpc("service.delete", name="web", wait=True)
    assert said.read_text() == "int\n"


def test_a_delete_of_what_others_need_is_refused_with_their_names(hp):
    by_register(hp, "db", pause(hp))
    by_register(hp, "web", pause(hp), ["db"])
    by_set(hp, "api", pause(hp), ["db"])
    error = hp.refusal("service.delete", name="db")
    assert error.code == E_CONFLICT and error.data["dependents"] == ["api", "web"]


def test_by_force_the_dependents_are_blocked_and_come_back_with_it(hp):
    by_register(hp, "db", pause(hp))
    by_register(hp, "web", pause(hp), ["db"])
    hp.rpc("service.start", name="web")
    pid = hp.pid("web")
    hp.rpc("service.delete", name="db", force=True, wait=True)
    assert not is_alive(pid)
    hp.refusal("service.start", name="web")
    assert "db" in hp.rpc("service.why", name="web")["text"]
    by_register(hp, "db", pause(hp))
    hp.rpc("service.start", name="web")
    assert hp.state("web") == "running"


def test_with_dependents_all_of_them_go(hp):
    by_register(hp, "db", pause(hp))
    by_register(hp, "web", pause(hp), ["db"])
    hp.rpc("service.start", name="web")
    alive = [hp.pid("db"), hp.pid("web")]
    hp.rpc("service.delete", name="db", with_dependents=True, wait=True)
    assert hp.rpc("service.list")["services"] == [] and not any(map(is_alive, alive))


def test_a_delete_of_what_waits_ends_its_wait(hp):
    hp.rpc("service.set", service={"name": "slow", "actions": [
        {"name": "slow", "script": pause(hp), "readiness": {"manual": True}}]})
    by_register(hp, "web", pause(hp), ["slow"])
    start = hp.rpc("service.start", name="web", wait=False)["operation"]
    hp.wait_state("web", "waiting_deps")
    hp.rpc("service.delete", name="web", wait=True)
    assert hp.rpc("op.watch", operation=start)["operation_state"] == "cancelled"
    assert [s["name"] for s in hp.rpc("service.list")["services"]] == ["slow"]


def test_a_delete_of_what_retries_ends_it(hp):
    count = hp.root / "count"
    by_register(hp, "web", f"echo x >> {count}; exit 1")
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: hp.action("web")["state"] == "retrying", what="it is in back-off")
    hp.rpc("service.delete", name="web", wait=True)
    assert hp.rpc("service.list")["services"] == []
    by_register(hp, "web", pause(hp))
    assert hp.state("web") == "inactive"


def test_what_is_deleted_while_it_stops_is_gone_once_it_stopped_and_may_be_defined_anew(hp):
    by_register(hp, "web", deaf(hp))
    hp.rpc("service.start", name="web")
    wait_until(lambda: hp.rpc("logs.query", service="web")["lines"], what="it listens to signals")
    pid = hp.pid("web")
    hp.rpc("service.stop", name="web", wait=False)
    hp.wait_state("web", "stopping")
    hp.rpc("service.delete", name="web")
    by_register(hp, "web", pause(hp))
    call = hp.later("service.start", name="web")
    assert is_alive(pid)
    (hp.root / "go").touch()
    call.done()
    assert not is_alive(pid) and hp.state("web") == "running"
