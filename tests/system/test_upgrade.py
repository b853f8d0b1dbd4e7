"""Another server program takes over (F50): nothing that runs notices, and one that fails is followed by the former."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from hp import (DONE, E_BUSY, E_STORAGE, EXAMPLES, FAILED, INVALID_PARAMS, REFUSED, healthy, is_alive, program,
                wait_until)

HERO = EXAMPLES / "hero"
ALL = [HERO / n / "service.toml" for n in ("hero_db", "hero_proxy", "hero_collab")]
NOW, NEXT, SCHEMA = "0.1.0", "0.1.1", "0.2.0"
IDENTITY = json.loads(subprocess.run([program("hero_proc_server"), "--version-json"], capture_output=True).stdout)
STORE = IDENTITY["schema"]


def candidate(hp, suffix="", of="next"):
    """The path of a server of another version; the suffix says how it fails (tests/upgrade/fault.c)."""
    name = f"server_{of}{suffix}"
    if not (hp.bin / name).exists():
        hp.install(name, program(f"hero_proc_server_{of}" if of != "now" else "hero_proc_server"))
    return str(hp.bin / name)


def ended(hp, operation):
    return wait_until(lambda: (o := hp.rpc("op.get", operation=operation))["operation_state"] != "active" and o, 20,
                      f"operation {operation} ends")


def upgrade(hp, server, **params):
    """Its operation, once it is over."""
    return ended(hp, hp.rpc("system.upgrade", server=server, **params)["operation"])


def stored_schema(hp):
    with sqlite3.connect(f"file:{hp.state_dir}/state.db?mode=ro", uri=True) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def server_of(hp, path):
    """pid of the process that executes `path`."""
    for pid in hp.left():
        try:
            if open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")[0] == str(path).encode():
                return pid
        except OSError:
            pass
    return None


def start_stack(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    return {n: hp.pid(n) for n in sorted(hp.diary.names())}


def expect_untouched(hp, pids):
    assert {n: hp.pid(n) for n in pids} == pids
    assert all(hp.state(n) == "running" and len(hp.diary.pids(n)) == 1 and is_alive(p) for n, p in pids.items())


def test_F50_an_upgrade_touches_no_process(hp):
    pids, keeper, old = start_stack(hp), hp.keeper_pid(), hp.info()
    file = hp.socket.stat().st_ino
    done = hp.cli("upgrade", candidate(hp))
    assert done.returncode == DONE and NEXT in done.stdout and NOW in done.stdout, (done.stdout, done.stderr)
    now = hp.info()
    assert (old["version"], now["version"]) == (NOW, NEXT) and now["pid"] != old["pid"]
    assert now["upgrade"]["state"] == "done" and now["server"] == candidate(hp)
    assert hp.keeper_pid() == keeper and hp.socket.stat().st_ino == file
    assert "upgrade" not in str(now["degraded"])
    expect_untouched(hp, pids)
    op = hp.rpc("op.get", operation=now["upgrade"]["operation"])
    assert (op["operation_state"], op["kind"], op["version"], op["from"]["version"]) == ("done", "upgrade", NEXT, NOW)
    hp.kill_server()
    assert hp.info()["version"] == NEXT
    expect_untouched(hp, pids)


def test_a_file_that_was_replaced_is_what_the_next_server_is_made_of(hp):
    pids = start_stack(hp)
    hp.install("hero_proc_server", program("hero_proc_server_next"))
    hp.kill_server()
    assert hp.info()["version"] == NOW, "a death is no upgrade"
    assert hp.cli("upgrade").returncode == DONE
    assert hp.info()["version"] == NEXT
    expect_untouched(hp, pids)


def test_a_program_that_lost_its_name_comes_back_when_the_one_in_its_place_fails(hp):
    pids = start_stack(hp)
    (hp.bin / "hero_proc_server").unlink()
    (hp.bin / "hero_proc_server").write_text(
        '#!/bin/sh\n[ "$1" = --version-json ] && exec %s --version-json\nexit 7\n' % candidate(hp))
    (hp.bin / "hero_proc_server").chmod(0o755)
    done = hp.cli("upgrade")
    assert done.returncode == FAILED and "exit status 7" in done.stderr, (done.stdout, done.stderr)
    assert hp.info()["version"] == NOW
    hp.kill_server()
    assert hp.info()["version"] == NOW
    assert open(f"/proc/{hp.info()['pid']}/comm").read().startswith("hero_proc_serv")
    hp.kill_keeper()
    hp.kill_server()
    assert hp.info()["version"] == NOW, "nor does a killed keeper change that"
    expect_untouched(hp, pids)


def test_the_store_is_migrated_forward_and_never_backward(hp):
    pids = start_stack(hp)
    runs = hp.rpc("run.list")
    assert stored_schema(hp) == STORE
    assert upgrade(hp, candidate(hp, of="schema"))["operation_state"] == "done"
    assert hp.info()["version"] == SCHEMA and hp.info()["schema"] == stored_schema(hp) == STORE + 1
    assert (hp.state_dir / f"state.db.before-{STORE}").exists()
    assert hp.rpc("run.list") == runs
    expect_untouched(hp, pids)
    refused = hp.refusal("system.upgrade", server=candidate(hp, of="now"))
    assert refused.code == INVALID_PARAMS and "schema" in refused.message
    hp.rpc("service.restart", name="hero_collab_web")
    hp.kill_server()
    assert hp.state("hero_collab_web") == "running" and hp.info()["version"] == SCHEMA


@pytest.mark.parametrize("suffix, why", [("-exits", "exit status 9"), ("-hangs", "did not serve within 400 ms"),
                                         ("-crashes", "signal 6"), ("-late", "signal 6")])
def test_a_next_server_that_fails_brings_the_former_one_back(hp, suffix, why):
    pids = start_stack(hp)
    hp.define("off", status="start")
    hp.rpc("service.start", name="off")
    hp.rpc("service.stop", name="off")
    before = {n: hp.rpc("service.get", name=n) for n in [*pids, "off"]}
    runs = hp.rpc("run.list")
    arguments = ["--timeout", "400ms"] if suffix == "-hangs" else []
    done = hp.cli("upgrade", candidate(hp, suffix, "schema"), *arguments)
    assert done.returncode == FAILED and why in done.stderr, (done.stdout, done.stderr)
    now = hp.info()
    assert now["version"] == NOW and stored_schema(hp) == STORE
    assert now["upgrade"]["state"] == "failed" and why in now["upgrade"]["reason"]
    op = hp.rpc("op.get", operation=now["upgrade"]["operation"])
    assert op["operation_state"] == "failed" and why in op["error"]["message"]
    assert ("the store is again what it was" in hp.log_text()) == (suffix in ("-crashes", "-late"))
    expect_untouched(hp, pids)
    assert {n: hp.rpc("service.get", name=n) for n in before} == before
    assert hp.rpc("run.list") == runs
    assert hp.state("off") == "inactive" and hp.status("off")["wanted"] == "stop"
    assert not now["safe"] and now["degraded"] == []
    hp.rpc("service.start", name="off")
    hp.kill_server()
    assert hp.info()["version"] == NOW and hp.state("off") == "running"
    assert upgrade(hp, candidate(hp, of="schema"))["operation_state"] == "done"
    expect_untouched(hp, pids)


def says(hp, name, text):
    path = hp.root / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def identity(**keys):
    return json.dumps({"name": "hero_proc_server", "version": "9", "keeper_protocol": IDENTITY["keeper_protocol"], "schema": STORE,
                       "schema_from": 1, **keys})


def test_what_can_not_take_over_is_refused_and_nothing_is_changed(hp):
    hp.define("web")
    hp.rpc("service.start", name="web")
    info, pid = hp.info(), hp.pid("web")
    plain = hp.root / "plain"
    plain.write_text("no program")
    cases = {
        str(hp.root / "nowhere"): "No such file",
        str(plain): "Permission denied",
        str(hp.root): "Permission denied",
        "server": "absolute path",
        "/bin/true": "does not say who it is",
        "/bin/false": "exit code 1",
        says(hp, "other", "echo '{\"name\": \"other\"}'"): "no hero_proc_server",
        says(hp, "talks", "echo hello"): "does not say who it is",
        says(hp, "protocol", f"echo '{identity(keeper_protocol=99)}'"): "version 99 of the keeper's protocol",
        says(hp, "older", f"echo '{identity(schema=STORE - 1)}'"): f"schema 1 to {STORE - 1}",
        says(hp, "newer", f"echo '{identity(schema=STORE + 9, schema_from=STORE + 5)}'"): f"schema {STORE + 5} to {STORE + 9}",
    }
    for server, why in cases.items():
        e = hp.refusal("system.upgrade", server=server)
        assert e.code == INVALID_PARAMS and why in e.message, (server, e)
    done = hp.cli("upgrade", "/bin/true")
    assert done.returncode == REFUSED and "does not say who it is" in done.stderr
    assert hp.cli("upgrade", hp.root / "nowhere").returncode == REFUSED
    assert hp.info()["pid"] == info["pid"] and hp.pid("web") == pid
    assert hp.rpc("op.list", kind="upgrade")["operations"] == [] and hp.info()["upgrade"] is None


def test_a_state_that_can_not_be_written_is_not_handed_over(fresh):
    hp = fresh()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "hp", hp.var], capture_output=True).returncode:
        pytest.skip("no tmpfs may be mounted here")
    try:
        hp.start()
        hp.define("web")
        hp.rpc("service.start", name="web")
        pid = hp.info()["pid"]
        with open(hp.var / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while filler.write(bytes(1 << 16)):
                    pass
        hp.rpc("service.stop", name="web")
        wait_until(lambda: hp.rpc("system.health")["degraded"], what="the store is degraded")
        e = hp.refusal("system.upgrade", server=candidate(hp))
        assert e.code == E_STORAGE and hp.info()["pid"] == pid
        (hp.var / "filler").unlink()
        wait_until(lambda: not hp.rpc("system.health")["degraded"], what="the store recovered")
        assert upgrade(hp, candidate(hp))["operation_state"] == "done"
        assert hp.state("web") == "inactive" and hp.status("web")["wanted"] == "stop"
    finally:
        hp.close()
        subprocess.run(["umount", hp.var], check=True)
        hp.root.exists() and shutil.rmtree(hp.root)


def test_a_program_that_never_says_who_it_is_holds_up_nobody(hp):
    silent = says(hp, "silent", f"echo $$ > {hp.root}/silent-pid; sleep 1000")
    call = hp.later("system.upgrade", server=silent)
    wait_until(lambda: (hp.root / "silent-pid").exists(), what="it is asked")
    assert hp.refusal("system.upgrade", server=silent).code == E_BUSY
    hp.define("web")
    assert hp.rpc("service.start", name="web")["state"] == "running"
    with pytest.raises(Exception, match="did not answer"):
        call.done(10)
    wait_until(lambda: not is_alive(int((hp.root / "silent-pid").read_text())), what="it is gone")
    assert upgrade(hp, candidate(hp))["operation_state"] == "done"


def test_a_look_before_an_upgrade_changes_nothing(hp):
    pid = hp.info()["pid"]
    found = hp.rpc("system.upgrade", server=candidate(hp, of="schema"), dry_run=True)
    assert (found["version"], found["schema"], found["from"]["schema"]) == (SCHEMA, STORE + 1, STORE) and found["dry_run"]
    assert "operation" not in found
    shown = hp.cli("upgrade", "--dry-run", candidate(hp))
    assert shown.returncode == DONE and NEXT in shown.stdout
    assert hp.cli("upgrade", "--dry-run").returncode == DONE
    assert hp.info()["pid"] == pid and hp.rpc("op.list", kind="upgrade")["operations"] == []


def begin_gap(hp, of="next"):
    """An upgrade whose next server has recovered and does not serve yet: its operation, its pid, and what lets it go on."""
    path = candidate(hp, "-waits", of)
    operation = hp.rpc("system.upgrade", server=path)["operation"]
    wait_until(lambda: os.path.exists(f"{path}.at"), what="the next server is about to serve")
    pid = server_of(hp, path)
    return operation, pid, lambda: open(f"{path}.go", "w").close()


def end_gap(hp, how, pid, go):
    go() if how == "serves" else os.kill(pid, signal.SIGKILL)
    wait_until(lambda: healthy(hp.socket), what="a server answers")
    assert hp.info()["version"] == ({"serves": SCHEMA, "is killed": NOW}[how])


@pytest.mark.parametrize("how", ["serves", "is killed"])
def test_what_happens_in_the_gap_is_known_to_whoever_comes_after_it(hp, how):
    """Exits, lines of output, a caller at the door; and nothing is started by a server that may still fail."""
    hp.define("talker", script="i=0; while :; do i=$((i+1)); echo line $i; sleep 0.001; done")
    hp.rpc("service.start", name="talker")
    scripts = {21: f"while kill -0 {hp.info()['pid']} 2>/dev/null; do :; done; exit 21",
               23: f"while [ ! -e {hp.root}/leave ]; do sleep 0.01; done; exit 23"}
    runs = {code: hp.rpc("run.submit", wait=False, actions=[{"name": f"leaver{code}", "script": script}])["run"]
            for code, script in scripts.items()}
    pid = wait_until(lambda: hp.rpc("run.get", run=runs[23])["jobs"][0].get("pid"), what="it runs")
    hp.define("again", script=f"echo x >> {hp.root}/lives; [ $(wc -l < {hp.root}/lives) = 1 ] || exec {hp.bin}/pause; "
                              + scripts[21], retry_policy={"restart": "always", "delay_ms": 0})
    hp.rpc("service.start", name="again")
    talker = hp.pid("talker")
    operation, server, go = begin_gap(hp, "schema")
    (hp.root / "leave").touch()
    wait_until(lambda: not is_alive(pid), what="the leaver left")
    caller = hp.later("system.info")
    assert (hp.root / "lives").read_text().split() == ["x"]
    end_gap(hp, how, server, go)
    assert caller.done()["version"] == hp.info()["version"]
    assert ended(hp, operation)["operation_state"] == ("done" if how == "serves" else "failed")
    for code, run in runs.items():
        gone = wait_until(lambda: (r := hp.rpc("run.get", run=run))["state"] == "failed" and r, what="the run ended")
        assert gone["jobs"][0]["exit_code"] == code
    wait_until(lambda: hp.action("again")["attempt"] == 2 and hp.state("again") == "running", what="it is there again")
    assert (hp.root / "lives").read_text().split() == ["x", "x"]
    assert hp.pid("talker") == talker and is_alive(talker)
    hp.rpc("service.stop", name="talker")
    lines = hp.log_lines("talker")
    assert lines == [f"line {i}" for i in range(1, len(lines) + 1)] and len(lines) > 10


def test_waiting_runs_and_retries_go_on_where_they_were(fresh):
    hp = fresh()
    hold = hp.root / "hold"
    hold.touch()
    hp.env["HERO_HOLD_HERO_PROXY"] = str(hold)
    hp.start().register(*ALL)
    operation = hp.rpc("service.start", name="hero_collab_web", wait=False)["operation"]
    hp.define("failing", script=f"echo x >> {hp.root}/tries; exit 3",
              retry_policy={"restart": "on_failure", "max_attempts": 4, "delay_ms": 300, "factor": 1})
    hp.rpc("service.start", name="failing", wait=False)

    def tries():
        return len((hp.root / "tries").read_text().split()) if (hp.root / "tries").exists() else 0

    wait_until(lambda: hp.diary.times("hero_collab_server", "ready"), what="the server program is ready")
    for version, n in ((NEXT, 1), (NOW, 2), (SCHEMA, 3)):
        wait_until(lambda: tries() >= n, what=f"attempt {n}")
        of = {NEXT: "next", NOW: "now", SCHEMA: "schema"}[version]
        assert upgrade(hp, candidate(hp, of=of))["operation_state"] == "done" and hp.info()["version"] == version
    assert hp.state("hero_collab_web") == "waiting_deps" and hp.diary.times("hero_collab_web", "main") == []
    hp.wait_state("failing", "failed")
    assert tries() == 4 and hp.action("failing")["attempt"] == 4
    hold.unlink()
    hp.wait_state("hero_collab_web", "running")
    hp.diary.assert_started_after("hero_collab_web", "hero_proxy")
    assert ended(hp, operation)["operation_state"] == "done"
    assert all(len(hp.diary.pids(n)) == 1 for n in hp.diary.names())


class Load(threading.Thread):
    """Starts and stops services until it is told to end; what was answered has to be true afterwards."""

    def __init__(self, hp, names):
        super().__init__(daemon=True)
        self.hp, self.names, self.over, self.answered = hp, names, threading.Event(), 0
        self.wanted, self.trouble = {}, []
        self.start()

    def run(self):
        i = 0
        while not self.over.is_set():
            i += 1
            name, method = self.names[i % len(self.names)], "stop" if i // len(self.names) % 2 else "start"
            self.wanted.pop(name, None)
            try:
                self.hp.rpc(f"service.{method}", name=name)
            except (OSError, AssertionError):
                continue  # cut off: nobody was told anything
            except Exception as e:
                if "HTTPException" not in str(type(e).__mro__):
                    self.trouble.append(repr(e))
                continue
            self.wanted[name] = "running" if method == "start" else "inactive"
            self.answered += 1


def test_ten_upgrades_to_and_fro_under_load_lose_nothing(hp):
    hp.define("talker", script="i=0; while :; do i=$((i+1)); echo line $i; sleep 0.0005; done")
    hp.rpc("service.start", name="talker")
    pids = start_stack(hp)
    names = [f"s{i}" for i in range(4)]
    for n in names:
        hp.define(n)
    keeper = hp.keeper_pid()
    talker, load = hp.pid("talker"), Load(hp, names)
    for i in range(10):
        answered = load.answered
        of = "now" if i % 2 else "next"
        assert upgrade(hp, candidate(hp, of=of))["operation_state"] == "done"
        assert hp.info()["version"] == (NOW if i % 2 else NEXT)
        wait_until(lambda: load.answered > answered, what="the load goes on")
    load.over.set()
    load.join(30)
    assert not load.trouble and load.answered >= 10
    for name, state in load.wanted.items():
        assert hp.state(name) == state
    expect_untouched(hp, pids)
    hp.rpc("service.stop", name=names)
    before = descriptors_of(keeper)
    for of in ("next", "now", "next", "now"):
        assert upgrade(hp, candidate(hp, of=of))["operation_state"] == "done"
    wait_until(lambda: descriptors_of(keeper) <= before, what=lambda: f"{before}, then {descriptors_of(keeper)} descriptors")
    assert hp.rpc("system.doctor")["findings"] == []
    assert hp.pid("talker") == talker
    hp.rpc("service.stop", name="talker")
    lines = hp.log_lines("talker")
    assert lines == [f"line {i}" for i in range(1, len(lines) + 1)]


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.parametrize("how", ["serves", "is killed"])
def test_a_shutdown_that_is_asked_for_in_the_gap_is_what_the_next_server_does(hp, how):
    start_stack(hp)
    _, server, go = begin_gap(hp)
    os.kill(hp.process.pid, signal.SIGTERM)
    go() if how == "serves" else os.kill(server, signal.SIGKILL)
    wait_until(lambda: hp.process.poll() is not None, 20, "the supervisor ends")
    assert hp.process.returncode == 0 and not hp.left() and not hp.socket.exists()
    hp.diary.assert_stopped_before("hero_collab_web", "hero_collab_server")
    hp.diary.assert_stopped_before("hero_collab_server", "hero_db")


def test_a_kill_in_the_middle_of_an_upgrade_leaves_one_server_and_a_definite_end(hp):
    pids = start_stack(hp)
    ends = set()
    for i in range(12):
        was = hp.info()
        of = "next" if was["version"] == NOW else "now"
        operation = hp.rpc("system.upgrade", server=candidate(hp, of=of))["operation"]
        wait_until(lambda: time.monotonic_ns() // 1000000 % 12 == i, what="another instant each time")
        victim = server_of(hp, candidate(hp, of=of)) if i % 2 else was["pid"]
        try:
            os.kill(victim or was["pid"], signal.SIGKILL)
        except ProcessLookupError:
            pass
        wait_until(lambda: healthy(hp.socket), 15, "a server answers")
        op = ended(hp, operation)
        ends.add(op["operation_state"])
        assert hp.info()["version"] == (op["version"] if op["operation_state"] == "done" else was["version"]), op
        expect_untouched(hp, pids)
    assert "done" in ends


def test_a_keeper_that_is_killed_after_an_upgrade_is_succeeded_by_the_new_server(hp):
    pids = start_stack(hp)
    assert upgrade(hp, candidate(hp))["operation_state"] == "done"
    hp.kill_keeper()
    assert hp.info()["version"] == NEXT and hp.info()["server"] == candidate(hp)
    expect_untouched(hp, pids)
    assert upgrade(hp, candidate(hp, "-late", "schema"))["operation_state"] == "failed"
    assert hp.info()["version"] == NEXT
    assert upgrade(hp, candidate(hp, of="now"))["operation_state"] == "done"
    assert hp.info()["version"] == NOW
    expect_untouched(hp, pids)


def test_a_shutdown_ends_a_supervisor_that_was_upgraded_and_a_boot_begins_with_the_installed_program(hp):
    start_stack(hp)
    assert upgrade(hp, candidate(hp))["operation_state"] == "done"
    hp.shutdown()
    assert not hp.socket.exists()
    hp.start()
    assert hp.info()["version"] == NOW and hp.info()["upgrade"] is None
    hp.wait_state("hero_collab_web", "running")
