"""An operation while it happens: a tree on a terminal, lines elsewhere, and what Ctrl-C leaves (SPEC 2.9, 7.3)."""
import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest
from hp import DONE, NOT_READY, TIMED_OUT, wait_until
from terminal import Screen, Terminal

STACK = """
[service]
name = "db"
[[binaries]]
name = "postgres"
exec = "sleep 0.6; echo listening; exec sleep 1000"
readiness = {log = "listening"}
[[binaries]]
name = "initdb"
kind = "job"
exec = "sleep 0.3"
"""
WEB = """
[service]
name = "web"
requires = ["db"]
[[binaries]]
name = "web"
exec = ["/usr/bin/sleep", "1000"]
"""
BROKEN = """
[service]
name = "broken"
[[binaries]]
name = "broken"
exec = "echo 'can not open /etc/broken.conf' >&2; sleep 0.1; exit 3"
readiness = {after_ms = 5000}
"""


def on_terminal(hp, *words, rows=24, columns=80, **env):
    """hero_proc on a terminal of its own."""
    return Terminal([hp.bin / "hero_proc", *map(str, words)], {**hp.env, "LC_ALL": "C.UTF-8", **env}, hp.root, rows, columns)


@pytest.fixture
def stack(hp):
    hp.register_text(STACK, path="/x/db/service.toml")
    hp.register_text(WEB, path="/x/web/service.toml")
    return hp


def test_a_start_is_a_tree_of_services_and_actions_with_the_reason_of_each_wait(stack):
    program = on_terminal(stack, "start", "web")
    program.see(r"(?s)• db\n  . postgres +running [0-9.]+ m?s: no line of output matches [^\n]*\n  . initdb .*\n· web +waits [0-9.]+ m?s: db is ")
    program.see(r"initdb +done after 0\.[0-9] s")
    assert program.end() == DONE
    shown = program.text().rstrip().splitlines()
    assert re.fullmatch(r"✓ db", shown[0].rstrip())
    assert re.fullmatch(r"  ✓ postgres +ready after 0\.[6-9] s", shown[1]) and re.fullmatch(r"  ✓ initdb +done after 0\.[3-5] s", shown[2])
    assert re.fullmatch(r"✓ web +ready after [0-9.]+ m?s", shown[3])
    assert re.fullmatch(r"3 of 3 ready in 0\.[6-9] s; slowest db/postgres 0\.[6-9] s", shown[4])
    assert len(shown) == 5 and all(len(line) < 80 for line in shown)


def test_a_frame_is_written_at_once_and_nothing_is_erased_before(stack):
    program = on_terminal(stack, "start", "web")
    assert program.end() == DONE
    assert program.screen.frames > 3
    assert b"\x1b[2J" not in program.raw and b"\x1b[2K" not in program.raw and b"\x1b[?25l" not in program.raw


def test_a_failure_is_shown_with_its_reason_and_its_last_line_while_it_is_tried_again(hp):
    hp.register_text(BROKEN)
    program = on_terminal(hp, "start", "broken", "--timeout", "1s")
    program.see(r"✗ broken +failed: exit code 3; attempt \d+ follows in .*\n  \| can not open /etc/broken.conf")
    assert program.end() == TIMED_OUT
    shown = program.text()
    assert re.search(r"0 of 1 ready after 1\.\d s", shown) and re.search(r"operation \d+ goes on", shown)
    assert "root cause" in shown and "| can not open /etc/broken.conf" in shown.split("root cause")[1] and "try:" in shown


def test_control_C_leaves_the_terminal_as_it_was_and_says_how_to_follow_or_cancel(stack):
    program = on_terminal(stack, "start", "web")
    program.see("waits")
    operation = stack.status("web")["operation"]
    os.write(program.master, b"\x03")
    assert program.end() == -signal.SIGINT
    shown = program.text().rstrip().splitlines()
    assert shown[-3:] == [f"hero_proc: operation {operation} goes on", f"    follow it:  hero_proc op watch {operation}",
                          f"    cancel it:  hero_proc op cancel {operation}"]
    modes = re.findall(rb"\x1b\[([0-9;?]*)([A-Za-z])", program.raw)
    assert {letter for _, letter in modes} <= {b"m", b"A", b"K", b"J"} and [m for m, letter in modes if letter == b"m"][-1] == b"0"
    follower = on_terminal(stack, "op", "watch", operation)
    assert follower.end() == DONE and "3 of 3 ready in" in follower.text()


def test_a_terminal_that_becomes_narrow_or_low_is_written_within(stack):
    program = on_terminal(stack, "start", "web")
    program.see("waits")
    program.screen = Screen(12, 30)
    program.screen.lines, program.screen.row = [""] * 40, 39  # what was there before
    program.resize(12, 30)
    assert program.end() == DONE
    shown = [line for line in program.text().splitlines() if line.startswith(("✓", "•", "·", " "))]
    assert shown and all(len(line) < 30 for line in shown), shown


def test_more_parts_than_rows_are_counted_and_what_fails_stays_in_sight(hp):
    text = "\n".join(f'[[binaries]]\nname = "s{i:02}"\nexec = ["/usr/bin/sleep", "9"]' for i in range(60))
    hp.register_text(f'repo = "x/many"\n{text}\n', path="/x/many/service.toml")
    hp.register_text(BROKEN)
    program = on_terminal(hp, "start", *(f"s{i:02}" for i in range(60)), "broken", "--timeout", "800ms", rows=12)
    program.see(r"✗ broken +failed: exit code 3")
    assert program.end() == TIMED_OUT
    assert re.search(r"and \d+ more; 60 ready, 1 not yet", program.text()) and "60 of 61 ready after" in program.text()


def test_down_stop_and_shutdown_are_trees_too(stack):
    stack.define("slow", script="trap 'sleep 0.6; exit 0' TERM; while :; do sleep 0.05; done")
    stack.rpc("service.start", name=["web", "slow"])
    program = on_terminal(stack, "down")
    program.see(r"• slow +stopping [0-9.]+ m?s")
    assert program.end() == DONE
    assert re.search(r"slow +stopped after 0\.[6-9] s", program.text())
    assert re.search(r"3 of 3 stopped in [01]\.\d s; slowest slow 0\.[6-9] s", program.text()), program.text()
    stack.rpc("service.start", name=["web", "slow"])
    program = on_terminal(stack, "shutdown")
    program.see(r"• slow +stopping")
    assert program.end() == DONE and "the supervisor is down" in program.text() and re.search("3 of 3 stopped in", program.text())


def without_times(text):
    return [re.sub(r"[0-9.]+ m?s\b", "TIME", line) for line in text.splitlines()]


def test_lines_that_stay_where_there_is_no_terminal(stack):
    done = stack.cli("start", "web")
    lines = without_times(done.stdout)
    assert done.returncode == DONE and "\x1b" not in done.stdout and done.stderr == ""
    for line in ("db/postgres              starting", "db/initdb                done after TIME", "db/postgres              ready after TIME",
                 "web                      ready after TIME", "3 of 3 ready in TIME; slowest db/postgres TIME"):
        assert lines.count(line) == 1, (line, lines)
    assert any(line.startswith("web                      waits: db is ") for line in lines)
    lines = without_times(stack.cli("stop", "db").stdout)
    assert lines.index("web                      stopped after TIME") < lines.index("db/postgres              stopping")
    assert lines[-1].startswith("2 of 2 stopped in TIME")
    assert stack.cli("start", "web", "-q").stdout == "" and stack.cli("start", "web").stdout == "web: nothing to do\n"


def test_a_failure_elsewhere_is_a_line_too_and_ends_with_why(hp):
    hp.register_text(BROKEN + 'retry = {restart = "never"}\n')
    hp.define("top", dependencies={"requires": ["broken"]})
    done = hp.cli("start", "top")
    assert done.returncode == NOT_READY, done
    assert "broken                   failed: exit code 3\n" in done.stdout
    assert "broken                   | can not open /etc/broken.conf\n" in done.stdout
    assert "top                      waits: broken is " in done.stdout
    assert re.search(r"0 of 2 ready after 0\.\d s", done.stdout)
    assert "root cause" in done.stderr and "try:" in done.stderr and "can not open" in done.stderr


def test_a_time_out_ends_with_the_answer_of_why_for_each_root_once(hp):
    hp.register_text(BROKEN)
    hp.define("one", dependencies={"requires": ["broken"]})
    hp.define("two", dependencies={"requires": ["one"]})
    done = hp.cli("start", "broken", "one", "two", "--timeout", "700ms")
    assert done.returncode == TIMED_OUT
    assert done.stderr.count("root cause") == 1 and "can not open" in done.stderr, done.stderr
    done = hp.cli("-q", "start", "two", "--timeout", "300ms")
    assert done.returncode == TIMED_OUT and done.stderr.count("root cause") == 1 and done.stdout == ""


class Counter(threading.Thread):
    """Stands between a client and the supervisor and counts connections."""

    def __init__(self, hp):
        super().__init__(daemon=True)
        self.path, self.there, self.n = str(hp.root / "between.sock"), str(hp.socket), 0
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(self.path)
        self.door.listen(64)
        self.start()

    def run(self):
        while True:
            client, _ = self.door.accept()
            self.n += 1
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.there)
            for a, b in (client, server), (server, client):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while part := a.recv(65536):
                b.sendall(part)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_following_asks_for_nothing_while_nothing_happens(hp):
    hp.define("s", exec=["/usr/bin/sleep", "1000"], readiness={"after_ms": 1800})
    counter = Counter(hp)
    for words in ("start", "s"), ("-q", "restart", "s"):
        counter.n = 0
        done = hp.cli("--socket", counter.path, *words)
        assert done.returncode == DONE and counter.n < 16, (words, counter.n)  # it was ten a second and more


def test_a_server_that_is_killed_meanwhile_is_no_end_of_following(stack):
    program = on_terminal(stack, "start", "web")
    program.see("waits")
    stack.kill_server()
    assert program.end() == DONE and "3 of 3 ready in" in program.text(), program.text()


def test_control_C_while_a_run_is_awaited_says_that_it_goes_on(hp):
    hp.define("slow", script="exec sleep 1000")
    run = hp.rpc("run.submit", actions=[{"name": "once", "script": "sleep 1000"}], wait=False)["run"]
    program = on_terminal(hp, "run", "wait", run)
    caught = lambda: int(re.search(r"SigCgt:\t(\w+)", Path(f"/proc/{program.process.pid}/status").read_text())[1], 16)
    wait_until(lambda: caught() & 1 << signal.SIGINT - 1, what="it waits")
    os.write(program.master, b"\x03")
    assert program.end() == -signal.SIGINT
    assert f"run {run} goes on" in program.text() and f"hero_proc run cancel {run}" in program.text()
    assert hp.cli("run", "cancel", run).returncode == DONE
