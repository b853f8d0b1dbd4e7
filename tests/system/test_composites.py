"""An action is a node: every picture of a service of several actions tells of the action (SPEC 2.8, 2.9; issue 10 B8).

The composite of most of them: nginx waits for app, that for migrate and postgres, these for initdb.
"""
import json
import re
import xml.dom.minidom

import pytest
from hp import E_NOT_FOUND, INVALID_PARAMS, NOT_FOUND, RpcError, wait_until

SERVER = "echo ready; trap 'sleep 0.1; exit 0' TERM; while :; do sleep 0.02; done"

SHOP = """
[service]
name = "shop"
[[binaries]]
name = "initdb"
kind = "job"
exec = "{initdb}"
[[binaries]]
name = "postgres"
kind = "server"
exec = "{postgres}"
readiness = {{log = "ready"}}
depends_on = [{{action = "initdb", condition = "succeeded"}}]
[[binaries]]
name = "migrate"
kind = "job"
exec = "{migrate}"
depends_on = ["postgres"]
[[binaries]]
name = "app"
kind = "server"
exec = "{app}"
readiness = {{log = "ready"}}
depends_on = [{{action = "migrate", condition = "succeeded"}}, "postgres"]
[[binaries]]
name = "nginx"
kind = "web"
exec = "{nginx}"
readiness = {{log = "ready"}}
depends_on = {nginx_needs}
"""
ORDER = ["initdb", "postgres", "migrate", "app", "nginx"]
TOOK = {"initdb": 0.15, "postgres": 0.25, "migrate": 0.1, "app": 0.3, "nginx": 0.05}


def shop(hp, nginx_needs='["app"]', **scripts):
    usual = {"initdb": f"sleep {TOOK['initdb']}", "migrate": f"sleep {TOOK['migrate']}",
             **{a: f"sleep {TOOK[a]}; {SERVER}" for a in ("postgres", "app", "nginx")}}
    hp.register_text(SHOP.format(nginx_needs=nginx_needs, **{**usual, **scripts}))


def start(hp, name, **keys):
    try:
        return hp.rpc("service.start", name=name, **keys)
    except RpcError as e:
        return e.data


def why(hp, name, **keys):
    return hp.rpc("service.why", name=name, **keys)


def phases(row):
    return {k: v / 1e6 for k, v in row.items() if k.endswith("_us") and k not in ("total_us", "at_us")}


# ---- where the time went ---------------------------------------------------------------


def test_B8_the_critical_chain_goes_through_the_edges_between_actions_of_one_service(hp):
    shop(hp)
    operation = hp.rpc("service.start", name="shop")["operation"]
    chain = hp.rpc("service.critical_chain", operation=operation)
    assert [(r["service"], r["action"]) for r in chain["chain"]] == [("shop", a) for a in ORDER]
    assert sum(r["total_us"] for r in chain["chain"]) == chain["total_us"]
    for r in chain["chain"]:
        assert sum(phases(r).values()) == pytest.approx(r["total_us"] / 1e6)
        own = TOOK[r["action"]]
        assert own <= r["readiness_us"] / 1e6 < own + 0.25, (r["action"], "was given the time of another", r)
        assert r["wait_us"] / 1e6 < 0.2 and r["exec_us"] / 1e6 < 0.2
    told = hp.cli("critical-chain", "shop").stdout
    assert [m for m in re.findall(r"^shop/(\w+)", told, re.M)] == ORDER


def test_B8_a_restart_gives_each_action_the_time_that_its_own_stop_took(hp):
    """Stops were called readiness of the one that stopped last, or waiting of the one that started first."""
    shop(hp)
    hp.rpc("service.start", name="shop")
    operation = hp.rpc("service.restart", name="shop")["operation"]
    chain = hp.rpc("service.critical_chain", operation=operation)
    assert [r["action"] for r in chain["chain"]] == ["nginx", "app", "postgres"] + ORDER
    assert sum(r["total_us"] for r in chain["chain"]) == chain["total_us"]
    for r in chain["chain"][:3]:
        assert r["stop_us"] / 1e6 == pytest.approx(0.15, abs=0.14) and r["readiness_us"] == 0, r
    blame = {r["action"]: r for r in hp.rpc("service.blame", operation=operation)["services"]}
    for a in ("nginx", "app", "postgres"):
        assert 0.09 < blame[a]["stop_us"] / 1e6 < 0.3
        assert TOOK[a] <= blame[a]["readiness_us"] / 1e6 < TOOK[a] + 0.25, blame[a]
    assert " STOP " in hp.cli("critical-chain", operation).stdout


def test_B8_replacing_what_conflicts_is_the_time_of_what_had_to_go(hp):
    hp.define("old", script=f"sleep 0.05; {SERVER.replace('sleep 0.1', 'sleep 0.3')}", readiness={"log": "ready"})
    hp.define("new", dependencies={"conflicts": ["old"]})
    hp.rpc("service.start", name="old")
    operation = hp.rpc("service.start", name="new", replace=True)["operation"]
    chain = hp.rpc("service.critical_chain", operation=operation)["chain"]
    assert [r["service"] for r in chain] == ["old", "new"] and chain[0]["stop_us"] > 290e3
    assert chain[1]["wait_us"] < 100e3


def test_B8_of_a_start_that_goes_on_the_chain_leads_to_what_it_waits_for_now(hp):
    """It said that no start is recorded, while somebody waited and wanted to know."""
    shop(hp, postgres="sleep 0.1; echo starting; exec sleep 1000")
    operation = hp.rpc("service.start", name="shop", wait=False)["operation"]
    wait_until(lambda: hp.action("shop", "postgres")["state"] == "running")
    for of in ({}, {"name": "shop"}, {"operation": operation}):
        chain = hp.rpc("service.critical_chain", **of)
        assert chain["operation"] == operation and chain["ended"] is None
        assert [r["action"] for r in chain["chain"]] == ["initdb", "postgres"]
        assert sum(r["total_us"] for r in chain["chain"]) == chain["total_us"]
    first = hp.rpc("service.critical_chain", name="shop")["chain"][1]["readiness_us"]
    wait_until(lambda: hp.rpc("service.critical_chain", name="shop")["chain"][1]["readiness_us"] > first + 50e3)
    blame = {r["action"]: r for r in hp.rpc("service.blame")["services"]}
    assert blame["postgres"]["readiness_us"] > first and blame["nginx"]["wait_us"] > first
    assert "goes on" in hp.cli("critical-chain").stdout


def test_B8_a_gate_is_told_as_a_gate_in_chain_and_blame(hp):
    shop(hp, nginx_needs='["app", {gate = "flag:open"}]')
    later = hp.later("service.start", name="shop")
    last = lambda: hp.rpc("service.critical_chain")["chain"][-1]
    wait_until(lambda: hp.action("shop", "app")["state"] == "ready")
    assert last()["action"] == "nginx" and last()["readiness_us"] == 0
    wait_until(lambda: last()["gate_us"] > 150e3)
    hp.rpc("flag.set", name="open")
    operation = later.done()["operation"]
    for rows in (hp.rpc("service.critical_chain", operation=operation)["chain"],
                 hp.rpc("service.blame", operation=operation)["services"]):
        nginx = next(r for r in rows if r["action"] == "nginx")
        assert nginx["gate_us"] > 150e3 and nginx["readiness_us"] < 150e3, nginx


def test_B8_a_start_that_failed_is_told_by_name_too(hp):
    shop(hp, migrate="sleep 0.1; exit 3")
    start(hp, "shop")
    hp.wait_state("shop", "degraded")
    assert [r["action"] for r in hp.rpc("service.critical_chain", name="shop")["chain"]] == ["initdb", "postgres", "migrate"]


def test_B8_what_was_under_way_before_counts_from_the_request_on(hp):
    """The chain of a second request led into the first one, and its parts were longer than it had taken."""
    hp.define("slow", script=f"sleep 0.6; {SERVER}", readiness={"log": "ready"})
    hp.define("web", dependencies={"requires": ["slow"]})
    hp.rpc("service.start", name="slow", wait=False)
    wait_until(lambda: (events := hp.rpc("events.query", service="slow", kind="job")["events"]) and events[-1]["to"] == "running")
    begun = hp.rpc("service.critical_chain", name="slow")["total_us"]
    wait_until(lambda: hp.rpc("service.critical_chain", name="slow")["total_us"] > begun + 200e3)
    operation = hp.rpc("service.start", name="web")["operation"]
    chain = hp.rpc("service.critical_chain", operation=operation)
    assert chain["operation"] == operation and [r["service"] for r in chain["chain"]] == ["slow", "web"]
    assert sum(r["total_us"] for r in chain["chain"]) == chain["total_us"] < 420e3


def test_B8_what_fails_beside_a_start_is_not_to_blame_for_it(hp):
    hp.define("flap", script="sleep 0.02; exit 1", retry_policy={"delay_ms": 10, "factor": 1})
    hp.rpc("service.start", name="flap")
    shop(hp)
    operation = hp.rpc("service.start", name="shop")["operation"]
    assert {r["service"] for r in hp.rpc("service.blame", operation=operation)["services"]} == {"shop"}
    assert {r["action"] for r in hp.rpc("service.blame", operation=operation)["services"]} == set(ORDER)


# ---- tree and graph --------------------------------------------------------------------


def walk(node, depth=0):
    yield depth, node
    for child in node.get("needs", []) + node.get("needed_by", []):
        yield from walk(child, depth + 1)


def test_B8_the_tree_of_a_composite_is_a_tree_of_its_actions(hp):
    """It said `requires` five times, with nothing behind it."""
    shop(hp)
    hp.define("web", dependencies={"requires": ["shop"]})
    hp.rpc("service.start", name="web")
    told = [(d, n["name"], n["state"]) for d, n in walk(hp.rpc("service.tree", name="shop"))]
    assert told == [(0, "shop", "running"), (1, "shop/nginx", "ready"), (2, "shop/app", "ready"),
                    (3, "shop/migrate", "succeeded"), (4, "shop/postgres", "ready"), (5, "shop/initdb", "succeeded"),
                    (3, "shop/postgres", "ready")]
    assert [n["name"] for _, n in walk(hp.rpc("service.tree", name="shop/migrate"))] == \
        ["shop/migrate", "shop/postgres", "shop/initdb"]
    trees = hp.rpc("service.tree")["trees"]
    assert [t["name"] for t in trees] == ["web"] and trees[0]["needs"][0]["name"] == "shop"
    back = [n["name"] for _, n in walk(hp.rpc("service.tree", name="shop/initdb", reverse=True))]
    assert back == ["shop/initdb", "shop/postgres", "shop/app", "shop/nginx", "shop", "web", "shop/migrate", "shop/app"] or \
        back == ["shop/initdb", "shop/postgres", "shop/migrate", "shop/app", "shop/nginx", "shop", "web", "shop/app"], back
    for line in hp.cli("tree").stdout.splitlines():
        assert re.search(r"(running|ready|succeeded)\b", line), f"no state in `{line}`"
    assert hp.cli("tree", "shop/nope").returncode == NOT_FOUND


def test_B8_what_every_action_needs_is_told_of_the_service_once(hp):
    hp.define("db")
    shop(hp)
    hp.register_text(SHOP.replace('name = "shop"\n', 'name = "shop2"\nrequires = ["db"]\n', 1).format(
        nginx_needs='["app", {gate = "tcp:127.0.0.1:1"}]', **{a: "true" for a in ORDER}), path="test2/service.toml")
    edges = [(e["from"], e["to"]) for e in hp.rpc("graph.get", names=["shop2"])["edges"]]
    assert edges.count(("shop2", "db")) == 1 and not [e for e in edges if e[1] == "db" and e[0] != "shop2"]
    assert ("shop2/nginx", "tcp:127.0.0.1:1") in edges
    children = [n["name"] for n in hp.rpc("service.tree", name="shop2")["needs"]]
    assert children == ["db", "shop2/nginx"]
    outside = [n for _, n in walk(hp.rpc("service.tree", name="shop2")) if n["name"].startswith("tcp:")]
    assert outside[0]["external"] and outside[0]["status"]
    assert re.search(r"tcp:127.0.0.1:1  requires \w+", hp.cli("tree", "shop2").stdout)


def test_B8_nothing_requires_itself_in_the_graph(hp):
    """`livekit requires livekit`: an edge between two of its actions."""
    shop(hp)
    hp.define("web", depends_on=[{"service": "shop", "action": "app"}])
    graph = hp.rpc("graph.get")
    assert all(e["from"] != e["to"] for e in graph["edges"])
    assert {(e["from"], e["to"]) for e in graph["edges"]} == {
        ("shop/postgres", "shop/initdb"), ("shop/migrate", "shop/postgres"), ("shop/app", "shop/migrate"),
        ("shop/app", "shop/postgres"), ("shop/nginx", "shop/app"), ("web", "shop/app")}
    nodes = {n["name"]: n for n in graph["nodes"]}
    assert set(nodes) == {"web", "shop"} | {f"shop/{a}" for a in ORDER}
    assert nodes["shop"]["actions"] == 5 and nodes["shop/app"]["service"] == "shop" and nodes["shop/app"]["action"] == "app"
    edge = next(e for e in graph["edges"] if e["from"] == "shop/nginx")
    assert (edge["from_service"], edge["from_action"], edge["to_service"], edge["to_action"]) == ("shop", "nginx", "shop", "app")
    rows = [line.split() for line in hp.cli("graph").stdout.splitlines()[1:]]
    assert rows and all(row[0] != row[3] for row in rows)
    assert {n["name"] for n in hp.rpc("graph.get", names=["web"])["nodes"]} == set(nodes), "the whole service is started"
    assert {n["name"] for n in hp.rpc("graph.get", names=["shop/migrate"])["nodes"]} == \
        {"shop/migrate", "shop/postgres", "shop/initdb"}


def test_B8_every_drawing_has_the_actions_as_nodes(hp):
    shop(hp)
    dot = hp.cli("graph", "--dot").stdout
    assert "subgraph cluster" in dot and '"shop/nginx" -> "shop/app"' in dot and '"shop" -> "shop" ' not in dot
    assert dot.count("{") == dot.count("}")
    mermaid = hp.cli("graph", "--mermaid").stdout
    assert mermaid.count("subgraph") == mermaid.count("    end") == 1
    assert not re.search(r"(n\d+) --\S* (?:\|.*\| )?\1$", mermaid, re.M)
    svg = xml.dom.minidom.parseString(hp.cli("graph", "--svg").stdout)
    texts = [t.firstChild.data for t in svg.getElementsByTagName("text")]
    assert {"shop"} | {f"shop/{a}" for a in ORDER} <= set(texts)


# ---- why ---------------------------------------------------------------------------------


def facts(nodes):
    return [(re.sub(r"[\d.]+ (ms|s|min|h)\b", "TIME", n["fact"]), facts(n["because"])) for n in nodes]


def test_B8_why_names_the_action_that_waits_and_the_one_that_is_waited_for(hp):
    """`shop waits for shop/app`, `the next attempt of shop follows`, `hero_proc logs shop`."""
    shop(hp, app="echo no route to db >&2; exit 1")
    hp.define("web", dependencies={"requires": ["shop"]})
    start(hp, "web", wait=False)
    text = wait_until(lambda: (t := why(hp, "web")["text"]) and "shop/app is retrying" in t and "| no route" in t and t)
    assert "shop/nginx waits for shop/app" in text and "shop waits for" not in text
    assert "the next attempt of shop/app follows" in text
    chain = why(hp, "shop/nginx")
    assert chain["name"] == "shop/nginx" and chain["state"] == "waiting_deps"
    assert [e["action"] for e in chain["waiting_on"]] == ["nginx"]
    told = facts(chain["chain"])
    assert told[0][0] == "shop/nginx is waiting_deps, for TIME"
    assert told[0][1][0][0].startswith("shop/nginx waits for shop/app to be ready")
    assert told[0][1][0][1][0][0].startswith("shop/app is")
    cause = hp.status("web")["cause"]
    assert cause[0].startswith("web waits: shop ") and cause[1].startswith("shop/nginx waits: shop/app")
    assert "nginx for shop/app" in hp.cli("service", "status", "shop").stdout


def test_B8_an_edge_to_one_action_is_explained_by_that_action_alone(hp):
    shop(hp, postgres="echo starting; exec sleep 1000")
    hp.define("tail", depends_on=[{"service": "shop", "action": "initdb", "condition": "succeeded"},
                                  {"service": "shop", "action": "postgres"}])
    hp.define("other", script="exit 1", readiness={"notify": True}, retry_policy={"restart": "never"})
    hp.rpc("service.start", name="tail", wait=False)
    wait_until(lambda: hp.action("shop", "postgres")["state"] == "running")
    told = facts(why(hp, "tail")["chain"])[0][1]
    assert len(told) == 1 and told[0][0].startswith("tail waits for shop/postgres to be ready")
    assert len(told[0][1]) == 1 and told[0][1][0][0].startswith("shop/postgres is running, not ready")
    assert "| starting" in why(hp, "tail")["text"], "what it said last may be why it is not ready"


def test_B8_why_of_an_action_at_an_instant_of_the_past(hp):
    shop(hp, migrate="echo no table >&2; exit 4")
    start(hp, "shop")
    hp.wait_state("shop", "degraded")
    event = hp.rpc("events.query", tail=True, limit=1)["events"][-1]["id"]
    now = facts(why(hp, "shop/app")["chain"])
    hp.rpc("service.stop", name="shop")
    then = why(hp, "shop/app", at=f"#{event}")
    assert facts(then["chain"]) == now and then["state"] == "waiting_deps"
    assert "shop/migrate failed" in then["text"]
    assert hp.refusal("service.why", name="shop/nope").code == E_NOT_FOUND
    assert hp.cli("why", "shop/nope", "--at", f"#{event}").returncode == NOT_FOUND


def test_B8_a_gate_that_nobody_provides_is_named_once(hp):
    """`tcp:127.0.0.1:1 of tcp:127.0.0.1:1 does not answer yet`"""
    hp.define("web", depends_on=[{"gate": "tcp:127.0.0.1:1"}])
    hp.rpc("service.start", name="web", wait=False)
    wait_until(lambda: hp.status("web")["waiting_on"])
    assert hp.status("web")["waiting_on"][0]["text"] == "tcp:127.0.0.1:1 does not answer yet"


# ---- what if, plan -----------------------------------------------------------------------


def test_B8_what_if_one_action_fails(hp):
    hp.register_text(SHOP.replace('}}, "postgres"]', '}}, {{action = "postgres", on_failure = "restart"}}]').format(
        nginx_needs='["app"]', initdb="true", migrate="true", **{a: SERVER for a in ("postgres", "app", "nginx")}))
    hp.define("web", dependencies={"requires": ["shop"]})
    hp.rpc("service.start", name="web")
    states = lambda: [(a["name"], a["state"], a["pid"]) for a in hp.status("shop")["actions"]]
    before = states()
    rows = {r["name"]: r for r in hp.rpc("service.what_if", name="shop/postgres", event="fail")["services"]}
    assert rows["shop/app"]["effect"] == "restarts" and "shop/postgres" in rows["shop/app"]["why"]
    assert rows["shop/postgres"]["effect"] == "returns" and "shop/nginx" not in rows
    assert rows["web"]["effect"] == "degrades" and rows["shop/app"]["action"] == "app"
    rows = {r["name"]: r for r in hp.rpc("service.what_if", name="shop/nginx", event="fail")["services"]}
    assert set(rows) == {"shop", "shop/nginx", "web"}
    rows = {r["name"]: r for r in hp.rpc("service.what_if", name="shop", event="stop")["services"]}
    assert rows["shop/app"]["effect"] == "stops" and rows["shop/app"]["after"] == "cancelled"
    assert hp.refusal("service.what_if", name="shop/app", event="stop").code == INVALID_PARAMS
    assert hp.refusal("service.what_if", name="shop/nope", event="fail").code == E_NOT_FOUND
    assert states() == before


def test_B8_a_plan_tells_the_actions_in_the_order_in_which_they_go(hp):
    shop(hp)
    assert [s["action"] for s in hp.rpc("service.plan", name="shop")["steps"]] == ORDER
    hp.rpc("service.start", name="shop")
    steps = [(s["step"], s["action"]) for s in hp.rpc("service.plan", name="shop", verb="restart")["steps"]]
    assert steps == [("stop", a) for a in ("nginx", "app", "postgres")] + [("start", a) for a in ORDER]
    done = hp.rpc("service.restart", name="shop")["steps"]
    assert [(s["step"], s["action"]) for s in done] == steps
    assert "shop/nginx" in hp.cli("plan", "restart", "shop").stdout
    assert json.loads(hp.cli("plan", "stop", "shop", "--json").stdout)["steps"]
