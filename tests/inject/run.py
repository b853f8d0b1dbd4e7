#!/usr/bin/env python3
"""run.py - a hundred failures, each somewhere in a random stack of real services; `why` has to name it.

    run.py [--seed N] [--count N] [--kind NAME] [-v] [--counts FILE]

For each: a stack of 5 to 9 services with random edges is registered, one failure is
injected in something that the last service needs, directly or through others, the last
service is started, and `service.why` of it is asked.  Within a bound its text must name,
in at most five lines, the service (or gate) that was made to fail and the words of the
cause.  Nothing is known to the judge but what was injected.
"""
import argparse
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from hp import RpcError, Supervisor  # noqa: E402

BOUND = 8.0
LINES = 5
SLEEP = ["/usr/bin/sleep", "1000"]


class Case:
    """A stack: names, hard needs by index (always earlier ones), the victim, and what must be said."""

    def __init__(self, hp, seed, number):
        self.hp, self.rng = hp, random.Random(f"{seed}/{number}")
        self.prefix = f"f{number}_"
        n = self.rng.randint(5, 9)
        self.names = [f"{self.prefix}{word}" for word in self.rng.sample(WORDS, n)]
        self.needs = {i: sorted(self.rng.sample(range(i), self.rng.randint(1, min(i, 3)))) if i else []
                      for i in range(n)}
        below, todo = set(), [n - 1]
        while todo:
            for t in self.needs[todo.pop()]:
                if t not in below:
                    below.add(t)
                    todo.append(t)
        self.victim = self.rng.choice(sorted(below))
        self.name, self.top = self.names[self.victim], self.names[-1]
        self.dir = Path(hp.root) / f"case{number}"
        self.dir.mkdir()
        self.edge = {}       # options of every edge to the victim
        self.gate = None     # a gate of the victim itself
        self.keys = {}       # of the victim's action
        self.said = []       # every one of these has to be in the text
        self.subject = self.name
        self.jobs = True     # others may be one-shots
        self.after = None    # what happens once the start was asked for

    def action(self, i):
        edges = [{"name": self.names[t], **(self.edge if t == self.victim else {})} for t in self.needs[i]]
        edges = [{k: v for k, v in e.items() if v is not None} for e in edges]
        action = {"name": self.names[i], "exec": SLEEP, "depends_on": edges}
        if i == self.victim:
            edges += [{"gate": self.gate}] if self.gate else []
            action |= self.keys
            if "script" in self.keys:
                del action["exec"]
        elif self.jobs and self.rng.random() < 0.25 and i != len(self.names) - 1:
            action |= {"exec": ["/bin/true"], "is_process": False}
        return action

    def run(self):
        for i, name in enumerate(self.names):
            self.hp.rpc("service.define", service={"name": name, "actions": [self.action(i)]})
        try:
            self.hp.rpc("service.start", name=self.top, wait=False)
        except RpcError as e:
            return f"the start was refused: {e}"
        if self.after:
            self.after()
        end, text = time.monotonic() + BOUND, ""
        while time.monotonic() < end:
            text = self.hp.rpc("service.why", name=self.top)["text"]
            if not self.missing(text):
                return None
            time.sleep(0.02)
        return f"does not say {self.missing(text)}:\n{text}"

    def missing(self, text):
        """What the first lines of the text do not say."""
        first = "\n".join(text.splitlines()[:LINES])
        return [w for w in [self.subject, *self.said] if w not in first]

    def free_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]


KINDS = {}


def kind(f):
    KINDS[f.__name__] = f
    return f


def once(c, **keys):
    c.keys |= {"retry_policy": {"restart": "never"}, **keys}


@kind
def no_program(c):
    c.keys |= {"exec": [f"{c.dir}/absent"]}
    c.said = [f"{c.dir}/absent", "No such file"]


@kind
def not_executable(c):
    (c.dir / "plain").write_text("text")
    c.keys |= {"exec": [f"{c.dir}/plain"]}
    c.said = [f"{c.dir}/plain", "Permission denied"]


@kind
def unknown_user(c):
    c.keys |= {"user": "nobody_of_that_name"}
    c.said = ["nobody_of_that_name"]


@kind
def no_folder(c):
    c.keys |= {"cwd": f"{c.dir}/gone"}
    c.said = [f"{c.dir}/gone", "No such file"]


@kind
def no_env_file(c):
    c.keys |= {"env_file": f"{c.dir}/env"}
    c.said = [f"{c.dir}/env"]


@kind
def exit_code(c):
    code = c.rng.randint(2, 120)
    once(c, script=f"exit {code}", readiness={"manual": True})
    c.said = [f"exit code {code}"]


@kind
def killed(c):
    once(c, script="kill -9 $$", readiness={"manual": True})
    c.said = ["SIGKILL"]


@kind
def gave_up(c):
    c.keys |= {"script": "exit 3", "readiness": {"manual": True},
               "retry_policy": {"restart": "always", "max_attempts": 3, "delay_ms": 1}}
    c.said = ["exit code 3", "3 of 3"]


@kind
def back_off(c):
    c.keys |= {"script": "exit 5", "readiness": {"manual": True},
               "retry_policy": {"restart": "always", "delay_ms": 60000}}
    c.said = ["exit code 5"]


@kind
def last_words(c):
    once(c, script="echo the table users is missing >&2; exit 4", readiness={"manual": True})
    c.said = ["exit code 4", "the table users is missing"]


@kind
def start_timeout(c):
    once(c, readiness={"manual": True}, start_timeout_ms=200)
    c.said = ["not ready within"]


@kind
def never_notifies(c):
    once(c, readiness={"notify": True}, start_timeout_ms=200)
    c.said = ["not ready within"]


@kind
def log_never_matches(c):
    once(c, script="echo nearly; sleep 1000", readiness={"log": "server is up"}, start_timeout_ms=300)
    c.said = ["not ready within"]


@kind
def waits_for_a_person(c):
    c.keys |= {"readiness": {"manual": True}}
    c.said = ["nobody has said"]


@kind
def socket_never_opens(c):
    c.keys |= {"sockets": [{"name": "rpc.sock", "path": f"{c.dir}/rpc.sock"}]}
    c.said = [f"{c.dir}/rpc.sock"]


@kind
def nobody_listens(c):
    c.keys |= {"sockets": [{"name": "x.sock", "path": f"{c.dir}/x.sock"}], "interpreter": "python3",
               "script": f"import socket,time\ns=socket.socket(socket.AF_UNIX)\ns.bind('{c.dir}/x.sock')\ntime.sleep(999)"}
    c.said = [f"{c.dir}/x.sock", "refused"]


@kind
def port_never_opens(c):
    port = c.free_port()
    c.keys |= {"tcp": [{"port": port}]}
    c.said = [f"{port}"]


@kind
def health_is_bad(c):
    path = f"{c.dir}/rpc.sock"
    c.keys |= {"sockets": [{"name": "rpc.sock", "path": path}], "interpreter": "python3", "script": f"""
import socket
s = socket.socket(socket.AF_UNIX)
s.bind('{path}')
s.listen()
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b'HTTP/1.1 500 No\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n')
    c.close()
"""}
    c.said = [path, "500"]


@kind
def flag_not_set(c):
    c.gate = f"flag:{c.prefix}go"
    c.said = [c.gate]


@kind
def no_listener(c):
    c.gate = f"tcp:127.0.0.1:{c.free_port()}"
    c.said = [c.gate]


@kind
def no_file(c):
    c.gate = f"file:{c.dir}/ready"
    c.said = [c.gate]


@kind
def file_in_the_way(c):
    (c.dir / "lock").write_text("")
    c.gate = f"!file:{c.dir}/lock"
    c.said = [c.gate]


@kind
def no_unix_listener(c):
    c.gate = f"unix:{c.dir}/other.sock"
    c.said = [f"{c.dir}/other.sock"]


@kind
def no_http(c):
    c.gate = f"http://127.0.0.1:{c.free_port()}/up"
    c.said = [c.gate]


@kind
def edge_timeout(c):
    c.keys |= {"readiness": {"manual": True}}
    c.edge = {"timeout_ms": 150}
    c.said = ["timed out after 150"]


@kind
def startup_probe(c):
    once(c, probes={"startup": {"exec": "echo no disk; exit 1", "interval_ms": 20, "failure_threshold": 2}})
    c.said = ["no disk"]


@kind
def readiness_probe(c):
    c.keys |= {"probes": {"readiness": {"exec": "echo no quorum; exit 1", "interval_ms": 20, "failure_threshold": 2}}}
    c.said = ["no quorum"]


@kind
def not_healthy(c):
    c.keys |= {"probes": {"liveness": {"exec": "echo out of memory; exit 1", "interval_ms": 20, "action": "warn",
                                       "failure_threshold": 1}}}
    c.edge = {"condition": "healthy"}
    c.said = ["out of memory"]


@kind
def job_fails(c):
    c.keys |= {"script": "exit 9", "is_process": False}
    c.said = ["exit code 9"]


@kind
def job_hangs(c):
    c.keys |= {"script": "sleep 1000", "is_process": False, "timeout_ms": 150}
    c.said = ["longer than"]


@kind
def deleted_meanwhile(c):
    c.keys |= {"readiness": {"manual": True}}
    c.after = lambda: c.hp.rpc("service.delete", name=c.name, force=True)
    c.said = ["not registered"]


@kind
def stopped_by_the_operator(c):
    c.keys |= {"readiness": {"manual": True}}
    c.edge = {"on_stop": "keep"}
    c.after = lambda: c.hp.rpc("service.stop", name=c.name)
    c.said = ["stopped"]


@kind
def group_fails(c):
    once(c, script="exit 8", readiness={"manual": True})
    c.edge = {"name": None, "any": [c.name, f"{c.prefix}nobody"]}
    c.said = ["exit code 8"]


@kind
def stopped_by_policy(c):
    """It runs, its need dies and is gone for good: `on_failure = stop` on every edge to it."""
    once(c, script="sleep 0.4; exit 6")
    c.edge = {"on_failure": "stop"}
    c.jobs = False  # what has ended is not stopped
    c.said = ["exit code 6"]


WORDS = ["db", "cache", "queue", "auth", "mail", "search", "proxy", "web", "admin", "index", "billing", "media", "api"]


def play(supervisor, numbers, seed, kinds, told, lock):
    for number in numbers:
        name = kinds[number % len(kinds)]
        case = Case(supervisor, seed, number)
        KINDS[name](case)
        try:
            wrong = case.run()
            text = supervisor.rpc("service.why", name=case.top)["text"]
            supervisor.rpc("service.stop_all", timeout=60)
        except (RpcError, OSError, AssertionError) as e:
            wrong, text = f"{type(e).__name__}: {e}", ""
        with lock:
            told.append((number, name, wrong, text))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", default="1")
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--kind")
    p.add_argument("-v", action="store_true", help="print every text")
    p.add_argument("--counts")
    a = p.parse_args()
    kinds = [a.kind] if a.kind else list(KINDS)
    supervisors = [Supervisor(HERO_PROC_TEST="inject") for _ in range(4)]
    told, lock = [], threading.Lock()
    try:
        for s in supervisors:
            s.start()
        threads = [threading.Thread(target=play, args=(s, range(k, a.count, 4), a.seed, kinds, told, lock))
                   for k, s in enumerate(supervisors)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        for s in supervisors:
            s.close()
    failed = [t for t in told if t[2]]
    for number, name, wrong, text in sorted(told):
        if a.v:
            print(f"--- {number} {name}\n{text}")
        if wrong:
            print(f"WRONG {number} {name}: {wrong}")
    print(f"{len(told) - len(failed)} of {a.count} failures of {len(kinds)} kinds are named by why in at most {LINES} lines")
    if a.counts:
        Path(a.counts).write_text(f"{a.count - len(failed) if len(told) == a.count else 0} {len(failed)}\n")
    return bool(failed) or len(told) != a.count


if __name__ == "__main__":
    sys.exit(main())
