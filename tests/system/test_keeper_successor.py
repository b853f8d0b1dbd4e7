"""A keeper that is killed is succeeded, however long the kernel takes to close what it held."""
import fcntl
import os
import subprocess
import threading
import time

from hp import is_alive

LOCKED = 4


def hold_lock_of_a_dead_process(folder):
    """The lock was taken by a process that is dead; another one shares its descriptor still."""
    r, w = os.pipe()
    hold_r, hold_w = os.pipe()
    owner = os.fork()
    if owner == 0:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fork() == 0:
            os.close(hold_w)
            os.close(w)
            os.read(hold_r, 1)
            os._exit(0)
        os.write(w, b"x")
        os._exit(0)
    os.close(w)
    os.read(r, 1)
    os.waitpid(owner, 0)
    os.close(hold_r)
    return lambda: os.close(hold_w)


def start_server(hp):
    return subprocess.Popen([hp.bin / "hero_proc_server", "--socket", hp.socket], env=hp.env, cwd=hp.root,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_F91_a_successor_waits_for_what_its_dead_predecessor_held(fresh):
    hp = fresh()
    hp.state_dir.mkdir(mode=0o700)
    let_go = hold_lock_of_a_dead_process(hp.state_dir)
    threading.Timer(1.5, let_go).start()
    begin = time.monotonic()
    hp.start()
    assert 1.4 < time.monotonic() - begin < 10
    assert hp.rpc("system.ping")["pong"]


def test_F91_a_living_one_is_not_waited_for(hp):
    begin = time.monotonic()
    second = start_server(hp)
    assert second.wait(10) == LOCKED
    assert time.monotonic() - begin < 2
    assert f"in use by pid {hp.keeper_pid()}" in second.stderr.read().decode()


def test_F81_the_lock_stays_when_its_file_is_removed(hp):
    """The lock is on the folder: whatever is removed from it, no second supervisor comes up."""
    hp.define("s")
    hp.rpc("service.start", name="s")
    pid = hp.pid("s")
    (hp.state_dir / "lock").unlink()
    assert start_server(hp).wait(10) == LOCKED
    (hp.state_dir / "lock").write_text("1\n")
    assert start_server(hp).wait(10) == LOCKED
    assert is_alive(pid) and hp.pid("s") == pid
    done = hp.cli("service", "list")
    assert done.returncode == 0


def test_F91_a_killed_keeper_is_succeeded_on_a_busy_machine(hp):
    """Both cores are busy, a child hangs before it executes: nothing is left without a supervisor."""
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4)]
    try:
        for i in range(20):
            hp.define(f"s{i}")
            hp.rpc("service.start", name=f"s{i}", wait=i % 2 == 0)
        pids = {f"s{i}": hp.pid(f"s{i}") for i in range(0, 20, 2)}
        for _ in range(3):
            hp.kill_keeper()
        assert all(is_alive(pid) for pid in pids.values())
        assert {name: hp.pid(name) for name in pids} == pids
    finally:
        for p in busy:
            p.kill()
            p.wait()


def test_F64_tokens_of_another_supervisor_are_not_ours(fresh):
    """Tokens are small numbers, the same in every supervisor: a stop once ended the neighbour's services."""
    mine, other = (fresh(HERO_PROC_NO_CGROUP="1").start() for _ in range(2))
    names = [f"s{i}" for i in range(6)]
    for hp in (mine, other):
        for name in names:
            hp.define(name)
        hp.rpc("service.start", name=names)
    pids = {name: other.pid(name) for name in names}
    mine.kill_keeper()  # what it adopts is looked for in all of /proc
    mine.rpc("service.stop", name=names)
    mine.rpc("service.start", name=names)
    mine.kill_keeper()
    mine.shutdown()
    assert all(is_alive(pid) for pid in pids.values())
    assert {name: other.pid(name) for name in names} == pids
