"""scenarios.py - what is measured: each function gives {figure: value} of one round of one peer.

Times are microseconds unless the name of a figure says otherwise.
"""
import json
import os
import resource
import signal
import socket
import subprocess
import time

from harness import (BEGUN, FLOOD, RPC_LOAD, TOLD_TO_STOP, Failed, Graph, Session, pss_kib, quantile, work_of)


def hops(graph, rows):
    """From the last newline of what it needs to its own main()."""
    return [(rows[i][1] - max(rows[k][2] for k in needs)) / 1e3
            for i, needs in enumerate(graph.needs) if needs]


def started(session):
    at, rows = session.start()
    found = hops(session.graph, rows)
    out = {"total": (max(r[2] for r in rows.values()) - at) / 1e3,
           "first main": (min(r[1] for r in rows.values()) - at) / 1e3}
    if found:
        out |= {"hop p50": quantile(found, .5), "hop p90": quantile(found, .9), "hop p99": quantile(found, .99),
                "hop min": min(found), "too early": sum(h < 0 for h in found)}
    return out


def start(peer, graph):
    with Session(peer, graph) as s:
        return started(s)


def stop(peer, graph):
    """Every service is told to stop; nothing is told before what needs it was."""
    with Session(peer, graph) as s:
        s.start()
        time.sleep(0.3 if peer.idles_first else 1.2)
        at = time.monotonic_ns()
        s.peer.stop()
        told = {i: r[1] for i, r in s.trace.wait_all(TOLD_TO_STOP, graph.n).items()}
        gaps = [(told[k] - told[i]) / 1e3 for i, needs in enumerate(graph.needs) for k in needs]
        return {"total": (max(told.values()) - at) / 1e3, "stop hop p50": quantile(gaps, .5),
                "order violations": sum(g < 0 for g in gaps)}


def crash(peer, n):
    """SIGKILL of one service after the other, to the new main()."""
    with Session(peer, Graph.wide(n)) as s:
        _, rows = s.start()
        time.sleep(2.5 if not peer.idles_first else 0.3)
        took = []
        for i in range(n):
            before, at = len(s.trace.records(BEGUN)), time.monotonic_ns()
            os.kill(rows[i][3], signal.SIGKILL)
            later = s.trace.wait(BEGUN, lambda r, n=before: len(r) > n)
            took.append((later[-1][1] - at) / 1e3)
            time.sleep(0.01)
        return {"p50": quantile(took, .5), "p90": quantile(took, .9), "min": min(took)}


def memory(peer, n, idle_s=0):
    graph = Graph.wide(n)
    with Session(peer, graph) as s:
        if n or not peer.idles_first:
            s.start()
        time.sleep(15 if idle_s else 4)  # the stability period of 10 s ends with one look at each service
        who = s.peer.supervisors()
        out = {f"KiB {name.split()[0]}": pss_kib(pid) for name, pid in who.items()} if len(who) <= 3 else {}
        out["KiB"] = sum(pss_kib(pid) for pid in who.values())
        if idle_s:
            before = work_of(who.values())
            time.sleep(idle_s)
            after = work_of(who.values())
            out |= {"CPU": after[0] - before[0], "switches": after[1] - before[1]}
        return out


# ---- what only hero_proc has -------------------------------------------------------

def timed(call, *args, **params):
    at = time.monotonic_ns()
    call(*args, **params)
    return (time.monotonic_ns() - at) / 1e6


def register(peer, n):
    """Manifests in, then the plan of a start of all of them: one call each."""
    with Session(peer, Graph.wide(n), register=False) as s:
        p = s.peer
        took = timed(p.rpc, "service.register", manifests=p.manifests())
        plan = timed(p.rpc_text, "service.plan", name=s.graph.last())
        return {"register ms": took, "plan ms": plan}


def dense(n, edges):
    """Every service needs the edges/n before it, spread out."""
    each = edges // n
    return Graph([sorted({i - 1 - (k * 37) % i for k in range(min(each, i))}) for i in range(n)])


def plan(peer, n, edges):
    graph = dense(n, edges)
    with Session(peer, graph, register=False) as s:
        all_of_them = s.peer.manifests()
        took = sum(timed(s.peer.rpc, "service.register", manifests=all_of_them[i:i + 2000]) for i in range(0, n, 2000))
        times = [timed(s.peer.rpc_text, "service.plan", name=[graph.name(n - 1)]) for _ in range(5)]
        return {"edges": sum(map(len, graph.needs)), "register ms": took, "plan ms": min(times)}


def load(peer, seconds, *args):
    return subprocess.Popen([RPC_LOAD, str(peer.socket), "64", str(seconds), *args], stdout=subprocess.PIPE, text=True)


def rpc(peer, n=100):
    """Requests per second with 64 connections, then hops with and without that load."""
    with Session(peer, Graph.chain(n)) as s:
        s.start()
        said = json.loads(load(s.peer, 3, "service.status", '{"name":"s00000"}').communicate()[0])
        if said["failed"]:
            raise Failed(f"{said['failed']} requests failed")
        return {"requests/s": said["per_second"], "p50": said["p50_us"], "p99": said["p99_us"]}


FLOODS, FLOOD_LINES = 10, 20000  # of 100 bytes, a second each: 20 MB/s together


def interference(peer, n, asked, flooded):
    """Hops of a chain while 64 clients ask without a pause, and while ten services write logs."""
    with Session(peer, Graph.chain(n)) as s:
        if flooded:
            s.peer.run_beside([[FLOOD, str(FLOOD_LINES)]] * FLOODS)
            time.sleep(1)
        other = load(s.peer, 600, "service.status", '{"name":"s00000"}') if asked else None
        try:
            return started(s)
        finally:
            if other:
                other.kill()
                other.communicate()


class Listener:
    """A Unix socket that takes every connection and says nothing, in a process of its own."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(4096)
        self.pid = os.fork()
        if self.pid == 0:
            while True:
                self.socket.accept()[0].close()

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.socket.close()


def probed(peer, n, interval_s, seconds):
    """What liveness probes cost: n services asked every interval_s over a Unix socket."""
    with Session(peer, Graph.wide(n), register=False) as s:
        listener = Listener(s.dir / "probed")
        try:
            more = f'probes.liveness = {{ unix = "{s.dir}/probed", interval = "{interval_s}s" }}\n'
            s.peer.rpc("service.register", manifests=[m | {"text": m["text"] + more} for m in s.peer.manifests()])
            s.start()
            time.sleep(15)
            who = s.peer.supervisors().values()
            before = work_of(who)
            time.sleep(seconds)
            after = work_of(who)
            probes = n * seconds / interval_s
            return {"CPU per probe": (after[0] - before[0]) / probes, "switches per probe": (after[1] - before[1]) / probes,
                    "CPU of a core %": (after[0] - before[0]) / seconds / 1e4}
        finally:
            listener.end()


class Scenario:
    def __init__(self, key, title, function, *args, only=None, per_round=1):
        self.key, self.title, self.function, self.args = key, title, function, args
        self.only, self.per_round = only or (lambda peer: True), per_round

    def measure(self, peer):
        return self.function(peer, *self.args)


def chain_fits(n):
    return lambda peer: peer.orders and n <= peer.longest_chain


def is_ours(peer):
    return peer.name == "hero_proc"


def scenarios(idle_s):
    found = [Scenario(f"T1 chain {n}", f"chain of {n}: each waits for the one before to be ready", start,
                      Graph.chain(n), only=chain_fits(n)) for n in (10, 31, 100, 500)]
    found += [Scenario(f"T4 wide {n}", f"{n} independent services", start, Graph.wide(n),
                       only=lambda peer, n=n: n <= peer.most) for n in (100, 1000)]
    found += [
        Scenario("T5 layers", "10 layers of 20, each needs the whole layer before", start, Graph.layers(10, 20),
                 only=chain_fits(10)),
        Scenario("T7 crash", "SIGKILL to new main(), 50 services, no delay configured", crash, 50),
        Scenario("T8 stop 31", "ordered stop of a chain of 31", stop, Graph.chain(31),
                 only=lambda peer: peer.orders_stop and chain_fits(31)(peer)),
        Scenario("T8 stop 500", "ordered stop of a chain of 500", stop, Graph.chain(500),
                 only=lambda peer: peer.orders_stop and chain_fits(500)(peer)),
    ]
    found += [Scenario(f"T9 memory {n}", f"PSS with {n} idle services", memory, n,
                       only=lambda peer, n=n: peer.least <= n <= peer.most)
              for n in (0, 100)]
    many = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 3 - 100)
    found += [
        Scenario("T9 T10 idle 1000", f"1,000 idle services: PSS, then {idle_s} s of doing nothing", memory, 1000, idle_s,
                 only=lambda peer: peer.most >= 1000),
        Scenario("T9 memory many", f"PSS with {many:,} idle services (10,000, or what descriptors allow: 3 each)", memory, many,
                 only=is_ours),
        Scenario("T13 register 1000", "1,000 manifests registered, then planned", register, 1000, only=is_ours),
        Scenario("T14 plan", "plan of 10,000 services and 100,000 edges", plan, 10000, 100000, only=is_ours),
        Scenario("T15 rpc", "service.status over 64 connections", rpc, only=is_ours),
        Scenario("T10 probes", "1,000 services, a liveness probe each every 10 s", probed, 1000, 10, 30, only=is_ours),
    ]
    for key, asked, flooded, title in (("quiet", False, False, "quiet"), ("asked", True, False, "while 64 connections ask"),
                                       ("flooded", False, True, "while ten services write 20,000 lines a second each"),
                                       ("loaded", True, True, "while 64 connections ask and ten services write")):
        found.append(Scenario(f"T15 {key}", f"chain of 100, {title}", interference, 100, asked, flooded,
                              only=lambda peer, asked=asked: is_ours(peer) or (peer.name == "floor" and not asked)))
    return found
