#!/usr/bin/env python3
"""run.py - dependency graphs of other projects, with real processes.

    run.py [--all] [--jobs N] [--counts FILE] [GRAPH...]

Every root of every graph is started on a private supervisor, each through the next way in
(--all: each through every way), and is judged by what the processes wrote about themselves (graph_node.c): nobody's main()
before what it requires is ready or has ended, nobody twice, exactly what is pulled in, in
reverse order on the way down, and nothing left.  Graphs with a circle are refused, with
the circle.  About 20 seconds, with --all two minutes.  The graphs are looked for in
$HERO_PROC_CASES/graphs, else in ../shared/cases/graphs beside the project; without them
there is nothing to do.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
import hp as bed  # noqa: E402
from hp import E_CONFLICT, E_CYCLE, E_MISSING, RpcError, is_alive, wait_until  # noqa: E402
from graph import Graph, chance, definition, manifest, sdk_lines  # noqa: E402

BOUND = 90
OWN = ["graph_node", "graph_self", "graph_sdk"]
WAYS = ["manifest", "define", "sdk", "self", "run", "boot"]


class Wrong(Exception):
    pass


class Supervisor(bed.Supervisor):
    """Programs are linked from one copy: a thread that forks while another one writes an
    executable would make that one busy (ETXTBSY)."""
    store = None

    @classmethod
    def fill_store(cls):
        cls.store = Path(tempfile.mkdtemp(prefix="hp-programs-", dir="/tmp"))
        for name in bed.OURS + bed.HERO + bed.LIVEKIT + ["pause"] + OWN:
            shutil.copy(bed.program(name), cls.store / name)
        bed.program = lambda name: cls.store / name

    def install(self, name, path=None):
        target = self.bin / name
        target.unlink(missing_ok=True)
        os.link(path or self.store / name, target)


def expect(holds, *words):
    if not holds:
        raise Wrong(" ".join(map(str, words)))


# ---- judging by what the processes wrote ---------------------------------------------------


class Evidence:
    """The diary of one start and stop."""

    def __init__(self, diary):
        self.facts = {}
        for name, pid, fact, ns in diary.lines():
            self.facts.setdefault(name, {}).setdefault(fact, []).append(ns)
            self.facts[name].setdefault("pids", []).append(pid)

    def at(self, name, fact):
        return self.facts.get(name, {}).get(fact, [])


def usable(seen, g, target, condition):
    """When the condition became true, by the target's own word."""
    fact = "main" if condition == "started" else "end" if condition in ("completed", "succeeded") \
        or g.nodes[target] == "once" else "ready"
    return min(seen.at(target, fact), default=None)


def is_early(g, seen, a, b, condition):
    begun, held = min(seen.at(a, "main"), default=None), usable(seen, g, b, condition)
    if begun is None or (held is not None and held <= begun):
        return False
    if condition == "started" and held is not None:
        # Executed is the moment of execve(2), and the scheduler decides whose main() is first
        # after it; then the numbers of the processes tell who was spawned first.
        return 0 < seen.facts[b]["pids"][0] - seen.facts[a]["pids"][0] < 1000
    return True


def judge_start(g, seen, closure, extra=()):
    wanted = {n for n in closure if g.nodes[n] != "target"} | set(extra)
    mains = {n for n in seen.facts if seen.at(n, "main")}
    early = [f"{a} before {b} was {c}" for a, b, c in sorted(g.order(closure)) if is_early(g, seen, a, b, c)]
    return {"early": early, "double": [n for n in mains if len(seen.at(n, "main")) > 1],
            "missing": sorted(wanted - mains), "extra": sorted(mains - wanted)}


def judge_stop(g, before, after, closure, expected=None):
    """One stop: who was asked to go by it, and in which order."""
    stopped = {n for n in closure if after.at(n, "stop") and not before.at(n, "stop")}
    wrong = []
    if expected is not None and services(g, stopped) != expected:  # a one-shot may be on its way or over
        wrong.append(f"too many {sorted(services(g, stopped) - expected)}, too few {sorted(expected - stopped)}")
    for a, b, _ in g.order(closure):
        if {a, b} <= stopped and max(after.at(a, "end"), default=float("inf")) > min(after.at(b, "stop")):
            wrong.append(f"{b} was asked to go before {a} was gone")
    return wrong


# ---- the ways in ------------------------------------------------------------------------------


def register_manifests(hp, g, **status):
    rows = [{"path": f"{n}/service.toml", "text": manifest(hp, g, n, status.get(n))} for n in g.nodes]
    hp.rpc("service.register", manifests=rows, timeout=BOUND)


def register_sdk(hp, g, root=()):
    spec = hp.root / "graph"
    spec.write_text("".join(line + "\n" for n in g.nodes for line in sdk_lines(hp, g, n)))
    return hp.run_program("graph_sdk", str(spec), *root, timeout=BOUND)


def prepare(hp, g, way):
    """Everything is registered, nothing starts."""
    for name in OWN:
        hp.install(name)
    if way == "define":
        for n in g.nodes:
            hp.rpc("service.define", service=definition(hp, g, n))
    elif way == "sdk":
        done = register_sdk(hp, g)
        expect(done.returncode == 0, "the SDK:", done.stderr)
    else:
        register_manifests(hp, g)
    expect(hp.diary.lines() == [], "a registration executed something")


def self_start(hp, g, root):
    """The program of the root brings its own manifest."""
    binary = hp.bin / root
    hp.install(root, Supervisor.store / "graph_self")
    Path(f"{binary}.toml").write_text(manifest(hp, g, root, binary=binary))
    hp.rpc("service.delete", name=root, force=True)
    done = hp.run_program(root, "--start", timeout=BOUND)
    expect(done.returncode == 0, "--start:", done.stdout, done.stderr)


def wait_settled(hp, g, closure):
    """What is only wanted may settle later than the answer."""
    def done():
        seen = Evidence(hp.diary)
        return all(seen.at(n, "end" if g.nodes[n] == "once" else "ready")
                   for n in closure if g.nodes[n] != "target")
    wait_until(done, BOUND, "everything that the root pulls in has settled")


def boot(hp, g, root, closure):
    for n in closure:  # the boot starts nothing that an earlier stop_all made wanted `stop`
        hp.rpc("wanted.set", name=n, wanted="start" if n == root else "ignore")
    hp.shutdown()
    hp.start()
    wait_until(lambda: hp.state(root) in ("running", "exited"), BOUND, lambda: f"{hp.status(root)}")
    wait_settled(hp, g, closure)


def enter(hp, g, way, root, closure):
    """Starts the root alone; returns names that run beside the closure."""
    if way == "manifest":
        done = hp.cli("service", "start", "--", root, timeout=BOUND)
        expect(done.returncode == 0, "service start:", done.stdout, done.stderr)
    elif way == "self" and g.nodes[root] != "target":
        self_start(hp, g, root)
    elif way == "run":
        action = {"name": "visitor", "exec": [str(hp.bin / "graph_node"), "visitor", "once", "1"], "is_process": False}
        run = hp.rpc("run.submit", actions=[action], depends_on=[root], timeout=BOUND)
        expect(run["state"] == "succeeded", "the run:", run)
        wait_settled(hp, g, closure)
        return ["visitor"]
    elif way == "boot":
        boot(hp, g, root, closure)
    else:
        hp.rpc("service.start", name=root, timeout=BOUND)
    return []


def judge_visitor(g, seen, root, closure):
    """An ad-hoc run comes after the service that it depends on."""
    if not seen.at("visitor", "main"):
        return []
    needs = [(root, "ready")] if g.nodes[root] != "target" else \
        [(b, "ready") for e in g.out[root] if e.kind == "requires" and g.nodes[e.target] != "target" for b in [e.target]]
    begun = min(seen.at("visitor", "main"))
    return [f"the run before {b}" for b, c in needs
            if usable(seen, g, b, c) is None or usable(seen, g, b, c) > begun]


# ---- one root ------------------------------------------------------------------------------------


def active(hp, names):
    rows = hp.rpc("service.list", limit=100000)["services"]
    return {r["name"] for r in rows if r["name"] in names and r["state"] not in ("inactive", "failed")}


def services(g, names):
    return {n for n in names if g.nodes[n] == "service"}


def stop_one(hp, g, closure, name):
    """An explicit stop takes along exactly what requires it."""
    expected = services(g, g.stopped_along(name, active(hp, closure)))
    before = Evidence(hp.diary)
    hp.rpc("service.stop", name=name, timeout=BOUND)
    wrong = judge_stop(g, before, Evidence(hp.diary), closure, expected)
    beyond = expected - {name} - set(g.oracle["stopping_also_stops_or_blocks"].get(name, []))
    if beyond and not g.stubs:
        wrong.append(f"the oracle does not know {sorted(beyond)}")
    return [f"stop {name}: {w}" for w in wrong]


def stop_root(hp, g, closure, root):
    """Some one by one, the others together."""
    alive, wrong = sorted(services(g, active(hp, closure))), []
    if alive and chance("stop", root) % 2:
        there = active(hp, closure)
        wrong += stop_one(hp, g, closure, max(alive, key=lambda n: len(g.stopped_along(n, there))))
    while chance("down", root) % 3 == 0:
        alive = sorted(services(g, active(hp, closure)))
        if not alive:
            break
        wrong += stop_one(hp, g, closure, alive[chance(root, alive[0]) % len(alive)])
    before, alive = Evidence(hp.diary), services(g, active(hp, closure))
    hp.rpc("service.stop_all", timeout=BOUND)
    return wrong + judge_stop(g, before, Evidence(hp.diary), closure, alive)


def try_root(hp, g, way, root):
    closure = g.closure(root)
    hp.diary.clear()
    begin = time.monotonic()
    extra = enter(hp, g, way, root, closure)
    took = time.monotonic() - begin
    wrong_stops = stop_root(hp, g, closure, root)
    seen = Evidence(hp.diary)
    found = judge_start(g, seen, closure, extra)
    found["early"] += judge_visitor(g, seen, root, closure)
    found["stops"] = wrong_stops
    pids = {pid for facts in seen.facts.values() for pid in facts["pids"]}
    found["left"] = [pid for pid in pids if is_alive(pid)]
    return {"graph": g.name, "nodes": len(g.nodes), "edges": len(g.edges) + len(g.conflicts), "way": way,
            "root": root, "executed": len(seen.facts), "ms": int(took * 1000), **found}


# ---- one graph on one supervisor -------------------------------------------------------------------


def try_conflict(hp, g):
    """The first pair that can be tried: while one is active the other is refused."""
    for a, b in g.conflicts:
        if g.closure(a) == {a} and g.closure(b) == {b} and "target" not in (g.nodes[a], g.nodes[b]):
            hp.rpc("service.start", name=a, timeout=BOUND)
            if hp.state(a) != "running":
                hp.rpc("service.stop_all", timeout=BOUND)
                continue
            refused = hp.refusal("service.start", name=b)
            expect(refused.code == E_CONFLICT and a in str(refused), "conflict of", a, b, refused)
            expect(not Evidence(hp.diary).at(b, "main"), b, "was executed beside", a)
            hp.rpc("service.stop_all", timeout=BOUND)
            return


def task_roots(g, way, roots):
    hp = Supervisor()
    try:
        hp.start()
        prepare(hp, g, way)
        if way == "define":
            try_conflict(hp, g)
        return [try_root(hp, g, way, r) for r in roots]
    finally:
        hp.close()


def task_missing(g):
    """Without the stubs: what is hard and absent is named, and nothing is executed."""
    hp, rows, stubs = Supervisor(), [], set(g.stubs)
    try:
        hp.start()
        hp.install("graph_node")
        texts = [{"path": f"{n}/service.toml", "text": manifest(hp, g, n)} for n in g.nodes if n not in stubs]
        hp.rpc("service.register", manifests=texts)
        for root in g.roots():
            hard = g.reach([root], lambda n: [e.target for e in g.out[n] if e.kind == "requires"]) & stubs
            if not hard:
                continue
            refused = hp.refusal("service.start", name=root)
            expect(refused.code == E_MISSING, root, "lacks", hard, "but:", refused)
            expect(any(n in str(refused) for n in hard), "the answer names none of", hard, ":", refused)
            rows.append({"graph": g.name, "nodes": len(g.nodes), "edges": len(g.edges), "way": "missing",
                         "root": root, "executed": 0, "ms": 0, "extra": [], **judge_start(g, Evidence(hp.diary), set())})
        return rows
    finally:
        hp.close()


def cycle_of(error, g):
    """The nodes of the reported path, in its order."""
    text = " ".join([str(error), json.dumps(error.data)])
    chain = error.data.get("chain") or []
    return [n for line in chain for n in g.nodes if str(line).split()[0].strip("`,:") == n], text


def judge_cycle(error, g):
    expect(error.code == E_CYCLE, "a circle, but the answer is", error)
    path, text = cycle_of(error, g)
    real = g.oracle["hard"]["cycles"][0]
    path = path[:-1] if len(path) > 1 and path[0] == path[-1] else path
    expect(set(path) == set(real), "the circle is", real, "and the answer says", path, text)
    for a, b in zip(path, path[1:] + path[:1]):
        expect(any(e.target == b and e.orders for e in g.out[a]), a, "does not depend on", b, ":", text)


def task_cycle(g, way):
    hp = Supervisor()
    try:
        hp.start()
        for name in ("graph_node", "graph_sdk"):
            hp.install(name)
        begin = time.monotonic()
        if way == "sdk":
            done = register_sdk(hp, g)
            expect(done.returncode == 4 and "cycle" in done.stderr, "the SDK:", done.returncode, done.stderr)
        else:
            try:
                if way == "define":
                    for n in g.nodes:
                        hp.rpc("service.define", service=definition(hp, g, n))
                else:
                    register_manifests(hp, g)
                raise Wrong("a circle was accepted")
            except RpcError as e:
                judge_cycle(e, g)
        took = int((time.monotonic() - begin) * 1000)
        return [{"graph": g.name, "nodes": len(g.nodes), "edges": len(g.edges), "way": f"cycle by {way}",
                 "root": "-", "executed": 0, "ms": took, "stops": [], **judge_start(g, Evidence(hp.diary), set())}]
    finally:
        hp.close()


# ---- all of them --------------------------------------------------------------------------------------


def tasks_of(g, nth, every_way):
    """Each root through the next way in, or through all."""
    if g.cycle():
        expect(g.oracle["hard"]["cycles"] and g.cycle() >= set(g.oracle["hard"]["cycles"][0]), "the oracle")
        return [(task_cycle, g, way) for way in ("manifest", "define", "sdk")]
    dealt = {way: g.roots() for way in WAYS} if every_way else {}
    for i, root in enumerate([] if every_way else g.roots()):
        dealt.setdefault(WAYS[(nth + i) % len(WAYS)], []).append(root)
    tasks = [(task_roots, g, way, roots) for way, roots in dealt.items()]
    return tasks + ([(task_missing, g)] if g.stubs else [])


def attempt(task):
    work, g, *rest = task
    try:
        return work(g, *rest), None
    except Exception as e:  # told in the report
        where = " ".join(map(str, rest))[:80]
        return [], f"{g.name} {where}: {type(e).__name__}: {e}"


COUNTED = ("early", "double", "missing", "extra", "stops", "left")


def report(rows, errors):
    print(f"\n{'graph':40} {'nodes':>5} {'edges':>5}  {'way in':17} {'root':32} {'run':>4} "
          f"{'early':>5} {'double':>6} {'missing':>7} {'extra':>5} {'stops':>5} {'left':>4} {'ms':>6}")
    for r in sorted(rows, key=lambda r: (r["graph"], r["way"])):
        print(f"{r['graph'][:40]:40} {r['nodes']:5} {r['edges']:5}  {r['way']:17} {r['root'][:32]:32} {r['executed']:4} "
              + " ".join(f"{len(r.get(k, [])):{w}}" for k, w in zip(COUNTED, (5, 6, 7, 5, 5, 4))) + f" {r['ms']:6}")
    for r in rows:
        for k in COUNTED:
            for text in r.get(k, [])[:3]:
                print(f"WRONG {r['graph']} {r['way']} {r['root']}: {k}: {text}")
    for e in errors:
        print(f"WRONG {e}")
    bad = sum(any(r.get(k) for k in COUNTED) for r in rows) + len(errors)
    sums = " ".join(f"{k} {sum(len(r.get(k, [])) for r in rows)}" for k in COUNTED)
    ways = " ".join(f"{w} {sum(r['way'] == w for r in rows)}" for w in sorted({r["way"] for r in rows}))
    print(f"\n{len({r['graph'] for r in rows})} graphs, {len(rows)} starts ({ways}), "
          f"{sum(r['executed'] for r in rows)} executions: {sums}, errors {len(errors)}")
    return len(rows) + len(errors) - bad, bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--all", action="store_true")
    p.add_argument("--jobs", type=int, default=6)
    p.add_argument("--counts")
    p.add_argument("graphs", nargs="*")
    a = p.parse_args()
    cases = Path(os.environ.get("HERO_PROC_CASES", HERE.parents[2] / "shared/cases")) / "graphs"
    if not cases.is_dir():
        print(f"no graphs at {cases}: nothing to do")
        return 0
    names = a.graphs or sorted(f.stem for f in cases.glob("*.json") if f.stem != "INDEX")
    tasks = [t for nth, n in enumerate(names) for t in tasks_of(Graph(cases / f"{n}.json"), nth, a.all)]
    tasks.sort(key=lambda t: -len(t[1].nodes) * len(t[-1] if isinstance(t[-1], list) else "."))
    begin = time.monotonic()
    Supervisor.fill_store()
    with ThreadPoolExecutor(a.jobs) as pool:
        done = list(pool.map(attempt, tasks))
    shutil.rmtree(Supervisor.store)
    passed, failed = report([r for rows, _ in done for r in rows], [e for _, e in done if e])
    print(f"{len(names)} files, {passed} passed, {failed} failed, {time.monotonic() - begin:.0f} s")
    if a.counts:
        Path(a.counts).write_text(f"{passed} {failed}\n")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
