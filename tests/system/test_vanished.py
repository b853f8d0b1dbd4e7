"""What vanishes comes back (SPEC 5, F81): docs/what-vanishes.md names these tests."""
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hp import Supervisor, command_of, healthy, is_alive, wait_until


@pytest.fixture
def hp():
    s = Supervisor().start()
    yield s
    s.close()


DATABASE = ["state.db", "state.db-wal", "state.db-shm"]


def remove(hp, *names):
    for name in names:
        (hp.state_dir / name).unlink(missing_ok=True)


def events(hp, kind="repaired"):
    return [e["what"] for e in hp.rpc("events.query", limit=10000)["events"] if e.get("event") == kind]


def settled(hp):
    """Everything that was asked for is committed."""
    hp.rpc("flag.set", name="settled")
    hp.rpc("flag.clear", name="settled")


def busy(hp):
    """A few services, one of them stopped, a one-shot that is done, and a run that goes on."""
    hp.define("web")
    hp.define("db", dependencies={})
    hp.define("off")
    hp.rpc("service.define", service={"name": "once", "actions": [
        {"name": "once", "is_process": False, "script": f"echo x >> {hp.root}/once"}]})
    for name in ("web", "db", "off", "once"):
        hp.rpc("service.start", name=name)
    hp.rpc("service.stop", name="off")
    run = hp.rpc("run.submit", actions=[{"name": "job", "script": f"echo x >> {hp.root}/job; exec sleep 1000"}], wait=False)["run"]
    wait_until(lambda: (hp.root / "job").exists(), what="the run executes")
    settled(hp)
    return {"run": run, "pids": {n: hp.pid(n) for n in ("web", "db")},
            "job": hp.rpc("run.get", name=run)["jobs"][0], "operations": len(hp.rpc("op.list")["operations"]),
            "info": hp.info()}


def hold_to(hp, was):
    """Nothing ended, was executed again or forgotten; no number went back."""
    for name, pid in was["pids"].items():
        assert hp.pid(name) == pid and is_alive(pid), hp.status(name)
        assert hp.state(name) == "running", hp.status(name)
    assert hp.status("web")["wanted"] == "start" and hp.status("off")["wanted"] == "stop"
    assert hp.state("off") == "inactive"
    job = hp.rpc("run.get", name=was["run"])["jobs"][0]
    assert job["pid"] == was["job"]["pid"] and is_alive(job["pid"]), job
    assert (hp.root / "once").read_text() == "x\n" and (hp.root / "job").read_text() == "x\n"
    operations = [o["operation"] for o in hp.rpc("op.list")["operations"]]
    answer = hp.rpc("service.start", name="off")
    assert not operations or answer["operation"] > max(operations)
    hp.rpc("service.stop", name="off")
    assert hp.divergences() == 0


def no_findings(hp, but=()):
    report = hp.rpc("system.doctor", timeout=60)
    assert not [f for f in report["findings"] if f["severity"] != "note" and f["check"] not in but], report
    return report["findings"]


def notes(hp, word):
    return [f for f in no_findings(hp) if word in json.dumps(f)]


@pytest.mark.parametrize("what", [DATABASE, ["state.db"], ["state.db-wal"], ["state.db", "state.db-wal"]],
                         ids=["all", "db", "wal", "db+wal"])
def test_F81_the_database_is_removed_and_the_server_killed_at_once(hp, what):
    was = busy(hp)
    pid = hp.info()["pid"]
    remove(hp, *what)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid) and healthy(hp.socket), 15, "a new server answers")
    hold_to(hp, was)
    assert [e for e in events(hp) if "state.db" in e and "was removed" in e], events(hp)
    assert notes(hp, "was removed")
    assert len(hp.rpc("op.list")["operations"]) >= was["operations"]  # history, too


def test_F81_the_database_is_removed_and_written_again_before_any_kill(hp):
    was = busy(hp)
    remove(hp, *DATABASE)
    wait_until(lambda: (hp.state_dir / "state.db").exists() and events(hp), 2, "it is there again")
    assert notes(hp, "was removed")
    hold_to(hp, was)
    hp.kill_server()
    hold_to(hp, was)


def test_F81_another_file_takes_the_place_of_the_database(hp):
    was = busy(hp)
    other = hp.root / "other"
    other.write_text("not yours")
    os.rename(other, hp.state_dir / "state.db")
    wait_until(lambda: events(hp), 2, "it is noticed")
    kept = list(hp.state_dir.glob("state.db.replaced-*"))
    assert [p.read_text() for p in kept if p.suffix[-1].isalnum() and not p.name.endswith(("-wal", "-shm"))] == ["not yours"]
    hold_to(hp, was)
    hp.kill_server()
    hold_to(hp, was)
    no_findings(hp)


def test_F81_another_file_takes_its_place_and_the_server_is_killed_at_once(hp):
    was = busy(hp)
    pid = hp.info()["pid"]
    (hp.root / "other").write_text("not yours")
    os.rename(hp.root / "other", hp.state_dir / "state.db")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid) and healthy(hp.socket), 15, "a new server answers")
    hold_to(hp, was)
    assert [e for e in events(hp) if "was replaced" in e]
    no_findings(hp)


def kill_unawares(hp, harm):
    """The server gets no chance to notice."""
    pid = hp.info()["pid"]
    os.kill(pid, signal.SIGSTOP)
    harm()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid) and healthy(hp.socket), 15, "a new server answers")


def test_F81_an_emptied_database_is_rebuilt_from_memory_and_definitions(hp):
    was = busy(hp)
    time.sleep(2.5)  # the log is taken over into the database
    os.truncate(hp.state_dir / "state.db", 0)
    wait_until(lambda: [e for e in events(hp) if "rebuilt from definitions" in e], 3, "an event tells")
    hold_to(hp, was)
    hp.kill_server()
    hold_to(hp, was)


def test_F81_an_emptied_database_and_a_kill_at_once_end_nothing(hp):
    """Only definitions/ and the labels that the keeper holds are left."""
    was = busy(hp)
    hp.rpc("service.define", service={"name": "pair", "actions": [
        {"name": "prepare", "is_process": False, "script": f"echo x >> {hp.root}/prepared"},
        {"name": "serve", "is_process": True, "depends_on": ["prepare"], "start_timeout_ms": 1500, "readiness": {"fd": 3},
         "script": f"echo >&3; exec {hp.bin}/pause"}]})
    hp.rpc("service.define", service={"name": "manual", "actions": [
        {"name": "manual", "is_process": True, "start_timeout_ms": 1500, "readiness": {"manual": True},
         "script": f"exec {hp.bin}/pause"}]})
    hp.rpc("service.start", name="pair")
    call = hp.later("service.start", name="manual")
    wait_until(lambda: hp.action("manual")["state"] == "running", what="it waits to be called ready")
    hp.rpc("service.ready", name="manual")
    call.join()
    pids = {("pair", "serve"): hp.pid("pair", "serve"), ("manual", "manual"): hp.pid("manual")}
    number = hp.rpc("op.list")["operations"][0]["operation"]
    settled(hp)
    time.sleep(2.5)  # the log is taken over into the database
    kill_unawares(hp, lambda: [os.truncate(hp.state_dir / n, 0) for n in ("state.db", "state.db-wal")])
    hold_to(hp, was)
    for (service, action), pid in pids.items():
        assert hp.state(service) == "running" and hp.action(service, action)["pid"] == pid, hp.status(service)
    assert (hp.root / "prepared").read_text() == "x\n"
    assert hp.rpc("service.start", name="off")["operation"] > number
    hp.rpc("service.stop", name="off")
    assert [e for e in events(hp) if "rebuilt from definitions" in e]
    time.sleep(2)  # nothing of that is ended later
    hold_to(hp, was)
    hp.kill_server()  # what was found is stored
    hold_to(hp, was)
    hp.rpc("run.cancel", name=was["run"])
    wait_until(lambda: not is_alive(was["job"]["pid"]), what="the run can be cancelled")


def folder_is_made_again(hp):
    wait_until(lambda: (hp.state_dir / "state.db").exists() and (hp.state_dir / "definitions").exists()
               and [e for e in events(hp) if "state.db" in e], 3, "the folder is there again")


@pytest.mark.parametrize("how", ["moved", "removed", "parent moved"])
@pytest.mark.parametrize("kill", [False, True], ids=["noticed", "killed"])
def test_F81_the_state_folder_vanishes(hp, how, kill):
    was = busy(hp)
    pid = hp.info()["pid"]
    if how == "moved":
        hp.state_dir.rename(hp.root / "moved")
    elif how == "parent moved":
        hp.var.rename(hp.root / "moved")
    else:
        shutil.rmtree(hp.state_dir, ignore_errors=True)
    if kill:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid) and healthy(hp.socket), 15, "a new server answers")
    folder_is_made_again(hp)
    hold_to(hp, was)
    no_findings(hp, but=("logs",))
    hp.kill_server()
    hold_to(hp, was)


def files_of(hp):
    return sorted(p.name for p in (hp.state_dir / "definitions").iterdir() if not p.name.startswith("."))


@pytest.mark.parametrize("how", ["all", "one", "moved", "overwritten"])
def test_F81_definitions_vanish(hp, how):
    was = busy(hp)
    folder = hp.state_dir / "definitions"
    before, one = files_of(hp), next(folder.glob("*web*"))
    text = one.read_text()
    if how == "all":
        shutil.rmtree(folder, ignore_errors=True)  # they come back while it goes on
    elif how == "one":
        one.unlink()
    elif how == "moved":
        one.rename(hp.root / "moved")
    else:
        one.write_text("{}")
    wait_until(lambda: folder.exists() and files_of(hp) == before and one.read_text() == text, 3,
               lambda: f"they are there again: {files_of(hp)}")
    wait_until(lambda: events(hp), 3, "an event tells")
    hold_to(hp, was)
    assert notes(hp, "definitions")


def test_F81_definitions_vanish_while_nobody_looks(hp):
    was = busy(hp)
    before = files_of(hp)
    pid = hp.info()["pid"]
    os.kill(pid, signal.SIGSTOP)
    shutil.rmtree(hp.state_dir / "definitions")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid) and healthy(hp.socket), 15, "a new server answers")
    wait_until(lambda: files_of(hp) == before, 3, lambda: f"they are there again: {files_of(hp)}")
    hold_to(hp, was)


def test_F81_registering_many_is_not_taken_for_something_that_vanished(hp):
    """What the server does below definitions/ itself is no reason to compare all of it."""
    for i in range(200):
        hp.define(f"s{i}", script="exit 0", is_process=False)
    for i in range(200):
        hp.rpc("service.delete", name=f"s{i}")
    settled(hp)
    assert not events(hp)
    no_findings(hp)


def test_F81_an_idle_server_does_not_look(hp):
    """The thread that looks at the files sleeps while nothing happens to them."""
    hp.define("web")
    hp.rpc("service.start", name="web")
    settled(hp)
    task = next(t for t in Path(f"/proc/{hp.info()['pid']}/task").iterdir() if (t / "comm").read_text().strip() == "store")
    switches = lambda: [line for line in (task / "status").read_text().splitlines() if "ctxt_switches" in line]
    time.sleep(4)  # its caches are given back after two seconds
    before = switches()
    time.sleep(4)
    assert switches() == before
    remove(hp, "state.db")
    wait_until(lambda: switches() != before, 1, "it looks")


# ---- the keeper's files, and one supervisor for a folder ---------------------------------------


def is_refused(hp, state_dir=None, keeper=None):
    """A second server on that folder, with sockets of its own, names the first and touches nothing."""
    env = {**hp.env, "HERO_SOCKET_DIR": str(hp.root / "other")}
    argv = [hp.bin / "hero_proc_server", "--socket", hp.root / "other" / "rpc.sock", "--state", state_dir or hp.state_dir]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 4 and f"in use by pid {keeper or hp.keeper_pid()}" in done.stderr, (done.returncode, done.stderr)
    return True


@pytest.mark.parametrize("name", ["lock", "journal"])
def test_F81_a_file_of_the_keeper_is_removed(hp, name):
    was = busy(hp)
    file = hp.state_dir / name
    file.unlink()
    wait_until(file.exists, 2, "it is there again")
    if name == "lock":
        wait_until(lambda: file.read_text() == f"{hp.keeper_pid()}\n", 2, "it names the keeper")
    assert is_refused(hp)
    hold_to(hp, was)
    no_findings(hp)


def test_F81_an_exit_is_not_lost_with_the_journal(hp):
    """It ends while there is no server, the journal is another file by then, and the keeper is killed, too."""
    hp.rpc("service.define", service={"name": "ends", "actions": [
        {"name": "ends", "is_process": False, "script": f"while ! test -e {hp.root}/go; do sleep 0.01; done; exit 7"}]})
    hp.rpc("service.start", name="ends", wait=False)
    wait_until(lambda: hp.pid("ends"), what="it runs")
    (hp.state_dir / "journal").unlink()
    wait_until((hp.state_dir / "journal").exists, 2, "it is there again")
    server = hp.info()["pid"]
    os.kill(server, signal.SIGSTOP)
    (hp.root / "go").touch()
    wait_until(lambda: (hp.state_dir / "journal").stat().st_size > 0, what="the end is written down")
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not is_alive(server) and healthy(hp.socket), 15, "a new server answers")
    assert hp.action("ends")["exit_code"] == 7


@pytest.mark.parametrize("how", ["moved", "removed", "parent removed"])
def test_F81_no_second_supervisor_gets_in_when_the_folder_vanishes(hp, how):
    was = busy(hp)
    pid, keeper = hp.info()["pid"], hp.keeper_pid()
    moved = hp.root / "moved"
    os.kill(pid, signal.SIGSTOP)  # it can not make the folder again
    try:
        if how == "moved":
            hp.state_dir.rename(moved)
        else:
            shutil.rmtree(hp.state_dir if how == "removed" else hp.var)
        assert is_refused(hp, keeper=keeper)
        assert how != "moved" or is_refused(hp, moved, keeper)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: (hp.state_dir / "lock").exists() and (hp.state_dir / "state.db").exists(), 3, "the folder is there again")
    assert is_refused(hp)
    assert how != "moved" or is_refused(hp, moved)
    hold_to(hp, was)


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_F81_the_folder_vanishes_and_the_keeper_is_killed(hp, how):
    was = busy(hp)
    if how == "moved":
        hp.state_dir.rename(hp.root / "moved")
    else:
        shutil.rmtree(hp.state_dir, ignore_errors=True)
    hp.kill_keeper()
    hold_to(hp, was)
    assert is_refused(hp)


# ---- the cgroup of a set -------------------------------------------------------------------------


def cgroup_of(pid):
    """Its folder, or None where there are no cgroups of ours."""
    ours = [line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if "hero_proc-" in line]
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup2 " in line]
    return Path(mounts[0] + ours[0].split("::")[1]) if ours else None


def tree_of_three(hp):
    hp.define("tree", script="sleep 1000 & sleep 1000 & wait")
    hp.rpc("service.start", name="tree")
    folder = cgroup_of(hp.pid("tree"))
    if not folder:
        pytest.skip("no cgroups may be made here")
    members = lambda: [int(p) for p in (folder / "cgroup.procs").read_text().split()]
    wait_until(lambda: len(members()) == 3, what="three processes")
    return folder, members()


def move_out(folder, pids):
    for pid in pids:
        (folder.parent.parent / "cgroup.procs").write_text(str(pid))


@pytest.mark.parametrize("kill", [False, True], ids=["", "server killed"])
@pytest.mark.parametrize("who", ["all", "leader", "children"])
def test_F33_what_left_its_cgroup_is_stopped_all_the_same(hp, who, kill):
    """Stopped means the set is empty, wherever its processes were moved to."""
    folder, pids = tree_of_three(hp)
    leader = hp.pid("tree")
    move_out(folder, {"all": pids, "leader": [leader], "children": [p for p in pids if p != leader]}[who])
    if who == "all":
        folder.rmdir()
    if kill:
        hp.kill_server()
    assert hp.state("tree") == "running" and hp.pid("tree") == leader and all(map(is_alive, pids))
    assert hp.divergences() == 0
    hp.rpc("service.stop", name="tree")
    assert hp.state("tree") == "inactive" and not [p for p in pids if is_alive(p)]
    assert not folder.exists()
    no_findings(hp)


def test_F33_a_leader_that_ends_outside_of_its_removed_cgroup_leaves_nobody_behind(hp):
    folder, pids = tree_of_three(hp)
    leader = hp.pid("tree")
    move_out(folder, pids)
    folder.rmdir()
    os.kill(leader, signal.SIGKILL)
    wait_until(lambda: hp.pid("tree") not in (None, leader), what="the next attempt runs")
    assert not [p for p in pids if is_alive(p)], "never a second copy beside what is left of the first"
    hp.rpc("service.stop", name="tree")
    no_findings(hp)


# ---- the disk ------------------------------------------------------------------------------------


@pytest.fixture
def fragile():
    """A supervisor whose state lies on a file system of its own, and what makes that read-only as an I/O error does."""
    s = Supervisor()
    image = s.root / "image"
    with open(image, "wb") as f:
        f.truncate(64 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], capture_output=True).returncode == 0
    made = made and subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, s.var], capture_output=True).returncode == 0
    fault = None
    if made:
        device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1] == str(s.var))
        fault = Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
    try:
        if not made or not fault.exists():
            pytest.skip("no file system of our own can be made and broken here")
        yield s.start(), lambda: fault.write_text("1")
        s.close()
    finally:
        subprocess.run(["umount", "-l", s.var], capture_output=True)
        shutil.rmtree(s.root, ignore_errors=True)


def test_F41_a_disk_that_becomes_read_only_and_a_kill(fragile):
    """Supervision goes on from memory, says so, and a killed server comes back."""
    hp, break_it = fragile
    was = busy(hp)
    time.sleep(2.5)  # no connection is open
    break_it()
    answer = hp.rpc("service.start", name="off")
    assert "readonly" in answer["unstored"] or "Read-only" in answer["unstored"]
    off = hp.pid("off")
    hp.kill_server()
    for name, pid in {**was["pids"], "off": off}.items():
        assert hp.pid(name) == pid and hp.state(name) == "running", hp.status(name)
    assert is_alive(was["job"]["pid"]) and hp.info()["degraded"]
    hp.rpc("service.stop", name="web")
    assert hp.state("web") == "inactive" and not is_alive(was["pids"]["web"])


# ---- /proc ---------------------------------------------------------------------------------------


class WithOwnMounts(Supervisor):
    """In a mount namespace of its own, where /proc can be taken away."""

    def start(self):
        with open(self.log, "ab") as log:
            argv = ["unshare", "-m", "--propagation", "private", self.bin / "hero_proc_server", "--socket", self.socket]
            self.process = subprocess.Popen(argv, env=self.env, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: healthy(self.socket) or self.process.poll() is not None, what="the daemon answers")
        if self.process.poll() is not None:
            pytest.skip("no mount namespace may be made here")
        return self

    def there(self, *argv):
        return subprocess.run(["nsenter", "-t", str(self.process.pid), "-m", *argv], check=True, capture_output=True)


@pytest.mark.parametrize("cgroups", [True, False], ids=["cgroups", "no cgroups"])
def test_what_can_not_be_seen_in_proc_is_not_taken_for_ended(cgroups):
    """The doctor judges nothing that is hidden, and a stop reaches the processes all the same."""
    hp = WithOwnMounts(**({} if cgroups else {"HERO_PROC_NO_CGROUP": "1"})).start()
    try:
        hp.define("tree", script=f"sleep 1000 & sleep 1000 & touch {hp.root}/begun; wait")
        hp.rpc("service.start", name="tree")
        wait_until((hp.root / "begun").exists, what="it has children")
        pids = [p for p in hp.left() if "sleep" in command_of(p) or p == hp.pid("tree")]
        assert len(pids) == 3
        hp.there("umount", "-l", "/proc")
        report = hp.rpc("system.doctor", repair=True, timeout=60)
        assert not report["repaired"] and [f for f in report["findings"] if f["subject"]["path"] == "/proc"], report
        assert hp.divergences() == 0 and hp.state("tree") == "running" and all(map(is_alive, pids))
        hp.rpc("service.stop", name="tree", wait=False)
        wait_until(lambda: not [p for p in pids if is_alive(p)], 5, "all of it has heard TERM, well before KILL")
        hp.there("mount", "-t", "proc", "proc", "/proc")
        hp.wait_state("tree", "inactive")
        no_findings(hp)
    finally:
        hp.close()
