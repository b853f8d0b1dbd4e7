"""Nothing is lost when the server is killed (SPEC 0, 5)."""
import http.client
import os
import signal
import sqlite3
import subprocess
import threading
import time

from hp import EXAMPLES, healthy, is_alive, wait_until

HERO = EXAMPLES / "hero"
ALL = [HERO / n / "service.toml" for n in ("hero_db", "hero_proxy", "hero_collab")]


def test_services_keep_their_processes_when_the_server_is_killed(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    names = sorted(hp.diary.names())
    pids = {n: hp.pid(n) for n in names}
    for _ in range(3):
        hp.kill_server()
        assert {n: hp.pid(n) for n in names} == pids
        assert all(hp.state(n) == "running" for n in names)
    assert all(len(hp.diary.pids(n)) == 1 for n in names)
    assert all(is_alive(p) for p in pids.values())


def leave_with(hp, code):
    """A script that ends at the very moment at which the server process is gone."""
    return f"while kill -0 $(cat {hp.root}/server) 2>/dev/null; do :; done; exit {code}"


def test_an_exit_while_the_server_was_away_is_not_lost(hp):
    (hp.root / "server").write_text(str(hp.info()["pid"]))
    run = hp.rpc("run.submit", actions=[{"name": "leaver", "script": leave_with(hp, 23)}], wait=False)["run"]
    wait_until(lambda: hp.rpc("run.get", run=run)["state"] == "running", what="the job runs")
    hp.kill_server()
    ended = wait_until(lambda: (r := hp.rpc("run.get", run=run))["state"] in ("failed", "succeeded") and r,
                       what="the run ended")
    assert ended["state"] == "failed"
    assert ended["jobs"][0]["exit_code"] == 23


def test_a_waiting_run_goes_on_after_the_server_was_killed(fresh):
    hp = fresh()
    hold = hp.root / "hold"
    hold.touch()
    hp.env["HERO_HOLD_HERO_PROXY"] = str(hold)
    hp.start().register(*ALL)
    hp.rpc("service.start", name="hero_collab_web", wait=False)
    wait_until(lambda: hp.diary.times("hero_collab_server", "ready"), what="the server program is ready")
    hp.kill_server()
    assert hp.state("hero_collab_web") == "waiting_deps"
    assert "hero_proxy" in hp.rpc("service.why", name="hero_collab_web")["text"]
    assert hp.diary.times("hero_collab_web", "main") == []
    hold.unlink()
    hp.wait_state("hero_collab_web", "running")
    hp.diary.assert_started_after("hero_collab_web", "hero_proxy")
    assert all(len(hp.diary.pids(n)) == 1 for n in hp.diary.names())


def test_what_was_stopped_stays_stopped_after_a_kill(hp):
    hp.define("off", status="start")
    hp.rpc("service.start", name="off")
    hp.rpc("service.stop", name="off")
    hp.kill_server()
    assert hp.state("off") == "inactive" and hp.status("off")["wanted"] == "stop"


def test_a_stop_under_way_is_finished_by_the_next_server(fresh):
    hp = fresh(HERO_STOP_HERO_DB=700).start()
    hp.register(HERO / "hero_db/service.toml")
    hp.rpc("service.start", name="hero_db")
    pid = hp.pid("hero_db")
    hp.rpc("service.stop", name="hero_db", wait=False)
    wait_until(lambda: hp.diary.times("hero_db", "stop"), what="it was asked to go")
    hp.kill_server()
    hp.wait_state("hero_db", "inactive")
    assert not is_alive(pid)
    assert len(hp.diary.pids("hero_db")) == 1 and len(hp.diary.times("hero_db", "stop")) == 1


def test_a_stop_that_was_recorded_but_never_sent_is_sent_by_the_next_server(hp):
    """The execution was still under way, so there was nothing to send the signal to."""
    hp.define("slow_to_go", script=f"trap 'echo term >> {hp.root}/terms; exit 0' TERM; while :; do sleep 0.02; done",
              stop_timeout_ms=60000)
    server, keeper = hp.info()["pid"], hp.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        hp.rpc("service.start", name="slow_to_go", wait=False)
        wait_until(lambda: hp.action("slow_to_go")["state"] == "starting", what="its execution was asked for")
        hp.rpc("service.stop", name="slow_to_go", wait=False)
        wait_until(lambda: hp.action("slow_to_go")["state"] == "stopping", what="the stop was recorded")
        os.kill(server, signal.SIGKILL)
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: healthy(hp.socket) and hp.info()["pid"] != server, 15, "a new server answers")
    hp.wait_state("slow_to_go", "inactive")


def test_every_line_is_captured_over_kills_of_the_server(hp):
    total = 20000
    script = (f"i=0; while [ $i -lt {total} ]; do echo line $i; i=$((i+1)); "
              f"[ $((i % 2000)) -ne 0 ] || echo $i > {hp.root}/at; done; exec {hp.bin}/pause")
    hp.define("talker", script=script)
    hp.rpc("service.start", name="talker")
    pid = hp.pid("talker")

    def at():
        try:
            return int((hp.root / "at").read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0

    for mark in (2000, 8000, 14000):
        wait_until(lambda: at() >= mark, what=f"{mark} lines were written")
        hp.kill_server()
    wait_until(lambda: at() >= total, what="all lines were written")
    assert hp.pid("talker") == pid and is_alive(pid)

    wait_until(lambda: f"line {total - 1}" in str(hp.rpc("logs.query", service="talker", grep=f"line {total - 1}")),
               what="the last line can be read")
    assert hp.log_lines("talker") == [f"line {i}" for i in range(total)]


def test_shutdown_leaves_no_process_and_no_socket(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    hp.shutdown()
    assert not hp.left() and not hp.socket.exists() and not healthy(hp.socket)
    hp.diary.assert_stopped_before("hero_collab_web", "hero_collab_server")
    hp.diary.assert_stopped_before("hero_collab_web", "hero_proxy")
    hp.diary.assert_stopped_before("hero_collab_server", "hero_db")


def test_boot_starts_what_is_wanted_in_order(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    hp.shutdown()
    hp.diary.clear()
    hp.start()
    hp.wait_state("hero_collab_web", "running")
    hp.diary.assert_started_after("hero_collab_web", "hero_proxy")
    hp.diary.assert_started_after("hero_collab_web", "hero_collab_server")
    hp.diary.assert_started_after("hero_collab_server", "hero_db")


def test_a_signal_to_the_daemon_in_the_foreground_stops_everything(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    hp.process.terminate()
    wait_until(lambda: hp.process.poll() is not None, 20, "the daemon ends")
    wait_until(lambda: not hp.left(), what="every process is gone")
    hp.diary.assert_stopped_before("hero_collab_server", "hero_db")
    assert os.path.exists(hp.state_dir / "state.db")


def test_survivors_of_keeper_and_server_are_ended_by_the_next_start(fresh):
    hp = fresh(HERO_PROC_NO_CGROUP=1).start()
    hp.define("s")
    hp.rpc("service.start", name="s")
    pid, server = hp.pid("s"), hp.info()["pid"]
    os.kill(server, signal.SIGSTOP)
    os.kill(hp.process.pid, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    hp.process.wait(10)
    assert is_alive(pid)
    hp.start()
    hp.wait_state("s", "running")
    assert not is_alive(pid) and hp.pid("s") != pid


def test_a_token_is_given_to_one_attempt_only_whenever_the_server_is_killed(hp):
    """What the keeper knows counts, also where nothing of it was committed: tokens, runs and rows."""
    hp.shutdown()
    hp.env["HERO_PROC_RESTART_MAX_MS"] = "20"
    hp.start()
    said = hp.root / "tokens"
    said.touch()
    for n in range(40):
        size = said.stat().st_size
        server = hp.info()["pid"]
        call = hp.later("run.submit", name=f"r{n}", wait=False, actions=[
            {"name": "a", "script": f"echo $HERO_PROC_TOKEN >> {said}; sleep 0.2"}])
        end = time.monotonic() + 5
        while said.stat().st_size == size:  # no pause: the commit is a few milliseconds away
            assert time.monotonic() < end
        os.kill(server, signal.SIGKILL)
        call.join()
        wait_until(lambda: healthy(hp.socket))
    tokens = said.read_text().split()
    assert len(tokens) == len(set(tokens)), sorted(t for t in set(tokens) if tokens.count(t) > 1)


def test_who_calls_while_the_server_is_dead_is_answered_by_the_next(hp):
    """The keeper holds the listening socket: nobody is refused, and the file stays the same one."""
    server, keeper, file = hp.info()["pid"], hp.keeper_pid(), hp.socket.stat().st_ino
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), what="the server died")
        callers = [hp.later("system.info") for _ in range(20)]
        wait_until(lambda: len(waiting_at(hp.socket)) >= 20, what="all are at the door")
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert {c.done()["pid"] for c in callers} == {hp.info()["pid"]} != {server}
    assert hp.socket.stat().st_ino == file
    hp.shutdown()
    assert not hp.socket.exists()


def waiting_at(path):
    """Connections to a Unix socket that were not accepted yet, as /proc/net/unix shows them."""
    rows = [line.split() for line in open("/proc/net/unix")]
    return [r for r in rows if r[-1] == str(path) and r[5] == "02"]


def test_a_socket_file_that_was_removed_meanwhile_is_made_anew(hp):
    keeper = hp.keeper_pid()
    server = hp.info()["pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        hp.socket.unlink()
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: hp.socket.exists() and healthy(hp.socket), what="the next server answers")
    hp.kill_server()
    hp.shutdown()
    assert not hp.socket.exists()


def test_f03_whoever_asks_while_the_server_comes_back_hears_what_was_true_before_it_went(fresh):
    """Adopt first, answer afterwards: no answer tells a state that was invented meanwhile."""
    hp = fresh(HERO_PROC_RESTART_MAX_MS=20).start()
    names = [f"s{i}" for i in range(20)]
    for n in names:
        hp.define(n)
    hp.define("bad", script="exit 3", retry_policy={"max_attempts": 1})
    hp.define("off")
    hp.rpc("service.start", name=names + ["bad"], wait=False)
    for n in names:
        hp.wait_state(n, "running")
    hp.wait_state("bad", "failed")

    def told():
        return {s["name"]: (s["state"], s["reason"], s["run"], [(a["state"], a["pid"], a["attempt"], a["exit_code"])
                                                                for a in s["actions"]])
                for s in hp.rpc("service.list", limit=100)["services"]}

    before, answers, over = told(), [], threading.Event()
    assert before["bad"][0] == "failed" and all(before[n][0] == "running" for n in names)

    def ask():
        while not over.is_set():
            try:
                answers.append(told())
            except (OSError, AssertionError, http.client.HTTPException, ValueError):
                pass  # it was killed while it answered: nothing was told

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for a in askers:
        a.start()
    try:
        for _ in range(8):
            heard = len(answers)
            hp.kill_server()
            wait_until(lambda: len(answers) >= heard + 8, what="the next server was asked")
    finally:
        over.set()
        for a in askers:
            a.join()
    wrong = [(n, before[n], a[n]) for a in answers for n in before if a[n] != before[n]]
    assert not wrong, wrong[:5]


def test_a_process_that_is_executed_when_its_server_is_dead_becomes_ready_all_the_same(hp):
    hp.define("s")
    keeper, server = hp.keeper_pid(), hp.info()["pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        hp.rpc("service.start", name="s", wait=False)
        hp.wait_state("s", "starting")
        os.kill(server, signal.SIGKILL)
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_until(lambda: healthy(hp.socket) and hp.info()["pid"] != server, 15, "a new server answers")
    hp.wait_state("s", "running")


def test_a_truncated_database_is_set_aside_and_the_definitions_are_there(hp):
    """case state-file-truncated"""
    hp.define("s", status="start")
    hp.shutdown()
    db = hp.state_dir / "state.db"
    with open(db, "r+b") as f:
        f.truncate(db.stat().st_size // 2)
    hp.start()
    hp.wait_state("s", "running")
    assert "state.db" in hp.log_text() and list(hp.state_dir.glob("state.db.corrupt-*"))


def test_a_second_supervisor_of_the_same_state_says_whose_it_is_and_touches_nothing(hp):
    """case second-supervisor"""
    hp.define("s")
    hp.rpc("service.start", name="s")
    inode, pid = hp.socket.stat().st_ino, hp.pid("s")
    second = subprocess.run([hp.bin / "hero_proc_server", "--socket", hp.socket], env=hp.env, cwd=hp.root,
                            capture_output=True, text=True, timeout=10)
    assert second.returncode == 4 and f"in use by pid {hp.keeper_pid()}" in second.stderr
    assert hp.socket.stat().st_ino == inode and hp.pid("s") == pid and hp.state("s") == "running"


def test_what_a_former_boot_recorded_is_no_truth_of_this_one(hp):
    """case record-from-previous-boot: the pid of the record belongs to a stranger by now, who gets no signal."""
    hp.define("s")
    hp.rpc("service.start", name="s")
    server, keeper, pid = hp.info()["pid"], hp.keeper_pid(), hp.pid("s")
    os.kill(server, signal.SIGSTOP)
    for p in keeper, server, pid:
        os.kill(p, signal.SIGKILL)
    hp.process.wait(10)
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        wait_until(lambda: not is_alive(server) and not is_alive(pid))
        with sqlite3.connect(hp.state_dir / "state.db") as db:
            assert db.execute("UPDATE jobs SET pid = ? WHERE pid = ?", (stranger.pid, pid)).rowcount == 1
        hp.start()
        assert hp.rpc("run.list")["runs"][-1]["state"] in ("failed", "running")
        hp.rpc("service.start", name="s")
        hp.rpc("service.stop", name="s")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
