"""Why it is so, now and then: causes, events, where the time went, pictures (SPEC 2.8, 4)."""
import json
import re
import time
import xml.dom.minidom

import pytest
from hp import NOT_FOUND, E_NOT_FOUND, RpcError, command_of, processes_with, wait_until

NEVER = {"restart": "never"}
ONCE_READY = "echo up; exec sleep 1000"


def start(hp, name, **keys):
    """Asked for; whether it worked is what the test is about."""
    try:
        hp.rpc("service.start", name=name, **keys)
    except RpcError:
        pass


def why(hp, name, **keys):
    return hp.rpc("service.why", name=name, **keys)


def facts(nodes):
    """The tree without times: [(subject, sentence, root?, [below])]."""
    def plain(text):
        return re.sub(r"[\d.]+ (ms|s|min|h)\b", "TIME", text)
    return [(n["subject"], plain(n["fact"]), n.get("root", False), facts(n["because"])) for n in nodes]


def roots(nodes):
    found = []
    for n in nodes:
        found += ([n["fact"]] if n.get("root") else []) + roots(n["because"])
    return found


def last_event(hp):
    return hp.rpc("events.query", tail=True, limit=1)["events"][-1]["id"]


# ---- events --------------------------------------------------------------------------


def test_the_causes_of_a_state_lead_over_the_gate_to_who_asked(hp):
    hp.define("web", depends_on=[{"gate": "flag:open"}])
    later = hp.later("service.start", name="web")
    wait_until(lambda: "flag:open" in why(hp, "web")["text"], what="the gate is asked")
    hp.rpc("flag.set", name="open")
    done = later.done()
    ready = [e for e in hp.rpc("events.query", service="web", kind="unit")["events"] if e["to"] == "running"][-1]
    chain = hp.rpc("events.query", id=ready["id"], chain=True)["events"]
    assert [e["id"] for e in chain] == sorted({e["id"] for e in chain}, reverse=True)
    for event, cause in zip(chain, chain[1:]):
        assert event["cause"] == cause["id"] and event["time"] >= cause["time"]
    told = [(e["subject"], e["kind"], e.get("to")) for e in reversed(chain)]
    assert told[0] == ("web", "operation", None) and chain[-1]["operation"] == done["operation"]
    assert chain[-1]["who"].startswith("uid") and chain[-1]["cause"] is None
    for step in (("web", "edge", "gate"), ("web", "edge", "holds"), ("web", "job", "starting"), ("web", "unit", "running")):
        assert step in told, told


def test_each_dependent_is_released_by_what_it_waited_for(hp):
    hp.define("db", script="sleep 0.05; " + ONCE_READY, readiness={"log": "up"})
    hp.define("web", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="web")
    end = [e for e in hp.rpc("events.query", service="web")["events"] if e["kind"] == "done"][-1]
    told = [(e["subject"], e["kind"], e.get("to")) for e in hp.rpc("events.query", id=end["id"], chain=True)["events"]]
    assert told == [("web", "done", None), ("web", "unit", "running"), ("web", "job", "ready"),
                    ("web", "job", "starting"), ("web", "edge", "holds"), ("db", "unit", "running"),
                    ("db", "job", "ready"), ("db", "job", "running"), ("db", "job", "starting"),
                    ("db", "job", "waiting_deps"), ("web", "operation", None)]


def test_a_cascaded_stop_is_caused_by_the_operation_that_asked_for_it(hp):
    hp.define("db")
    hp.define("web", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="web")
    operation = hp.rpc("service.stop", name="db")["operation"]
    gone = [e for e in hp.rpc("events.query", service="web", kind="job")["events"] if e["to"] == "cancelled"][-1]
    first = hp.rpc("events.query", id=gone["id"], chain=True)["events"][-1]
    assert (first["kind"], first["operation"], first["method"]) == ("operation", operation, "service.stop")


def test_the_chain_of_causes_goes_on_after_the_server_was_killed(hp):
    hp.define("db", readiness={"manual": True})
    hp.define("web", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: [e for e in hp.rpc("events.query", service="db", kind="job")["events"] if e["to"] == "running"],
               what="db is executed, and that is stored")
    hp.kill_server()
    hp.rpc("service.ready", name="db")
    hp.wait_state("web", "running")
    ready = [e for e in hp.rpc("events.query", service="db", kind="job")["events"] if e["to"] == "ready"][-1]
    told = [(e["kind"], e.get("to")) for e in hp.rpc("events.query", id=ready["id"], chain=True)["events"]]
    assert told[:2] == [("job", "ready"), ("job", "running")] and told[-1][0] == "operation", told


def test_events_are_asked_for_page_by_page_and_by_kind_time_and_subject(hp):
    for i in range(5):
        hp.define(f"s{i}")
    everything = hp.rpc("events.query")["events"]
    paged, after = [], 0
    while True:
        page = hp.rpc("events.query", limit=4, after=after)
        paged += page["events"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [e["id"] for e in paged] == [e["id"] for e in everything]
    assert {e["subject"] for e in hp.rpc("events.query", subject="s3")["events"]} == {"s3"}
    assert [e["to"] for e in hp.rpc("events.query", kind="definition")["events"]] == ["created"] * 5
    middle = everything[len(everything) // 2]
    assert all(e["time"] >= middle["time"] for e in hp.rpc("events.query", since=middle["time"])["events"])
    assert all(e["time"] <= middle["time"] for e in hp.rpc("events.query", until=middle["time"])["events"])
    assert hp.rpc("events.query", tail=True, limit=3)["events"] == everything[-3:]


def test_the_command_line_lists_and_follows_events(hp):
    hp.define("db")
    hp.rpc("service.start", name="db")
    lines = hp.cli("events", "db").stdout.splitlines()
    assert any("unit: starting -> running" in line for line in lines), lines
    assert "\x1b" not in "".join(lines)
    documents = [json.loads(line) for line in hp.cli("events", "db", "--since", "-1h", "--json").stdout.splitlines()]
    assert documents == hp.rpc("events.query", subject="db")["events"]


# ---- why, now ------------------------------------------------------------------------


def missing(hp):
    hp.define("bad", dependencies={"requires": ["nowhere"]})
    return "bad", "nowhere, which is not registered"


def stopped(hp):
    hp.define("db")
    hp.define("bad", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="bad")
    hp.rpc("service.stop", name="db")
    return "bad", "stopped by the operator"


def failed_below(hp):
    hp.define("migrate", script="echo no table users >&2; exit 3", is_process=False)
    hp.define("api", depends_on=[{"service": "migrate", "condition": "succeeded"}])
    hp.define("bad", dependencies={"requires": ["api"]})
    return "bad", "migrate failed"


def retrying(hp):
    hp.define("flap", script="echo boom >&2; exit 9", readiness={"notify": True}, retry_policy={"delay_ms": 60000})
    hp.define("bad", dependencies={"requires": ["flap"]})
    return "bad", "exit code 9"


def silent_socket(hp):
    hp.define("mute", sockets=[{"name": "rpc.sock"}])
    hp.define("bad", dependencies={"requires": ["mute"]})
    return "bad", "rpc.sock: no such file"


def closed_gate(hp):
    hp.define("bad", depends_on=[{"gate": "flag:maintenance"}])
    return "bad", "the flag is not set"


def conflicting(hp):
    hp.define("other")
    hp.define("bad", dependencies={"conflicts": ["other"]})
    hp.rpc("service.start", name="other")
    return "bad", "conflicts with other, which is running"


def late_edge(hp):
    hp.define("slow", readiness={"manual": True})
    hp.define("bad", depends_on=[{"service": "slow", "timeout": "50ms"}])
    return "bad", "slow is running, not ready"


def start_timeout(hp):
    hp.define("bad", readiness={"manual": True}, start_timeout_ms=100, retry_policy=NEVER)
    return "bad", "start_timeout"


def no_program(hp):
    hp.define("bad", exec=["/nowhere/program"])
    return "bad", "/nowhere/program"


STORIES = [missing, stopped, failed_below, retrying, silent_socket, closed_gate, conflicting, late_edge,
           start_timeout, no_program]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.__name__)
def test_why_names_the_root_cause_within_five_lines_and_says_what_to_do(hp, story):
    name, cause = story(hp)
    if story is not stopped:
        start(hp, name, wait=False)
    answer = wait_until(lambda: (w := why(hp, name)) and any(cause in r for r in roots(w["chain"])) and w,
                        what=lambda: f"{cause} is a root cause: {why(hp, name)['text']}")
    lines = answer["text"].splitlines()
    assert any(cause in line for line in lines[:5]), answer["text"]
    assert len(lines) <= 12
    assert any(line.startswith(("next: ", "try:  ")) for line in lines) or story is late_edge
    assert hp.cli("why", name).returncode == 0


def test_the_middle_of_a_long_chain_is_left_out_and_full_tells_it(hp):
    hp.define("n0", script="exit 5", readiness={"notify": True}, retry_policy=NEVER)
    for i in range(1, 15):
        hp.define(f"n{i}", dependencies={"requires": [f"n{i - 1}"]})
    start(hp, "n14")
    short, full = hp.cli("why", "n14").stdout, hp.cli("why", "n14", "--full").stdout
    assert "n0 failed" in short and "more ..." in short and len(short.splitlines()) <= 8
    assert all(f"n{i} " in full for i in range(15))


def test_a_cause_that_several_share_is_told_once(hp):
    hp.define("db", script="exit 5", readiness={"notify": True}, retry_policy=NEVER)
    for name in ("a", "b", "c"):
        hp.define(name, dependencies={"requires": ["db"]})
    hp.define("top", dependencies={"requires": ["a", "b", "c"]})
    start(hp, "top")
    assert len([r for r in roots(why(hp, "top")["chain"]) if r.startswith("db failed")]) == 1


def test_a_list_of_a_thousand_blocked_services_does_not_hold_the_server_up(hp):
    """Each has a way of its own down to the root; telling all of it for all of them took seconds."""
    text = '[[binaries]]\nname = "n0"\nexec = ["/nowhere/x"]\n' + "".join(
        f'[[binaries]]\nname = "n{i}"\nexec = ["/bin/true"]\n[[dependencies]]\nbin = "n{i - 1}"\nfor = "n{i}"\n'
        for i in range(1, 1000))
    hp.register_text(text, shape="per_binary")
    start(hp, "n999")
    began = time.monotonic()
    rows = hp.rpc("service.list")["services"]
    assert time.monotonic() - began < 1.5
    assert sum(r["state"] == "blocked" for r in rows) == 999
    assert "/nowhere/x" in "".join(roots(why(hp, "n999")["chain"]))


def test_why_of_what_runs_says_who_wants_it(hp):
    hp.define("db")
    hp.define("web", dependencies={"requires": ["db"]})
    hp.rpc("service.start", name="web")
    assert "needed by web" in why(hp, "db")["text"]
    assert "wanted start" in why(hp, "web")["text"] and "uid" in why(hp, "web")["text"]


def test_why_tells_the_next_attempt_and_the_output_of_the_last_one(hp):
    name, _ = retrying(hp)
    start(hp, name, wait=False)
    text = wait_until(lambda: (t := why(hp, name)["text"]) and "| boom" in t and t, what="the output is told")
    assert re.search(r"next: the next attempt of flap follows in \d+", text)


def test_the_cycle_that_a_registration_closes_is_told_as_a_whole_path(hp):
    text = "".join(f'[[binaries]]\nname = "{a}"\nexec = ["/bin/true"]\n[[dependencies]]\nbin = "{b}"\nfor = "{a}"\n'
                   for a, b in ("ab", "bc", "ca"))
    refused = hp.refusal("service.register", manifest=text, path="loop/service.toml", shape="per_binary")
    chain = refused.data["chain"]
    assert refused.data["name"] == "cycle" and len(chain) == 3
    for line in chain:
        assert "requires" in line and re.search(r"loop/service\.toml:\d+", line), chain


# ---- why, then -----------------------------------------------------------------------


def test_why_at_an_instant_of_the_past_says_what_it_said_then(hp):
    """A story; what `why` said live at each of its turns is what it says of that instant later."""
    names = ["db", "cache", "web", "top"]
    hp.define("db", script="echo no disk >&2; test -e ok || exit 7; echo up; exec sleep 1000", cwd=str(hp.root),
              readiness={"log": "up"}, retry_policy=NEVER)
    hp.define("web", depends_on=[{"service": "db"}, {"service": "cache"}, {"gate": "flag:open"}])
    hp.define("top", dependencies={"requires": ["web"]})
    told = []

    def note():
        told.append((last_event(hp), {n: facts(why(hp, n)["chain"]) for n in names if n in known}))
    known = {"db", "web", "top"}
    note()                                                # `cache` is missing
    hp.define("cache")
    known.add("cache")
    note()
    start(hp, "top")                                      # db fails
    hp.wait_state("db", "failed")
    hp.wait_state("cache", "running")
    note()
    (hp.root / "ok").touch()
    hp.rpc("service.start", name="db")
    wait_until(lambda: "the flag is not set" in why(hp, "top")["text"], what="only the flag is left")
    note()
    hp.rpc("flag.set", name="open")
    hp.wait_state("top", "running")
    note()
    hp.rpc("service.stop", name="cache")
    hp.wait_state("top", "inactive")
    note()
    hp.kill_server()
    for event, live in told:
        for name, tree in live.items():
            then = facts(why(hp, name, at=f"#{event}")["chain"])
            assert then == tree, (name, event, json.dumps(then, indent=1), json.dumps(tree, indent=1))


def test_an_instant_is_a_time_a_span_or_an_event(hp):
    hp.define("db", script="exit 4", readiness={"notify": True}, retry_policy=NEVER)
    start(hp, "db")
    event = hp.rpc("events.query", tail=True, limit=1)["events"][-1]
    for at in (event["time"], event["id"], f"#{event['id']}", "-0s"):
        assert "exit code 4" in why(hp, "db", at=at)["text"], at
    assert "exit code 4" in hp.cli("why", "db", "--at", f"#{event['id']}").stdout
    assert hp.refusal("service.why", name="db", at="-1h").code == E_NOT_FOUND
    assert hp.cli("why", "db", "--at", "-1h").returncode == NOT_FOUND


def test_why_of_a_run_that_is_over_is_told_from_what_was_recorded(hp):
    run = hp.rpc("run.submit", actions=[{"name": "a", "script": "echo oh no >&2; exit 5"},
                                        {"name": "b", "script": "true", "depends_on": ["a"]}])["run"]
    text = wait_until(lambda: (t := why(hp, run)["text"]) and "oh no" in t and t, what="the last words are told")
    assert "exit code 5" in text and "skipped" in text
    assert hp.refusal("service.why", name="never_heard_of").code == E_NOT_FOUND


def test_what_is_awaited_of_a_service_that_is_not_ready_is_told_now_and_then(hp):
    for name, readiness, awaited in (("l", {"log": "up"}, "matches `up`"), ("n", {"notify": True}, "READY=1"),
                                     ("f", {"fd": 3}, "descriptor 3"), ("m", {"manual": True}, "service ready")):
        hp.define(name, readiness=readiness)
        start(hp, name, wait=False)
        wait_until(lambda: awaited in why(hp, name)["text"], what=lambda: f"{awaited}: {why(hp, name)['text']}")
        assert facts(why(hp, name, at=f"#{last_event(hp)}")["chain"]) == facts(why(hp, name)["chain"])


# ---- where the time went -------------------------------------------------------------


def stack(hp):
    hp.define("slow", script="sleep 0.2; " + ONCE_READY, readiness={"log": "up"})
    hp.define("quick")
    hp.define("migrate", script="sleep 0.1", is_process=False, dependencies={"requires": ["slow"]})
    hp.define("top", dependencies={"requires": ["migrate", "quick"]})
    return hp.rpc("service.start", name="top")["operation"]


def test_the_parts_of_the_critical_chain_add_up_to_the_duration_of_the_start(hp):
    operation = stack(hp)
    chain = hp.rpc("service.critical_chain", operation=operation)
    assert [r["service"] for r in chain["chain"]] == ["slow", "migrate", "top"]
    stored = hp.rpc("op.get", operation=operation)
    began, ended = (time_of(stored[k]) for k in ("began", "ended"))
    parts = sum(r["total_us"] for r in chain["chain"])
    assert parts == chain["total_us"] and parts == pytest.approx((ended - began) * 1e6, rel=.05)
    for r in chain["chain"]:
        assert r["total_us"] == sum(v for k, v in r.items() if k.endswith("_us") and k not in ("total_us", "at_us"))
    slow = chain["chain"][0]
    assert slow["readiness_us"] > 190e3 and slow["exec_us"] < slow["readiness_us"]


def time_of(iso):
    day, clock = iso.rstrip("Z").split("T")
    h, m, s = clock.split(":")
    return time.mktime(time.strptime(day, "%Y-%m-%d")) + int(h) * 3600 + int(m) * 60 + float(s)


def test_blame_puts_what_took_longest_first(hp):
    operation = stack(hp)
    rows = hp.rpc("service.blame", operation=operation)["services"]
    assert [r["service"] for r in rows[:2]] == ["slow", "migrate"]
    assert {r["service"] for r in rows} == {"slow", "quick", "migrate", "top"}


def test_past_starts_are_told_after_the_server_was_killed(hp):
    operation = stack(hp)
    before = [hp.rpc("service.critical_chain", **of) for of in ({"operation": operation}, {"name": "top"})]
    events = len(hp.rpc("events.query", kind="unit")["events"])
    hp.kill_server()
    assert [hp.rpc("service.critical_chain", **of) for of in ({"operation": operation}, {"name": "top"})] == before
    assert len(hp.rpc("events.query", kind="unit")["events"]) == events, "a restart of the server is no change"
    assert hp.rpc("service.critical_chain")["operation"] == operation
    text = hp.cli("critical-chain").stdout
    assert "slow" in text and max(map(len, text.splitlines())) <= 100
    assert "migrate" in hp.cli("blame", operation).stdout
    assert hp.cli_json("blame", "top")["services"]


# ---- pictures ------------------------------------------------------------------------


def test_the_graph_is_drawn_without_graphviz(hp):
    hp.define("db")
    hp.define("odd", script="exit 1", readiness={"notify": True}, retry_policy=NEVER)
    hp.define("web", depends_on=[{"service": "db"}, {"service": "odd", "kind": "wants"}, {"gate": "tcp:127.0.0.1:1"}])
    start(hp, "web", wait=False)
    hp.wait_state("odd", "failed")
    picture = xml.dom.minidom.parseString(hp.cli("graph", "--svg").stdout)
    texts = [t.firstChild.data for t in picture.getElementsByTagName("text")]
    assert {"db", "odd", "web", "failed", "tcp:127.0.0.1:1"} <= set(texts)
    boxes = [[float(r.getAttribute(k)) for k in ("x", "y", "width", "height")]
             for r in picture.getElementsByTagName("rect")][1:]
    for i, (x, y, w, h) in enumerate(boxes):
        for X, Y, W, H in boxes[:i]:
            assert x + w <= X or X + W <= x or y + h <= Y or Y + H <= y, "two nodes overlap"
    assert '"web" -> "db" [style=solid]' in hp.cli("graph", "web", "--dot").stdout
    mermaid = hp.cli("graph", "--mermaid").stdout
    assert mermaid.startswith("flowchart TB\n") and "-.->" in mermaid
    plain = hp.rpc("graph.get", names=["db"])
    assert [n["name"] for n in plain["nodes"]] == ["db"] and plain["edges"] == []
    assert "state" not in hp.rpc("graph.get", with_state=False)["nodes"][0]


def test_names_can_not_break_out_of_a_picture(hp):
    hp.define("a", depends_on=[{"gate": 'file:/x"><script>'}])
    xml.dom.minidom.parseString(hp.rpc("graph.get", format="svg")["text"])


def test_a_shared_branch_of_the_tree_is_shown_once(hp):
    """A lattice of 20 layers has a million ways down."""
    hp.define("x0")
    hp.define("y0")
    for i in range(1, 20):
        for side in "xy":
            hp.define(f"{side}{i}", dependencies={"requires": [f"x{i - 1}", f"y{i - 1}"]})
    assert len(hp.cli("tree", "x19").stdout.splitlines()) < 100


def test_F31_a_stop_that_takes_long_says_what_is_left_and_when_it_gets_KILL(hp):
    hp.define("stubborn", script="trap '' TERM; sleep 1234 & while true; do sleep 0.1; done", stop_timeout_ms=2000)
    hp.rpc("service.start", name="stubborn")
    wait_until(lambda: any("1234" in command_of(p) for p in processes_with(hp.mark)))
    hp.rpc("service.stop", name="stubborn", wait=False)
    hp.wait_state("stubborn", "stopping")
    text = hp.rpc("service.why", name="stubborn")["text"]
    pid = hp.pid("stubborn")
    assert f"pid {pid} (" in text and "sleep 1234" in text
    assert re.search(r"what is left gets KILL in [\d.]+ m?s", text)
    hp.wait_state("stubborn", "inactive")
