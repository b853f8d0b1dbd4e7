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
