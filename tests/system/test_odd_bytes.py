"""Bytes that are no text, wherever lines travel: every byte is kept and shown, none is obeyed (F89, SPEC 6)."""
import base64
import os
import pty
import subprocess

import pytest

from hp import wait_until

SAID = b"x\0nul \033[31mred\033[0m \033]0;title\007 \377bad \xc2\x9b2J\ttab"
PRINTED = "".join(rf"\{b:03o}" for b in SAID)  # as printf takes it


def say(hp, name="s", then="exec {}/pause", **keys):
    hp.define(name, script=rf"printf '{PRINTED}\n'; " + then.format(hp.bin), **keys)


def on_a_terminal(hp, *args):
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen([hp.bin / "hero_proc", *args], env={**hp.env, "TERM": "xterm", "COLUMNS": "200"},
                         cwd=hp.root, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        seen += more
    os.close(ours)
    p.wait(10)
    return seen


@pytest.fixture
def spoken(hp):
    say(hp)
    hp.rpc("service.start", name="s")
    wait_until(lambda: hp.rpc("logs.query", service="s")["lines"], what="it wrote")
    return hp


@pytest.mark.parametrize("filters", [{}, {"tail": 1}, {"grep": "nul"}, {"regex": "^x.nul"}, {"grep": "tab"}])
def test_F89_a_line_is_whole_in_the_answer_of_a_query(spoken, filters):
    line = spoken.rpc("logs.query", service="s", **filters)["lines"][0]
    assert base64.b64decode(line["line_b64"]) == SAID
    assert line["line"] == SAID.decode("utf-8", "replace")


def test_F89_NUL_alone_is_UTF_8(hp):
    hp.define("s", script=rf"printf 'x\0nul\n\0\n'; exec {hp.bin}/pause")
    hp.rpc("service.start", name="s")
    lines = wait_until(lambda: len(found := hp.rpc("logs.query", service="s")["lines"]) == 2 and found, what="it wrote")
    assert [x["line"] for x in lines] == ["x\0nul", "\0"] and "line_b64" not in lines[0]
    job = hp.rpc("job.logs", id=lines[0]["job"])["lines"]
    assert [x["line"] for x in job] == ["x\0nul", "\0"]


def test_F89_on_a_pipe_each_byte_is_as_it_was(spoken):
    done = subprocess.run([spoken.bin / "hero_proc", "logs", "s"], env=spoken.env, capture_output=True, timeout=20)
    assert done.returncode == 0 and SAID + b"\n" in done.stdout


def test_F89_on_a_terminal_nothing_is_obeyed_and_nothing_missing(spoken):
    seen = on_a_terminal(spoken, "logs", "s")
    assert b"\0" not in seen and b"\033]0;" not in seen and b"\007" not in seen and b"\xc2\x9b" not in seen and b"\xff" not in seen
    for part in [b"x", b"nul", b"red", b"title", b"bad", b"2J", b"tab"]:
        assert part in seen


def test_F89_a_follower_sees_the_whole_line(spoken):
    p = subprocess.Popen([spoken.bin / "hero_proc", "logs", "-f", "s"], env=spoken.env, stdout=subprocess.PIPE,
                         stdin=subprocess.DEVNULL)
    try:
        os.set_blocking(p.stdout.fileno(), False)
        seen = [b""]

        def whole():
            seen[0] += p.stdout.read() or b""
            return SAID in seen[0]
        wait_until(whole, what=lambda: f"it is followed: {seen}")
    finally:
        p.terminate()
        p.wait(10)


def test_F89_the_last_words_of_what_failed_are_whole_and_harmless(hp):
    say(hp, then="exit 3", retry_policy={"restart": "never"}, readiness={"manual": True})
    hp.refusal("service.start", name="s")
    text = wait_until(lambda: "nul" in (t := hp.rpc("service.why", name="s")["text"]) and t, what="why quotes it")
    assert "x nul red" in text and "bad" in text and "tab" in text
    assert not any(ord(c) < 32 and c != "\n" or 0x7f <= ord(c) < 0xa0 for c in text)
    seen = on_a_terminal(hp, "why", "s")
    assert b"\033]0;" not in seen and b"\0" not in seen and b"nul red" in seen


@pytest.mark.parametrize("keys", [{"readiness": {"log": "tab$"}}, {"readiness": {"log": "^x.nul red"}}])
def test_F89_a_line_with_NUL_makes_ready(hp, keys):
    say(hp, **keys)
    hp.rpc("service.start", name="s")


def test_F89_a_probe_and_a_status_are_whole_too(hp):
    hp.define("s", start_timeout_ms=700, retry_policy={"restart": "never"},
              probes={"readiness": {"exec": rf"printf 'x\0nul \033[31mred\033[0m \377bad'; exit 1"}})
    error = hp.refusal("service.start", name="s")
    assert "readiness probe: exit code 1: x nul red \ufffdbad" in error.message
