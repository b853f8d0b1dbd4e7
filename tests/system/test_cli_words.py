"""The words that people try first, and what a service says of itself."""
import datetime
import json
import re
import subprocess

from hp import DONE, NOT_FOUND, USAGE, wait_until

SLEEP = ["/usr/bin/sleep", "1000"]


def ok(done):
    assert done.returncode == DONE, (done.args, done.stdout, done.stderr)
    return done.stdout


def test_start_stop_restart_status_list_and_ps_need_no_noun(hp):
    hp.define("db", exec=SLEEP)
    ok(hp.cli("start", "db"))
    first = hp.pid("db")
    ok(hp.cli("restart", "db"))
    assert hp.state("db") == "running" and hp.pid("db") != first
    assert ok(hp.cli("status", "db")).startswith("db: running")
    assert ok(hp.cli("ps")) == ok(hp.cli("list")) == ok(hp.cli("status")) and "db " in ok(hp.cli("ps"))
    ok(hp.cli("kill", "db", "--signal", "WINCH"))
    ok(hp.cli("stop", "db"))
    assert hp.state("db") == "inactive"
    ok(hp.cli("delete", "db"))


def test_version_in_three_ways_without_a_supervisor(fresh):
    hp = fresh()
    said = {ok(hp.cli(word)) for word in ("version", "-V", "--version")}
    assert len(said) == 1 and said.pop().startswith("hero_proc ")
    assert json.loads(ok(hp.cli("version", "--json")))["version"]


def test_a_wrong_verb_gets_the_right_one(fresh):
    hp = fresh()
    for word, said in (("strat", "did you mean `start`?"), ("lst", "did you mean `list`?"), ("stauts", "did you mean `status`?"),
                       ("enable", "hero_proc wanted NAME start"), ("journalctl", "hero_proc logs NAME"),
                       ("rm", "hero_proc delete NAME"), ("xyzzyxyzzy", "`hero_proc help` lists them")):
        done = hp.cli(word, "web")
        assert done.returncode == USAGE and said in done.stderr, (word, done.stderr)
    done = hp.cli("run")
    assert done.returncode == USAGE and "run submit" in done.stderr and "flag set" not in done.stderr
    assert "start what was" not in hp.cli("help", "op").stdout and "op cancel" in ok(hp.cli("help", "op"))


def test_logs_of_a_run_and_of_a_job(hp):
    hp.define("s", script="echo attempt of $$; exec sleep 1000")
    for _ in range(2):
        hp.rpc("service.restart", name="s")
    wait_until(lambda: len(hp.log_lines("s")) == 2, what="both runs wrote")
    run = hp.status("s")["run"]["name"]
    assert len(ok(hp.cli("logs", "s")).splitlines()) == 2
    (line,) = ok(hp.cli("logs", run)).splitlines()
    assert line == ok(hp.cli("logs", hp.action("s")["job"])).rstrip("\n") == ok(hp.cli("logs", "s")).splitlines()[-1]
    adhoc = hp.rpc("run.submit", actions=[{"name": "once", "script": "echo of my own"}], wait=True)["run"]
    wait_until(lambda: "of my own" in ok(hp.cli("logs", adhoc)), what="its line is there")
    done = hp.cli("logs", "ss")
    assert done.returncode == NOT_FOUND and "did you mean `s`?" in done.stderr
    assert hp.cli("logs", "99999").returncode == NOT_FOUND


COMPOSITE = """
[service]
name = "shop"
[[binaries]]
name = "app"
exec = "echo I am the app; exec sleep 1000"
[[binaries]]
name = "worker"
exec = "echo I am the worker; exec sleep 1000"
"""


def test_lines_of_a_composite_name_the_action_and_lines_of_several_services_the_service_too(hp):
    hp.register_text(COMPOSITE)
    hp.define("db", script="echo I am the db; exec sleep 1000")
    hp.rpc("service.start", name=["shop", "db"])
    wait_until(lambda: len(hp.log_lines("shop")) == 2 and hp.log_lines("db"), what="all wrote")
    told = [line.split(" ", 1)[1] for line in ok(hp.cli("logs", "shop")).splitlines()]
    assert sorted(told) == ["app    | I am the app", "worker | I am the worker"]
    assert ok(hp.cli("logs", "db")).rstrip().endswith(" I am the db") and "|" not in ok(hp.cli("logs", "db"))
    told = [line.split(" ", 1)[1] for line in ok(hp.cli("logs", "shop", "db")).splitlines()]
    assert sorted(told) == ["db          | I am the db", "shop/app    | I am the app", "shop/worker | I am the worker"]
    assert ok(hp.cli("logs", "shop/app")).rstrip().endswith(" I am the app") and "worker" not in ok(hp.cli("logs", "shop/app"))


def leaves(value):
    """What a status says, as texts."""
    if isinstance(value, dict):
        for key, v in value.items():
            if key not in ("since", "started", "time"):  # shown as ages
                yield from leaves(v)
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v)
    elif value not in (None, True, False, "", 0):
        yield str(value)


def without_ages(text):
    return re.sub(r"\d+(\.\d+)? (ms|s|min|h)\b", "AGE", text)


def test_status_shows_everything_that_the_API_does(hp):
    hp.define("db", script="sleep 0.2; exit 7", readiness={"after_ms": 5000}, retry_policy={"delay_ms": 60000})
    hp.define("web", exec=SLEEP, dependencies={"requires": ["db"]})
    hp.define("ok", exec=SLEEP)
    hp.rpc("service.start", name=["web", "ok"], wait=False)
    wait_until(lambda: hp.action("db")["state"] == "retrying", what="db failed once")
    hp.rpc("service.set", service={"name": "ok", "actions": [{"name": "ok", "exec": ["/usr/bin/sleep", "2000"], "interpreter": "exec",
                                                              "is_process": True}]})
    for name in "db", "web", "ok":
        api, shown = hp.status(name), without_ages(ok(hp.cli("status", name)))
        for leaf in leaves({k: v for k, v in api.items() if k != "waiting_on"}):
            assert without_ages(leaf) in shown or leaf == "1", (name, leaf, shown)
        for edge in api["waiting_on"]:
            assert without_ages(edge["text"]) in shown
    assert "definition has changed" in ok(hp.cli("status", "ok")) and "hero_proc restart ok" in ok(hp.cli("status", "ok"))
    assert "definition has changed" not in ok(hp.cli("status", "db"))


def test_plan_takes_the_options_of_the_operation(hp):
    hp.define("db", exec=SLEEP)
    hp.define("web", exec=SLEEP, dependencies={"requires": ["db"]})
    assert "db" in ok(hp.cli("plan", "start", "web"))
    assert hp.cli("plan", "start", "web", "--no-deps").returncode == hp.cli("start", "web", "--no-deps").returncode != DONE


def test_times_are_those_of_the_reader(hp):
    """They were shown in UTC, without a word about it.  The day, when it is not today: test_programs.py."""
    hp.define("s", script="echo here; exec sleep 1000")
    hp.rpc("service.start", name="s")
    (line,) = wait_until(lambda: hp.rpc("logs.query", service="s")["lines"], what="its line is there")
    at = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
    for zone in "UTC", "Asia/Tokyo", "XXX+5:30":
        shown = ok(hp.cli("logs", "s", env={"TZ": zone}))
        event = ok(hp.cli("events", "-n", "1", env={"TZ": zone}))
        local = subprocess.run(["date", "-d", f"@{at.timestamp()}", "+%H:%M:%S"], env={"TZ": zone}, capture_output=True, text=True).stdout
        assert local.strip() in shown and local.strip()[:5] in event


def test_a_time_is_understood_as_people_write_it(hp):
    hp.define("s", exec=SLEEP)
    hp.rpc("service.start", name="s")
    whole = ok(hp.cli("events", "-n", "0")).splitlines()
    here = {"TZ": "Asia/Tokyo"}
    a_minute_ago = subprocess.run(["date", "-d", "1 minute ago", "+%H:%M"], env=here, capture_output=True, text=True).stdout.strip()
    for since in "5m", "-5m", "1h30m", a_minute_ago, "2020-01-01", "2020-01-01 10:00", "2020-01-01T10:00:00Z":
        assert len(ok(hp.cli("events", "--since", since, env=here)).splitlines()) == len(whole), since
    assert not ok(hp.cli("events", "--since", "2099-01-01", env=here))
    assert hp.cli("events", "--since", "soon").returncode != DONE
    assert "running" in ok(hp.cli("why", "s", "--at", "0s"))


def test_a_refusal_says_each_thing_once(hp):
    """Message, error and hint stood there twice."""
    (hp.root / "a.toml").write_text('[[binaries]]\nname = "a"\nkind = "sever"\nexec = "sleep 9"\n')
    done = hp.cli("register", "a.toml")
    assert done.returncode == 4 and "a.toml:3:" in done.stderr
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert len(lines) == len(set(lines)) and sum("sever" in line for line in lines) == 1, done.stderr
    assert sum("server" in line for line in lines) == 1  # the hint
