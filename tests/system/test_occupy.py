"""What an action declares to occupy (SPEC 4): what is stale goes before the spawn, who holds
it is named and left alone."""
import os
import socket
import subprocess
import sys
import time

import pytest

from hp import is_alive, wait_until

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


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
HOLDERS = [pytest.param(LISTEN_UNIX, False, id="obeys"), pytest.param(STUBBORN + LISTEN_UNIX, True, id="ignores TERM")]


def listener(hp, path):
    script = hp.root / "listen.py"
    script.write_text(LISTEN_UNIX)
    return [sys.executable, str(script), str(path)]


@pytest.mark.parametrize("text, stubborn", HOLDERS)
@pytest.mark.parametrize("how", [{"kill_other": {"sockets": True}}, {"singleton": True}], ids=["kill_other", "singleton"])
def test_a_foreign_holder_of_a_socket_is_ended_where_that_is_allowed(hp, tmp_path, foreign, how, text, stubborn):
    path = tmp_path / "s.sock"
    holder, _ = foreign(text, path)
    hp.define("web", exec=listener(hp, path), sockets=[str(path)], stop_timeout_ms=400, **how)
    started = time.monotonic()
    hp.rpc("service.start", name="web")
    assert holder.wait(0.1) == (-9 if stubborn else -15)
    assert (time.monotonic() - started > 0.4) == stubborn
    assert hp.action("web")["attempt"] == 1 and hp.state("web") == "running"
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))


def test_a_foreign_holder_of_a_port_is_ended_where_that_is_allowed(hp, foreign):
    holder, port = foreign(LISTEN_TCP)
    script = LISTEN_TCP.replace(", 0", f", {port}").replace("s.bind", "s.setsockopt(1, 2, 1); s.bind")
    hp.define("web", exec=[sys.executable, "-c", script], tcp=[int(port)], kill_other={"tcp": True})
    hp.rpc("service.start", name="web")
    assert holder.wait(0.1) == -15 and hp.state("web") == "running"


def test_a_second_instance_of_the_same_command_is_ended_and_another_command_of_the_same_program_is_not(hp):
    same, other = [[hp.bin / "pause", word] for word in ("same", "other")]
    first, bystander = (subprocess.Popen(list(map(str, c))) for c in (same, other))
    try:
        hp.define("p", exec=list(map(str, same)), kill_other={"process": True})
        hp.rpc("service.start", name="p")
        assert first.wait(0.1) == -15 and bystander.poll() is None
        hp.rpc("service.restart", name="p")
        assert hp.state("p") == "running"
    finally:
        for p in first, bystander:
            p.kill()
            p.wait()


def test_while_a_holder_does_not_go_the_wait_has_a_name_and_can_be_called_off(hp, tmp_path, foreign):
    path = tmp_path / "s.sock"
    holder, _ = foreign(STUBBORN + LISTEN_UNIX, path)
    hp.define("web", exec=listener(hp, path), sockets=[str(path)], stop_timeout_ms=60000, singleton=True)
    hp.rpc("service.start", name="web", wait=False)
    text = wait_until(lambda: "told to end" in (t := hp.rpc("service.why", name="web")["text"]) and t, what="why says so")
    assert f"pid {holder.pid}" in text and str(path) in text
    hp.rpc("service.stop", name="web")
    assert hp.state("web") == "inactive" and holder.poll() is None


def test_a_process_of_another_service_is_never_ended_for_it_and_that_service_is_named(hp, tmp_path):
    path = tmp_path / "s.sock"
    hp.define("owner", exec=listener(hp, path), readiness={"log": "up"})  # declares nothing
    hp.rpc("service.start", name="owner")
    pid = hp.pid("owner")
    hp.define("web", exec=listener(hp, path), sockets=[str(path)], singleton=True)
    refused = hp.refusal("service.start", name="web")
    assert "the service owner" in str(refused) and f"pid {pid}" in str(refused)
    assert hp.pid("owner") == pid


def test_what_this_supervisor_descends_from_is_never_ended(hp, tmp_path):
    path = tmp_path / "s.sock"
    mine = socket.socket(socket.AF_UNIX)  # held by this test, the parent of the supervisor
    mine.bind(str(path))
    mine.listen()
    hp.define("web", exec=listener(hp, path), sockets=[str(path)], singleton=True)
    assert "never ended" in str(hp.refusal("service.start", name="web"))


def test_the_holder_is_found_when_who_made_the_socket_is_gone(hp, tmp_path):
    path = tmp_path / "s.sock"
    text = LISTEN_UNIX.replace('print("up"', 'import os\nif os.fork(): os._exit(0)\nprint(os.getpid()')
    p = subprocess.Popen([sys.executable, "-c", text, str(path)], stdout=subprocess.PIPE, text=True)
    pid = int(p.stdout.readline())
    p.wait()
    try:
        hp.define("web", exec=listener(hp, path), sockets=[str(path)])
        assert f"held by pid {pid} " in str(hp.refusal("service.start", name="web"))
        hp.rpc("service.set", service={"name": "web", "actions": [{"name": "web", "is_process": True, "interpreter": "exec",
               "exec": listener(hp, path), "sockets": [str(path)], "kill_other": {"sockets": True}}]})
        hp.rpc("service.start", name="web")
        assert hp.state("web") == "running" and not is_alive(pid)
    finally:
        if is_alive(pid):
            os.kill(pid, 9)
        p.stdout.close()


@pytest.mark.parametrize("keys, text", [({"script": "sleep 9", "kill_other": {"process": True}}, "kill_other.process"),
                                        ({"exec": "sleep 9", "kill_other": {"sockets": True}}, "no socket is declared"),
                                        ({"exec": "sleep 9", "kill_other": {"port": True}}, "port")])
def test_a_kill_other_that_could_do_nothing_is_refused(hp, keys, text):
    e = hp.refusal("service.define", service={"name": "web", "actions": [{"name": "web", "is_process": True, **keys}]})
    assert text in str(e)
