"""Operations: joined, watched, called off, looked up later, and not lost with the server (SPEC 2.5.12-15, 2.8)."""
import json
import os
import socket
import signal
import threading

from hp import (E_NOT_FOUND, E_STATE, E_TIMEOUT, is_alive, wait_until)

CANCELLED = -32013


class Stream:
    """GET /events?...: a list of (kind, data) that grows until the server ends the stream."""

    def __init__(self, hp, query):
        self.events, self.ended = [], False
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(hp.socket))
        self.sock.sendall(f"GET /events?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        kind, text = None, b""
        try:
            while piece := self.sock.recv(65536):
                text += piece
                while b"\n" in text:
                    line, text = text.split(b"\n", 1)
                    line = line.decode().strip()
                    if line.startswith("event:"):
                        kind = line[6:].strip()
                    elif line.startswith("data:"):
                        self.events.append((kind, json.loads(line[5:])))
        except OSError:
            pass
        self.ended = True
        self.sock.close()

    def of(self, kind):
        return [data for k, data in self.events if k == kind]


def held(hp, name, **keys):
    """A service that is ready when somebody removes its hold file; returns the file."""
    hold = hp.root / f"hold-{name}"
    hold.touch()
    hp.define(name, f"while [ -e {hold} ]; do sleep 0.01; done; echo up; exec {hp.bin}/pause",
              readiness={"log": "up"}, **keys)
    return hold


def over(hp, op, bound=10):
    return wait_until(lambda: (o := hp.rpc("op.get", operation=op))["operation_state"] != "active" and o, bound,
                      f"operation {op} ends")


def test_equal_requests_join_and_share_one_number(hp):
    hold = held(hp, "slow")
    first = hp.rpc("service.start", name="slow", wait=False)
    second = hp.rpc("service.start", name="slow", wait=False)
    assert second["operation"] == first["operation"]
    assert (first["joined"], second["joined"]) == (False, True)
    third = hp.later("service.start", name=["slow"])
    hold.unlink()
    assert third.done()["operation"] == first["operation"]
    later = hp.rpc("service.start", name="slow")
    assert later["operation"] != first["operation"] and later["changed"] is False


def test_a_second_stop_joins_and_sends_no_signal_again(hp):
    hold, said = hp.root / "hold", hp.root / "terms"
    hold.touch()
    hp.define("deaf", f"trap 'echo term >> {said}' TERM; echo up; while [ -e {hold} ]; do sleep 0.01; done",
              readiness={"log": "up"}, stop_timeout_ms=30000)
    hp.rpc("service.start", name="deaf")
    first = hp.rpc("service.stop", name="deaf", wait=False)
    wait_until(said.exists, what="TERM came")
    second = hp.later("service.stop", name="deaf")
    assert hp.rpc("service.stop", name="deaf", wait=False)["operation"] == first["operation"]
    hold.unlink()
    assert second.done()["operation"] == first["operation"]
    assert said.read_text() == "term\n"
    assert hp.state("deaf") == "inactive"


def test_a_start_that_meets_a_stop_waits_until_the_set_is_empty(hp):
    hold = hp.root / "hold"
    hold.touch()
    hp.define("deaf", f"trap : TERM; echo up; while [ -e {hold} ]; do sleep 0.01; done; [ -e {hp.root}/again ] || exit 0; "
                      f"exec {hp.bin}/pause", readiness={"log": "up"}, stop_timeout_ms=30000)
    hp.rpc("service.start", name="deaf")
    old = hp.pid("deaf")
    stop = hp.later("service.stop", name="deaf")
    hp.wait_state("deaf", "stopping")
    start = hp.rpc("service.start", name="deaf", wait=False)
    assert is_alive(old) and hp.state("deaf") == "stopping"
    hold.unlink()
    assert over(hp, start["operation"])["operation_state"] == "done"
    stop.join(10)
    assert stop.error.code == CANCELLED
    assert stop.error.data["superseded_by"] == start["operation"]
    assert not is_alive(old) and hp.pid("deaf") != old


def test_what_was_called_off_is_not_started_and_what_runs_stays(hp):
    hold = held(hp, "db")
    hp.define("web", depends_on=["db"])
    hp.define("app", depends_on=["web"])
    start = hp.later("service.start", name="app")
    wait_until(lambda: hp.pid("db"), what="db runs")
    op = hp.rpc("op.list", state="active")["operations"][0]["operation"]
    assert hp.rpc("op.cancel", operation=op)["operation_state"] == "cancelled"
    start.join(10)
    assert start.error.code == CANCELLED and "called off" in start.error.message
    assert hp.state("web") == hp.state("app") == "inactive"
    assert hp.status("app")["wanted"] == "ignore", "the word is what it was before"
    assert is_alive(hp.pid("db")), "what was executed goes on"
    hold.unlink()
    hp.wait_state("db", "running")
    assert hp.state("web") == hp.state("app") == "inactive"
    assert hp.refusal("op.cancel", operation=op).code == E_STATE
    assert hp.refusal("op.cancel", operation=10 ** 9).code == E_NOT_FOUND


def test_calling_off_leaves_what_somebody_else_demands(hp):
    hold = held(hp, "slow")
    hp.define("shared", depends_on=["slow"])
    hp.define("one", depends_on=["shared"])
    hp.define("two", depends_on=["shared"])
    first = hp.rpc("service.start", name="one", wait=False)["operation"]
    second = hp.later("service.start", name="two")
    wait_until(lambda: hp.state("two") == "waiting_deps", what="two waits")
    hp.rpc("op.cancel", operation=first)
    assert hp.state("one") == "inactive"
    hold.unlink()
    second.done()
    assert hp.state("shared") == hp.state("two") == "running" and hp.state("one") == "inactive"


def test_a_run_that_is_called_off_demands_nothing_any_more(hp):
    hold = held(hp, "slow")
    hp.define("db", depends_on=["slow"])
    sent = hp.rpc("run.submit", actions=[{"name": "job", "script": "true"}], depends_on=["db"], wait=False)
    wait_until(lambda: hp.pid("slow"), what="slow runs")
    hp.rpc("op.cancel", operation=sent["operation"])
    assert hp.rpc("run.get", run=sent["run"])["state"] == "cancelled"
    assert hp.state("db") == "inactive" and is_alive(hp.pid("slow"))
    hold.unlink()
    hp.wait_state("slow", "running")
    assert hp.state("db") == "inactive"


def test_boot_and_shutdown_are_operations(fresh):
    hp = fresh().start()
    hp.define("web", status="start")
    shutdown = hp.rpc("system.shutdown")["operation"]
    wait_until(lambda: hp.process.poll() is not None, 20, "the daemon ends")
    hp.start()
    boot = wait_until(lambda: hp.rpc("op.list", kind="boot")["operations"], what="the boot")[0]
    assert boot["names"] == ["web"] and boot["who"] == "boot"
    assert hp.rpc("op.watch", operation=boot["operation"])["operation_state"] == "done"
    hp.wait_state("web", "running")
    assert hp.rpc("op.get", operation=shutdown)["operation_state"] == "done"


def test_a_stop_can_not_be_taken_back(hp):
    hold = hp.root / "hold"
    hold.touch()
    hp.define("deaf", f"trap : TERM; echo up; while [ -e {hold} ]; do sleep 0.01; done", readiness={"log": "up"},
              stop_timeout_ms=30000)
    hp.rpc("service.start", name="deaf")
    op = hp.rpc("service.stop", name="deaf", wait=False)["operation"]
    assert hp.refusal("op.cancel", operation=op).code == E_STATE
    hold.unlink()
    assert over(hp, op)["operation_state"] == "done"


def test_the_stream_of_an_operation_tells_each_step_once_and_ends_with_its_end(hp):
    hold = held(hp, "db")
    hp.define("web", depends_on=["db"])
    op = hp.rpc("service.start", name="web", wait=False)["operation"]
    early = Stream(hp, f"operation={op}")
    wait_until(lambda: early.of("step"), what="the first step was told")
    late = Stream(hp, f"operation={op}")
    hold.unlink()
    for stream in (early, late, Stream(hp, f"operation={op}")):
        wait_until(lambda: stream.ended, what="the stream ends")
        assert [(s["step"], s["service"]) for s in stream.of("step")] == [("start", "db"), ("start", "web")]
        assert all(s["time"] for s in stream.of("step"))
        assert stream.events[-1][0] == "done" and stream.events[-1][1]["state"] == "done"
    after = Stream(hp, f"operation={op}")
    wait_until(lambda: after.ended, what="the stream of what is over ends")
    assert [s["service"] for s in after.of("step")] == ["db", "web"]
    assert after.events[-1][1]["state"] == "done"
    unknown = Stream(hp, "operation=99999999")
    wait_until(lambda: unknown.ended, what="the stream of what never was ends")
    assert unknown.of("done")[0]["state"] == "unknown"


def test_a_watch_answers_at_the_next_step_or_at_the_end(hp):
    hold = held(hp, "db")
    hp.define("web", depends_on=["db"])
    op = hp.rpc("service.start", name="web", wait=False)["operation"]
    first = hp.rpc("op.watch", operation=op, after_step=0)
    assert [s["service"] for s in first["steps"]] == ["db"] and first["operation_state"] == "active"
    late = hp.refusal("op.watch", operation=op, after_step=1, timeout_ms=50)
    assert late.code == E_TIMEOUT and late.data["operation"] == op
    step, end = hp.later("op.watch", operation=op, after_step=1), hp.later("op.watch", operation=op)
    hold.unlink()
    assert [s["service"] for s in step.done()["steps"]] == ["db", "web"]
    assert end.done()["operation_state"] == "done" and end.result["ended"]
    again = hp.rpc("op.watch", operation=op)
    assert again["operation_state"] == "done" and len(again["steps"]) == 2
    times = [s["time"] for s in again["steps"]]
    assert times == sorted(times) and again["began"] <= times[0] and times[-1] <= again["ended"]


def test_what_failed_is_an_answer_of_a_watch_with_its_error(hp):
    hp.define("bad", "exit 3", readiness={"log": "never"}, retry_policy={"restart": "never"})
    op = hp.rpc("service.start", name="bad", wait=False)["operation"]
    ended = hp.rpc("op.watch", operation=op)
    assert ended["operation_state"] == "failed" and ended["error"]["name"] == "start_failed"
    stored = hp.rpc("op.get", operation=op)
    assert stored["error"]["message"] == ended["error"]["message"]
    assert stored["method"] == "service.start" and stored["who"].startswith("uid")


def test_operations_are_listed_newest_first_with_filters(hp):
    hp.define("a")
    hp.define("b")
    for name in ("a", "b", "a"):
        hp.rpc("service.restart", name=name)
    hp.rpc("service.stop", name="b")
    rows = hp.rpc("op.list")["operations"]
    ids = [r["operation"] for r in rows]
    assert ids == sorted(ids, reverse=True) and rows[0]["kind"] == "stop"
    assert {r["kind"] for r in hp.rpc("op.list", name="a", kind="restart")["operations"]} == {"restart"}
    assert len(hp.rpc("op.list", name="a", kind="restart")["operations"]) == 2
    assert hp.rpc("op.list", state="failed")["operations"] == []
    page = hp.rpc("op.list", limit=2)
    assert [r["operation"] for r in page["operations"]] == ids[:2]
    assert [r["operation"] for r in hp.rpc("op.list", limit=2, cursor=page["next"])["operations"]] == ids[2:4]


def test_a_start_goes_on_after_the_server_was_killed_and_ends(hp):
    hold = held(hp, "db")
    hp.define("web", depends_on=["db"])
    op = hp.rpc("service.start", name="web", wait=False)["operation"]
    wait_until(lambda: hp.pid("db"), what="db runs")
    hp.kill_server()
    taken = hp.rpc("op.get", operation=op)
    assert taken["operation_state"] == "active" and taken["names"] == ["web"] and taken["kind"] == "start"
    assert taken["method"] == "service.start"
    waiting = hp.later("op.watch", operation=op)
    hold.unlink()
    ended = waiting.done()
    assert ended["operation_state"] == "done"
    assert [(s["step"], s["service"]) for s in ended["steps"]] == [("start", "db"), ("start", "web")]
    assert hp.state("web") == "running"


def test_a_restart_goes_on_after_the_server_was_killed_in_its_stop(hp):
    hold = hp.root / "hold"
    hold.touch()
    hp.define("deaf", f"trap : TERM; echo up; while [ -e {hold} ]; do sleep 0.01; done; [ -e {hp.root}/dead ] || "
                      f"{{ touch {hp.root}/dead; exit 0; }}; exec {hp.bin}/pause",
              readiness={"log": "up"}, stop_timeout_ms=30000)
    hp.rpc("service.start", name="deaf")
    old = hp.pid("deaf")
    op = hp.rpc("service.restart", name="deaf", wait=False)["operation"]
    hp.wait_state("deaf", "stopping")
    hp.kill_server()
    assert hp.rpc("op.get", operation=op)["operation_state"] == "active"
    assert hp.state("deaf") == "stopping" and is_alive(old)
    hold.unlink()
    assert over(hp, op)["operation_state"] == "done"
    assert hp.state("deaf") == "running" and hp.pid("deaf") != old


def test_a_stop_goes_on_after_the_server_was_killed(hp):
    hold = hp.root / "hold"
    hold.touch()
    hp.define("db")
    hp.define("web", f"trap : TERM; echo up; while [ -e {hold} ]; do sleep 0.01; done", readiness={"log": "up"},
              stop_timeout_ms=30000, depends_on=["db"])
    hp.rpc("service.start", name="web")
    op = hp.rpc("service.stop", name="db", wait=False)["operation"]
    hp.wait_state("web", "stopping")
    hp.kill_server()
    hp.kill_server()
    assert hp.rpc("op.get", operation=op)["operation_state"] == "active"
    assert is_alive(hp.pid("db")), "it waits for its turn"
    hold.unlink()
    ended = over(hp, op)
    assert ended["operation_state"] == "done"
    assert [(s["step"], s["service"]) for s in ended["steps"]] == [("stop", "web"), ("stop", "db")]
    assert hp.state("db") == hp.state("web") == "inactive"
    assert hp.status("web")["reason"].startswith("dependency_stopped")


def test_a_run_goes_on_after_the_server_was_killed(hp):
    hold = hp.root / "hold"
    hold.touch()
    sent = hp.rpc("run.submit", actions=[{"name": "work", "script": f"while [ -e {hold} ]; do sleep 0.01; done"}],
                  wait=False)
    wait_until(lambda: hp.rpc("run.get", run=sent["run"])["state"] == "running", what="it runs")
    hp.kill_server()
    assert hp.rpc("op.get", operation=sent["operation"])["operation_state"] == "active"
    hold.unlink()
    assert over(hp, sent["operation"])["operation_state"] == "done"
    assert hp.rpc("run.get", run=sent["run"])["state"] == "succeeded"


def test_a_shutdown_goes_on_after_the_server_was_killed(fresh):
    hp = fresh().start()
    hold = hp.root / "hold"
    hold.touch()
    hp.define("deaf", f"trap : TERM; echo up; while [ -e {hold} ]; do sleep 0.01; done", readiness={"log": "up"},
              stop_timeout_ms=30000)
    hp.rpc("service.start", name="deaf")
    server = hp.info()["pid"]
    op = hp.rpc("system.shutdown")["operation"]
    assert hp.rpc("system.shutdown")["operation"] == op
    hp.wait_state("deaf", "stopping")
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: "the shutdown goes on" in hp.log_text(), 15, "the next server goes on")
    assert hp.rpc("op.get", operation=op)["operation_state"] == "active"
    hold.unlink()
    wait_until(lambda: hp.process.poll() is not None, 20, "the daemon ends")
    wait_until(lambda: not hp.left(), 5, "nothing is left")


# ---- every change has a number, and a dry run that changes nothing ------------------------------

def test_every_change_has_a_number_that_can_be_looked_up(hp):
    define = hp.define("web")
    kept = {"service.define": define}
    kept["service.register"] = hp.register_text("[service]\nname = \"solo\"\n\n[[binaries]]\nname = \"solo\"\nkind = \"server\"\n"
                                                f"exec = [\"{hp.bin}/pause\"]\n")
    kept["service.start"] = hp.rpc("service.start", name="web")
    kept["service.kill"] = hp.rpc("service.kill", name="web", signal="CONT")
    kept["service.wanted.set"] = hp.rpc("service.wanted.set", name="web", wanted="ignore")
    kept["service.restart"] = hp.rpc("service.restart", name="web")
    kept["service.stop_all"] = hp.rpc("service.stop_all")
    kept["service.start_all"] = hp.rpc("service.start_all", tag="none")
    kept["flag.set"] = hp.rpc("flag.set", name="f")
    kept["run.submit"] = hp.rpc("run.submit", actions=[{"name": "true", "script": "true"}])
    kept["service.delete"] = hp.rpc("service.delete", name="web")
    numbers = [answer["operation"] for answer in kept.values()]
    assert len(set(numbers)) == len(numbers)
    for method, answer in kept.items():
        stored = hp.rpc("op.watch", operation=answer["operation"])
        assert stored["method"] == method and stored["operation_state"] == "done" and stored["who"].startswith("uid")
    events = hp.rpc("events.query")["events"]
    for n in numbers:
        told = [e["event"] for e in events if e.get("operation") == n and e["event"] in ("operation", "done")]
        assert told == ["operation", "done"], (n, told)


def state_of_everything(hp):
    return {s["name"]: (s["state"], s["wanted"], s["run"], [a["pid"] for a in s["actions"]])
            for s in hp.rpc("service.list")["services"]}


def test_a_dry_run_of_every_change_tells_its_steps_and_changes_nothing(hp):
    hp.define("db")
    hp.define("web", depends_on=["db"])
    hp.define("app", depends_on=["web"])
    hp.rpc("service.start", name="web")
    before, operations = state_of_everything(hp), hp.rpc("op.list")["operations"]

    def steps(method, **params):
        answer = hp.rpc(method, dry_run=True, **params)
        assert answer["dry_run"] is True and "operation" not in answer
        return [(s["step"], s["service"]) for s in answer["steps"]]

    web = {"name": "new", "actions": [{"name": "new", "script": "exit 0", "depends_on": ["old"]}]}
    old = {"name": "old", "actions": [{"name": "old", "script": "exit 0"}]}
    text = ("[service]\nname = \"late\"\nrequires = [\"app\"]\n\n[[binaries]]\nname = \"late\"\nkind = \"server\"\n"
            f"exec = [\"{hp.bin}/pause\"]\n")
    assert steps("service.start", name="app") == [("start", "app")]
    assert steps("service.stop", name="db") == [("stop", "web"), ("stop", "db")]
    assert steps("service.restart", name="db") == [("stop", "db"), ("start", "db")]
    assert steps("service.start_all") == [("start", "app")]
    assert steps("service.stop_all") == [("stop", "web"), ("stop", "db")]
    assert steps("service.delete", name="db", with_dependents=True) == [("stop", "web"), ("stop", "db")]
    assert steps("service.register", manifest=text, path="late/service.toml", start=True) == [
        ("start", "app"), ("start", "late")]
    assert steps("service.register", manifest=text, path="late/service.toml") == []
    assert steps("service.define", service=old, start=True) == [("start", "old")]
    assert steps("service.set", service=old, start=True) == [("start", "old")]
    run = steps("run.submit", actions=[{"name": "job", "script": "true"}], depends_on=["app"])
    assert [word for word, _ in run] == ["start", "start"] and run[0][1] == "app" and run[1][1].startswith("job#")
    assert steps("service.wanted.set", name="web", wanted="stop") == []
    assert hp.rpc("service.kill", name="web", dry_run=True)["signalled"] == [hp.pid("web")]
    refused = hp.refusal("service.define", service=web, start=True, dry_run=True)
    assert "old" in refused.message
    assert state_of_everything(hp) == before
    assert hp.rpc("op.list")["operations"] == operations
    assert hp.refusal("run.get", run=run[1][1]).code == E_NOT_FOUND


def test_start_all_and_stop_all_choose_by_class_and_tag(hp):
    def service(name, cls, tags):
        hp.rpc("service.define", service={"name": name, "class": cls, "tags": tags, "actions": [
            {"name": name, "is_process": True, "script": f"exec {hp.bin}/pause"}]})

    service("a", "user", ["red"])
    service("b", "user", ["blue"])
    service("s", "system", ["red"])
    hp.rpc("service.wanted.set", name="a", wanted="stop")
    running = lambda: [s["name"] for s in hp.rpc("service.list", state="running")["services"]]
    answer = hp.rpc("service.start_all", tag="red")
    assert answer["names"] == ["a"] and running() == ["a"]
    assert hp.rpc("service.start_all")["names"] == ["a", "b"] and running() == ["a", "b"]
    assert hp.rpc("service.start_all", **{"class": "system"})["names"] == ["s"]
    assert hp.rpc("service.stop_all", tag="blue")["names"] == ["b"] and running() == ["a", "s"]
    assert hp.rpc("service.stop_all")["operation_state"] == "done" and running() == ["s"], "system is left alone"
    assert hp.rpc("service.stop_all", **{"class": "all"})["names"] == ["a", "b", "s"] and running() == []
    assert [s["name"] for s in hp.rpc("service.list", wanted="stop")["services"]] == ["a", "b", "s"]
    assert hp.refusal("service.start_all", **{"class": "nobody"}).code == -32602


# ---- what if -------------------------------------------------------------------------------------

def what_if(hp, event, name):
    answer = hp.rpc("service.what_if", name=name, event=event)
    return {s["name"]: s for s in answer["services"]}, answer


def test_what_if_tells_who_stops_degrades_and_why_and_changes_nothing(hp):
    hp.define("db")
    hp.define("web", depends_on=["db"])
    hp.define("app", depends_on=["web"])
    hp.define("log", dependencies={"wants": ["db"]})
    hp.rpc("service.start", name=["app", "log"])
    before = state_of_everything(hp)
    rows, answer = what_if(hp, "stop", "db")
    assert {n: r["effect"] for n, r in rows.items()} == {"app": "stops", "web": "stops", "db": "stops"}
    assert rows["web"]["why"] == "it requires db" and rows["web"]["after"] == "inactive"
    assert [s["service"] for s in answer["steps"]] == ["app", "web", "db"]
    rows, answer = what_if(hp, "fail", "db")
    assert rows["web"]["effect"] == "degrades" and rows["web"]["during"] == "degraded"
    assert "db" in rows["web"]["why"]
    assert answer["comes_back"] is True and rows["web"]["after"] == rows["db"]["after"] == "running"
    assert "app" not in rows and "log" not in rows
    assert state_of_everything(hp) == before
    hp.define("once", retry_policy={"restart": "never"})
    assert hp.refusal("service.what_if", name="once", event="fail").code == E_STATE
    hp.rpc("service.start", name="once")
    rows, answer = what_if(hp, "fail", "once")
    assert rows["once"]["effect"] == "fails" and answer["comes_back"] is False


# ---- the command line ------------------------------------------------------------------------------

def test_the_command_line_lists_shows_follows_and_calls_off_operations(hp):
    hold = held(hp, "db")
    hp.define("web", depends_on=["db"])
    op = str(hp.rpc("service.start", name="web", wait=False)["operation"])
    listed = hp.cli("op", "list", "--state", "active").stdout
    assert op in listed and "web" in listed and "start" in listed
    got = hp.cli("op", "get", op)
    assert got.returncode == 0 and "start of web: active" in got.stdout
    assert hp.cli("op", "cancel", op).returncode == 0
    assert hp.cli("op", "cancel", op).returncode == 4 and hp.cli("op", "get", "999999").returncode == 3
    again = str(hp.rpc("service.start", name="web", wait=False)["operation"])
    hold.unlink()
    watched = hp.cli("op", "watch", again)
    assert watched.returncode == 0 and "2 of 2 ready in" in watched.stdout
    shown = hp.cli("what-if", "stop", "db")
    assert shown.returncode == 0 and "it requires db" in shown.stdout


def test_the_command_line_shows_a_plan_with_dry_run_and_does_nothing(hp):
    folder = hp.root / "stack"
    folder.mkdir()
    (folder / "a.toml").write_text("[service]\nname = \"a\"\ntags = [\"red\"]\n\n[[binaries]]\nname = \"a\"\n"
                                   f"kind = \"server\"\nexec = [\"{hp.bin}/pause\"]\n")
    dry = hp.cli("up", folder, "--dry-run")
    assert dry.returncode == 0 and "start" in dry.stdout and hp.rpc("service.list")["services"] == []
    assert hp.cli("up", folder).returncode == 0
    for verb in (["service", "stop", "a"], ["service", "restart", "a"], ["service", "delete", "a"], ["down", folder],
                 ["service", "stop", "--all"], ["down", "--tag", "red"]):
        assert "stop" in hp.cli(*verb, "--dry-run").stdout
        assert hp.state("a") == "running"
    assert hp.cli("service", "stop", "--all", "--tag", "blue").returncode == 0 and hp.state("a") == "running"
    assert hp.cli("down", "--tag", "red").returncode == 0 and hp.state("a") == "inactive"
    assert hp.cli("service", "start", "--all", "--tag", "red").returncode == 0 and hp.state("a") == "running"
    assert hp.cli("service", "start", "a", "--all").returncode == 2


# ---- many at once ---------------------------------------------------------------------------------

def test_plans_of_random_graphs_are_what_is_done(hp):
    import random
    for seed in range(4):
        dice, names = random.Random(seed), [f"s{seed}-{i}" for i in range(14)]
        needs = {n: dice.sample(names[:i], min(i, dice.randint(0, 3))) for i, n in enumerate(names)}
        for name in names:
            soft = [t for t in needs[name] if dice.random() < 0.25]
            hp.define(name, script="exec sleep 1000", dependencies={"wants": soft},
                      depends_on=[t for t in needs[name] if t not in soft])
            needs[name] = [t for t in needs[name] if t not in soft]
        for _ in range(8):
            verb, asked = dice.choice(["start", "start", "stop", "restart"]), dice.sample(names, dice.randint(1, 2))
            words = lambda answer: [(s["step"], s["service"]) for s in answer["steps"]]
            planned = words(hp.rpc(f"service.{verb}", name=asked, dry_run=True))
            done = words(hp.rpc(f"service.{verb}", name=asked))
            assert sorted(planned) == sorted(done), (seed, verb, asked)
            for steps in (planned, done):
                for word, service in steps:
                    for target in needs[service]:
                        if (word, target) in steps:
                            first, then = steps.index((word, target)), steps.index((word, service))
                            assert (first < then) == (word == "start"), (seed, verb, asked, steps)


def test_concurrent_requests_about_overlapping_sets_end_in_what_was_asked_last(hp):
    """Eight callers, 25 requests each; every process holds a lock of the kernel that only one can have."""
    import random
    names, said, lock = [f"n{i}" for i in range(6)], [], threading.Lock()
    twice = hp.root / "twice"
    for i, name in enumerate(names):
        hp.define(name, f"exec 9> {hp.root}/{name}.lock; flock -n 9 || echo {name} >> {twice}; "
                        "trap 'exit 0' TERM; echo up; while :; do sleep 0.005; done",
                  readiness={"log": "up"}, depends_on=[names[i - 1]] if i % 2 else [])

    def caller(seed):
        dice = random.Random(seed)
        for _ in range(25):
            verb, asked = dice.choice(["start", "stop", "restart"]), dice.sample(names, dice.randint(1, 3))
            try:
                answer = hp.rpc(f"service.{verb}", name=asked, wait=dice.random() < 0.3, timeout_ms=20000)
                number = answer["operation"]
            except Exception as e:
                number = e.data["operation"]
                assert e.code in (CANCELLED, -32005, -32011), e
            with lock:
                said.append((number, verb, asked))

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
        assert not t.is_alive()
    assert len(said) == 200, "nobody was answered otherwise"
    for number, _, _ in said:
        assert over(hp, number)["operation_state"] in ("done", "cancelled", "failed")
    wait_until(lambda: all(hp.state(n) in ("running", "inactive", "blocked") for n in names), 20, "all is at rest")
    assert not twice.exists(), twice.read_text()
    for name in names:
        last = max((number, verb) for number, verb, asked in said if name in asked)
        status = hp.status(name)
        alive = [a["pid"] for a in status["actions"] if a["pid"] and is_alive(a["pid"])]
        later_start_of_dependent = any(number > last[0] and verb != "stop" and names.index(name) + 1 in map(names.index, asked)
                                       for number, verb, asked in said)
        if last[1] == "stop" and not later_start_of_dependent:
            assert status["wanted"] == "stop" and status["state"] == "inactive" and not alive, (name, last, status)
        later_stop_of_target = any(number > last[0] and verb == "stop" and names.index(name) - 1 in map(names.index, asked)
                                   for number, verb, asked in said)
        if last[1] != "stop" and not later_stop_of_target:
            assert status["state"] == "running" and len(alive) == 1, (name, last, status)


def test_every_accepted_operation_ends_although_the_server_is_killed_again_and_again(hp):
    import random
    dice, names, accepted = random.Random(7), [f"k{i}" for i in range(8)], []
    twice = hp.root / "twice"
    for i, name in enumerate(names):
        hp.define(name, f"exec 9> {hp.root}/{name}.lock; flock -n 9 || echo {name} >> {twice}; "
                        "trap 'exit 0' TERM; echo up; while :; do sleep 0.005; done",
                  readiness={"log": "up"}, stop_timeout_ms=1000, depends_on=[names[i // 2]] if i > 1 else [])
    for _ in range(4):
        for _ in range(6):
            verb, asked = dice.choice(["start", "stop", "restart"]), dice.sample(names, dice.randint(1, 3))
            accepted.append((hp.rpc(f"service.{verb}", name=asked, wait=False)["operation"], verb, asked))
        hp.kill_server()
    for number, verb, asked in accepted:
        ended = over(hp, number)
        assert ended["operation_state"] in ("done", "failed", "cancelled") and ended["names"] == asked
        assert ended["error"] is None or ended["error"]["message"]
    number, verb, asked = accepted[-1]
    assert hp.rpc("op.get", operation=number)["operation_state"] == "done"
    for name in asked:
        hp.wait_state(name, "inactive" if verb == "stop" else "running")
    assert hp.rpc("op.list", state="active")["operations"] == []
    assert not twice.exists(), twice.read_text()


def test_a_run_that_was_restarted_has_an_end_in_the_history(hp):
    hp.define("web")
    hp.rpc("service.start", name="web")
    for _ in range(2):
        hp.rpc("service.restart", name="web")
    runs = hp.rpc("run.list", service="web")["runs"]
    assert len(runs) == 3 and runs[0]["state"] == "running"
    assert all(r["state"] == "cancelled" and r["ended"] for r in runs[1:]), runs
    jobs = hp.rpc("job.list", run=runs[1]["name"])["jobs"]
    assert [j["state"] for j in jobs] == ["cancelled"] and jobs[0]["ended"]
