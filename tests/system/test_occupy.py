"""What an action declares to occupy (SPEC 4): what is stale goes before the spawn, who holds
it is named and left alone."""
import os
import socket
import subprocess
import sys

import pytest

LISTEN_UNIX = """
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("up", flush=True)
while True: s.accept()
"""
LISTEN_TCP = """
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True)
while True: s.accept()
"""


@pytest.fixture
def foreign():
    """Starts a process that no supervisor knows; gives it and the first line it prints."""
    started = []

    def start(text, *args):
        p = subprocess.Popen([sys.executable, "-c", text, *map(str, args)], stdout=subprocess.PIPE, text=True)
        started.append(p)
        return p, p.stdout.readline().strip()

    yield start
    for p in started:
        p.kill()
        p.wait()
        p.stdout.close()


def comm(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().strip()


def test_f05_a_socket_file_that_nobody_listens_on_goes_before_the_spawn_and_the_new_one_stays(hp, tmp_path):
    path = tmp_path / "s.sock"
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(path))
    old.close()
    stale = os.stat(path).st_ino
    seen = tmp_path / "seen"
    script = tmp_path / "listen.py"
    script.write_text(f"import os; open({str(seen)!r}, 'w').write(str(os.path.lexists({str(path)!r})))\n" + LISTEN_UNIX)
    hp.define("web", exec=[sys.executable, str(script), str(path)], sockets=[str(path)])
    hp.rpc("service.start", name="web")
    assert seen.read_text() == "False", f"the stale file (inode {stale}) was there at the execution"
    for _ in range(3):
        hp.rpc("service.restart", name="web")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))


def test_f19_a_foreign_holder_of_a_socket_is_named_with_pid_and_command_and_lives(hp, tmp_path, foreign):
    path, mark = tmp_path / "s.sock", tmp_path / "ran"
    holder, _ = foreign(LISTEN_UNIX, path)
    inode = os.stat(path).st_ino
    hp.define("web", f"touch {mark}; exec sleep 60", sockets=[str(path)])
    refused = hp.refusal("service.start", name="web")
    assert f"pid {holder.pid} ({comm(holder.pid)})" in str(refused)
    assert not mark.exists() and holder.poll() is None
    assert os.stat(path).st_ino == inode


def test_f19_a_foreign_holder_of_a_port_is_named_with_pid_and_command_and_lives(hp, tmp_path, foreign):
    mark = tmp_path / "ran"
    holder, port = foreign(LISTEN_TCP)
    hp.define("web", f"touch {mark}; exec sleep 60", tcp=[int(port)])
    refused = hp.refusal("service.start", name="web")
    assert f"127.0.0.1:{port} is held by pid {holder.pid} ({comm(holder.pid)})" in str(refused)
    assert not mark.exists() and holder.poll() is None
