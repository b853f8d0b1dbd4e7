"""What is written: nothing is cut in silence, what can not be written is an error, drawings fit the locale."""
import json
import os
import subprocess

import pytest
from hp import DONE, FAILED, NO_DAEMON, SOURCE, USAGE, wait_until

SLEEP = ["/usr/bin/sleep", "1000"]
VERBS = [("service", "list"), ("list",), ("ps",), ("status", "s"), ("service", "get", "s"), ("why", "s"), ("tree",), ("graph",),
         ("events",), ("op", "list"), ("run", "list"), ("flag", "list"), ("health",), ("plan", "s"), ("what-if", "stop", "s"),
         ("logs", "s"), ("blame", "s"), ("critical-chain", "s"), ("start", "s"), ("check", "ok.toml", "--json"), ("diff", "."),
         ("help",), ("help", "start"), ("version",), ("-V",), ("--help",), ("completion", "bash"), ("doctor",)]


def into(hp, target, *words):
    with open(target, "wb") as out:
        return subprocess.run([hp.bin / "hero_proc", *words], env=hp.env, cwd=hp.root, stdout=out, stderr=subprocess.PIPE, text=True,
                              timeout=40)


@pytest.fixture
def one(hp):
    hp.define("s", script="echo here; exec sleep 1000")
    hp.rpc("service.start", name="s")
    (hp.root / "ok.toml").write_text('[service]\nname = "ok"\nexec = "sleep 9"\n')
    return hp


def test_F90_a_full_disk_under_the_output_is_exit_status_1_with_the_reason(one):
    for words in VERBS:
        done = into(one, "/dev/full", *words)
        assert done.returncode == FAILED, words
        assert "standard output: No space left on device" in done.stderr, (words, done.stderr)


def test_F90_output_that_is_closed_is_exit_status_1_and_no_socket_of_ours_takes_its_place(one):
    for words in (("list",), ("status", "s"), ("-V",)):
        line = " ".join([f"{one.bin}/hero_proc", *words, ">&-"])
        done = subprocess.run(line, shell=True, env=one.env, capture_output=True, text=True, timeout=40)
        assert done.returncode == FAILED and "Bad file descriptor" in done.stderr, (words, done)


def test_F90_a_pipe_that_nobody_reads_is_exit_status_1_with_the_reason(one):
    for words in VERBS:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            done = subprocess.run([one.bin / "hero_proc", *words], env=one.env, cwd=one.root, stdout=out, stderr=subprocess.PIPE,
                                  text=True, timeout=40)
        assert done.returncode == FAILED and "Broken pipe" in done.stderr, (words, done)


def test_F90_a_status_that_says_more_is_kept(fresh):
    assert into(fresh(), "/dev/full", "list").returncode == NO_DAEMON


def many(hp, n):
    text = "\n".join(f'[[binaries]]\nname = "service-with-a-long-name-{i:04}"\nexec = ["/usr/bin/sleep", "9"]' for i in range(n))
    hp.register_text(f'repo = "x/many"\n{text}\n')


def test_F87_the_list_of_2500_services_is_complete(hp):
    many(hp, 2500)
    rows = hp.cli("service", "list").stdout.splitlines()
    assert len(rows) == 2501 and len({row.split()[0] for row in rows[1:]}) == 2500
    answer = hp.cli_json("list")
    assert len(answer["services"]) == 2500 and answer["next"] is None
    assert len(hp.cli("tree").stdout.splitlines()) == 2500


def test_F90_head_takes_what_it_wants_and_nothing_is_said(hp):
    many(hp, 2500)
    line = f"{hp.bin}/hero_proc list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], env=hp.env, capture_output=True, text=True, timeout=40)
    assert done.stderr == "" and done.stdout.split()[0] == "SERVICE" and done.stdout.split()[-1] == "1"


@pytest.mark.parametrize("words", [("events", "-f"), ("logs", "s", "-f")])
def test_F90_what_is_followed_ends_when_its_reader_leaves(one, words):
    with subprocess.Popen([one.bin / "hero_proc", *words], env=one.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        program.stdout.readline()
        program.stdout.close()
        assert program.wait(10) == FAILED  # nothing new has to happen for that
        assert program.stderr.read() == b""


def test_F87_history_is_bounded_and_says_how_much_is_left_out(hp):
    for i in range(130):
        hp.rpc("flag.set", name=f"f{i}")
        hp.rpc("run.submit", actions=[{"name": "once", "script": ":"}], wait=False)
    assert len(hp.cli("flag", "list").stdout.splitlines()) == 130
    wait_until(lambda: hp.cli("op", "list", "--state", "active").stdout.count("\n") == 1, what="all is over")
    for noun, shown, what in ("op", 100, "operations"), ("run", 100, "runs"):
        total = len(hp.cli(noun, "list", "-n", "0").stdout.splitlines()) - 1
        bounded = hp.cli(noun, "list")
        assert len(bounded.stdout.splitlines()) == shown + 1
        assert f"{total - shown} older {what} are not shown; `hero_proc {noun} list -n 0` shows all" in bounded.stderr
        assert len(hp.cli(noun, "list", "-n", "7").stdout.splitlines()) == 8
        assert len(hp.cli_json(noun, "list", "-n", "0")[what if noun == "run" else "operations"]) == total
    everything = hp.cli("events", "-n", "0").stdout.splitlines()
    bounded = hp.cli("events")
    assert bounded.stdout.splitlines() == everything[-50:]
    assert f"{len(everything) - 50} earlier events are not shown; `hero_proc events -n 0` shows all" in bounded.stderr
    assert len(everything) > 1000 and hp.cli("events", "-n", "1100").stdout.splitlines() == everything[-1100:]


def test_F87_logs_are_bounded_and_say_so(hp):
    hp.define("s", script="i=0; while [ $i -lt 1500 ]; do echo line $i; i=$((i+1)); done; exec sleep 1000")
    hp.rpc("service.start", name="s")
    wait_until(lambda: "line 1499" in hp.cli("logs", "s", "-n", "1").stdout, what="all is written")
    bounded = hp.cli("logs", "s")
    assert len(bounded.stdout.splitlines()) == 1000 and "`hero_proc logs s -n 0` shows all" in bounded.stderr
    assert [x.split()[-1] for x in hp.cli("logs", "s", "-n", "0").stdout.splitlines()] == [str(i) for i in range(1500)]


def test_an_event_that_is_longer_than_a_line_is_whole_in_a_pipe(hp):
    hp.define("s", exec=SLEEP, depends_on=[{"gate": f"flag:{'x' * 200}{i}"} for i in range(10)])
    hp.rpc("service.start", name="s", wait=False)
    hp.wait_state("s", "waiting_deps")
    hp.rpc("service.stop", name="s")
    shown = hp.cli("events", "-n", "0").stdout
    for event in hp.rpc("events.query")["events"]:
        assert f"#{event['id']}" in shown
        assert not event.get("text") or event["text"] in shown


def test_without_a_UTF8_locale_drawings_are_ASCII(hp):
    hp.define("db", exec=SLEEP)
    hp.define("web", exec=SLEEP, dependencies={"requires": ["db"]})
    hp.define("app", exec=SLEEP, dependencies={"requires": ["db", "web"]})
    hp.rpc("service.start", name="app")
    for words in (("tree",), ("tree", "db", "--reverse"), ("why", "app"), ("graph",), ("critical-chain", "app"), ("status", "app"), ("start", "app"),
                  ("restart", "db"), ("plan", "stop", "db"), ("help",), ("stop", "db")):
        for locale in "C", "POSIX":
            done = hp.cli(*words, env={"LC_ALL": locale})
            assert done.returncode == DONE and done.stdout.isascii() and done.stderr.isascii(), (words, done)
    assert "`- " in hp.cli("tree", env={"LC_ALL": "C"}).stdout and "└─ " in hp.cli("tree").stdout
    assert "└─ " in hp.cli("tree", env={"LANG": "", "LC_CTYPE": "en_US.utf8"}).stdout


def test_the_overview_fits_a_terminal_of_80_columns(hp):
    for words in [("help",), *(("help", *name.split()) for name in names_of_verbs(hp))]:
        done = hp.cli(*words)
        assert done.returncode == DONE
        for line in done.stdout.splitlines():
            assert len(line) <= 80 or "usage:" in line, (words, line)


def names_of_verbs(hp):
    text = hp.cli("help").stdout
    return [line[2:19].strip() for line in text.splitlines() if line.startswith("  ") and line[2] != " "]


def test_every_verb_shows_its_own_options_and_an_example(hp):
    names = names_of_verbs(hp)
    assert len(names) > 40 and {"up", "start", "op watch", "version"} <= set(names)
    for name in names:
        ways = [hp.cli("help", *name.split()), hp.cli(*name.split(), "--help"), hp.cli(*name.split(), "-h")]
        assert {w.stdout for w in ways} == {ways[0].stdout} and all(w.returncode == DONE for w in ways)
        assert f"usage: hero_proc {name}" in ways[0].stdout and "example:" in ways[0].stdout
    assert "--rollback-after" in hp.cli("help", "apply").stdout and "--rollback-after" not in hp.cli("help", "start").stdout


def test_an_option_that_a_verb_does_not_know_is_a_usage_error_that_names_it(hp):
    done = hp.cli("flag", "list", "--force")
    assert done.returncode == USAGE and "`flag list` knows no option --force" in done.stderr
    for words, said in ((("list", "--frce"), "did you mean `--force`?"), (("list", "--timeout"), "--timeout needs a value"),
                        (("list", "-x"), "no option `-x`"), (("start", "x", "--timeout", "soon"), "is no duration"),
                        (("list", "--json=yes"), "--json takes no value")):
        done = hp.cli(*words)
        assert done.returncode == USAGE and said in done.stderr, (words, done.stderr)


def test_json_of_a_list_is_one_document(hp):
    many(hp, 3)
    assert len(json.loads(hp.cli("list", "--json").stdout)["services"]) == 3


def test_the_README_and_the_overview_name_the_same_verbs(hp):
    text = (SOURCE / "README.md").read_text()
    table = text[text.index("## Commands"):text.index("## What it is not")].replace("\\", "")
    for name in names_of_verbs(hp):
        noun, _, second = name.partition(" ")
        assert f"`hero_proc {name}" in table or f"`{name}" in table or (second and f"hero_proc {noun} " in table and second in table), name
