"""weather.py - bad luck: each class does harm of one kind in a thread of its own until it is told to end."""
import os
import random
import resource
import signal
import socket
import struct
import threading
from pathlib import Path


def server_of(keeper):
    """The pid of the server below a keeper, from /proc; None while there is none."""
    try:
        for pid in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "hero_proc_serve":
                return int(pid)
    except OSError:
        pass
    return None


class Harm(threading.Thread):
    def __init__(self, seed):
        super().__init__(daemon=True)
        self.rnd, self.end, self.calm = random.Random(f"{type(self).__name__}{seed}"), threading.Event(), threading.Event()
        self.error = None

    def pause(self, seconds):
        """False when it is time to end."""
        return not self.end.wait(seconds)

    def run(self):
        try:
            self.harm()
        except Exception as e:  # told by finish()
            self.error = e

    def finish(self):
        self.end.set()
        self.join(30)
        if self.error:
            raise self.error


class Killer(Harm):
    """SIGKILL of the server, in bursts: while it works, and while it recovers."""

    def __init__(self, seed, keeper, limit, pause):
        super().__init__(seed)
        self.keeper, self.limit, self.between, self.kills = keeper, limit, pause, 0

    def kill_one(self):
        pid = server_of(self.keeper)
        if not pid:
            return False
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if server_of(self.keeper) == pid:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                self.kills += 1
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)
        return True

    def harm(self):
        while self.kills < self.limit and self.pause(self.rnd.random() * self.between):
            if self.calm.is_set():
                continue
            for _ in range(self.rnd.randrange(1, 7)):
                while not self.calm.is_set() and not self.kill_one() and self.pause(0.002):
                    pass
                between = self.rnd.choice([0, 0.005, 0.02, 0.1, 0.25]) * self.rnd.random() * 2
                if self.kills >= self.limit or not self.pause(between) or self.calm.is_set():
                    break


class SlowClients(Harm):
    """Half a request, an event stream that is never read, a large answer that is read in drops."""

    def __init__(self, seed, path):
        super().__init__(seed)
        self.path, self.open, self.served = str(path), [], 0

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(1)
        s.connect(self.path)
        s.sendall(self.rnd.choice([
            b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{",
            b"GET /ev", b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /openrpc.json HTTP/1.1\r\nHost: localhost\r\n\r\n"]))
        return s

    def harm(self):
        while self.pause(0.02 + self.rnd.random() * 0.1):
            try:
                if len(self.open) < 20:
                    self.open.append(self.connect())
                    self.served += 1
                s = self.rnd.choice(self.open)
                if self.rnd.random() < 0.5:
                    s.settimeout(0.001)
                    s.recv(1)
                if self.rnd.random() < 0.2:
                    s.close()
                    self.open.remove(s)
            except OSError:
                pass
        for s in self.open:
            s.close()


class Garbage(Harm):
    """Bytes that are no request, methods that do not exist, bodies that are cut: an answer or a closed door."""

    def __init__(self, seed, path):
        super().__init__(seed)
        self.path, self.sent = str(path), 0

    def text(self):
        body = self.rnd.choice([b"{", b"[]", b"[1,2", b"\x00" * 50, b'{"jsonrpc":"2.0","id":1,"method":"no.such"}',
                                b'{"jsonrpc":"2.0","id":1,"method":"service.start","params":{"name":7}}', b"[" * 500])
        return self.rnd.choice([self.rnd.randbytes(self.rnd.randrange(1, 4000)),
                                b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
                                b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + body,
                                b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n"])

    def harm(self):
        while self.pause(0.05 + self.rnd.random() * 0.1):
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                    s.settimeout(0.2)
                    s.connect(self.path)
                    s.sendall(self.text())
                    self.sent += 1
                    s.recv(1000)
            except OSError:
                pass


class ClockSteps(Harm):
    """The wall clock of supervisor and services, forwards and backwards by up to six hours (chaos_clock.c)."""

    def __init__(self, seed, path):
        super().__init__(seed)
        self.path, self.steps = path, 0

    def harm(self):
        while self.pause(self.rnd.random() * 2):
            self.step(self.rnd.randrange(-6 * 3600, 6 * 3600))
        self.step(0)

    def step(self, seconds):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("q", seconds))
        self.steps += 1


class Sickness(Harm):
    """Now and then a service is not well: its liveness probe finds the file that says so."""

    def __init__(self, seed, files):
        super().__init__(seed)
        self.files, self.times = files, 0

    def harm(self):
        while self.files and self.pause(self.rnd.random() * 3):
            file = self.rnd.choice(self.files)
            file.touch()
            self.times += 1
            self.pause(0.6)
            file.unlink()


def limit_files(pid, soft):
    """The old soft limit of open files of a process."""
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(soft, old[1]), old[1]))
    return old[0]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Succession:
    """The keeper is killed, and its server becomes the next one.  Never both at once: `chaos` keeps the others calm."""

    def __init__(self, chaos, times=3):
        self.chaos, self.times, self.kills = chaos, times, 0

    def begin(self):
        for _ in range(self.times):
            self.chaos.wait_until_it_serves()
            os.kill(self.chaos.keeper, signal.SIGKILL)
            self.kills += 1
            self.chaos.wait_for_next_keeper()
            for _ in range(10):
                self.chaos.step()

    def end(self):
        pass


class NoDescriptors:
    """For a while keeper and server can open almost nothing more."""

    def __init__(self, keeper):
        self.keeper, self.phases, self.usual = keeper, 0, resource.prlimit(keeper, resource.RLIMIT_NOFILE)[0]

    def begin(self):
        self.phases += 1
        for pid in (self.keeper, server_of(self.keeper)):
            if pid:
                limit_files(pid, descriptors(pid) + 3)

    def end(self):
        for pid in (self.keeper, server_of(self.keeper)):
            if pid:
                limit_files(pid, self.usual)


class NoPids:
    """For a while no process of the supervisor's tree can fork: a bound on a control group of its own."""

    ROOT = Path("/sys/fs/cgroup/pids")

    def __init__(self, name):
        self.folder, self.phases = self.ROOT / name, 0

    def enter(self):
        """Who is started from now on is in it; False where there is no such controller."""
        try:
            self.folder.mkdir()
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            return False
        return True

    def leave(self):
        (self.ROOT / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        if self.folder.exists():
            self.folder.rmdir()

    def begin(self):
        self.phases += 1
        now = int((self.folder / "pids.current").read_text())
        (self.folder / "pids.max").write_text(str(now + 1))

    def end(self):
        (self.folder / "pids.max").write_text("max")


class FullDisk:
    """For a while the state folder has no room left."""

    def __init__(self, folder):
        self.file, self.phases = folder / "filler", 0

    def begin(self):
        self.phases += 1
        with open(self.file, "wb", buffering=0) as f:
            try:
                while f.write(bytes(1 << 20)):
                    pass
            except OSError:
                pass
        return self

    def end(self):
        self.file.unlink(missing_ok=True)
