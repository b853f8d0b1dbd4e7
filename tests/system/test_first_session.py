"""docs/first-session.md is what happens: each of its commands is executed, and answers what stands there.

Times, process ids and numbers that differ each time are compared by their kind.  `test_first_session.py --write`
puts what is answered today into the document; read the difference before you commit it.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from hp import BUILD, SOURCE, processes_with  # noqa: E402
from terminal import Terminal  # noqa: E402

DOCUMENT = SOURCE / "docs" / "first-session.md"
BLOCK = re.compile(r"^```console\n(.*?)^```\n", re.M | re.S)
PORT = 17380

KINDS = [(r"\d{4}-\d\d-\d\d", "DAY"), (r"\d\d:\d\d:\d\d\.\d{3}", "CLOCK"), (r"\d+(\.\d+)? (ms|s|min|h|d)\b", "SPAN"),
         (r"\b(\d+[dhms] )*\d+[dhms]\b", "AGE"), (r"pid \d+", "pid PID"), (r"#\d+", "#ID"), (r"(id|operation|job|cancel|watch) \d+", r"\1 N"),
         (r"attempt \d+", "attempt N"), (r"restarts \d+", "restarts N"), (r" +", " ")]


def kinds(text):
    text = re.sub(r"; slowest .*", "", text)  # said only when one was slower than the others
    for pattern, word in KINDS:
        text = re.sub(pattern, word, text)
    return [line.rstrip() for line in text.rstrip().splitlines()]


def steps(block):
    """The commands of a block, each with its answer; a command goes on over a here-document or a backslash."""
    found, lines = [], block.splitlines()
    while lines:
        line = lines.pop(0)
        assert line.startswith("$ "), line
        command, end = [line[2:]], re.search(r"<<'(\w+)'", line)
        while (end and command[-1] != end[1]) or command[-1].endswith("\\"):
            command.append(lines.pop(0))
        answer = []
        while lines and not lines[0].startswith("$ "):
            answer.append(lines.pop(0))
        found.append(("\n".join(command), "\n".join(answer)))
    return found


class Session:
    """A person with an empty home, a shell and a terminal of 80 columns."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="hp-", dir="/tmp"))
        (self.home / "hero_proc").symlink_to(SOURCE)
        self.mark = f"HERO_TEST=session-{self.home.name}"
        self.env = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "BUILD": str(BUILD), "NO_COLOR": "1", "TERM": "xterm",
                    "PS1": "$ ", **dict([self.mark.split("=")])}

    def answer(self, command):
        """What the terminal shows at the end; `export` and `cd` last, as in a shell."""
        script = f'{command}\necho "$?" >"$HOME/.status"\nenv -0 >"$HOME/.env"\npwd >"$HOME/.pwd"'
        here = (self.home / ".pwd").read_text().strip() if (self.home / ".pwd").exists() else self.home
        terminal = Terminal(["bash", "-c", script], self.env, here, rows=24, columns=80)
        terminal.end(120)
        self.env = dict(pair.split("=", 1) for pair in (self.home / ".env").read_text().split("\0") if pair)
        return terminal.text().replace(str(self.home), "~").rstrip()

    def close(self):
        while left := processes_with(self.mark):
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home)


def play(on_step):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT} of the session is in use")
    session = Session()
    try:
        for block in BLOCK.findall(DOCUMENT.read_text()):
            for command, expected in steps(block):
                on_step(command, expected, session.answer(command))
    finally:
        session.close()


@pytest.mark.slow
def test_the_first_session_is_what_happens():
    assert len(BLOCK.findall(DOCUMENT.read_text())) > 8

    def compare(command, expected, answered):
        assert kinds(answered) == kinds(expected), f"$ {command}\n{answered}"

    play(compare)


def write():
    text = DOCUMENT.read_text()
    answers = []
    play(lambda command, expected, answered: answers.append(
        (command, expected if kinds(expected) == kinds(answered) else answered)))

    def fill(match):
        parts = []
        for _ in steps(match[1]):
            command, answer = answers.pop(0)
            parts.append(f"$ {command}\n" + (answer + "\n" if answer else ""))
        return "```console\n" + "".join(parts) + "```\n"

    DOCUMENT.write_text(BLOCK.sub(fill, text))


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], "usage: test_first_session.py --write"
    write()
