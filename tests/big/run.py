#!/usr/bin/env python3
"""run.py - chains and layers of thousands of real processes, and what each call costs.

    run.py [--sizes 10,100,1000,10000] [--shapes chain,layer] [--descriptors N] [--counts FILE]

chain: each service requires the one before it.  layer: one service requires all the
others.  job-chain, job-layer: the same of one-shots, which are not held to by anything
when they have ended, so that 10,000 fit into any limit.  Registered by one call as one transaction; then planned, started, looked at,
restarted and stopped.  Every process is checked by what it wrote about itself and in
/proc: executed once, after what it requires was ready; gone in reverse order; nothing
left.  The table has two rows for each size: what the caller waited, and what server and
keeper computed, in milliseconds; the growth is that of the second.  A service takes up to four
descriptors in the server, so the hard limit of open files bounds what a machine can do:
sizes beyond it are cut to it, and the table says so.
"""
import argparse
import json
import math
import os
import resource
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from hp import Supervisor, is_alive, pss_kib  # noqa: E402

BOUND = 120
DESCRIPTORS = 4  # of one service, in the server
SHAPES = {"chain": lambda i, n: [i - 1] if i else [],
          "layer": lambda i, n: list(range(n - 1)) if i == n - 1 else []}
SHAPES |= {f"job-{shape}": needs for shape, needs in SHAPES.items()}


def name(i):
    return f"n{i:05}"


def manifest(hp, shape, i, targets):
    needs = json.dumps([name(t) for t in targets])
    if shape.startswith("job"):
        return (f'[service]\nname="{name(i)}"\nrequires={needs}\n[[binaries]]\nname="{name(i)}"\nkind="job"\n'
                f'exec=["{hp.bin}/graph_node","{name(i)}","once","0"]\n')
    return (f'[service]\nname="{name(i)}"\nrequires={needs}\n[[binaries]]\nname="{name(i)}"\nkind="server"\n'
            f'exec=["{hp.bin}/graph_node","{name(i)}","fd","0"]\nreadiness={{fd=3}}\n')


class Story:
    def __init__(self, shape, n):
        self.shape, self.n, self.jobs = shape, n, shape.startswith("job")
        self.needs = {i: SHAPES[shape](i, n) for i in range(n)}
        self.ms, self.cpu, self.wrong = {}, {}, []
        self.hp = Supervisor(HERO_PROC_TEST="big")

    def expect(self, holds, *words):
        if not holds:
            self.wrong.append(" ".join(map(str, words)))

    def computed(self):
        """CPU time of server and keeper so far, in ms; the kernel counts in ticks of 10."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks * 1000 / os.sysconf("SC_CLK_TCK")

    def call(self, what, method, **params):
        begin, computed = time.monotonic(), self.computed()
        answer = self.hp.rpc(method, timeout=BOUND, **params)
        self.ms[what] = (time.monotonic() - begin) * 1000
        self.cpu[what] = self.computed() - computed
        return answer

    def facts(self):
        """name -> fact -> times, and name -> pids; from the diary."""
        seen, pids = {}, {}
        for node, pid, fact, ns in self.hp.diary.lines():
            seen.setdefault(node, {}).setdefault(fact, []).append(ns)
            pids.setdefault(node, set()).add(pid)
        return seen, pids

    def check_up(self):
        seen, pids = self.facts()
        once = [i for i in range(self.n) if len(seen.get(name(i), {}).get("main", [])) != 1]
        self.expect(not once, len(once), "are not executed exactly once, such as", once[:3])
        dead = [i for i in range(self.n) if not any(is_alive(p) for p in pids.get(name(i), ()))]
        self.expect(self.jobs or not dead, len(dead), "are not alive, such as", dead[:3])
        ready = "end" if self.jobs else "ready"
        if not once:
            early = [(i, t) for i, ts in self.needs.items() for t in ts
                     if seen[name(i)]["main"][0] < seen[name(t)][ready][0]]
            self.expect(not early, len(early), "are executed early, such as", early[:3])

    def check_down(self):
        seen, pids = self.facts()
        alive = [p for ps in pids.values() for p in ps if is_alive(p)]
        self.expect(not alive, len(alive), "processes are left")
        wrong = [(i, t) for i, ts in self.needs.items() for t in ts if not self.jobs and
                 max(seen[name(i)].get("end", [math.inf])) > min(seen[name(t)].get("stop", [0]))]
        self.expect(not wrong, len(wrong), "are stopped in the wrong order, such as", wrong[:3])

    def tell(self):
        hp, top = self.hp, name(self.n - 1)
        hp.install("graph_node")
        hp.start()
        self.pids = [hp.info()["pid"], hp.keeper_pid()]
        rows = [{"path": f"{name(i)}.toml", "text": manifest(hp, self.shape, i, t)} for i, t in self.needs.items()]
        done = self.call("register", "service.register", manifests=rows)
        self.expect(len(done["services"]) == self.n, "registered", len(done["services"]))
        self.call("again", "service.register", manifests=rows)
        planned = self.call("plan", "service.plan", name=top)
        self.expect(len(planned["steps"]) == self.n, "planned", len(planned["steps"]))
        started = self.call("start", "service.start", name=top)
        self.expect(len(started["steps"]) == self.n, "started", len(started["steps"]))
        self.check_up()
        self.call("list", "service.list", limit=self.n)
        self.call("status", "service.status", name=top)
        self.call("get", "service.get", name=top)
        self.call("graph", "graph.get")
        self.memory = sum(map(pss_kib, self.pids))
        again = self.call("nothing", "service.start", name=top)
        self.expect(again["changed"] is False, "a second start changed something")
        self.call("stop", "service.stop_all")
        self.check_down()
        self.call("why", "service.why", name=top)

    def run(self):
        try:
            self.tell()
        except Exception as e:  # told in the report
            self.wrong.append(f"{type(e).__name__}: {str(e)[:300]}")
        finally:
            try:
                self.hp.close()
            except AssertionError as e:
                self.wrong.append(str(e)[:300])
        return self


COLUMNS = ("register", "again", "plan", "start", "nothing", "list", "status", "get", "graph", "why", "stop")


def possible(shape, n):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if not shape.startswith("job") and n * DESCRIPTORS + 200 > limit:
        print(f"{n} services do not fit into {limit} descriptors: cut to {(limit - 200) // DESCRIPTORS}")
        return (limit - 200) // DESCRIPTORS
    return n


def growth(stories, column):
    """The exponent between the two largest sizes: 1 is linear."""
    pairs = [(s.n, s.cpu[column]) for s in stories if s.cpu.get(column, 0) >= 20]
    if len(pairs) < 2:
        return "-"
    (n, a), (m, b) = pairs[-2:]
    return f"{math.log(b / a) / math.log(m / n):.2f}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--sizes", default="10,100,1000,10000")
    p.add_argument("--shapes", default="chain,layer,job-chain,job-layer")
    p.add_argument("--descriptors", type=int, help="let the supervisor have no more than these")
    p.add_argument("--counts")
    a = p.parse_args()
    if a.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (a.descriptors, a.descriptors))
    told = []
    print(f"{'shape':9} {'services':>8} {'':8} " + " ".join(f"{c:>9}" for c in COLUMNS) + "   PSS KiB", flush=True)
    for shape in a.shapes.split(","):
        mine = []
        for n in (possible(shape, int(size)) for size in a.sizes.split(",")):
            s = Story(shape, n).run()
            mine.append(s)
            for what, times in (("waited", s.ms), ("computed", s.cpu)):
                print(f"{shape:9} {n:8} {what:8} " + " ".join(f"{times.get(c, -1):9.1f}" for c in COLUMNS)
                      + (f" {getattr(s, 'memory', 0):9}" if times is s.ms else ""), flush=True)
            for w in s.wrong:
                print(f"WRONG {shape} {n}: {w}", flush=True)
        print(f"{shape:9} {'growth':>8} {'':8} " + " ".join(f"{growth(mine, c):>9}" for c in COLUMNS), flush=True)
        told += mine
    failed = sum(bool(s.wrong) for s in told)
    print(f"{len(told) - failed} passed, {failed} failed")
    if a.counts:
        Path(a.counts).write_text(f"{len(told) - failed} {failed}\n")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
