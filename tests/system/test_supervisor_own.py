"""What the supervisor keeps of its caller: neither its folder nor its descriptors (F93)."""
import os
import subprocess

from hp import healthy, wait_until


def pids(hp):
    return [hp.keeper_pid(), hp.info()["pid"]]


def test_F93_the_working_folder_of_the_supervisor_is_the_root(hp):
    assert [os.readlink(f"/proc/{p}/cwd") for p in pids(hp)] == ["/", "/"]
    hp.kill_server()
    assert [os.readlink(f"/proc/{p}/cwd") for p in pids(hp)] == ["/", "/"]
    hp.kill_keeper()
    assert [os.readlink(f"/proc/{p}/cwd") for p in pids(hp)] == ["/", "/"]


def test_F93_up_keeps_neither_folder_nor_descriptors_of_its_caller(fresh):
    hp = fresh()
    work = hp.root / "work"
    work.mkdir()
    (work / "s.toml").write_text('[service]\nname = "s"\n[[binaries]]\nname = "s"\nexec = "exec sleep 1000"\n')
    r, w = os.pipe()
    done = subprocess.run([hp.bin / "hero_proc", "--socket", hp.socket, "up", "."], env=hp.env, cwd=work, pass_fds=[w],
                          capture_output=True, timeout=60)
    os.close(w)
    assert done.returncode == 0, done
    try:
        assert [os.readlink(f"/proc/{p}/cwd") for p in pids(hp)] == ["/", "/"]
        os.set_blocking(r, False)
        assert os.read(r, 1) == b"", "nobody holds the other end"
    finally:
        hp.rpc("system.shutdown")


def test_F93_relative_paths_are_those_of_the_folder_it_was_started_in(fresh):
    hp = fresh()
    server = subprocess.Popen([hp.bin / "hero_proc_server", "--socket", "some/rpc.sock", "--state", "state"], env=hp.env,
                              cwd=hp.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    socket = hp.root / "some" / "rpc.sock"
    try:
        wait_until(lambda: healthy(socket), what="it answers")
        assert (hp.root / "state" / "state.db").exists()
        keeper = server.pid
        child = int(open(f"/proc/{keeper}/task/{keeper}/children").read().split()[0])
        os.kill(child, 9)
        wait_until(lambda: healthy(socket), what="the next server answers at the same place")
        assert not os.path.exists("/some") and not os.path.exists("/state")
    finally:
        server.terminate()
        server.wait(20)


def test_F93_its_own_log_is_in_the_state_folder_bounded_and_shown_when_it_is_gone(fresh):
    """Not beside the socket, not without a bound, and there when the daemon is not."""
    hp = fresh()
    (hp.root / "service.toml").write_text('[service]\nname = "s"\n[[binaries]]\nname = "s"\nexec = "sleep 1000"\n')
    assert hp.cli("up").returncode == 0
    try:
        log = hp.state_dir / "supervisor.log"
        assert "ready on" in log.read_text()
        assert not hp.socket.with_name("rpc.sock.log").exists()
        with open(log, "a") as f:
            f.write(("x" * 99 + "\n") * 11000)
        hp.kill_server()
        wait_until(lambda: log.stat().st_size < 100000, what="it began again")
        assert (log.parent / "supervisor.log.old").stat().st_size > 1 << 20
        assert "ready on" in hp.cli("logs", "--supervisor", "-n", "5").stdout
        assert len(hp.cli("logs", "--supervisor", "-n", "3").stdout.splitlines()) == 3
    finally:
        hp.rpc("system.shutdown")
    wait_until(lambda: not hp.left(), what="everything has ended")
    assert "everything has ended" in hp.cli("logs", "--supervisor").stdout
    assert hp.cli("logs").returncode == 2
