"""graph.py - a graph from outside as this project understands it, and what it promises.

Reads one file of the collection (nodes, edges from dependent to target, oracle) and says
what its words mean here.  Everything that a run is judged by is computed in this file,
from the edges alone.  Standard library only.
"""
import json
import zlib
from pathlib import Path

# Conditions of the collection; what is not there means `ready`.
CONDITIONS = {"service_completed_successfully": "succeeded", "process_completed_successfully": "succeeded",
              "process_completed": "completed", "completed": "completed",
              "service_started": "started", "process_started": "started"}
LEFT_OUT = {"bound", "already_active"}  # of systemd: lifetimes that are no dependencies here
ENDS = {"completed", "succeeded"}


def chance(*words):
    return zlib.crc32("\0".join(words).encode())


class Edge:
    def __init__(self, source, target, kind, condition):
        self.source, self.target, self.kind, self.condition = source, target, kind, condition

    pulls = property(lambda self: self.kind in ("requires", "wants", "wants+after"))
    orders = property(lambda self: self.kind in ("requires", "after", "wants+after"))
    stops_along = property(lambda self: self.kind == "requires" and self.condition not in ENDS)


class Graph:
    def __init__(self, path):
        raw = json.loads(Path(path).read_text())
        self.name, self.category, self.oracle = raw["name"], raw["category"], raw["oracle"]
        self.raw_edges = raw["edges"]
        self.nodes = {n["name"]: "target" if n.get("virtual") else "once" if n.get("oneshot") else "service"
                      for n in raw["nodes"]}
        self.own = list(self.nodes)
        self.edges, self.conflicts, self.left_out = [], [], 0
        for e in raw["edges"]:
            self._take(e)
        self.stubs = [e.target for e in self.edges if e.target not in self.nodes]
        self.stubs += [n for pair in self.conflicts for n in pair if n not in self.nodes]
        for name in self.stubs:
            self.nodes[name] = "target"
        for e in self.edges:
            self.nodes.setdefault(e.source, "target")
        self.out = {n: [] for n in self.nodes}
        self.into = {n: [] for n in self.nodes}
        for e in self.edges:
            self.out[e.source].append(e)
            self.into[e.target].append(e)
        self._choose_conflicts()

    def _take(self, e):
        kind, word = e["type"], e.get("condition")
        if word in LEFT_OUT or kind == "part_of" or e["from"] == e["to"]:
            self.left_out += 1
        elif kind == "conflicts":
            self.conflicts.append((e["from"], e["to"]))
        else:
            kind = "wants+after" if word == "started_or_failed" else kind
            condition = CONDITIONS.get(word, "ready") if kind in ("requires", "after") else "ready"
            if not any((x.source, x.target, x.kind, x.condition) == (e["from"], e["to"], kind, condition)
                       for x in self.edges):
                self.edges.append(Edge(e["from"], e["to"], kind, condition))

    def _choose_conflicts(self):
        """Two that some start would pull in together can not be told to conflict."""
        closures = [self.closure(n) for n in self.nodes]
        kept = [p for p in dict.fromkeys(self.conflicts) if not any(p[0] in c and p[1] in c for c in closures)]
        self.left_out += len(self.conflicts) - len(kept)
        self.conflicts = kept

    # ---- what it promises ----------------------------------------------------------

    def reach(self, starts, step):
        seen, todo = set(starts), list(starts)
        while todo:
            for n in step(todo.pop()):
                if n not in seen:
                    seen.add(n)
                    todo.append(n)
        return seen

    def closure(self, root):
        return self.reach([root], lambda n: [e.target for e in self.out[n] if e.pulls])

    def stopped_along(self, name, among):
        """What an explicit stop takes along, of what is there."""
        return self.reach([name], lambda n: [e.source for e in self.into[n] if e.stops_along and e.source in among])

    def roots(self):
        """What nothing pulls in; and one of each circle of wishes."""
        left = [n for n in self.own if not any(e.pulls for e in self.into[n])]
        covered = set().union(*(self.closure(n) for n in left)) if left else set()
        for n in self.own:
            if n not in covered:
                left.append(n)
                covered |= self.closure(n)
        return left

    def cycle(self):
        """A circle of order edges, or None: what is left when everything free is taken away."""
        waits = {n: {e.target for e in self.out[n] if e.orders} for n in self.nodes}
        free = [n for n in waits if not waits[n]]
        while free:
            gone = free.pop()
            for e in self.into[gone]:
                if gone in waits.get(e.source, ()):
                    waits[e.source].discard(gone)
                    if not waits[e.source]:
                        free.append(e.source)
            waits.pop(gone, None)
        return set(waits) or None

    def order(self, among):
        """(dependent, target, condition) between processes; through targets and, as they
        have to end first, not through anything else."""
        below = {}

        def real(name):
            """Processes that a target waits for; an explicit stack, as chains may be long."""
            todo = [name]
            while todo:
                n = todo[-1]
                needs = [e for e in self.out[n] if e.orders and e.target in among]
                missing = [e.target for e in needs if self.nodes[e.target] == "target" and e.target not in below]
                if missing:
                    todo.extend(missing)
                    continue
                todo.pop()
                if n not in below:
                    below[n] = [p for e in needs for p in (
                        below[e.target] if self.nodes[e.target] == "target" else [(e.target, e.condition)])]
            return below[name]

        return {(n, t, c) for n in among if self.nodes[n] != "target" for t, c in real(n)}

    def delay(self, name):
        return chance(self.name, name) % (201 if self.nodes[name] == "once" else 301)


# ---- definitions, in every form ---------------------------------------------------------


def command(hp, g, name, ready):
    kind = "once" if g.nodes[name] == "once" else ready
    words = [str(hp.bin / "graph_node"), name, kind, str(g.delay(name))]
    return words + [str(hp.sockets / name / "n.sock")] if kind == "socket" else words


def kinds(edge):
    return edge.kind.split("+") if "+" in edge.kind else edge.kind


def manifest(hp, g, name, status=None, binary=None):
    """service.toml; a program says its edges as [[dependencies]] or as lists, as chance has it."""
    text = f"[service]\nname = {json.dumps(name)}\n"
    if status:
        text += f'status = "{status}"\n'
    against = [b for a, b in g.conflicts if a == name]
    if against:
        text += f"conflicts = {json.dumps(against)}\n"
    process = g.nodes[name] != "target"
    blocks = process and chance("facet", name) % 2
    if not blocks:
        for kind in ("requires", "wants", "after"):
            rows = [f'{{name = {json.dumps(e.target)}, condition = "{e.condition}"}}'
                    if e.condition != "ready" else json.dumps(e.target)
                    for e in g.out[name] if kind in e.kind.split("+")]
            if rows:
                text += f"{kind} = [{', '.join(rows)}]\n"
    if process:
        argv = command(hp, g, name, "fd")
        if binary:
            argv[0] = str(binary)
        text += (f"[[binaries]]\nname = {json.dumps(name)}\nkind = \"{'job' if g.nodes[name] == 'once' else 'server'}\"\n"
                 f"exec = {json.dumps(argv)}\n")
        if g.nodes[name] == "service":
            text += "readiness = {fd = 3}\n"
    if blocks:
        for e in g.out[name]:
            text += (f"[[dependencies]]\nbin_name = {json.dumps(e.target)}\nkind = {json.dumps(kinds(e))}\n"
                     f'condition = "{e.condition}"\n')
    return text


def definition(hp, g, name):
    """The object of service.define; edges at the action or at the service, as chance has it."""
    service = {"name": name, "actions": []}
    rows = [{"name": e.target, "kind": kinds(e), "condition": e.condition} for e in g.out[name]]
    lists = {k: [r for r in rows if k in r["kind"]] for k in ("requires", "wants", "after")}
    lists = {k: [{key: v for key, v in r.items() if key != "kind"} for r in v] for k, v in lists.items() if v}
    against = [b for a, b in g.conflicts if a == name]
    if against:
        lists["conflicts"] = against
    if g.nodes[name] != "target":
        action = {"name": name, "exec": command(hp, g, name, "fd"), "is_process": g.nodes[name] == "service"}
        if g.nodes[name] == "service":
            action["readiness"] = {"fd": 3}
        if chance("facet", name) % 2:
            action["depends_on"] = rows
            lists = {k: v for k, v in lists.items() if k == "conflicts"}
        service["actions"].append(action)
    if lists:
        service["dependencies"] = lists
    return service


def sdk_lines(hp, g, name):
    lines = [f"service {name}"]
    process = g.nodes[name] != "target"
    if process:
        lines.append("exec " + " ".join(command(hp, g, name, "socket")))
        lines.append("once" if g.nodes[name] == "once" else "socket n.sock")
    for e in g.out[name]:
        if e.condition != "ready" and e.kind == "requires" and process:
            lines.append(f"needs {e.target} {e.condition}")
        else:
            lines += [f"{kind} {e.target}" for kind in e.kind.split("+")]
    return lines + [f"conflicts {b}" for a, b in g.conflicts if a == name]
