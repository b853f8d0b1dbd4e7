"""peers.py - one class per supervisor: how it is configured, started and stopped.

A peer is found on PATH or it is left out.  `config` is what the report says about it.
Members set by Session: dir, graph, trace, log.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from harness import BUILD, FLOOR, PAYLOAD, Failed, descendants, version_of


class Peer:
    name = config = ""
    idles_first = True  # its daemon runs before the clock does
    orders = True       # dependents wait for readiness
    orders_stop = True
    longest_chain = most = 100000
    least = 0           # services that it comes up with
    programs = ()       # needed on PATH
    process = None

    @classmethod
    def is_there(cls):
        return all(shutil.which(p) for p in cls.programs)

    @classmethod
    def version(cls):
        return "?"

    def payload(self, i, ready="3"):
        return [PAYLOAD, self.trace, str(i)] + ([ready] if ready else [])

    def daemon(self, *argv, env=None, **options):
        options.setdefault("stdout", self.log)
        options.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(list(map(str, argv)), env={**os.environ, **(env or {})},
                                        stderr=self.log, start_new_session=True, **options)

    def command(self, *argv, env=None):
        return subprocess.Popen(list(map(str, argv)), env={**os.environ, **(env or {})},
                                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait_for(self, holds, seconds=20):
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end or (self.process and self.process.poll() is not None):
                raise Failed(f"{self.name}: the daemon did not come up: "
                             + (self.dir / "daemon.log").read_text(errors="replace")[-400:])
            time.sleep(0.005)

    def write(self, path, text, mode=0o644):
        path = self.dir / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def supervisors(self):
        """{name: pid} of all processes that are no payload."""
        found = {}
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            try:
                name = Path(f"/proc/{pid}/exe").resolve().name
            except OSError:
                continue
            if name != "payload":
                found[f"{name} {pid}"] = pid
        return found

    def ask_to_end(self):
        self.process.terminate()

    def end(self):
        if not self.process or self.process.poll() is not None:
            return
        try:
            self.ask_to_end()
            self.process.wait(15)
        except (subprocess.TimeoutExpired, OSError, http.client.HTTPException):
            self.process.kill()
            self.process.wait()


class Floor(Peer):
    name = "floor"
    config = "`bench/floor.c`: epoll, readiness pipe, pidfd, vfork-style spawn; no definitions, state, output or API"

    @classmethod
    def version(cls):
        return "this tree"

    def prepare(self):
        self.write("graph", "".join(" ".join(map(str, needs)) + "\n" for needs in self.graph.needs))
        with open(self.dir / "graph") as graph, open(self.dir / "up", "wb") as up:
            self.daemon(FLOOR, PAYLOAD, self.trace, stdin=graph, stdout=up)
        self.wait_for(lambda: (self.dir / "up").stat().st_size)

    def start(self):
        self.process.send_signal(signal.SIGUSR1)

    def run_beside(self, commands):
        """Programs that it does not know: the same load on the machine, for comparison."""
        for argv in commands:
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # ended by clean_up()

    stop = Peer.ask_to_end


class _Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class HeroProc(Peer):
    name = "hero_proc"
    config = ("one manifest per service: `requires` the one before, `readiness = {fd = 3}`, `retry.delay_ms = 0`; "
              "registered before the clock; `hero_proc service start LAST...`; output captured, history kept")

    @classmethod
    def version(cls):
        return version_of(BUILD / "src/cli/hero_proc", "--version")

    def manifest(self, i, needs):
        requires = ", ".join(json.dumps(self.graph.name(k)) for k in needs)
        return (f'[service]\nname = "{self.graph.name(i)}"\nrequires = [{requires}]\n'
                f'[[binaries]]\nname = "{self.graph.name(i)}"\nkind = "server"\n'
                f'exec = {json.dumps(self.payload(i))}\nreadiness = {{ fd = 3 }}\n'
                'retry = { delay_ms = 0, max_attempts = 0 }\n')

    def manifests(self):
        return [{"path": f"{self.graph.name(i)}/service.toml", "text": self.manifest(i, needs)}
                for i, needs in enumerate(self.graph.needs)]

    def prepare(self, register=True):
        for kind, program in ("cli", "hero_proc"), ("server", "hero_proc_server"), ("keeper", "hero_proc_keeper"):
            (self.dir / "bin").mkdir(exist_ok=True)
            shutil.copy(BUILD / "src" / kind / program, self.dir / "bin" / program)
        self.socket = self.dir / "s/hero_proc/rpc.sock"
        self.env = {"PATH_ROOT": str(self.dir), "PATH_VAR": str(self.dir / "var"), "HOME": str(self.dir),
                    "HERO_SOCKET_DIR": str(self.dir / "s")}
        self.daemon(self.dir / "bin/hero_proc_server", "--socket", self.socket, "--log-level", "warn", env=self.env)
        self.wait_for(self.answers)
        if register and self.graph.n:
            self.rpc("service.register", manifests=self.manifests())

    def answers(self):
        try:
            c = _Unix(self.socket)
            c.request("GET", "/health")
            return c.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def rpc_text(self, method, **params):
        c = _Unix(self.socket)
        c.request("POST", "/rpc", json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
                  {"Content-Type": "application/json"})
        text = c.getresponse().read()
        c.close()
        return text

    def rpc(self, method, **params):
        answer = json.loads(self.rpc_text(method, **params))
        if "error" in answer:
            raise Failed(f"{method}: {json.dumps(answer['error'])[:300]}")
        return answer["result"]

    def run_beside(self, commands):
        """Services that are not measured."""
        for i, argv in enumerate(commands):
            self.rpc("service.define", service={"name": f"beside{i}", "actions": [{"name": f"beside{i}", "exec": argv}]})
        self.rpc("service.start", name=[f"beside{i}" for i in range(len(commands))])

    def start(self):
        self.command(self.dir / "bin/hero_proc", "-q", "--socket", self.socket, "service", "start",
                     *self.graph.last(), env=self.env)

    def stop(self):
        roots = [self.graph.name(i) for i, needs in enumerate(self.graph.needs) if not needs]
        self.command(self.dir / "bin/hero_proc", "-q", "--socket", self.socket, "service", "stop", *roots,
                     env=self.env)

    def ask_to_end(self):
        self.rpc("system.shutdown")


class Dinit(Peer):
    name = "dinit"
    config = ("`type = process`, `ready-notification = pipefd:3`, `depends-on`, `restart-delay = 0`, no restart limit, "
              "`smooth-recovery`, `log-type = none`; an empty boot service runs before the clock; `dinitctl start`")
    programs = ("dinit", "dinitctl")
    longest_chain = 31  # MAX_DEP_DEPTH is 32

    @classmethod
    def version(cls):
        return version_of("dinit", "--version")

    def prepare(self):
        for i, needs in enumerate(self.graph.needs):
            self.write(f"d/{self.graph.name(i)}", f"type = process\ncommand = {' '.join(self.payload(i))}\n"
                       "restart = true\nsmooth-recovery = yes\nrestart-delay = 0\nrestart-limit-count = 0\n"
                       "ready-notification = pipefd:3\n"
                       + "".join(f"depends-on = {self.graph.name(k)}\n" for k in needs))
        self.write("d/idle", "type = internal\n")
        self.write("d/all", "type = internal\n" + "".join(f"depends-on = {n}\n" for n in self.graph.last()))
        self.daemon("dinit", "-u", "-q", "-d", self.dir / "d", "-p", self.dir / "ctl", "-t", "idle")
        self.wait_for((self.dir / "ctl").exists)

    def ctl(self, *words):
        return self.command("dinitctl", "-p", self.dir / "ctl", *words)

    def start(self):
        self.ctl("start", "all" if len(self.graph.last()) > 1 else self.graph.last()[0])

    def stop(self):
        self.ctl("stop", "all" if len(self.graph.last()) > 1 else self.graph.last()[0])

    def ask_to_end(self):
        self.ctl("shutdown")


class S6(Peer):
    name = "s6"
    config = "`s6-svscan`, `notification-fd` 3, run scripts in sh; no dependencies without s6-rc; the boot of the daemon is inside the clock"
    programs = ("s6-svscan", "s6-svscanctl")
    idles_first = orders = orders_stop = False
    most = 1000

    @classmethod
    def version(cls):
        return os.environ.get("BENCH_S6_VERSION", "see the package")

    def prepare(self):
        self.scan = self.dir / "scan"
        self.scan.mkdir()
        for i in range(self.graph.n):
            self.write(f"scan/{self.graph.name(i)}/notification-fd", "3\n")
            self.write(f"scan/{self.graph.name(i)}/run",
                       f"#!/bin/sh\nexec {' '.join(self.payload(i))}\n", 0o755)

    def start(self):
        self.daemon("s6-svscan", "-c", 1000, self.scan)

    def ask_to_end(self):
        self.command("s6-svscanctl", "-t", self.scan)

    stop = ask_to_end


class S6rc(S6):
    name = "s6-rc"
    config = ("longruns with `notification-fd` 3 and `dependencies.d`, run scripts in execlineb; database compiled, "
              "`s6-svscan` and `s6-rc-init` before the clock; `s6-rc -u change`, `-d change`")
    least = 1
    programs = ("s6-svscan", "s6-rc", "s6-rc-compile", "s6-rc-init", "execlineb")
    most = 500  # s6-rc-init ends with "too many open files in system" at 1,000
    idles_first = orders = orders_stop = True

    @classmethod
    def version(cls):
        return os.environ.get("BENCH_S6RC_VERSION", "see the package")

    def prepare(self):
        self.scan, self.live = self.dir / "scan", self.dir / "live"
        self.scan.mkdir()
        for i, needs in enumerate(self.graph.needs):
            own = f"src/{self.graph.name(i)}"
            self.write(f"{own}/type", "longrun\n")
            self.write(f"{own}/notification-fd", "3\n")
            self.write(f"{own}/run", f"#!{shutil.which('execlineb')} -P\n{' '.join(self.payload(i))}\n", 0o755)
            for k in needs:
                self.write(f"{own}/dependencies.d/{self.graph.name(k)}", "")
            self.write(f"src/all/contents.d/{self.graph.name(i)}", "")
        self.write("src/all/type", "bundle\n")
        self.once("s6-rc-compile", self.dir / "db", self.dir / "src")
        self.daemon("s6-svscan", "-c", 4096, self.scan)
        self.wait_for((self.scan / ".s6-svscan/control").exists)
        self.once("s6-rc-init", "-c", self.dir / "db", "-l", self.live, self.scan)

    def once(self, *argv):
        if subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log).returncode:
            raise Failed(f"{argv[0]}: {(self.dir / 'daemon.log').read_text(errors='replace')[-200:]}")

    def start(self):
        self.command("s6-rc", "-l", self.live, "-u", "change", "all")

    def stop(self):
        self.command("s6-rc", "-l", self.live, "-d", "change", "all")


class Runit(Peer):
    name = "runit"
    config = "`runsvdir`, run scripts in sh; no readiness, no dependencies; the boot of the daemon is inside the clock"
    programs = ("runsvdir", "runsv")
    idles_first = orders = orders_stop = False
    most = 1000

    @classmethod
    def version(cls):
        return os.environ.get("BENCH_RUNIT_VERSION", "see the package")

    def prepare(self):
        for i in range(self.graph.n):
            self.write(f"sv/{self.graph.name(i)}/run", f"#!/bin/sh\nexec {' '.join(self.payload(i, None))}\n", 0o755)

    def start(self):
        self.daemon("runsvdir", self.dir / "sv")

    def ask_to_end(self):
        self.process.send_signal(signal.SIGHUP)

    stop = ask_to_end


class Supervisord(Peer):
    name = "supervisord"
    config = "`priority` orders the executions, nothing waits for readiness; `startsecs=0`; boot inside the clock"
    programs = ("supervisord",)
    idles_first = orders = orders_stop = False

    @classmethod
    def version(cls):
        return version_of("supervisord", "--version")

    def prepare(self):
        text = (f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\nloglevel=error\n"
                f"pidfile={self.dir}/pid\nchildlogdir={self.dir}\nminfds=16384\nuser=root\n")
        for i in range(self.graph.n):
            text += (f"[program:{self.graph.name(i)}]\ncommand={' '.join(self.payload(i, None))}\nstartsecs=0\n"
                     f"autorestart=true\nstartretries=1000000\npriority={i + 1}\n"
                     "stdout_logfile=NONE\nstderr_logfile=NONE\n")
        self.write("conf", text)

    def start(self):
        self.daemon("supervisord", "-n", "-c", self.dir / "conf")

    stop = Peer.ask_to_end


class Nitro(Peer):
    name = "nitro"
    config = ("`notification-fd` 3, run scripts in sh; no dependencies: `setup` of a dependent says `nitroctl wait-up` "
              "of what it needs; boot inside the clock; stops without an order")
    least = 1
    programs = ("nitro", "nitroctl")
    idles_first = orders_stop = False
    longest_chain, most = 400, 499  # it holds 499 services, no more

    @classmethod
    def version(cls):
        return os.environ.get("BENCH_NITRO_VERSION", "see its source")

    def prepare(self):
        self.env = {"NITRO_SOCK": str(self.dir / "nitro.sock")}
        for i, needs in enumerate(self.graph.needs):
            own = f"n/{self.graph.name(i)}"
            self.write(f"{own}/run", f"#!/bin/sh\nexec {' '.join(self.payload(i))}\n", 0o755)
            self.write(f"{own}/notification-fd", "3\n")
            if needs:
                waits = "".join(f"nitroctl -t 600 wait-up {self.graph.name(k)} || exit 1\n" for k in needs)
                self.write(f"{own}/setup", f"#!/bin/sh\nexport NITRO_SOCK={self.env['NITRO_SOCK']}\n{waits}", 0o755)

    def start(self):
        self.daemon("nitro", self.dir / "n", env=self.env)

    stop = Peer.ask_to_end


class Systemd(Peer):
    name = "systemd"
    config = ("`systemd --user` in a cgroup and a mount namespace of its own; `Type=notify`, `Requires` and `After`, "
              "`RestartSec=0`, no limit of starts, output to /dev/null; idle before the clock; `systemctl --user start`")
    programs = ("systemctl", "unshare")
    binary = "/lib/systemd/systemd"

    @classmethod
    def is_there(cls):
        return super().is_there() and os.path.exists(cls.binary) and os.geteuid() == 0

    @classmethod
    def version(cls):
        return version_of(cls.binary, "--version")

    def prepare(self):
        units, run = self.dir / "config/systemd/user", self.dir / "run"
        run.mkdir(mode=0o700)
        self.env = {"XDG_RUNTIME_DIR": str(run), "XDG_CONFIG_HOME": str(self.dir / "config"), "HOME": str(self.dir),
                    "XDG_DATA_HOME": str(self.dir / "data"), "SYSTEMD_LOG_LEVEL": "err", "SYSTEMD_LOG_TARGET": "console"}
        for i, needs in enumerate(self.graph.needs):
            needed = " ".join(f"{self.graph.name(k)}.service" for k in needs)
            self.write(units / f"{self.graph.name(i)}.service",
                       "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n"
                       + (f"Requires={needed}\nAfter={needed}\n" if needs else "")
                       + f"[Service]\nType=notify\nExecStart={' '.join(self.payload(i, 'notify'))}\nRestart=always\n"
                       "RestartSec=0\nStandardOutput=null\nStandardError=null\n")
        everything = "".join(f"Wants={n}.service\nAfter={n}.service\n" for n in map(self.graph.name, range(self.graph.n)))
        self.write(units / "all.target", "[Unit]\nDefaultDependencies=no\n" + everything)
        self.write(units / "idle.target", "[Unit]\nDefaultDependencies=no\n")
        self.cgroups = [Path(root) / f"hp-bench-{os.getpid()}" for root in cgroup_roots()]
        for folder in self.cgroups:
            folder.mkdir(exist_ok=True)
        # It insists on /run/systemd/system, so it gets a /run of its own.
        self.daemon("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /run && mkdir -p /run/systemd/system && "
                    f"exec {self.binary} --user --unit=idle.target", env=self.env, preexec_fn=self.enter)
        self.wait_for(lambda: self.ctl("is-active", "idle.target").wait() == 0)

    def enter(self):
        for folder in self.cgroups:
            (folder / "cgroup.procs").write_text("0")

    def ctl(self, *words):
        return self.command("systemctl", "--user", *words, env=self.env)

    def start(self):
        self.ctl("start", "all.target" if len(self.graph.last()) > 1 else self.graph.last()[0] + ".service")

    def stop(self):
        self.ctl("stop", "s*.service")

    def ask_to_end(self):
        self.process.send_signal(signal.SIGRTMIN + 24)

    def end(self):
        super().end()
        for folder in getattr(self, "cgroups", []):
            for below, _, _ in os.walk(folder, topdown=False):
                try:
                    os.rmdir(below)
                except OSError:
                    pass  # its processes are ended by the session; the next run takes the folder as it is


def cgroup_roots():
    """Where systemd looks for its own hierarchy: cgroup v2, or the named one of v1."""
    rows = [line.split() for line in open("/proc/self/mounts")]
    return [r[1] for r in rows if r[2] == "cgroup2" or (r[2] == "cgroup" and "name=systemd" in r[3])]


PEERS = [Floor, HeroProc, Dinit, S6rc, S6, Nitro, Runit, Systemd, Supervisord]
