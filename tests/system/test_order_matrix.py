"""The main promise: order belongs to the supervisor (SPEC 2.1).

Every test starts the dependent *alone* on an empty supervisor on which the definitions
are only registered, and judges by what the programs wrote about themselves:

    hero_collab_web --> hero_collab_server --> hero_db
                   \\--> hero_proxy

facets   how the dependencies are declared: `[[dependencies]]` of a manifest, or
         requires/wants/after/conflicts of the service
shapes   one service per binary, or one composite service `hero_collab`
ways     manifest: service.register, then service.start
         sdk:      a C program that uses the builders of libhero_proc
         self:     hero_collab_web --start, from the manifest embedded in it
         define:   service.define in raw JSON, then service.start
         run:      run.submit of the binaries
"""
import pytest
from hp import E_CONFLICT, E_DEPENDENCY, EXAMPLES, STACKS, RpcError, edge_to, program, wait_until

FACETS = ["dependencies", "requires"]
SHAPES = ["per_binary", "composite"]
WAYS = ["manifest", "sdk", "self", "define", "run"]

BASE = [EXAMPLES / "hero" / n / "service.toml" for n in ("hero_db", "hero_proxy")]
COLLAB = {
    ("dependencies", "per_binary"): [EXAMPLES / "hero/hero_collab/service.toml"],
    ("dependencies", "composite"): [STACKS / "dependencies-composite/hero_collab/service.toml"],
    ("requires", "per_binary"): [STACKS / f"requires-per_binary/{n}/service.toml"
                                 for n in ("hero_collab_server", "hero_collab_web")],
    ("requires", "composite"): [STACKS / "requires-composite/hero_collab/service.toml"],
}
# What each action's list has to show: its own edges and those of its service.
EDGES = {
    ("dependencies", "per_binary"): {"hero_collab_web": ["hero_collab_server", "hero_proxy"],
                                     "hero_collab_server": ["hero_db"]},
    ("dependencies", "composite"): {"hero_collab_web": ["hero_collab_server", "hero_proxy"],
                                    "hero_collab_server": ["hero_db"]},
    ("requires", "per_binary"): {"hero_collab_web": ["hero_collab_server", "hero_proxy"],
                                 "hero_collab_server": ["hero_db"]},
    ("requires", "composite"): {"hero_collab_web": ["hero_collab_server", "hero_db", "hero_proxy"],
                                "hero_collab_server": ["hero_db", "hero_proxy"]},
}


def dependent_of(shape):
    return "hero_collab_web" if shape == "per_binary" else "hero_collab"


def owner_of(shape, action):
    return action if shape == "per_binary" else "hero_collab"


# ---- the raw JSON of every facet and shape ----------------------------------------


def collab_json(hp, facet, shape):
    def act(name, socket, folder, **keys):
        return {"name": name, "exec": [str(hp.bin / name)], "sockets": [{"name": socket}],
                "env": {"HERO_FOLDER": folder, "AUTH_MODE": "proxy"}, "is_process": True, **keys}

    if shape == "per_binary":
        server = act("hero_collab_server", "rpc.sock", "hero_collab_server")
        web = act("hero_collab_web", "web.sock", "hero_collab_web")
        services = [{"name": "hero_collab_server", "actions": [server]},
                    {"name": "hero_collab_web", "actions": [web]}]
        needs = [["hero_db"], ["hero_collab_server", "hero_proxy"]]
        for service, names in zip(services, needs):
            if facet == "requires":
                service["dependencies"] = {"requires": names}
            else:
                service["manifest"] = "".join(block(n) for n in names)
        return services
    if facet == "dependencies":
        return [{"name": "hero_collab", "manifest": COLLAB[facet, shape][0].read_text()}]
    return [{"name": "hero_collab", "dependencies": {"requires": ["hero_db", "hero_proxy"]},
             "actions": [act("hero_collab_server", "rpc.sock", "hero_collab"),
                         act("hero_collab_web", "web.sock", "hero_collab", depends_on=["hero_collab_server"])]}]


def block(name):
    return (f'[[dependencies]]\nrepo = "lhumina_code/{name}"\ncrate_name = "{name}"\n'
            f'bin_name = "{name}"\nsocket_name = "rpc.sock"\n')


# ---- the ways in --------------------------------------------------------------------


def come_in(hp, way, facet, shape):
    """Registers everything, starts the dependent alone; returns the service's name."""
    name = dependent_of(shape)
    hp.register(*BASE)
    if way in ("manifest", "run"):
        hp.register(*COLLAB[facet, shape])
    if way == "manifest":
        return hp.rpc("service.start", name=name)
    if way == "define":
        for service in collab_json(hp, facet, shape):
            hp.rpc("service.define", service=service)
        return hp.rpc("service.start", name=name)
    if way == "sdk":
        hp.install("sdk_stack")
        done = hp.run_program("sdk_stack", facet, shape)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return None
    if way == "self":
        if (facet, shape) == ("requires", "per_binary"):
            hp.register(COLLAB[facet, shape][0])  # each binary brings its own file
        if (facet, shape) != ("dependencies", "per_binary"):
            hp.install("hero_collab_web", program(f"hero_collab_web-{facet}-{shape}"))
        done = hp.run_program("hero_collab_web", "--start")
        assert done.returncode == 0, (done.stdout, done.stderr)
        return None
    wanted = ["hero_collab_web"] if shape == "per_binary" else ["hero_collab_server", "hero_collab_web"]
    return hp.rpc("run.submit", actions=[{"action": a} for a in wanted], wait=False)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("facet", FACETS)
@pytest.mark.parametrize("way", WAYS)
def test_order_holds(hp, way, facet, shape):
    assert hp.diary.lines() == []
    come_in(hp, way, facet, shape)
    wait_until(lambda: hp.diary.times("hero_collab_web", "ready"), what="hero_collab_web is ready")

    hp.diary.assert_started_after("hero_collab_web", "hero_collab_server")
    hp.diary.assert_started_after("hero_collab_web", "hero_proxy")
    hp.diary.assert_started_after("hero_collab_server", "hero_db")
    for name in hp.diary.names():
        assert len(hp.diary.pids(name)) == 1, f"{name} was executed more than once"

    for action, targets in EDGES[facet, shape].items():
        edges = hp.edges(owner_of(shape, action), action)
        for target in targets:
            edge = edge_to(edges, target)
            assert edge["source"], edge
            assert edge["resolved"], edge
            assert edge["kind"] == "requires", edge
        shown = hp.rpc("action.get", name=action)
        assert shown["depends_on"] == edges, "action.get and service.get agree"

    hp.rpc("service.stop", name="hero_db")
    wait_until(lambda: hp.diary.times("hero_db", "end"), what="hero_db ended")
    hp.diary.assert_stopped_before("hero_collab_web", "hero_collab_server")
    hp.diary.assert_stopped_before("hero_collab_server", "hero_db")


@pytest.mark.parametrize("way", ["manifest", "define"])
def test_the_same_meaning_gives_the_same_edges_whatever_the_way_in(fresh, way):
    """Apart from `source` the list depends on the meaning only (SPEC 7.1)."""
    def edges(way_in):
        hp = fresh().start()
        come_in(hp, way_in, "requires", "composite")
        return [{k: v for k, v in e.items() if k != "source"}
                for e in hp.edges("hero_collab", "hero_collab_web")]
    assert edges(way) == edges("sdk")


def test_a_submitted_run_shows_the_edges_it_inherited(hp):
    hp.register(*BASE, *COLLAB["dependencies", "per_binary"])
    run = hp.rpc("run.submit", actions=[{"action": "hero_collab_web"}], wait=False)
    shown = hp.rpc("run.get", **{"run": run["run"]})
    edges = next(j["depends_on"] for j in shown["jobs"] if j["action"] == "hero_collab_web")
    for target in ("hero_collab_server", "hero_proxy"):
        assert edge_to(edges, target)["source"]


def test_a_submission_that_says_no_edges_has_none(hp):
    hp.register(*BASE, *COLLAB["dependencies", "per_binary"])
    hp.rpc("run.submit", actions=[{"action": "hero_collab_web", "depends_on": []}], wait=False)
    wait_until(lambda: hp.diary.times("hero_collab_web", "ready"), what="hero_collab_web is ready")
    assert hp.diary.names() == {"hero_collab_web"}


def test_the_proof_itself_sees_a_missing_gate(hp):
    """The same assertion has to fail when nothing orders the two."""
    hp.register(*BASE)
    hp.rpc("service.start", name=["hero_db", "hero_proxy"])
    hp.diary.clear()
    hp.rpc("service.restart", name="hero_db")
    with pytest.raises(AssertionError):
        hp.diary.assert_started_after("hero_proxy", "hero_db")


def test_an_edge_with_when_exists_only_if_the_environment_says_so(hp):
    hp.register(*BASE)
    text = COLLAB["dependencies", "per_binary"][0].read_text().replace('default = "proxy"', 'default = "none"')
    hp.register_text(text, "hero_collab/service.toml")
    hp.rpc("service.start", name="hero_collab_web")
    assert hp.diary.times("hero_collab_web", "ready")
    assert "hero_proxy" not in hp.diary.names()


def test_a_listener_that_is_not_healthy_does_not_open_the_gate(fresh):
    """rpc.sock is up when GET /health says so, not when connect(2) works (SPEC 2.2)."""
    hp = fresh()
    sick = hp.root / "sick"
    sick.touch()
    hp.env["HERO_SICK_HERO_DB"] = str(sick)
    hp.start().register(*BASE, *COLLAB["dependencies", "per_binary"])
    call = hp.later("service.start", name="hero_collab_server")
    wait_until(lambda: (hp.sockets / "hero_db/rpc.sock").exists(), what="hero_db is bound")
    waiting = wait_until(lambda: hp.status("hero_collab_server")["waiting_on"], what="waiting_on is shown")
    assert "hero_db" in str(waiting), waiting
    assert hp.diary.times("hero_collab_server", "main") == []
    sick.unlink()
    call.done()
    hp.diary.assert_started_after("hero_collab_server", "hero_db")


# ---- wants, after, conflicts: two services a (dependent) and b, in every way ------------


def pair(hp, way, shape, dependencies):
    """hero_proxy with the given dependencies on hero_db; the dependent is not started."""
    hp.register(BASE[0])
    name = "hero_proxy" if shape == "per_binary" else "front"
    lines = "".join(f"{k} = {v}\n".replace("'", '"') for k, v in dependencies.items())
    head = lines if shape == "per_binary" else f'[service]\nname = "front"\n{lines}'
    if way in ("manifest", "run"):
        hp.register_text(head + '[[binaries]]\nname = "hero_proxy"\nkind = "server"\n'
                         '[[binaries.sockets]]\nname = "rpc.sock"\n'
                         f'[[env]]\nname = "HERO_FOLDER"\ndefault = "{name}"\n', f"{name}/service.toml")
    elif way == "define":
        hp.rpc("service.define", service={"name": name, "dependencies": dependencies, "actions": [
            {"name": "hero_proxy", "exec": [str(hp.bin / "hero_proxy")], "is_process": True,
             "sockets": [{"name": "rpc.sock"}], "env": {"HERO_FOLDER": name}}]})
    else:
        hp.install("sdk_stack")
        words = [f"{k}={','.join(v)}" for k, v in dependencies.items()]
        done = hp.run_program("sdk_stack", "pair", name, *words)
        assert done.returncode == 0, (done.stdout, done.stderr)
    return name


def begin(hp, way, name, **params):
    if way == "run":
        return hp.rpc("run.submit", actions=[{"action": "hero_proxy"}], **params)
    return hp.rpc("service.start", name=name, **params)


PAIR_WAYS = ["manifest", "sdk", "define", "run"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", PAIR_WAYS)
def test_wants_pulls_in_and_does_not_delay(fresh, way, shape):
    hp = fresh(HERO_DELAY_HERO_DB=400).start()
    begin(hp, way, pair(hp, way, shape, {"wants": ["hero_db"]}), wait=False)
    wait_until(lambda: hp.diary.times("hero_db", "ready"), what="hero_db is pulled in")
    wait_until(lambda: hp.diary.times("hero_proxy", "ready"), what="hero_proxy is ready")
    assert hp.diary.times("hero_proxy", "main")[0] < hp.diary.times("hero_db", "ready")[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", PAIR_WAYS)
def test_after_does_not_pull_in(hp, way, shape):
    begin(hp, way, pair(hp, way, shape, {"after": ["hero_db"]}), wait=False)
    wait_until(lambda: hp.diary.times("hero_proxy", "ready"), what="hero_proxy is ready")
    assert hp.diary.names() == {"hero_proxy"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", PAIR_WAYS)
def test_after_waits_for_one_that_is_starting(fresh, way, shape):
    hp = fresh(HERO_DELAY_HERO_DB=200).start()
    name = pair(hp, way, shape, {"after": ["hero_db"]})
    hp.rpc("service.start", name="hero_db", wait=False)
    begin(hp, way, name, wait=False)
    wait_until(lambda: hp.diary.times("hero_proxy", "ready"), what="hero_proxy is ready")
    hp.diary.assert_started_after("hero_proxy", "hero_db")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", PAIR_WAYS)
def test_conflicts_refuse_while_the_other_is_active(hp, way, shape):
    name = pair(hp, way, shape, {"conflicts": ["hero_db"]})
    hp.rpc("service.start", name="hero_db")
    with pytest.raises(RpcError) as refused:
        begin(hp, way, name, wait=True)
    assert refused.value.code in ((E_CONFLICT, E_DEPENDENCY) if way == "run" else (E_CONFLICT,))
    assert "hero_db" in str(refused.value)
    assert hp.diary.names() == {"hero_db"}
    assert hp.state("hero_db") == "running"
