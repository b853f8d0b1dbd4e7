"""What vanishes under the API comes back: its socket, the folder of the socket, all of the sockets."""
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

from hp import REFUSED, healthy, is_alive, wait_until

GONE = {
    "its file": lambda hp: hp.socket.unlink(),
    "its folder": lambda hp: shutil.rmtree(hp.socket.parent, ignore_errors=True),
    "its folder renamed": lambda hp: hp.socket.parent.rename(hp.root / "elsewhere"),
    "all sockets": lambda hp: shutil.rmtree(hp.sockets, ignore_errors=True),
    "all sockets renamed": lambda hp: hp.sockets.rename(hp.root / "elsewhere"),
}
HOW = pytest.mark.parametrize("gone", GONE.values(), ids=GONE.keys())


def connects(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(str(path))
        except OSError:
            return False
        return True


@HOW
def test_F80_a_socket_that_vanished_is_bound_again(hp, gone):
    hp.define("s")
    hp.rpc("service.start", name="s")
    pid, server = hp.pid("s"), hp.info()["pid"]
    for _ in range(3):
        gone(hp)
        wait_until(lambda: healthy(hp.socket), 1.0, "it answers within a second")
        shutil.rmtree(hp.root / "elsewhere", ignore_errors=True)
    assert hp.pid("s") == pid and hp.info()["pid"] == server
    assert [e for e in hp.rpc("events.query", kind="socket", limit=10)["events"]]
    assert hp.rpc("system.doctor")["findings"] == []


@HOW
def test_F80_a_socket_that_vanished_while_the_server_is_killed(hp, gone):
    hp.define("s")
    hp.rpc("service.start", name="s")
    pid, server = hp.pid("s"), hp.info()["pid"]
    os.kill(server, 19)  # SIGSTOP: it does not see that its file goes
    gone(hp)
    os.kill(server, 9)
    wait_until(lambda: healthy(hp.socket), what="the next server answers")
    assert hp.pid("s") == pid


def test_F80_clients_of_the_former_socket_are_not_dropped(hp):
    hp.define("slow", script=f"sleep 1; exec {hp.bin}/pause", readiness={"after_ms": 1500})
    call = hp.later("service.start", name="slow")
    wait_until(lambda: hp.state("slow") != "inactive", what="it begins")
    hp.socket.unlink()
    assert call.done(10)["state"] == "running"


def test_F80_somebody_elses_socket_is_left_alone_and_named(hp):
    """A living listener in our place is not ours to remove; when it goes we are back."""
    other = socket.socket(socket.AF_UNIX)
    hp.socket.rename(hp.root / "ours")
    other.bind(str(hp.root / "other"))
    other.listen()
    (hp.root / "other").rename(hp.socket)
    wait_until(lambda: "somebody answers on" in hp.log_text(), what="the log says so")
    assert connects(hp.socket)
    other.close()
    hp.socket.unlink()
    wait_until(lambda: healthy(hp.socket), 2, "bound again")


def test_F80_a_folder_that_can_not_be_made_is_said_and_awaited(hp):
    hp.sockets.rename(hp.root / "elsewhere")
    hp.sockets.write_text("in the way")
    wait_until(lambda: "can not be reached" in hp.log_text(), what="the log says so")
    hp.sockets.unlink()
    wait_until(lambda: healthy(hp.socket), 2, "bound again")


def test_F80_a_client_waits_for_the_socket_of_a_living_supervisor(hp):
    """Nobody says "no supervisor" while one holds the lock."""
    server = hp.info()["pid"]
    os.kill(server, 19)
    hp.socket.unlink()
    threading.Timer(0.7, lambda: os.kill(server, 18)).start()
    begin = time.monotonic()
    done = hp.cli("service", "list")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin > 0.5


def test_F81_up_starts_no_second_supervisor_beside_one_without_a_socket(hp):
    keeper, server = hp.keeper_pid(), hp.info()["pid"]
    (hp.root / "service.toml").write_text('[service]\nname = "s"\n[[binaries]]\nname = "s"\nexec = "sleep 9"\n')
    os.kill(server, 19)
    try:
        hp.socket.unlink()
        done = hp.cli("up", timeout=60)
        assert done.returncode != 0
        assert str(keeper) in done.stderr and str(hp.state_dir) in done.stderr, done.stderr
        second = subprocess.run([hp.bin / "hero_proc_server", "--socket", hp.socket], env=hp.env, cwd=hp.root,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        assert second.returncode == REFUSED and str(keeper) in second.stderr
    finally:
        os.kill(server, 18)
    wait_until(lambda: healthy(hp.socket), what="bound again")
    assert hp.info()["pid"] == server and is_alive(keeper)
