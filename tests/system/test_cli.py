"""The command line: exit codes that scripts can use, and errors that say what would be right."""
import json

from hp import (DONE, EXAMPLES, NO_DAEMON, NOT_FOUND, NOT_READY, REFUSED, TIMED_OUT, USAGE, wait_until)

HERO = EXAMPLES / "hero"
ALL = [HERO / n / "service.toml" for n in ("hero_db", "hero_proxy", "hero_collab")]


def said(done):
    return done.stdout + done.stderr


def expect(code, done):
    assert done.returncode == code, (done.args, done.returncode, done.stdout, done.stderr)
    return done


def test_up_brings_a_folder_up_and_down_takes_it_down(hp):
    expect(DONE, hp.cli("up", HERO))
    for dependent, dependency in (("hero_collab_web", "hero_collab_server"), ("hero_collab_web", "hero_proxy"),
                                  ("hero_collab_server", "hero_db")):
        hp.diary.assert_started_after(dependent, dependency)
    assert all(hp.state(n) == "running" for n in hp.diary.names())
    expect(DONE, hp.cli("down", HERO))
    assert all(hp.state(n) == "inactive" for n in hp.diary.names())
    hp.diary.assert_stopped_before("hero_collab_server", "hero_db")


def test_up_starts_the_daemon_when_there_is_none(fresh):
    hp = fresh()
    expect(DONE, hp.cli("up", HERO))
    assert hp.state("hero_collab_web") == "running"
    expect(DONE, hp.cli("shutdown"))
    wait_until(lambda: not hp.left(), what="every process is gone")


def test_words_that_are_no_command_are_a_usage_error_with_a_suggestion(hp):
    assert "service" in said(expect(USAGE, hp.cli("servcie", "list")))
    expect(USAGE, hp.cli("service", "start"))


def test_a_name_that_is_not_registered_is_not_found_with_a_suggestion(hp):
    hp.register(*ALL)
    assert "hero_db" in said(expect(NOT_FOUND, hp.cli("service", "status", "hero_bd")))
    expect(NOT_FOUND, hp.cli("service", "start", "nobody"))


def test_refusals_end_with_4_and_change_nothing(hp):
    hp.register(ALL[2])
    assert "hero_db" in said(expect(REFUSED, hp.cli("service", "start", "hero_collab_server")))
    assert hp.diary.lines() == []


def test_what_does_not_become_ready_ends_with_5_and_the_reason(hp):
    hp.define("base", script="exit 41", readiness={"after_ms": 200}, retry_policy={"restart": "never"})
    hp.define("top", dependencies={"requires": ["base"]})
    text = said(expect(NOT_READY, hp.cli("service", "start", "top")))
    assert "base" in text and "41" in text
    expect(NOT_READY, hp.cli("service", "start", "base"))


def test_a_wait_that_is_too_long_ends_with_6_and_the_operation_goes_on(fresh):
    hp = fresh(HERO_DELAY_HERO_DB=1500).start()
    hp.register(ALL[0])
    expect(TIMED_OUT, hp.cli("service", "start", "hero_db", "--timeout", "200ms"))
    hp.wait_state("hero_db", "running")


def test_without_a_daemon_it_ends_with_7(fresh):
    expect(NO_DAEMON, fresh().cli("service", "list"))


def test_check_prints_every_error_at_once_with_its_place(hp):
    bad = hp.root / "service.toml"
    bad.write_text('[[binaries]]\nname = "a"\nkind = "sever"\n\n[[dependencies]]\nrepo = "x/b"\nbin_nmae = "b"\n')
    text = said(expect(REFUSED, hp.cli("check", bad)))
    assert f"{bad}:3:" in text and f"{bad}:7:1" in text
    assert "server" in text and "bin_name" in text
    assert "bin_nmae = " in text  # the offending line itself


def test_check_of_good_files_is_silent_success_and_needs_no_daemon(fresh):
    hp = fresh()
    expect(DONE, hp.cli("check", *ALL))
    expect(DONE, hp.cli("check", *(EXAMPLES / "livekit").glob("*/service.toml")))


def test_check_finds_a_cycle_among_files_with_each_edge_and_says_nothing_of_what_is_elsewhere(fresh):
    hp = fresh()
    for name, needs in ("a", "b"), ("b", "a"), ("c", "elsewhere"):
        (hp.root / name).mkdir()
        (hp.root / name / "service.toml").write_text(f'[service]\nname = "{name}"\nexec = "sleep 9"\nrequires = ["{needs}"]\n')
    text = said(expect(REFUSED, hp.cli("check", hp.root / "a", hp.root / "b", hp.root / "c")))
    assert "a/service.toml:4" in text and "b/service.toml:4" in text and "cycle" in text
    assert not said(expect(DONE, hp.cli("check", hp.root / "c")))


def test_check_warns_of_an_edge_that_waits_for_execution_only(fresh):
    hp = fresh()
    files = []
    for name, more in ("db", ""), ("web", 'requires = ["db"]\n'):
        files.append(hp.root / f"{name}.toml")
        files[-1].write_text(f'[service]\nname = "{name}"\nexec = "sleep 9"\n{more}')
    assert "waits only until `db` is executed" in said(expect(DONE, hp.cli("check", *files)))


def test_json_is_json_everywhere(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    for words in (("service", "list"), ("service", "status", "hero_db"), ("service", "get", "hero_db"),
                  ("service", "why", "hero_db"), ("plan", "stop", "hero_db"), ("tree", "hero_collab_web"),
                  ("service", "stop", "hero_db"), ("health",)):
        json.loads(expect(DONE, hp.cli(*words, "--json")).stdout)


def test_colours_only_on_a_terminal(hp):
    hp.register(*ALL)
    for words in (("service", "list"), ("service", "start", "hero_collab_web"), ("tree", "hero_collab_web")):
        assert "\x1b" not in said(expect(DONE, hp.cli(*words)))


def test_plan_tells_the_steps_and_changes_nothing(hp):
    hp.register(*ALL)
    steps = [s["service"] for s in hp.cli_json("plan", "start", "hero_collab_web")["steps"]]
    assert set(steps) == {"hero_db", "hero_proxy", "hero_collab_server", "hero_collab_web"}
    first = steps.index
    assert first("hero_db") < first("hero_collab_server") < first("hero_collab_web") > first("hero_proxy")
    assert "hero_collab_server" in expect(DONE, hp.cli("plan", "start", "hero_collab_web")).stdout
    assert hp.diary.lines() == []


def test_progress_names_what_is_waited_for(fresh):
    hp = fresh(HERO_DELAY_HERO_DB=700).start()
    hp.register(*ALL)
    text = said(expect(DONE, hp.cli("service", "start", "hero_collab_server")))
    assert "hero_db" in text


def test_logs_show_what_a_service_wrote(hp):
    hp.register(ALL[0])
    hp.rpc("service.start", name="hero_db")
    wait_until(lambda: "here I am" in hp.cli("logs", "hero_db").stdout, what="its line is there")


def test_run_submit_ends_with_what_became_of_it(hp):
    hp.register(ALL[0])
    run = hp.rpc("run.submit", actions=[{"name": "once", "script": "exit 3"}], wait=True)["run"]
    expect(3, hp.cli("run", "wait", run))
    expect(NOT_FOUND, hp.cli("run", "wait", "nobody"))


def test_a_service_registered_from_its_binary_is_the_same(hp):
    hp.register(*ALL)
    expect(DONE, hp.cli("service", "register", "--from-binary", hp.bin / "hero_collab_web"))
    assert {s["name"] for s in hp.rpc("service.list")["services"]} == {
        "hero_db", "hero_proxy", "hero_collab_server", "hero_collab_web"}


def test_the_options_of_a_service_binary(hp):
    hp.register(*ALL)
    expect(DONE, hp.run_program("hero_collab_web", "--info"))
    expect(DONE, hp.run_program("hero_collab_web", "--start"))
    assert "running" in said(expect(DONE, hp.run_program("hero_collab_web", "--status")))
    expect(DONE, hp.run_program("hero_collab_web", "--stop"))
    assert hp.state("hero_collab_web") == "inactive"
    assert hp.state("hero_db") == "running"


def test_a_flag_opens_a_gate_from_the_command_line(hp):
    hp.define("app", exec=["/usr/bin/sleep", "1000"], depends_on=[{"gate": "flag:go"}])
    hp.rpc("service.start", name="app", wait=False)
    hp.wait_state("app", "waiting_deps")
    assert "no flag is set" in hp.cli("flag", "list").stdout
    assert hp.cli("flag", "set", "go").stdout == "go is set\n"
    hp.wait_state("app", "running")
    assert hp.cli("flag", "set", "go").stdout == "go was set already\n"
    assert hp.cli_json("flag", "list")["flags"][0]["name"] == "go"
    assert hp.cli("flag", "clear", "go").stdout == "go is cleared\n"
    assert hp.cli("flag", "clear", "no/name").returncode != 0
