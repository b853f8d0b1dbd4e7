"""hp.py - what the system tests stand on: a private supervisor, its API, its command
line, and the diary that the example programs keep.

Standard library only.  Nothing here sleeps for a fixed time: wait_until() asks for a
state until it holds or a bound is reached.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HERO_PROC_BUILD", SOURCE / "build")).resolve()
STACKS = Path(__file__).resolve().parent / "stacks"
EXAMPLES = SOURCE / "examples"

OURS = ["hero_proc", "hero_proc_server", "hero_proc_keeper"]
HERO = ["hero_db", "hero_proxy", "hero_collab_server", "hero_collab_web"]
LIVEKIT = ["livekit-configure", "livekit-server", "lk-backend", "livekit_control"]

# Exit codes of the command line (SPEC 10).
DONE, FAILED, USAGE, NOT_FOUND, REFUSED, NOT_READY, TIMED_OUT, NO_DAEMON, NOT_ALLOWED = range(9)
# JSON-RPC error codes (SPEC 10).
INVALID_PARAMS = -32602
(E_NOT_FOUND, E_CONFLICT, E_CYCLE, E_MISSING, E_DEPENDENCY, E_TIMEOUT, E_DENIED,
 E_STATE, E_BUSY, E_STORAGE, E_START, E_LIMIT) = range(-32001, -32013, -1)

BOUND = 10.0  # seconds in which anything that is going to happen has happened


def wait_until(predicate, bound=BOUND, what=None):
    """Returns the first true value of predicate(); fails after `bound` seconds."""
    end = time.monotonic() + bound
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {bound} s: {what() if callable(what) else what}")
        pause.wait(0.005)


def program(name):
    """The built program of that name; it has to exist."""
    for path in sorted(BUILD.rglob(name)):
        if path.is_file() and os.access(path, os.X_OK) and not path.parent.name.endswith(".p"):
            return path
    raise AssertionError(f"{name} is not built below {BUILD}")


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def processes_with(mark):
    """pids of living processes whose environment holds `mark`."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environ = Path(entry.path, "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mark.encode() in environ and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "gone"


class RpcError(Exception):
    def __init__(self, error):
        self.code, self.message, self.data = error["code"], error["message"], error.get("data") or {}
        super().__init__(f"{self.code} {self.message} {json.dumps(self.data)}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def http_request(path, method, url, body=None, timeout=30):
    """(status, body) of one HTTP request over a Unix socket."""
    c = _UnixConnection(path, timeout)
    try:
        c.request(method, url, body, {"Content-Type": "application/json"} if body else {})
        answer = c.getresponse()
        return answer.status, answer.read()
    finally:
        c.close()


def healthy(path):
    try:
        return http_request(path, "GET", "/health", timeout=2)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


class Diary:
    """What the example programs wrote about themselves: see examples/common/life.h."""

    def __init__(self, path):
        self.path = Path(path)

    def lines(self):
        if not self.path.exists():
            return []
        rows = [line.split() for line in self.path.read_text().splitlines()]
        return [(name, int(pid), fact, int(ns)) for name, pid, fact, ns in rows]

    def times(self, name, fact):
        return [ns for n, _, f, ns in self.lines() if n == name and f == fact]

    def pids(self, name):
        return [pid for n, pid, f, _ in self.lines() if n == name and f == "main"]

    def names(self):
        return {n for n, *_ in self.lines()}

    def clear(self):
        self.path.write_text("")

    def assert_started_after(self, dependent, dependency):
        """No main() of the dependent ran before its dependency could answer."""
        mains, readies = self.times(dependent, "main"), self.times(dependency, "ready")
        assert mains, f"{dependent} was never executed"
        assert readies, f"{dependency} never became ready, {dependent} was executed"
        early = (readies[0] - min(mains)) / 1e6
        assert min(mains) > readies[0], f"{dependent} was executed {early:.3f} ms before {dependency} answered"

    def assert_stopped_before(self, dependent, dependency):
        """The dependent was gone before its dependency was asked to go."""
        ends, stops = self.times(dependent, "end"), self.times(dependency, "stop")
        assert ends, f"{dependent} did not end"
        assert stops, f"{dependency} was not asked to go"
        assert max(ends) < min(stops), f"{dependency} was asked to go before {dependent} was gone"


class Supervisor:
    """A daemon of its own in a folder of its own; nothing outside that folder is touched."""

    arguments = ()  # of the daemon, beside --socket and --log-level

    def __init__(self, **env):
        programs = {name: program(name) for name in OURS + HERO + LIVEKIT + ["pause"]}
        self.root = Path(tempfile.mkdtemp(prefix="hp-", dir="/tmp"))
        self.mark = f"HERO_TEST={uuid.uuid4().hex}"
        self.bin, self.var, self.sockets = self.root / "bin", self.root / "var", self.root / "s"
        self.socket = self.sockets / "hero_proc" / "rpc.sock"
        self.state_dir = self.var / "hero_proc"
        self.diary = Diary(self.root / "diary")
        self.log = self.root / "daemon.log"
        self.process = None
        for folder in (self.bin, self.var, self.sockets):
            folder.mkdir()
        for name, path in programs.items():
            self.install(name, path)
        key, value = self.mark.split("=")
        self.env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.root), "LANG": "C.UTF-8",
                    "PATH_ROOT": str(self.root), "PATH_VAR": str(self.var),
                    "HERO_SOCKET_DIR": str(self.sockets), "HERO_TRACE": str(self.diary.path),
                    "HERO_DELAY_MS": "20", key: value, **{k: str(v) for k, v in env.items()}}

    def install(self, name, path=None):
        target = self.bin / name
        target.unlink(missing_ok=True)
        shutil.copy(path or program(name), target)

    # ---- life -------------------------------------------------------------------

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.bin / "hero_proc_server", "--socket", self.socket,
                                             "--log-level", "info", *self.arguments], env=self.env, cwd=self.root,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, what=lambda: f"the daemon answers; it said: {self.log_text()}")
        return self

    def answers(self):
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log_text()}")
        return healthy(self.socket)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def left(self):
        return processes_with(self.mark)

    def shutdown(self):
        """Ends the daemon as an operator would; fails if anything is left."""
        if healthy(self.socket):
            self.rpc("system.shutdown")
        if self.process:
            wait_until(lambda: self.process.poll() is not None, 20, "the daemon ends")
        wait_until(lambda: not self.left(), 5, "every process is gone")

    def close(self):
        """Always leaves nothing behind; complains if there was something."""
        try:
            self.shutdown()
        finally:
            left = [(pid, command_of(pid)) for pid in self.left()]
            while self.left():
                for pid in self.left():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            if self.process:
                self.process.wait(10)
            shutil.rmtree(self.root, ignore_errors=True)
        assert not left, f"left behind: {left}"

    # ---- the API ----------------------------------------------------------------

    def rpc(self, method, timeout=40, **params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        status, answer = http_request(self.socket, "POST", "/rpc", body, timeout)
        assert status == 200, (status, answer)
        answer = json.loads(answer)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def refusal(self, method, **params):
        """The error of a call that has to fail."""
        try:
            result = self.rpc(method, **params)
        except RpcError as e:
            return e
        raise AssertionError(f"{method} was not refused: {result}")

    def later(self, method, **params):
        """A call in the background: join() and look at .result or .error."""
        return _Call(self, method, params)

    def status(self, name):
        return self.rpc("service.status", name=name)

    def state(self, name):
        return self.status(name)["state"]

    def wait_state(self, name, *states, bound=BOUND):
        return wait_until(lambda: self.state(name) in states, bound,
                          lambda: f"{name} is {' or '.join(states)}; it is {self.status(name)}")

    def action(self, name, action=None):
        rows = self.status(name)["actions"]
        return next(a for a in rows if action in (None, a["name"]))

    def pid(self, name, action=None):
        return self.action(name, action)["pid"]

    def info(self):
        return self.rpc("system.info")

    def log_lines(self, service):
        """Every line that was captured of it, oldest first."""
        found, cursor = [], {}
        while True:
            page = self.rpc("logs.query", service=service, limit=5000, **cursor)
            found += [line["line"] for line in page["lines"]]
            if not page["lines"] or not page.get("next"):
                return found
            cursor = {"cursor": page["next"]}

    def metric(self, name, **labels):
        """The sum of all that have these labels."""
        text, wanted = http_request(self.socket, "GET", "/metrics")[1].decode(), [f'{k}="{v}"' for k, v in labels.items()]
        rows = [x for x in text.splitlines() if re.match(rf"{name}[ {{]", x) and all(w in x for w in wanted)]
        assert rows, f"no {name} {labels}"
        return sum(float(x.rsplit(None, 1)[1]) for x in rows)

    def divergences(self):
        return self.metric("hero_proc_truth_divergence_total")

    def keeper_pid(self):
        info = self.info()
        return info.get("keeper_pid") or info["keeper"]["pid"]

    def register(self, *paths, **params):
        return [self.rpc("service.register", manifest=Path(p).read_text(), path=str(p), **params)
                for p in paths]

    def register_text(self, text, path="test/service.toml", **params):
        return self.rpc("service.register", manifest=text, path=path, **params)

    def define(self, name, script=None, exec=None, **keys):
        """A service of one action."""
        service = {k: keys.pop(k) for k in ("dependencies", "status", "class", "critical") if k in keys}
        action = {"name": name, "is_process": True, **keys}
        if exec:
            action.update(exec=exec, interpreter="exec")
        else:
            action["script"] = script or f"exec {self.bin}/pause"
        return self.rpc("service.define", service={"name": name, "actions": [action], **service})

    def edges(self, name, action=None):
        rows = self.rpc("service.get", name=name)["actions"]
        return next(a["depends_on"] for a in rows if a["name"] == (action or name))

    # ---- the command line -------------------------------------------------------

    def cli(self, *args, timeout=40, env=None):
        return subprocess.run([self.bin / "hero_proc", *map(str, args)], env={**self.env, **(env or {})},
                              cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)

    def cli_json(self, *args, **kw):
        done = self.cli(*args, "--json", **kw)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def run_program(self, name, *args, timeout=40):
        return subprocess.run([self.bin / name, *args], env=self.env, cwd=self.root, capture_output=True,
                              stdin=subprocess.DEVNULL, text=True, timeout=timeout)

    # ---- the server dies, the keeper does not -------------------------------------

    def kill_server(self):
        """SIGKILL for the server alone; returns when its successor answers."""
        pid = self.info()["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), what="the server died")
        wait_until(lambda: healthy(self.socket) and self.info()["pid"] != pid, 15, "a new server answers")
        return pid


    def kill_keeper(self):
        """SIGKILL for the keeper alone; returns when a server of the next one answers."""
        keeper = self.keeper_pid()
        os.kill(keeper, signal.SIGKILL)
        if self.process and self.process.pid == keeper:
            self.process.wait(10)
            self.process = None
        wait_until(lambda: not is_alive(keeper), what="the keeper died")
        wait_until(lambda: self._keeper_is_another_than(keeper), 15, "the next keeper's server answers")
        return keeper

    def _keeper_is_another_than(self, keeper):
        try:
            return healthy(self.socket) and self.keeper_pid() != keeper
        except (OSError, http.client.HTTPException):
            return False  # the one that is about to become the next keeper still took the call


class _Call(threading.Thread):
    def __init__(self, supervisor, method, params):
        super().__init__(daemon=True)
        self.supervisor, self.method, self.params = supervisor, method, params
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.supervisor.rpc(self.method, **self.params)
        except Exception as e:  # handed to the test that looks at it
            self.error = e

    def done(self, bound=BOUND):
        self.join(bound)
        assert not self.is_alive(), f"{self.method} did not answer within {bound} s"
        if self.error:
            raise self.error
        return self.result


def edge_to(edges, name):
    """The edge of a depends_on list whose target is the service or action `name`."""
    for edge in edges:
        target = edge["target"]
        if name in (target, *(target.values() if isinstance(target, dict) else ())):
            return edge
    raise AssertionError(f"no edge to {name} in {json.dumps(edges)}")


def pss_kib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1))
