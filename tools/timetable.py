#!/usr/bin/python3
"""timetable.py - what the example programs wrote about themselves, as a small table.

    timetable.py start|stop DIARY DEPENDENT:DEPENDENCY...

start: executed / could answer, and how long after its slowest dependency each was executed.
stop:  asked to go / gone, last dependents first.
Exit 0 only if every pair was in order.  Times come from the programs (CLOCK_MONOTONIC),
in milliseconds since the first line of the table.  See examples/common/life.h.
"""
import sys


def read(path):
    facts = {}
    for line in open(path):
        name, _, fact, ns = line.split()
        facts.setdefault(name, {}).setdefault(fact, int(ns))
    return facts


def table(facts, first, second, titles, remark):
    zero = min(f[first] for f in facts.values() if first in f)
    print(f"  {'':20}{titles[0]:>14}{titles[1]:>16}")
    for name, f in sorted(facts.items(), key=lambda item: item[1].get(first, 1 << 63)):
        cells = [f"{(f[k] - zero) / 1e6:.2f} ms" if k in f else "never" for k in (first, second)]
        print(f"  {name:20}{cells[0]:>14}{cells[1]:>16}   {remark(name)}".rstrip())


def start(facts, pairs):
    def remark(name):
        needs = [(facts[d]["ready"], d) for n, d in pairs if n == name and "ready" in facts.get(d, {})]
        if not needs or "main" not in facts[name]:
            return ""
        when, which = max(needs)
        return f"{(facts[name]['main'] - when) / 1e6:+.2f} ms after {which} could answer"
    table(facts, "main", "ready", ("executed", "could answer"), remark)
    return [f"{n} was executed before {d} could answer" for n, d in pairs
            if not facts.get(n, {}).get("main", 0) > facts.get(d, {}).get("ready", 1 << 63)]


def stop(facts, pairs):
    table(facts, "stop", "end", ("asked to go", "gone"), lambda name: "")
    return [f"{d} was asked to go before {n} was gone" for n, d in pairs
            if not facts.get(n, {}).get("end", 1 << 63) < facts.get(d, {}).get("stop", 0)]


if len(sys.argv) < 4 or sys.argv[1] not in ("start", "stop"):
    sys.exit(__doc__)
faults = {"start": start, "stop": stop}[sys.argv[1]](
    read(sys.argv[2]), [tuple(pair.split(":")) for pair in sys.argv[3:]])
for fault in faults:
    print(f"  WRONG: {fault}")
sys.exit(1 if faults else 0)
