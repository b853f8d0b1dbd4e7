"""The proofs are only as good as their instruments: example programs, diary, counting, layers."""
import os
import shutil
import signal
import subprocess
import tempfile

import pytest
from hp import SOURCE, Diary, healthy, http_request, is_alive, program, wait_until


@pytest.fixture
def alone():
    """Starts example programs without any supervisor."""
    root = tempfile.mkdtemp(prefix="hp-", dir="/tmp")
    started = []

    class Alone:
        path = root
        diary = Diary(f"{root}/diary")

        def run(self, name, *args, **env):
            full = {"PATH": "/usr/bin:/bin", "HERO_SOCKET_DIR": root, "HERO_TRACE": f"{root}/diary", **env}
            started.append(subprocess.Popen([program(name), *args], env=full, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL))
            return started[-1]

    yield Alone()
    for process in started:
        process.kill()
        process.wait()
    shutil.rmtree(root)


def test_a_program_is_ready_only_when_it_is_not_held_and_answers_only_then(alone):
    hold = f"{alone.path}/hold"
    open(hold, "w").close()
    alone.run("hero_db", HERO_HOLD_HERO_DB=hold)
    socket = f"{alone.path}/hero_db/rpc.sock"
    wait_until(lambda: alone.diary.times("hero_db", "main"), what="main() ran")
    assert not alone.diary.times("hero_db", "ready") and not healthy(socket)
    os.unlink(hold)
    wait_until(lambda: healthy(socket), what="it answers")
    assert len(alone.diary.times("hero_db", "ready")) == 1
    assert http_request(socket, "GET", "/other")[0] == 404
    assert http_request(socket, "DELETE", "/health")[0] == 404


def test_a_sick_program_listens_and_says_503_and_is_ready_with_its_first_200(alone):
    sick = f"{alone.path}/sick"
    open(sick, "w").close()
    alone.run("hero_db", HERO_SICK_HERO_DB=sick)
    socket = f"{alone.path}/hero_db/rpc.sock"
    wait_until(lambda: os.path.exists(socket), what="it is bound")
    assert wait_until(lambda: http_status(socket), what="it answers") == 503
    assert not alone.diary.times("hero_db", "ready")
    os.unlink(sick)
    assert http_status(socket) == 200
    assert alone.diary.times("hero_db", "ready")


def http_status(socket):
    try:
        return http_request(socket, "GET", "/health", timeout=2)[0]
    except OSError:
        return None


def test_a_program_ends_on_request_and_says_when(alone):
    p = alone.run("hero_proxy", HERO_STOP_HERO_PROXY="50")
    wait_until(lambda: alone.diary.times("hero_proxy", "ready"), what="it is ready")
    p.terminate()
    assert p.wait(5) == 0
    stop, end = alone.diary.times("hero_proxy", "stop")[0], alone.diary.times("hero_proxy", "end")[0]
    assert end - stop >= 50e6


def test_a_program_that_ignores_the_request_lives_on(alone):
    p = alone.run("hero_proxy", HERO_STOP_HERO_PROXY="-1")
    wait_until(lambda: alone.diary.times("hero_proxy", "ready"), what="it is ready")
    p.terminate()
    wait_until(lambda: not pending(p.pid, signal.SIGTERM), what="it has read the signal")
    assert is_alive(p.pid) and healthy(f"{alone.path}/hero_proxy/rpc.sock")


def pending(pid, number):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(("SigPnd", "ShdPnd")) and int(line.split()[1], 16) >> (number - 1) & 1:
            return True
    return False


def test_a_program_crashes_as_often_as_it_is_told(alone):
    for _ in range(2):
        assert alone.run("hero_db", HERO_CRASH_HERO_DB="2").wait(5) == 3
    alone.run("hero_db", HERO_CRASH_HERO_DB="2")
    wait_until(lambda: alone.diary.times("hero_db", "ready"), what="the third start is ready")
    assert len(alone.diary.pids("hero_db")) == 3


def test_the_media_programs_need_the_configuration(alone):
    assert alone.run("lk-backend").wait(5) == 2
    assert alone.run("livekit-configure").wait(5) == 0
    alone.run("lk-backend")
    wait_until(lambda: alone.diary.times("lk-backend", "ready"), what="it found the configuration")


def write(path, rows):
    path.write_text("".join(f"{name} 1 {fact} {ns}\n" for name, fact, ns in rows))
    return Diary(path)


def test_the_diary_tells_order_from_disorder(tmp_path):
    good = write(tmp_path / "a", [("db", "main", 1), ("db", "ready", 5), ("web", "main", 6), ("web", "end", 8),
                                  ("db", "stop", 9)])
    good.assert_started_after("web", "db")
    good.assert_stopped_before("web", "db")
    bad = write(tmp_path / "b", [("db", "main", 1), ("web", "main", 4), ("db", "ready", 5), ("db", "stop", 7),
                                 ("web", "end", 8)])
    for judge in (bad.assert_started_after, bad.assert_stopped_before):
        with pytest.raises(AssertionError):
            judge("web", "db")
    second = write(tmp_path / "c", [("web", "main", 1), ("db", "ready", 5), ("web", "main", 6)])
    with pytest.raises(AssertionError):  # any attempt counts, not only the last
        second.assert_started_after("web", "db")
    for when, rows in (("start", good), ("stop", good), ("start", bad), ("stop", bad)):
        done = subprocess.run([SOURCE / "tools/timetable.py", when, rows.path, "web:db"], capture_output=True)
        assert done.returncode == (0 if rows is good else 1), done.stdout


def test_the_layer_check_finds_a_forbidden_include(tmp_path):
    (tmp_path / "LAYERS").write_text("base:\nengine: base\n")
    for layer, text in (("base", ""), ("engine", '#include "base/x.h"\n')):
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "x.c").write_text(text)
    check = [SOURCE / "tools/check-layers.sh", tmp_path]
    assert subprocess.run(check, capture_output=True).returncode == 0
    (tmp_path / "base/x.c").write_text('#include "engine/x.h"\n')
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 1 and "base must not include engine" in done.stdout


def test_the_count_of_tests_comes_from_the_results(tmp_path):
    meson, junit = tmp_path / "log.json", tmp_path / "x.xml"
    meson.write_text(
        '{"name": "a", "result": "OK", "stdout": "[       OK ] one\\n[       OK ] two\\n"}\n'
        '{"name": "b", "result": "FAIL", "stdout": "[       OK ] one\\n[  FAILED  ] two\\n"}\n'
        '{"name": "c", "result": "TIMEOUT", "stdout": ""}\n{"name": "d", "result": "OK", "stdout": ""}\n'
        '{"name": "e", "result": "OK", "stdout": "[       OK ] one\\n[  SKIPPED ] no_data\\n"}\n')
    junit.write_text('<testsuites><testsuite tests="5" failures="1" errors="0" skipped="1"/></testsuites>')
    count = [SOURCE / "tools/count-tests.py"]
    done = subprocess.run([*count, "meson", meson], capture_output=True)
    assert done.stdout == b"5 2\n" and b"left out: e: no_data" in done.stderr
    assert subprocess.check_output([*count, "junit", junit]) == b"3 2\n"
