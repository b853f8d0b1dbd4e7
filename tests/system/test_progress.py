"""What a start waits for, and why it is not going to succeed, is told while it waits and when the wait is over
(SPEC 2.9; issue 10 B11; docs/operations.md)."""
import pytest
from hp import E_DEPENDENCY, E_START, E_TIMEOUT, RpcError, command_of, wait_until

NEVER = {"restart": "never"}
UP = "echo up; exec sleep 1000"


def composite(hp, name, *actions, **keys):
    """Actions in order, each needs the one before."""
    rows, before = [], None
    for action, script, more in actions:
        row = {"name": action, "script": script, "is_process": True, "readiness": {"log": "up"}, **more}
        rows.append({**row, "depends_on": [{"action": before}]} if before else row)
        before = action
    return hp.rpc("service.define", service={"name": name, "actions": rows, **keys})


def failing_stack(hp):
    """web waits for shop, of which app can not connect, and nginx waits for that."""
    composite(hp, "shop", ("db", UP, {}), ("app", "echo starting; sleep 0.05; echo can not connect to db; exit 3", {}),
              ("nginx", UP, {}))
    hp.define("web", dependencies={"requires": ["shop"]})


def action_of(operation, service, action):
    return next(a for s in operation["progress"] if s["name"] == service for a in s["actions"] if a["name"] == action)


def follow(hp, operation, until, **params):
    """All answers of op.watch, one after another, until one is what is waited for."""
    change, answers = 0, []

    def look():
        nonlocal change
        answers.append(hp.rpc("op.watch", operation=operation, after_change=change, timeout_ms=8000, **params))
        change = answers[-1].get("change", change)
        return until(answers[-1])
    wait_until(look)
    return answers


# ---- when it is over -----------------------------------------------------------------------


def callers_wait(hp):
    failing_stack(hp)
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: hp.action("shop", "app")["restarts"] > 1)
    return "web", {"timeout_ms": 1}, E_TIMEOUT, "shop/app is r", "can not connect to db"


def edge_timeout(hp):
    hp.define("slow", script="echo warming up; exec sleep 1000", readiness={"notify": True})
    hp.define("web", depends_on=[{"service": "slow", "timeout": "300ms"}])
    return "web", {}, E_TIMEOUT, "that timed out after 300 ms", "warming up"


def start_timeout(hp):
    composite(hp, "shop", ("db", UP, {}), ("app", "echo waiting for the moon; exec sleep 1000",
                                          {"start_timeout_ms": 300, "retry_policy": NEVER}))
    return "shop", {}, E_START, "shop/app failed", "waiting for the moon"


def need_failed(hp):
    hp.define("migrate", script="echo no table users; exit 4", is_process=False)
    hp.define("api", depends_on=[{"service": "migrate", "condition": "succeeded"}])
    hp.define("web", dependencies={"requires": ["api"]})
    return "web", {}, E_DEPENDENCY, "migrate failed", "no table users"


STORIES = [callers_wait, edge_timeout, start_timeout, need_failed]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.__name__)
def test_B11_a_start_that_is_not_in_time_answers_with_what_why_knows(hp, story):
    """`not within 15000 ms; operation 3 goes on`, while `why` knew the root cause after a second."""
    name, params, code, root, line = story(hp)
    refused = hp.refusal("service.start", name=name, **params)
    assert refused.code == code and root in refused.data["why"], refused
    assert f"| {line}" in refused.data["why"] or story is edge_timeout, refused.data["why"]
    assert refused.data["chain"] and any(root in fact for fact in refused.data["chain"]) or story in (edge_timeout, start_timeout)
    assert root in refused.message or story is edge_timeout, refused.message
    if story is not edge_timeout:
        assert refused.data["output"].splitlines()[-1] == line and line in refused.message
    if code == E_TIMEOUT and story is callers_wait:
        assert refused.data["operation_state"] == "active"
        assert f"operation {refused.data['operation']} goes on" in refused.message
    else:
        stored = hp.rpc("op.get", operation=refused.data["operation"])
        assert root in stored["error"]["why"], "it can be looked up later, too"


def test_B11_the_end_of_a_watched_operation_tells_why(hp):
    name, _, _, root, line = need_failed(hp)
    operation = hp.rpc("service.start", name=name, wait=False)["operation"]
    over = hp.rpc("op.watch", operation=operation)
    assert over["operation_state"] == "failed" and root in over["why"] and f"| {line}" in over["why"]
    assert over["output"] == line
    hp.define("late", script="sleep 0.2; echo it is late; exit 6", is_process=False)
    hp.define("top", depends_on=[{"service": "late", "condition": "succeeded"}])
    operation = hp.rpc("service.start", name="top", wait=False)["operation"]
    over = hp.rpc("op.watch", operation=operation)
    assert over["output"] == "it is late" and action_of(over, "late", "late")["state"] == "failed"


def test_B11_why_of_an_attempt_that_has_just_begun_tells_how_the_one_before_ended(hp):
    """In a crash loop it depended on the moment whether `why` knew anything."""
    hp.define("x", script=f"test -e {hp.root}/go && exec sleep 1000; echo no route; exit 9", readiness={"log": "up"},
              retry_policy={"delay_ms": 0})
    hp.rpc("service.start", name="x", wait=False)
    wait_until(lambda: hp.action("x")["restarts"] > 1)
    (hp.root / "go").touch()
    wait_until(lambda: (p := hp.pid("x")) and "sleep" in command_of(p))
    text = hp.rpc("service.why", name="x")["text"]
    assert "x is running, not ready" in text and "the one before ended" in text and "exit code 9" in text
    assert "| no route" in text
    event = hp.rpc("events.query", tail=True, limit=1)["events"][-1]["id"]
    assert "exit code 9" in hp.rpc("service.why", name="x", at=f"#{event}")["text"]


def test_B11_a_run_that_is_waited_for_too_shortly_answers_with_why(hp):
    refused = hp.refusal("run.submit", timeout_ms=300, actions=[
        {"name": "a", "script": "echo thinking; exec sleep 1000"}, {"name": "b", "script": "true", "depends_on": ["a"]}])
    assert refused.code == E_TIMEOUT and "/a is running" in refused.data["why"] and "| thinking" in refused.data["why"]
    hp.rpc("run.cancel", run=refused.data["run"])


def test_B11_the_wait_of_a_watch_explains_itself_if_it_is_asked_to(hp):
    failing_stack(hp)
    operation = hp.rpc("service.start", name="web", wait=False)["operation"]
    wait_until(lambda: hp.action("shop", "app")["restarts"] > 1)
    short = hp.refusal("op.watch", operation=operation, timeout_ms=1)
    assert short.code == E_TIMEOUT and "why" not in short.data and short.data["progress"]
    long = hp.refusal("op.watch", operation=operation, timeout_ms=1, explain=True)
    assert "shop/app" in long.data["why"] and "shop/app" in long.message


# ---- while it goes on ---------------------------------------------------------------------


def test_B11_progress_tells_of_each_action_what_it_does_and_what_it_waits_for(hp):
    failing_stack(hp)
    hp.define("gated", depends_on=["web", {"gate": "flag:open"}])
    operation = hp.rpc("service.start", name="gated", wait=False)["operation"]
    wait_until(lambda: hp.action("shop", "app")["restarts"] > 1)
    now = hp.rpc("op.get", operation=operation)
    assert [s["name"] for s in now["progress"]][0] == "gated" and {"web", "shop"} <= {s["name"] for s in now["progress"]}
    assert [a["name"] for s in now["progress"] if s["name"] == "shop" for a in s["actions"]] == ["db", "app", "nginx"]
    nginx, db, app = (action_of(now, "shop", a) for a in ("nginx", "db", "app"))
    assert db["state"] == "ready" and db["pid"] and not db["waiting_on"] and not db["failures"]
    assert nginx["state"] == "waiting_deps" and [w["target_action"] for w in nginx["waiting_on"]] == ["app"]
    assert "shop/app" in nginx["waiting_on"][0]["text"] and nginx["waiting_on"][0]["since"]
    gates = [w["gate"] for w in action_of(now, "gated", "gated")["waiting_on"] if w["gate"]]
    assert gates == ["flag:open"]
    first = app["failures"][0]
    assert (first["attempt"], first["reason"], first["exit_code"], first["signal"]) == (1, "exit_code", 3, None)
    assert first["line"] == "can not connect to db" and first["time"]


def test_B11_a_service_that_was_under_way_before_is_told_too(hp):
    hp.define("slow", script="echo loading; exec sleep 1000", readiness={"log": "up"})
    hp.rpc("service.start", name="slow", wait=False)
    hp.define("web", dependencies={"requires": ["slow"]})
    operation = hp.rpc("service.start", name="web", wait=False)["operation"]
    wait_until(lambda: hp.action("slow")["state"] == "running")
    now = hp.rpc("op.get", operation=operation)
    assert "no line of output matches `up` yet" in action_of(now, "slow", "slow")["note"]


def test_B11_changes_are_told_as_they_happen_and_nothing_is_asked_again_and_again(hp):
    failing_stack(hp)
    operation = hp.rpc("service.start", name="web", wait=False)["operation"]
    answers = follow(hp, operation, lambda o: len(action_of(o, "shop", "app")["failures"]) >= 3)
    seen = [[f["attempt"] for f in action_of(o, "shop", "app")["failures"]] for o in answers]
    assert seen[-1][:3] == [1, 2, 3] and sorted(seen, key=len) == seen
    assert all(f["line"] == "can not connect to db" for o in answers for f in action_of(o, "shop", "app")["failures"])
    assert len(answers) < 40, "each answer has something new"
    for a, b in zip(answers, answers[1:]):
        assert a["change"] < b["change"]
    events = hp.rpc("events.query", service="shop", limit=1000)["events"]
    last = [e["id"] for e in events if e["kind"] in ("job", "unit", "edge", "probe", "note")][-1]
    assert answers[-1]["change"] <= last
    assert {action_of(o, "shop", "app")["state"] for o in answers} >= {"running", "retrying"}


def test_B11_the_watch_of_changes_ends_with_the_operation(hp):
    composite(hp, "shop", ("db", f"sleep 0.1; {UP}", {}), ("app", f"sleep 0.1; {UP}", {}))
    operation = hp.rpc("service.start", name="shop", wait=False)["operation"]
    answers = follow(hp, operation, lambda o: o["operation_state"] != "active")
    assert answers[-1]["operation_state"] == "done"
    assert [a["state"] for a in answers[-1]["progress"][0]["actions"]] == ["ready", "ready"]
    assert hp.rpc("op.watch", operation=operation, after_change=10**9)["operation_state"] == "done"


def test_B11_progress_of_many_is_bounded_and_says_what_is_left_out(hp):
    names = [f"s{i:03}" for i in range(60)]
    hp.rpc("service.register", shape="per_binary", path="many/service.toml", manifest="".join(
        f'[[binaries]]\nname = "{n}"\nexec = "sleep 1000"\nreadiness = {{manual = true}}\n' for n in names[:10]) + "".join(
        f'[[binaries]]\nname = "{n}"\nexec = "sleep 1000"\n' for n in names[10:]))
    operation = hp.rpc("service.start", name=list(reversed(names)), wait=False)["operation"]
    wait_until(lambda: all(hp.state(n) == "running" for n in names[10:]), what="the rest is at rest")
    wait_until(lambda: all(hp.pid(n) for n in names[:10]), what="all are executed")
    some = hp.rpc("op.get", operation=operation, limit=20)
    assert len(some["progress"]) == 20 and some["more"] == 40
    assert set(names[:10]) <= {s["name"] for s in some["progress"]}, "who is at rest is left out first"
    everything = hp.rpc("op.get", operation=operation)
    assert len(everything["progress"]) == 60 and "more" not in everything


def test_B11_failures_are_those_of_this_run(hp):
    marker = hp.root / "go"
    hp.define("x", script=f"test -e {marker} || exit 5; {UP}", readiness={"log": "up"}, retry_policy={"delay_ms": 20, "factor": 1})
    operation = hp.rpc("service.start", name="x", wait=False)["operation"]
    many = follow(hp, operation, lambda o: action_of(o, "x", "x").get("failures_before", 0) > 1)[-1]
    kept = action_of(many, "x", "x")
    assert len(kept["failures"]) == 5
    assert kept["failures_before"] == kept["failures"][0]["attempt"] - 1
    marker.touch()
    hp.wait_state("x", "running")
    hp.rpc("service.stop", name="x")
    marker.unlink()
    operation = hp.rpc("service.start", name="x", wait=False)["operation"]
    first = follow(hp, operation, lambda o: action_of(o, "x", "x")["failures"])[-1]
    assert action_of(first, "x", "x")["failures"][0]["attempt"] == 1


def test_B11_an_attempt_that_is_followed_at_once_has_its_end_recorded(hp):
    """The event of a failure without a pause after it had no exit code, and the number of the next attempt."""
    failing_stack(hp)
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: hp.action("shop", "app")["restarts"] > 0)
    ends = wait_until(lambda: [e for e in hp.rpc("events.query", service="shop", kind="job")["events"]
                               if e["action"] == "app" and e["from"] == "running"])
    assert (ends[0]["to"], ends[0]["attempt"], ends[0]["exit_code"]) == ("waiting_deps", 1, 3)


def test_B11_the_stream_of_an_operation_needs_no_second_question_for_the_tree(hp):
    """What the command line used to ask of each service every 100 ms is in one answer."""
    failing_stack(hp)
    operation = hp.rpc("service.start", name="web", wait=False)["operation"]
    wait_until(lambda: hp.action("shop", "app")["restarts"] > 1)
    now = hp.rpc("op.get", operation=operation)
    for service in now["progress"]:
        status = hp.status(service["name"])
        assert [a["name"] for a in service["actions"]] == [a["name"] for a in status["actions"]]
        assert {"name", "state", "wanted", "since"} <= set(service)


def test_B11_who_hangs_up_while_it_is_explained_harms_nobody(hp):
    failing_stack(hp)
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: hp.action("shop", "app")["restarts"] > 1)
    for _ in range(20):
        with pytest.raises((OSError, RpcError)):
            hp.rpc("service.start", timeout=0.002, name="web", timeout_ms=1)
    with pytest.raises(RpcError):
        hp.rpc("service.start", name="web", timeout_ms=1)
    assert hp.rpc("system.ping")
