"""harness.py - graphs, the trace that payloads write, and what /proc says about a supervisor.

Standard library only.  The harness is a child subreaper, so all that a supervisor leaves
behind is below it; it ends processes below itself only, each by its pid.
"""
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HERO_PROC_BUILD", SOURCE / "build")).resolve()
PAYLOAD, FLOOR, FLOOD, RPC_LOAD = (str(BUILD / "bench" / name) for name in ("payload", "floor", "flood", "rpc_load"))
RECORD = struct.Struct("<IIqqq")  # struct record of payload.c
BEGUN, TOLD_TO_STOP = 1, 2
STALLED = 20  # seconds without a new record: it will not come


class Failed(Exception):
    """A scenario that gave no figure, and why."""


class Graph:
    """Services 0..n-1; needs[i] are numbers below i."""

    def __init__(self, needs):
        self.needs, self.n = needs, len(needs)

    @classmethod
    def chain(cls, n):
        return cls([[i - 1] if i else [] for i in range(n)])

    @classmethod
    def wide(cls, n):
        return cls([[] for _ in range(n)])

    @classmethod
    def layers(cls, count, width):
        return cls([[(i // width - 1) * width + k for k in range(width)] if i >= width else []
                    for i in range(count * width)])

    def name(self, i):
        return f"s{i:05d}"

    def last(self):
        """What has to be started to start everything."""
        needed = {k for needs in self.needs for k in needs}
        return [self.name(i) for i in range(self.n) if i not in needed]


class Trace:
    def __init__(self, path):
        self.path = Path(path)

    def records(self, kind):
        """[(id, main or stop time, ready time, pid)] in the order of writing."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        whole = len(data) - len(data) % RECORD.size
        return [(i, t, ready, pid) for i, k, t, ready, pid in RECORD.iter_unpack(data[:whole]) if k == kind]

    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def wait(self, kind, enough):
        """records(kind) once enough(records) holds; asked when the file has grown only."""
        seen, since = -1, time.monotonic()
        while True:
            size = self.size()
            if size != seen:
                seen, since = size, time.monotonic()
                rows = self.records(kind)
                if enough(rows):
                    return rows
            if time.monotonic() - since > STALLED:
                raise Failed(f"stalled with {len({r[0] for r in self.records(kind)})} services")
            time.sleep(0.005)

    def wait_all(self, kind, n):
        return {r[0]: r for r in reversed(self.wait(kind, lambda rows: len({r[0] for r in rows}) >= n))}


def quantile(values, q):
    v = sorted(values)
    return v[min(len(v) - 1, int(q * (len(v) - 1) + 0.5))] if v else None


# ---- /proc ----------------------------------------------------------------------

def become_subreaper():
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    except OSError:
        pass
    return found


def descendants(pid):
    found = children(pid)
    for p in found:
        found += children(p)
    return found


def command(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def pss_kib(pid):
    try:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def work_of(pids):
    """(CPU time in us, context switches) of all threads of these processes so far."""
    cpu = switches = 0
    for pid in pids:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                cpu += int((task / "schedstat").read_text().split()[0]) // 1000
                switches += sum(int(line.split()[1]) for line in open(task / "status")
                                if "ctxt_switches" in line)
        except OSError:
            pass
    return cpu, switches


# ---- a supervisor in a folder of its own ------------------------------------------

class Session:
    """with Session(Peer, graph) as s: prepared, its daemon idle; afterwards nothing is left."""

    def __init__(self, peer_class, graph, **options):
        self.peer, self.graph, self.options = peer_class(), graph, options

    def __enter__(self):
        base = os.environ.get("BENCH_TMP", "/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.dir = Path(tempfile.mkdtemp(prefix="hp-bench-", dir=base))
        self.trace = Trace(self.dir / "trace")
        p = self.peer
        p.dir, p.graph, p.trace = self.dir, self.graph, str(self.trace.path)
        p.log = open(self.dir / "daemon.log", "ab")
        try:
            p.prepare(**self.options)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start(self):
        """(time of the request in ns, {id: record}) with every service begun."""
        at = time.monotonic_ns()
        self.peer.start()
        return at, self.trace.wait_all(BEGUN, self.graph.n)

    def __exit__(self, *exc):
        if exc[0] and os.environ.get("BENCH_KEEP"):
            print("kept", self.dir)
        try:
            self.peer.end()
        finally:
            self.peer.log.close()
            clean_up()
            if not os.environ.get("BENCH_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)


def clean_up():
    """Ends and reaps what is left below this process."""
    for _ in range(400):
        left = descendants(os.getpid())
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.005)


def version_of(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    return ((done.stdout or done.stderr).splitlines() or ["?"])[0].strip()
