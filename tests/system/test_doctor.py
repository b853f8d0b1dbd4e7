"""The doctor holds what the supervisor believes against what the kernel says (SPEC 0, promise 2)."""
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading

import pytest

from hp import EXAMPLES, FAILED, NO_DAEMON, DONE, command_of, is_alive, wait_until

HERO_DB = EXAMPLES / "hero/hero_db/service.toml"
LISTENER = """
import os, socket, sys, time
path = sys.argv[1]
try: os.unlink(path)
except FileNotFoundError: pass
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(8)
print("ready", flush=True)
time.sleep(600)
"""


def doctor(hp, repair=False):
    return hp.rpc("system.doctor", repair=repair)


def findings(report, check):
    return [f for f in report["findings"] if f["check"] == check]


def only(report, check):
    """The one finding of that check; nothing else may have been found."""
    assert [f["check"] for f in report["findings"]] == [check], report["findings"]
    return report["findings"][0]


def environment_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as f:
        return dict(e.decode().split("=", 1) for e in f.read().split(b"\0") if b"=" in e)


def pids_of(hp, *commands):
    """Its processes with exactly these commands; none while one is missing."""
    found = {command_of(pid): pid for pid in hp.left()}
    return all(c in found for c in commands) and [found[c] for c in commands]


@pytest.fixture
def helper():
    """Starts processes of the test's own; they are ended whatever happens."""
    made = []

    def start(*command, **kw):
        made.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, **kw))
        return made[-1]

    yield start
    for p in made:
        if p.poll() is None:
            p.kill()
        p.wait()


@pytest.fixture
def db(hp):
    hp.register(HERO_DB)
    hp.rpc("service.start", name="hero_db")
    return hp


# ---- all well ------------------------------------------------------------------------------


def test_of_fifty_services_nothing_is_found_a_hundred_times_under_starts_and_stops(hp):
    names = [f"s{i}" for i in range(50)]
    for n in names:
        hp.define(n)
    hp.rpc("service.start", name=names)
    over = threading.Event()
    wrong = []

    def churn(mine):
        i = 0
        while not over.is_set():
            method = ("service.restart", "service.stop", "service.start")[i % 3]
            hp.rpc(method, name=mine[i // 3 % len(mine)])
            i += 1

    threads = [threading.Thread(target=churn, args=(names[k::2],)) for k in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(100):
            report = doctor(hp)
            wrong += report["findings"]
    finally:
        over.set()
        for t in threads:
            t.join()
    assert wrong == []
    assert hp.divergences() == 0


def test_a_healthy_daemon_ends_with_0_and_one_line_for_each_check(db):
    told = db.cli("doctor")
    assert told.returncode == DONE, told.stdout
    checks = doctor(db)["checks"]
    assert [line.split()[:2] for line in told.stdout.splitlines() if line] == [[c["name"], "ok"] for c in checks]
    assert db.cli_json("doctor")["ok"] is True


@pytest.mark.parametrize("cgroups", [True, False])
def test_what_was_adopted_from_a_killed_keeper_is_no_finding(fresh, cgroups):
    hp = fresh(**({} if cgroups else {"HERO_PROC_NO_CGROUP": 1})).start()
    names = [f"s{i}" for i in range(5)]
    for n in names:
        hp.define(n, script=f"(setsid sleep 600 &); exec {hp.bin}/pause")
    hp.rpc("service.start", name=names)
    pids = [hp.pid(n) for n in names]
    hp.kill_keeper()
    assert [hp.pid(n) for n in names] == pids, "they were adopted"
    assert doctor(hp)["findings"] == [] and hp.divergences() == 0
    hp.rpc("service.restart", name=names)
    assert doctor(hp)["findings"] == [] and hp.divergences() == 0


@pytest.mark.parametrize("cgroups", [True, False])
def test_the_end_of_a_run_that_no_commit_tells_of_is_no_divergence_when_recovery_ended_it(fresh, cgroups):
    """Its caller was told nothing yet, so it is ended; that its exit arrives later is no news."""
    hp = fresh(**({} if cgroups else {"HERO_PROC_NO_CGROUP": 1})).start()
    hp.rpc("run.submit", name="untold", wait=False,
           actions=[{"name": "a", "script": f"(setsid sleep 600 &); exec {hp.bin}/pause"}])
    ran = wait_until(lambda: pids_of(hp, "sleep 600", f"{hp.bin}/pause"), what="the process and its child run")
    server, keeper = hp.info()["pid"], hp.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), what="the server died")
        with sqlite3.connect(hp.state_dir / "state.db") as state:  # as if it had come before the commit
            state.execute("DELETE FROM runs")
            state.execute("DELETE FROM jobs")
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: hp.answers() and hp.info()["pid"] != server, 15, "a new server answers")
    wait_until(lambda: not any(map(is_alive, ran)), what="they were ended")
    assert "untold" in hp.log_text() and "it is ended" in hp.log_text()
    # The keeper's news keep their order: who heard of this exit has heard of the former ones.
    hp.rpc("run.submit", name="next", wait=True, actions=[{"name": "a", "script": "true"}])
    assert hp.divergences() == 0 and doctor(hp)["findings"] == []


# ---- processes ----------------------------------------------------------------------------


@pytest.mark.parametrize("cgroups", [True, False])
def test_a_process_with_the_token_of_an_ended_attempt_is_a_stray_and_repair_ends_it(fresh, helper, cgroups):
    hp = fresh(**({} if cgroups else {"HERO_PROC_NO_CGROUP": 1})).start()
    hp.define("web")
    hp.rpc("service.start", name="web")
    copied = environment_of(hp.pid("web"))
    hp.rpc("service.stop", name="web")
    stray = helper("sleep", "600", env=copied)
    found = only(doctor(hp), "strays")
    assert found["severity"] == "error" and found["subject"]["pid"] == stray.pid
    assert found["repair"] == f"end pid {stray.pid} (sleep 600)"
    assert stray.poll() is None, "it is dry without --repair"
    assert hp.metric("hero_proc_truth_divergence_total", check="strays") == 1
    assert hp.metric("hero_proc_doctor_findings", check="strays") == 1
    doctor(hp)
    assert hp.metric("hero_proc_truth_divergence_total", check="strays") == 1, "counted once"
    mended = doctor(hp, repair=True)
    assert mended["ok"] and mended["repaired"] == [found["repair"]]
    assert stray.wait(5) == -signal.SIGTERM
    assert hp.metric("hero_proc_doctor_findings", check="strays") == 0


def test_a_process_that_ended_unheard_is_named(hp):
    hp.define("web")
    hp.rpc("service.start", name="web")
    keeper, pid = hp.keeper_pid(), hp.pid("web")
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), what="it ended")
        found = findings(doctor(hp), "processes")
        assert [f["subject"] for f in found] == [{"service": "web", "action": "web", "pid": pid, "path": None}]
        assert "ended" in found[0]["kernel"] and hp.metric("hero_proc_truth_divergence_total", check="processes") == 1
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: hp.pid("web") not in (None, pid), what="it was started again")
    assert doctor(hp)["ok"]


def test_an_attempt_that_recovery_can_not_find_is_counted(hp):
    """The row says that it lives, the keeper never heard of its token."""
    sqlite3 = pytest.importorskip("sqlite3")
    hp.define("once", script="exit 0", is_process=False)
    hp.rpc("service.start", name="once")
    server, keeper = hp.info()["pid"], hp.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), what="the server is gone")
        with sqlite3.connect(hp.state_dir / "state.db") as c:
            c.execute("UPDATE jobs SET state = 'running', ended = 0, exit_code = -1, token = 999 WHERE action = 'once'")
            c.execute("UPDATE runs SET state = 'running', ended = 0 WHERE service = 'once'")
        c.close()
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: hp.answers() and hp.info()["pid"] != server, 15, "the next server answers")
    assert hp.action("once")["reason"] == "lost"
    assert hp.metric("hero_proc_truth_divergence_total", check="processes") == 1 and hp.divergences() == 1


def test_a_process_outside_of_the_set_of_its_living_attempt_is_named(hp, helper):
    hp.define("web")
    hp.rpc("service.start", name="web")
    stranger = helper("sleep", "600", env=environment_of(hp.pid("web")))
    found = only(doctor(hp), "strays")
    assert found["subject"]["service"] == "web" and found["subject"]["pid"] == stranger.pid
    assert found["severity"] == "warn" and "a stop does not reach it" in found["kernel"]


def cgroup_of(hp):
    for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        for root, folders, _ in os.walk(folder):
            for name in folders:
                if name.startswith("hero_proc-") and environment_of(hp.pid("web"))["HERO_PROC_KEEPER"] in name:
                    return os.path.join(root, name)
    return None


def test_a_survivor_in_a_cgroup_and_a_cgroup_without_owner_are_named_and_mended(hp, helper):
    hp.define("web")
    hp.rpc("service.start", name="web")
    if not hp.info()["cgroups"] or not (root := cgroup_of(hp)):
        pytest.skip("no cgroup v2 can be written here")
    populated, empty = (os.path.join(root, name) for name in ("00000000000000aa", "00000000000000bb"))
    os.mkdir(populated)
    os.mkdir(empty)
    survivor = helper("sleep", "600")
    with open(f"{populated}/cgroup.procs", "w") as f:
        f.write(str(survivor.pid))
    report = doctor(hp)
    assert [f["subject"]["pid"] for f in findings(report, "strays")] == [survivor.pid]
    assert [f["subject"]["path"] for f in findings(report, "sets")] == [empty]
    report = doctor(hp, repair=True)
    assert len(report["repaired"]) == 2 and survivor.wait(5) == -signal.SIGTERM
    assert not os.path.exists(empty)
    assert doctor(hp, repair=True)["ok"] and not os.path.exists(populated)


# ---- sockets and ports ----------------------------------------------------------------------


def test_a_socket_file_that_was_unlinked_is_named_and_repair_restarts_its_service(db):
    path, pid = db.sockets / "hero_db/rpc.sock", db.pid("hero_db")
    path.unlink()
    found = only(doctor(db), "sockets")
    assert found["subject"] == {"service": "hero_db", "action": "hero_db", "pid": None, "path": str(path)}
    assert found["kernel"] == "there is no such socket file" and found["repair"] == "restart hero_db"
    told = db.cli("doctor", "--repair")
    assert "restart hero_db" in told.stdout
    db.wait_state("hero_db", "running")
    assert path.exists() and db.pid("hero_db") != pid
    assert doctor(db)["ok"]


def test_a_foreign_listener_on_the_path_of_a_service_is_named_with_its_pid(db, helper):
    path = db.sockets / "hero_db/rpc.sock"
    foreign = helper(sys.executable, "-c", LISTENER, str(path), stdout=subprocess.PIPE)
    assert foreign.stdout.readline() == b"ready\n"
    found = only(doctor(db), "sockets")
    assert f"pid {foreign.pid} (" in found["kernel"] and "none of its processes" in found["kernel"]


def test_a_port_that_a_ready_service_let_go_is_named(hp):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    script = (f"import os, signal, socket, time\ns = socket.socket()\n"
              f"s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
              f"s.bind(('127.0.0.1', {port})); s.listen(8)\n"
              f"signal.signal(signal.SIGUSR1, lambda *_: s.close())\n"
              f"while True: time.sleep(600)\n")
    program = hp.root / "listen.py"
    program.write_text(script)
    hp.define("web", exec=[sys.executable, str(program)], tcp=[{"port": port}])
    hp.rpc("service.start", name="web")
    assert doctor(hp)["ok"]
    os.kill(hp.pid("web"), signal.SIGUSR1)
    report = wait_until(lambda: (r := doctor(hp))["findings"] and r, what="it let the port go")
    found = only(report, "ports")
    assert found["subject"]["path"] == f"127.0.0.1:{port}" and found["kernel"] == "nobody listens on it"


def test_a_socket_file_left_by_a_service_at_rest_is_a_note_and_no_fault(db):
    path = db.sockets / "hero_db/rpc.sock"
    db.rpc("service.stop", name="hero_db")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen()
        assert doctor(db)["findings"] == [], "somebody listens: the next start says who"
    report = doctor(db)
    assert only(report, "leftovers")["severity"] == "note" and report["ok"]
    assert doctor(db, repair=True)["ok"] and not path.exists()


# ---- store ------------------------------------------------------------------------------------


def test_a_definitions_file_that_was_altered_or_removed_is_written_anew_and_one_too_many_is_named(db):
    """The first two are mended without being asked for (test_vanished.py): a note says so."""
    folder = db.state_dir / "definitions"
    altered, removed = sorted(folder.glob("contributions-*"))[0], sorted(folder.glob("wanted-*"))[0]
    text = altered.read_text()
    altered.write_text(text.replace("hero_db", "hero_xx"))
    removed.unlink()
    extra = folder / "flags-old-0.json"
    extra.write_text("{}")
    wait_until(lambda: altered.read_text() == text and removed.exists(), what="they are there again")
    report = doctor(db)
    assert {f["subject"]["path"] for f in findings(report, "definitions")} == {str(extra)}
    assert not report["ok"] and db.cli("doctor").returncode == FAILED
    assert doctor(db, repair=True)["ok"]
    assert altered.read_text() == text and removed.exists() and not extra.exists()


def test_rows_that_were_damaged_while_the_daemon_was_away_are_named_and_numbers_are_not_given_twice(fresh):
    sqlite3 = pytest.importorskip("sqlite3")
    hp = fresh().start()
    hp.register(HERO_DB)
    hp.shutdown()
    with sqlite3.connect(hp.state_dir / "state.db") as c:
        c.execute("UPDATE contributions SET json = '{\"mode\": \"regis' WHERE service = 'hero_db'")
        c.execute("UPDATE events SET id = id + 100000")
    c.close()
    hp.start()
    report = doctor(hp)
    assert [f["subject"]["service"] for f in findings(report, "store")] == ["hero_db"]
    assert findings(report, "definitions"), "the file still says what the row said"
    number = findings(report, "counters")[0]
    assert number["repair"].startswith("let the numbers of event go on behind 1000")
    assert number["repair"] in doctor(hp, repair=True)["repaired"]
    assert not findings(doctor(hp), "counters")


# ---- logs ---------------------------------------------------------------------------------------


def test_an_index_that_speaks_of_bytes_that_are_not_there_is_named(hp):
    hp.define("talker", script=f"echo one; echo two; exec {hp.bin}/pause")
    hp.rpc("service.start", name="talker")
    segment = hp.state_dir / "logs/talker/00000001.seg"
    wait_until(lambda: segment.exists() and segment.stat().st_size == 8, what="both lines were captured")
    assert doctor(hp)["ok"]
    index = segment.with_suffix(".idx")
    with open(index, "ab") as f:  # a chunk that begins far behind the end
        f.write(bytes([1, 0, 0, 0, 0, 0, 0, 0]) + bytes(8) + (1 << 40).to_bytes(8, "little") + bytes(8))
    found = only(doctor(hp), "logs")
    assert found["subject"]["path"] == str(index) and "does not hold" in found["kernel"]


def test_a_folder_of_logs_that_can_not_be_written_is_named(hp):
    logs = hp.state_dir / "logs"
    mounts = [["mount", "--bind", logs, logs], ["mount", "-o", "remount,ro,bind", logs]]
    if subprocess.run(mounts[0], capture_output=True).returncode != 0:
        pytest.skip("nothing may be mounted here")
    try:
        subprocess.run(mounts[1], check=True)
        found = only(doctor(hp), "logs")
        assert found["subject"]["path"] == str(logs) and "Read-only file system" in found["kernel"]
    finally:
        subprocess.run(["umount", logs], check=True)
    assert doctor(hp)["ok"]


# ---- room ------------------------------------------------------------------------------------------


def test_a_server_near_its_limit_of_descriptors_is_named(hp):
    pid = hp.info()["pid"]
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 4, hard))
    try:
        report = doctor(hp)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    found = findings(report, "descriptors")
    assert [f["subject"]["pid"] for f in found] == [pid] and "its limit is" in found[0]["kernel"]


def test_a_disk_that_is_nearly_full_is_named(fresh):
    hp = fresh()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "small", hp.var], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        hp.start()
        assert only(doctor(hp), "disk")["subject"]["path"] == str(hp.state_dir)
        hp.shutdown()
    finally:
        subprocess.run(["umount", "-l", hp.var], check=True)


# ---- the supervisor itself -------------------------------------------------------------------------


def test_a_keeper_that_is_stopped_is_named(hp):
    keeper = hp.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        found = only(doctor(hp), "keeper")
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert found["subject"]["pid"] == keeper and "does not" in found["kernel"]
    assert doctor(hp)["ok"]


def test_a_wanted_service_that_failed_is_named_with_its_reason(hp):
    hp.define("web", script="exit 3", retry_policy={"max_attempts": 1})
    hp.rpc("service.start", name="web", wait=False)
    hp.wait_state("web", "failed")
    found = only(doctor(hp), "wanted")
    assert found["subject"]["service"] == "web" and "why web" in found["kernel"]
    assert hp.divergences() == 0, "that is the truth"


@pytest.mark.slow
def test_the_loop_is_held_up_for_20_ms_at_most_with_a_thousand_services(hp):
    """Best of three: the machine may be busy otherwise."""
    text = "".join(f'[[binaries]]\nname = "idle{n:04d}"\nkind = "server"\nexec = ["{hp.bin}/pause"]\n' for n in range(1000))
    hp.register_text(text, "idle/service.toml", shape="per_binary")
    hp.rpc("service.start", name=[f"idle{n:04d}" for n in range(1000)], timeout=120)
    reports = [doctor(hp) for _ in range(3)]
    assert all(r["ok"] for r in reports), reports[0]["findings"]
    assert min(r["loop_us"] for r in reports) < 20_000, [r["loop_us"] for r in reports]


# ---- without a daemon -------------------------------------------------------------------------------


def rows(told):
    return {r["name"]: r for r in json.loads(told.stdout)["outside"]}


def test_without_a_daemon_the_doctor_ends_with_7_and_says_what_can_be_seen(fresh):
    hp = fresh()
    told = hp.cli("doctor")
    assert told.returncode == NO_DAEMON and "socket       look" in told.stdout, (told.stdout, told.stderr)
    seen = rows(hp.cli("doctor", "--json"))
    assert set(seen) == {"socket", "state", "keeper", "services", "disk", "files", "tasks", "cgroups"}
    assert seen["state"]["ok"] and "no daemon ever ran" in seen["state"]["says"]


def test_without_a_daemon_a_stopped_keeper_and_its_services_are_seen(hp):
    hp.define("web")
    hp.rpc("service.start", name="web")
    server, keeper, web = hp.info()["pid"], hp.keeper_pid(), hp.pid("web")
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), what="the server is gone")
        told = hp.cli("doctor", "--json")
        assert told.returncode == NO_DAEMON, told.stdout
        seen = rows(told)
        assert f"the keeper, pid {keeper}, is stopped" == seen["keeper"]["says"]
        assert "nobody answers" in seen["socket"]["says"]
        assert f"pid {web} among them" in seen["services"]["says"]
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(hp.answers, what="the next server answers")


def test_without_a_daemon_a_state_folder_that_others_may_look_into_is_named(hp):
    hp.shutdown()
    os.chmod(hp.state_dir, 0o755)
    seen = rows(hp.cli("doctor", "--json"))["state"]
    assert not seen["ok"] and "mode 0755" in seen["says"]


def test_without_a_daemon_its_last_words_are_shown(hp):
    hp.shutdown()
    (hp.state_dir / "supervisor.log").write_text("one\n2026-01-01T00:00:00Z error state.db: disk I/O error\n")
    seen = rows(hp.cli("doctor", "--json"))["said"]
    assert not seen["ok"] and seen["says"].endswith("state.db: disk I/O error")
