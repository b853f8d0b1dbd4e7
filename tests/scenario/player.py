"""player.py - one scenario against a real daemon: the same steps, real processes.

The steps are read by build/tests/scenario/scenario (one language, one reader) and come
as JSON.  Every scenario has a supervisor of its own; what happened is judged by the
diary that the actors write and by /proc, states are asked of the API.  What is not yet
so is asked again until a bound: a scenario says `pass` where something must not happen.
"""
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
import hp as house  # noqa: E402

program = functools.cache(house.program)
HERE = Path(__file__).resolve().parent
PACE = 10     # a second of a scenario is so much shorter here
BOUND = 10.0  # seconds


def environment_of(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


class Wrong(AssertionError):
    pass


class Stage(house.Supervisor):
    """A daemon with actors; lighter than the supervisor of the system tests."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="sc-", dir="/tmp"))
        self.mark = f"HERO_TEST={uuid.uuid4().hex}"
        self.var, self.sockets = self.root / "var", self.root / "s"
        self.bin = program("hero_proc_server").parent
        self.socket = self.sockets / "hero_proc" / "rpc.sock"
        self.log = self.root / "daemon.log"
        self.process = None
        for folder in (self.var, self.sockets):
            folder.mkdir()
        key, value = self.mark.split("=")
        self.keeper = program("hero_proc_keeper").parent
        self.env = {"PATH": f"{self.bin}:{self.keeper}:/usr/bin:/bin", "HOME": str(self.root), "LANG": "C.UTF-8",
                    "PATH_ROOT": str(self.root), "PATH_VAR": str(self.var), "HERO_SOCKET_DIR": str(self.sockets),
                    "STAGE": str(self.root), key: value}


class Player:
    def __init__(self, path):
        self.path = Path(path)
        self.stage = Stage()
        self.asked = []    # (verb, first name, operation)
        self.said = ""
        self.runs = {}     # casting -> name of its run
        self.listeners = {}
        self.line = 0
        self.bound = BOUND
        try:
            self.script = self.read()
        except BaseException:
            self.stage.close()
            raise
        self.castings = {}
        if self.script["open"]:
            self.bound = 2.0  # it is known not to come

    def read(self):
        done = subprocess.run([program("scenario"), "--json", str(PACE), self.stage.root, self.path],
                              capture_output=True, text=True, timeout=10)
        if done.returncode:
            raise Wrong(done.stderr.strip())
        return json.loads(done.stdout)

    # ---- the course -------------------------------------------------------------

    def play(self):
        """Plays it all; leaves nothing behind."""
        try:
            self.stage.start()
            for casting in self.script["cast"]:
                self.castings[casting["name"]] = casting
                if not casting["later"]:
                    self.register(casting)
            for self.step in self.script["steps"]:
                self.line = self.step["line"]
                if self.step["verb"] not in ("expect", "wait", "pass"):
                    self.let_main_run()
                getattr(self, "do_" + self.step["verb"])(self.step)
        except Wrong as e:
            raise Wrong(f"{self.path.name}:{self.line}: {e}\n{self.diary_text()}\n"
                        f"{self.stage.log_text()[-1500:]}") from None
        finally:
            for listener in self.listeners.values():
                listener.close()
            self.end()

    def end(self):
        """What ignores TERM is not waited for: its scenario is over."""
        try:
            if house.healthy(self.stage.socket):
                self.stage.rpc("system.shutdown")
                house.wait_until(lambda: self.kill_actors() or self.stage.process.poll() is not None, 30,
                                 "the daemon ends")
        finally:
            self.stage.close()

    def kill_actors(self):
        rows = [line.split() for line in self.diary_text().splitlines()]
        for pid in {int(r[2]) for r in rows if int(r[2])}:
            if self.stage.mark.encode() in environment_of(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def let_main_run(self):
        """Executed is not yet in main(): a signal before would leave nothing in the diary."""
        if not house.healthy(self.stage.socket):
            return
        pids = {a["pid"] for s in self.stage.rpc("service.list")["services"] for a in s["actions"] if a["pid"]}
        end = time.monotonic() + 2
        while time.monotonic() < end:
            seen = {int(line.split()[2]) for line in self.diary_text().splitlines()}
            if all(pid in seen or not house.is_alive(pid) for pid in pids):
                return
            time.sleep(0.001)

    def until(self, predicate, what):
        end, pause = time.monotonic() + self.bound, 0.002
        while not predicate():
            if time.monotonic() > end:
                raise Wrong(what() if callable(what) else what)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    # ---- the diary --------------------------------------------------------------

    def diary_text(self):
        path = self.stage.root / "diary"
        return path.read_text() if path.exists() else ""

    def moments(self, subject, moment):
        """Times in ns, in order; subject is a service or SERVICE/ACTION."""
        service, _, action = subject.partition("/")
        rows = (line.split() for line in self.diary_text().splitlines())
        times = sorted(int(r[4]) for r in rows
                       if r[0] == service and (not action or r[1] == action) and r[3] == moment)
        if moment == "ready" and self.is_ready_when_executed(subject):
            return self.moments(subject, "executed")
        after = self.ready_after(subject) if moment == "ready" else None
        if after:  # who waits for it was executed half of that time later at least: clocks start apart
            return [ns + after * 500000 for ns in self.moments(subject, "executed")]
        return times

    def is_ready_when_executed(self, subject):
        service, _, action = subject.partition("/")
        casting = self.castings.get(service)
        actions = casting["definition"].get("actions", []) if casting else []
        return any(a["name"] == (action or service) and a.get("is_process") and "readiness" not in a
                   and not a.get("sockets") for a in actions)

    def ready_after(self, subject):
        service, _, action = subject.partition("/")
        casting = self.castings.get(service)
        actions = casting["definition"].get("actions", []) if casting else []
        return next((a["readiness"].get("after_ms") for a in actions
                     if a["name"] == (action or service) and "readiness" in a), None)

    def note(self, service, action, moment):
        with open(self.stage.root / "diary", "a") as f:
            f.write(f"{service} {action} 0 {moment} {time.monotonic_ns()}\n")

    def pids(self, subject):
        """The living leaders that said so themselves."""
        service, _, action = subject.partition("/")
        rows = (line.split() for line in self.diary_text().splitlines())
        pids = [int(r[2]) for r in rows if r[0] == service and (not action or r[1] == action) and r[3] == "executed"]
        return [pid for pid in pids if house.is_alive(pid)]

    # ---- definitions --------------------------------------------------------------

    def definition(self, casting):
        d = json.loads(json.dumps(casting["definition"]))
        for a in d.get("actions", []):
            if a["exec"][0] == "@actor":
                a["exec"][0] = str(program("actor"))
            a["interpreter"] = "exec"
            a.setdefault("env", {})["STAGE"] = str(self.stage.root)
        return d

    def register(self, casting, method="service.define"):
        d = self.definition(casting)
        if casting["via"] == "manifest":
            answer = self.stage.rpc("service.register", manifest=self.manifest(d), path=f"{d['name']}/service.toml")
        else:
            answer = self.stage.rpc(method, service=d)
        self.castings[casting["name"]] = casting
        self.said = json.dumps(answer)

    @staticmethod
    def manifest(d):
        """The definition as a file says it."""
        def text(value):
            if isinstance(value, dict):
                return "{" + ", ".join(f"{json.dumps(k)} = {text(v)}" for k, v in value.items()) + "}"
            if isinstance(value, list):
                return "[" + ", ".join(map(text, value)) + "]"
            return json.dumps(value)
        lines = ["[service]"]
        lines += [f"{k} = {text(v)}" for k, v in d.items() if k not in ("actions", "dependencies")]
        lines += [f"{k} = {text(v)}" for k, v in d.get("dependencies", {}).items()]
        for a in d["actions"]:
            kind = "server" if a["is_process"] else "job"
            lines += ["[[binaries]]", f'kind = "{kind}"']
            lines += [f"{k} = {text(v)}" for k, v in a.items() if k not in ("is_process", "interpreter")]
        return "\n".join(lines) + "\n"

    def changes(self, step, call):
        """A call that changes definitions, and what it should come to."""
        try:
            call()
        except house.RpcError as e:
            self.refused(step, e)
            return
        if step["outcome"] != "done":
            raise Wrong(f"it was accepted: {self.said}")

    def do_register(self, step):
        for name in step["names"]:
            self.changes(step, lambda: self.register(self.castings[name]))

    def do_redefine(self, step):
        self.changes(step, lambda: self.register(step["casting"], "service.set"))

    def do_delete(self, step):
        flags = {o: True for o in step["options"]}
        self.changes(step, lambda: self.stage.rpc("service.delete", name=step["names"][0], **flags))

    # ---- operations -----------------------------------------------------------------

    def refused(self, step, e):
        self.said = f"{e.message} {json.dumps(e.data, ensure_ascii=False)}"
        if step["outcome"] != "refused":
            raise Wrong(f"refused: {e}")
        if e.data.get("name") != step["word"]:
            raise Wrong(f"refused as {e.data.get('name')}, not as {step['word']}: {e}")

    def request(self, step, method, **params):
        flags = {o: True for o in step["options"] if o not in ("nowait", "unchanged")}
        before = self.wanted() if step["outcome"] == "refused" else None
        try:
            answer = self.stage.rpc(method, wait=False, **params, **flags)
        except house.RpcError as e:
            self.refused(step, e)
            if before != self.wanted():
                raise Wrong("it was refused and changed something") from None
            return
        self.asked.append((step["verb"], step["names"][0] if step["names"] else "", answer.get("operation")))
        if "nowait" not in step["options"] and answer.get("operation"):
            self.follow(step, answer["operation"])

    def do_submit(self, step):
        name = step["names"][0]
        d = self.definition(self.castings[name])
        needs = {"depends_on": d["dependencies"]["requires"]} if "dependencies" in d else {}
        try:
            answer = self.stage.rpc("run.submit", name=name, actions=d["actions"], wait=False, **needs)
        except house.RpcError as e:
            self.refused(step, e)
            return
        self.runs[name] = answer["run"]
        self.asked.append(("submit", name, answer["operation"]))
        if "nowait" not in step["options"]:
            self.follow(step, answer["operation"])

    def wanted(self):
        return {s["name"]: s["wanted"] for s in self.stage.rpc("service.list")["services"]}

    def operation(self, number):
        return self.stage.rpc("op.get", operation=number)

    def follow(self, step, number):
        answer = self.operation(number)
        if step["outcome"] != "pending":
            def over():
                nonlocal answer
                answer = self.operation(number)
                return self.state_of(answer) != "active"
            self.until(over, lambda: f"the operation does not end: {answer} {self.services()}")
        self.judge(step, answer)

    @staticmethod
    def state_of(answer):
        return answer.get("operation_state") or answer["state"]

    def judge(self, step, answer):
        error = answer.get("error") or {}
        self.said = json.dumps(answer, ensure_ascii=False)
        ends = {"active": "pending", "done": "done", "failed": "fails", "cancelled": "cancelled"}
        if ends[self.state_of(answer)] != step["outcome"]:
            raise Wrong(f"the operation is {self.state_of(answer)}: {self.said} {self.services()}")
        if step["outcome"] == "fails" and error.get("name") != step["word"]:
            raise Wrong(f"it failed as {error.get('name')}, not as {step['word']}: {self.said}")
        if "unchanged" in step["options"] and answer.get("changed"):
            raise Wrong("it changed something")

    def do_start(self, step):
        self.request(step, "service." + step["verb"], name=step["names"])

    do_restart = do_start

    def do_stop(self, step):
        if step["names"][0] in self.runs:
            self.stage.rpc("run.cancel", run=self.runs[step["names"][0]])
        else:
            self.do_start(step)

    def do_start_all(self, step):
        self.request(step, "service." + step["verb"])

    do_stop_all = do_start_all

    def do_answer(self, step):
        wanted = (step["of"], step["names"][0] if step["names"] else "")
        for verb, name, number in reversed(self.asked):
            if (verb, name) == wanted:
                self.follow(step, number)
                return
        raise Wrong("nobody asked for that")

    def do_wanted(self, step):
        self.stage.rpc("wanted.set", name=step["names"][0], wanted=step["word"])

    # ---- words to a process ------------------------------------------------------------

    def place(self, step):
        service, _, action = step["names"][0].partition("/")
        actions = self.castings[service]["definition"]["actions"]
        return service, action or actions[0]["name"]

    def order(self, step, text):
        """Reaches the living process, which is there or about to be."""
        service, action = self.place(step)
        self.until(lambda: self.pids(f"{service}/{action}"), f"{service}/{action} has no process")

        def sent():  # it may just be replaced by its next attempt
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                    s.sendto(text.encode(), str(self.stage.root / f"{service}.{action}"))
                return True
            except OSError:
                return False
        self.until(sent, f"{service}/{action} takes no orders")

    def do_ready(self, step):
        service, action = self.place(step)
        definition = next(a for a in self.castings[service]["definition"]["actions"] if a["name"] == action)
        if "manual" not in definition.get("readiness", {}):
            self.order(step, "ready")
            return
        self.until(lambda: self.pids(f"{service}/{action}"), f"{service} has no process")
        self.until(lambda: any(a["name"] == action and a["state"] == "running"
                               for a in self.stage.status(service)["actions"]), f"{service}/{action} is not starting")
        self.note(service, action, "ready")
        self.stage.rpc("service.ready", name=service, action=action)

    def do_hang(self, step):
        self.order(step, step["verb"])

    do_fail = do_hang

    def do_crash(self, step):
        service, action = self.place(step)
        if step["word"] == "signal" and step["number"] == signal.SIGKILL:
            self.until(lambda: self.pids(f"{service}/{action}"), f"{service} has no process")
            os.kill(self.pids(f"{service}/{action}")[-1], signal.SIGKILL)
        else:
            pid = (self.until(lambda: self.pids(f"{service}/{action}"), f"{service} has no process"),
                   self.pids(f"{service}/{action}")[-1])[1]
            self.order(step, f"{'signal' if step['word'] == 'signal' else 'exit'} {step['number']}")
            self.until(lambda: not house.is_alive(pid), f"{service}/{action} does not end")

    do_exit = do_crash

    def do_kill(self, step):
        service, action = self.place(step)
        self.until(lambda: self.pids(f"{service}/{action}"), f"{service} has no process")
        self.until(lambda: any(a["name"] == action and a["pid"] for a in self.stage.status(service)["actions"]),
                   f"{service} has no process")
        self.stage.rpc("service.kill", name=service, action=action, signal=step["number"])

    # ---- gates ------------------------------------------------------------------------------

    def gate(self, step, is_open):
        kind, _, name = step["names"][0].partition(":")
        path = self.stage.root / name
        if kind == "flag":
            self.stage.rpc("flag.set" if is_open else "flag.clear", name=name)
        elif kind in ("file", "!file"):
            path.touch() if is_open else path.unlink(missing_ok=True)
        elif is_open:
            listener = socket.socket(socket.AF_UNIX)
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            listener.listen(64)
            self.listeners[name] = listener
        else:
            self.listeners.pop(name).close()
            path.unlink(missing_ok=True)

    def do_open(self, step):
        if ":" in step["names"][0]:
            self.gate(step, step["verb"] == "open")
        else:
            self.order(step, step["verb"])

    do_close = do_open

    # ---- time and facts ----------------------------------------------------------------------

    def do_pass(self, step):
        time.sleep(step["time"] / 1000)

    def services(self):
        try:
            rows = self.stage.rpc("service.list")["services"]
        except OSError:
            return "no answer"
        return ", ".join(f"{s['name']} {s['state']} ({s['reason']})" for s in rows)

    def do_wait(self, step):
        for clause in step["clauses"]:
            check = getattr(self, "fact_" + clause["fact"])
            self.until(lambda: check(clause), lambda: f"{clause['subject'] or ''} {clause['fact']} "
                       f"{clause['word'] or clause['number']}: {self.services()}; {self.said}")

    do_expect = do_wait

    def action(self, k):
        if k["subject"] in self.runs:
            jobs = self.stage.rpc("job.list", run=self.runs[k["subject"]])["jobs"]
            return next(j for j in jobs if k["action"] in (None, j["action"]))
        rows = self.stage.status(k["subject"])["actions"]
        return next(a for a in rows if k["action"] in (None, a["name"]))

    @staticmethod
    def subject(k):
        return k["subject"] + (f"/{k['action']}" if k["action"] else "")

    def fact_state(self, k):
        if k["subject"] in self.runs:
            return (self.state_of_run(k) == k["word"]) != k["no"]
        state = self.action(k)["state"] if k["action"] else self.stage.state(k["subject"])
        return (state == k["word"]) != k["no"]

    def state_of_run(self, k):
        run = self.runs[k["subject"]]
        if not k["action"]:
            return self.stage.rpc("run.get", run=run)["state"]
        jobs = self.stage.rpc("job.list", run=run)["jobs"]
        return next(j["state"] for j in jobs if j["action"] == k["action"])

    def fact_wanted(self, k):
        return self.stage.status(k["subject"])["wanted"] == k["word"]

    def fact_reason(self, k):
        reason = self.action(k).get("reason") if k["action"] else self.stage.status(k["subject"])["reason"]
        return (reason or "none") == k["word"]

    def fact_executed(self, k):
        return len(self.moments(self.subject(k), "executed")) == k["number"]

    def fact_alive(self, k):
        return bool(self.pids(self.subject(k)))

    def fact_gone(self, k):
        return not self.pids(self.subject(k)) and (k["action"] or not self.left_of(k["subject"]))

    def left_of(self, service):
        """Children of a dead leader are found by what every child of a service has."""
        return [pid for pid in self.stage.left() if house.command_of(pid).split()[1:2] == [service]]

    def fact_missing(self, k):
        try:
            self.stage.rpc("service.get", name=k["subject"])
        except house.RpcError as e:
            return e.code == house.E_NOT_FOUND
        return False

    def fact_waits(self, k):
        targets = [w["target"] for w in self.stage.status(k["subject"])["waiting_on"]]
        return not targets if k["word"] == "nothing" else k["word"] in targets

    def fact_changed(self, k):
        return self.stage.status(k["subject"]).get("definition_changed", False)

    def fact_attempt(self, k):
        return self.action(k)["attempt"] == k["number"]

    def fact_ended(self, k):
        row = self.action(k)
        if k["word"] == "code":
            return row["exit_code"] == k["number"]
        return row["signal"] == signal.Signals(k["number"]).name

    def fact_why(self, k):
        why = self.stage.rpc("service.why", name=k["subject"])
        status = self.stage.status(k["subject"])
        return k["word"] in json.dumps([why, status], ensure_ascii=False).replace(str(self.stage.root), "/stage")

    def fact_said(self, k):
        return k["word"] in self.said.replace(str(self.stage.root), "/stage")

    def fact_plan(self, k):
        answer = self.stage.rpc("service.plan", name=k["subject"], verb=k["verb"])
        return [s["service"] for s in answer["steps"]] == k["names"]

    def fact_order(self, k):
        last = -1
        for p in k["points"]:
            times = self.moments(p["subject"], p["moment"])
            if len(times) < p["nth"] or times[p["nth"] - 1] < last:
                return False
            last = times[p["nth"] - 1]
        return True

    # ---- the supervisor itself ---------------------------------------------------------------

    def do_kill_server(self, step):
        self.stage.kill_server()

    def do_shutdown(self, step):
        self.stage.shutdown()

    def do_boot(self, step):
        if self.stage.process.poll() is None:
            self.stage.shutdown()
        self.stage.start()
