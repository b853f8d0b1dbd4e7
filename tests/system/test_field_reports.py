"""What users of supervisors have suffered: one test per report, named by its number."""
import json
import os
import signal
import subprocess

from hp import (E_CYCLE, E_DEPENDENCY, E_MISSING, EXAMPLES, INVALID_PARAMS, REFUSED, SOURCE, edge_to,
                is_alive, wait_until)

HERO = EXAMPLES / "hero"
ALL = [HERO / n / "service.toml" for n in ("hero_db", "hero_proxy", "hero_collab")]


def test_F10_dependencies_of_a_manifest_reach_the_supervisor(hp):
    hp.register(*ALL)
    shown = hp.rpc("action.get", name="hero_collab_web")["depends_on"]
    assert shown, "depends_on is never null"
    edge = edge_to(shown, "hero_collab_server")
    assert edge["source"].split(":")[0].endswith("hero_collab/service.toml")
    assert "rpc.sock" in json.dumps(edge["gate"])


def test_F11_requires_and_after_are_honoured_on_start_and_at_boot(fresh):
    hp = fresh(HERO_DELAY_HERO_DB=150).start()
    hp.register(HERO / "hero_db/service.toml")
    hp.register_text('requires = ["hero_db"]\nafter = ["hero_db"]\n[[binaries]]\nname = "hero_proxy"\n'
                     'kind = "server"\n[[binaries.sockets]]\nname = "rpc.sock"\n', "hero_proxy/service.toml")
    hp.rpc("service.start", name="hero_proxy")
    hp.diary.assert_started_after("hero_proxy", "hero_db")
    assert hp.status("hero_db")["wanted"] == "ignore"
    hp.shutdown()
    hp.diary.clear()
    hp.start().wait_state("hero_proxy", "running")
    hp.diary.assert_started_after("hero_proxy", "hero_db")


def test_F12_both_key_forms_give_the_same_edges(fresh):
    def edges(text):
        hp = fresh().start()
        hp.register(*ALL[:2])
        hp.register_text(text, "hero_collab/service.toml")
        return json.dumps(hp.edges("hero_collab_web")).replace(str(hp.root), "ROOT")
    long = ALL[2].read_text()
    short = long
    for key in ("crate", "bin", "socket"):
        short = short.replace(f"{key}_name ", f"{key} ")
    mixed = long.replace("bin_name ", "bin ")
    assert short != long
    assert edges(long) == edges(short) == edges(mixed)


def test_F12_two_values_for_one_key_are_an_error_with_both_lines(hp):
    text = ('[[binaries]]\nname = "a"\nkind = "server"\n[[dependencies]]\nrepo = "x/b"\nbin_name = "b"\nbin = "c"\n')
    refused = hp.refusal("service.register", manifest=text, path="a/service.toml")
    assert refused.code == INVALID_PARAMS
    assert "bin_name" in str(refused) and "6" in str(refused) and "7" in str(refused)


def test_F13_registering_through_two_clients_runs_nothing_twice(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_web")
    pids = {n: hp.pid(n) for n in hp.diary.names()}
    done = hp.run_program("hero_collab_web", "--start")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert {n: hp.pid(n) for n in hp.diary.names()} == pids
    assert all(len(hp.diary.pids(n)) == 1 for n in hp.diary.names())
    again = hp.register(ALL[2])[0]["services"]
    assert {row["change"] for row in again} == {"unchanged"}


def test_F13_another_definition_that_claims_the_same_socket_is_refused(hp):
    hp.register(HERO / "hero_db/service.toml")
    refused = hp.refusal("service.define", service={"name": "impostor", "actions": [
        {"name": "impostor", "script": "true", "sockets": [{"name": "rpc.sock",
                                                            "path": str(hp.sockets / "hero_db/rpc.sock")}]}]})
    assert "hero_db" in str(refused)
    assert hp.refusal("service.get", name="impostor").code == -32001


def test_F14_hero_db_needs_nobody_to_start_it_by_hand(hp):
    hp.register(*ALL)
    hp.rpc("service.start", name="hero_collab_server")
    hp.diary.assert_started_after("hero_collab_server", "hero_db")


def test_F14_boot_says_which_dependency_is_not_registered_and_starts_once_it_is(hp):
    hp.register_text(ALL[2].read_text().replace("[[binaries]]", 'status = "start"\n[[binaries]]', 1),
                     "hero_collab/service.toml")
    hp.register(ALL[1])
    assert hp.refusal("service.start", name="hero_collab_web").code == E_MISSING
    hp.shutdown()
    hp.start()
    hp.wait_state("hero_collab_server", "blocked")
    assert "hero_db" in hp.rpc("service.why", name="hero_collab_web")["text"]
    hp.register(ALL[0])
    hp.wait_state("hero_collab_web", "running")
    hp.diary.assert_started_after("hero_collab_server", "hero_db")


def test_F20_restarts_are_attempts_of_one_run(fresh):
    hp = fresh(HERO_CRASH_HERO_DB=4, HERO_DELAY_MS=0).start()
    hp.register(ALL[0])
    hp.rpc("service.start", name="hero_db")
    assert len(hp.diary.pids("hero_db")) == 5
    runs = hp.rpc("run.list", service="hero_db")["runs"]
    assert len(runs) == 1, runs
    assert hp.action("hero_db")["attempt"] == 5


def test_F24_a_cycle_is_refused_whole_and_nothing_is_dropped(hp):
    manifests = [{"path": f"{a}/service.toml",
                  "text": f'requires = ["{b}"]\n[[binaries]]\nname = "{a}"\nkind = "server"\nexec = "true"\n'}
                 for a, b in (("one", "two"), ("two", "three"), ("three", "one"))]
    for manifest in manifests[:2]:
        hp.register_text(manifest["text"], manifest["path"])
    before = hp.edges("one"), hp.edges("two")
    refused = hp.refusal("service.register", manifest=manifests[2]["text"], path=manifests[2]["path"])
    assert refused.code == E_CYCLE
    assert all(f"{n}/service.toml:1" in str(refused) for n in ("one", "two", "three")), str(refused)
    assert (hp.edges("one"), hp.edges("two")) == before


def test_F28_a_stop_during_a_start_is_not_lost(fresh):
    hp = fresh(HERO_DELAY_HERO_DB=5000).start()
    hp.register(ALL[0])
    call = hp.later("service.start", name="hero_db")
    wait_until(lambda: hp.diary.times("hero_db", "main"), what="it is starting")
    hp.rpc("service.stop", name="hero_db")
    assert hp.state("hero_db") == "inactive"
    assert not any(is_alive(p) for p in hp.diary.pids("hero_db"))
    call.join(10)
    assert call.error is not None, "the start was cancelled and says so"


def test_F28_a_start_during_a_stop_doubles_nothing(fresh):
    hp = fresh(HERO_STOP_HERO_DB=300).start()
    hp.register(ALL[0])
    hp.rpc("service.start", name="hero_db")
    hp.rpc("service.stop", name="hero_db", wait=False)
    wait_until(lambda: hp.diary.times("hero_db", "stop"), what="it is stopping")
    hp.rpc("service.start", name="hero_db")
    mains, ends = hp.diary.times("hero_db", "main"), hp.diary.times("hero_db", "end")
    assert len(mains) == 2 and mains[1] > ends[0]


def test_F30_a_failed_dependency_is_named_with_its_reason(hp):
    hp.define("base", script="exit 41", readiness={"after_ms": 200},
              retry_policy={"restart": "never"})
    hp.define("middle", dependencies={"requires": ["base"]})
    hp.define("top", dependencies={"requires": ["middle"]})
    failed = hp.refusal("service.start", name="top")
    assert failed.code == E_DEPENDENCY
    assert "base" in str(failed) and "middle" in str(failed) and "41" in str(failed)
    why = hp.rpc("service.why", name="top")["text"]
    assert "middle" in why and "base" in why and "41" in why


def test_F33_a_child_that_ignores_TERM_does_not_live_on(hp):
    hp.define("parent", stop_timeout_ms=200, script=(
        f"cd {hp.root}; mkfifo fifo; (trap '' TERM; echo start > child; read x < fifo) & "
        "echo $! > child.pid; wait"))
    hp.rpc("service.start", name="parent")
    wait_until(lambda: (hp.root / "child").exists() and (hp.root / "child.pid").exists() and
               (hp.root / "child.pid").read_text().strip(), what="the child ignores TERM")
    child = int((hp.root / "child.pid").read_text())
    assert is_alive(child)
    hp.rpc("service.stop", name="parent")
    assert not is_alive(child)


def test_F45_a_killed_supervisor_breaks_no_log_pipe(hp):
    hp.define("writer", script=f"exec 3<>{hp.root}/fifo; while read x <&3; do echo $x; done")
    os.mkfifo(hp.root / "fifo")
    hp.rpc("service.start", name="writer")
    pid = hp.pid("writer")
    server = hp.info()["pid"]
    os.kill(server, signal.SIGKILL)
    with open(hp.root / "fifo", "w") as fifo:  # written while the server is away or just back
        fifo.write("one\ntwo\nthree\n")
    wait_until(lambda: hp.answers() and hp.info()["pid"] != server, what="a new server answers")
    assert hp.pid("writer") == pid and is_alive(pid)
    wait_until(lambda: [row["line"] for row in hp.rpc("logs.query", service="writer")["lines"]] ==
               ["one", "two", "three"], what="its lines are there")


def test_F46_the_exit_code_of_an_adopted_child_is_known(hp):
    hp.define("adopted", script=f"read x < {hp.root}/fifo; exit 37", retry_policy={"restart": "never"})
    os.mkfifo(hp.root / "fifo")
    hp.rpc("service.start", name="adopted")
    hp.kill_server()
    (hp.root / "fifo").write_text("go\n")
    hp.wait_state("adopted", "failed")
    assert hp.action("adopted")["exit_code"] == 37


def test_F51_wanted_survives_the_daemon(hp):
    hp.define("on")
    hp.define("off", status="start")
    hp.rpc("service.start", name="on")
    hp.rpc("service.stop", name="off")
    hp.kill_server()
    assert (hp.status("on")["wanted"], hp.status("off")["wanted"]) == ("start", "stop")
    hp.shutdown()
    hp.start()
    assert (hp.status("on")["wanted"], hp.status("off")["wanted"]) == ("start", "stop")


def test_F51_what_a_stop_was_answered_is_stored(hp):
    """The answer comes behind every row: a kill right after it loses nothing."""
    hp.shutdown()
    hp.env["HERO_PROC_RESTART_MAX_MS"] = "20"
    hp.start()
    hp.define("off", status="start")
    for _ in range(20):
        hp.rpc("wanted.set", name="off", wanted="start")
        hp.rpc("service.stop", name="off")
        hp.kill_server()
        assert hp.status("off")["wanted"] == "stop"


def test_F73_a_second_daemon_for_one_state_folder_is_refused(hp):
    first = hp.info()
    hp.define("mine")
    hp.rpc("service.start", name="mine")
    pid = hp.pid("mine")
    second = subprocess.run([hp.bin / "hero_proc_server", "--socket", hp.socket], env=hp.env, cwd=hp.root,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert second.returncode == REFUSED, (second.stdout, second.stderr)
    assert any(str(p) in second.stderr for p in (first["pid"], hp.keeper_pid(), hp.process.pid)), second.stderr
    assert hp.info()["pid"] == first["pid"] and hp.pid("mine") == pid


def test_F74_a_typing_error_in_a_key_is_an_error_with_place_and_suggestion(hp):
    text = ALL[2].read_text().replace("bin_name ", "bin_nmae ", 1)
    line = 1 + text[:text.index("bin_nmae")].count("\n")
    refused = hp.refusal("service.register", manifest=text, path="hero_collab/service.toml")
    assert refused.code == INVALID_PARAMS
    error = refused.data["errors"][0]
    assert (error["line"], error["column"]) == (line, 1)
    assert error["file"].endswith("hero_collab/service.toml")
    assert "bin_name" in error["hint"]
    assert hp.rpc("service.list")["services"] == []


def test_F74_the_same_on_the_command_line(hp):
    bad = hp.root / "service.toml"
    bad.write_text(ALL[2].read_text().replace("bin_name ", "bin_nmae ", 1))
    done = hp.cli("check", bad)
    assert done.returncode == REFUSED
    assert "bin_nmae" in done.stdout + done.stderr and "bin_name" in done.stdout + done.stderr


def test_F18_no_client_and_no_engine_knows_a_service_by_name():
    """Order comes from declarations: no service that anybody runs is named in the source."""
    names = ("hero_db", "hero_proxy", "hero_collab", "hero_os", "hero_livekit", "hero_embedder", "hero_indexer")
    for path in sorted((SOURCE / "src").rglob("*.[ch]*")):
        code = "\n".join(line for line in path.read_text().splitlines()
                         if not line.lstrip().startswith(("*", "/*", "//")))
        for name in names:
            assert f'"{name}' not in code, f"{path} knows {name}"
