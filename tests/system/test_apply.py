"""config.apply and config.diff: a folder of manifests becomes what is defined and what runs.
Judged by pids (SPEC 2.7, 10)."""
import os

import pytest
from hp import (E_BUSY, E_CONFLICT, E_START, E_STATE, INVALID_PARAMS, is_alive, wait_until)


class Folder:
    """A folder of manifests: one service each, `exec <bin>/pause`."""

    def __init__(self, hp):
        self.hp, self.path = hp, hp.root / "stack"
        self.path.mkdir()

    def file(self, name):
        return self.path / name / "service.toml"

    def put(self, name, needs=(), script=None, file=None, extra="", head=""):
        path = self.file(file or name)
        path.parent.mkdir(exist_ok=True)
        requires = f"requires = {list(needs)!r}\n".replace("'", '"') if needs else ""
        script = script or f"exec {self.hp.bin}/pause"
        path.write_text(f'[service]\nname = "{name}"\n{head}{requires}\n[[binaries]]\nname = "{name}"\n'
                        f"exec = '''{script}'''\n{extra}")
        return self

    def drop(self, name):
        self.file(name).unlink()

    def apply(self, **params):
        return self.hp.rpc("config.apply", paths=[str(self.path)], **params)

    def diff(self, **params):
        return self.hp.rpc("config.diff", paths=[str(self.path)], **params)

    def refusal(self, **params):
        return self.hp.refusal("config.apply", paths=[str(self.path)], **params)


@pytest.fixture
def folder(hp):
    return Folder(hp)


def names(rows):
    return sorted(r["name"] for r in rows)


def sets(answer):
    return {k: names(answer[k]) for k in ("added", "removed", "renamed", "changed", "unchanged") if answer[k]}


def pids(hp, *services):
    return {n: hp.pid(n) for n in services}


def test_unchanged_services_keep_their_process_and_their_readiness__F36(hp, folder):
    folder.put("db").put("web", ["db"]).put("other")
    assert sets(folder.apply(start=True)) == {"added": ["db", "other", "web"]}
    before, told = pids(hp, "db", "web", "other"), hp.rpc("events.query", service="db")["events"]
    folder.put("web", ["db"], extra='env = { PORT = "8081" }\n')
    answer = folder.apply()
    assert sets(answer) == {"changed": ["web"], "unchanged": ["db", "other"]}
    assert answer["changed"][0]["reasons"] == ["environment PORT added: 8081"]
    after = pids(hp, "db", "web", "other")
    assert (after["db"], after["other"]) == (before["db"], before["other"])
    assert after["web"] != before["web"] and not is_alive(before["web"])
    assert hp.rpc("events.query", service="db")["events"] == told


def test_a_second_apply_of_the_same_folder_changes_nothing__F15(hp, folder):
    folder.put("db").put("web", ["db"])
    folder.apply(start=True)
    before = pids(hp, "db", "web")
    answer = folder.apply(start=True)
    assert sets(answer) == {"unchanged": ["db", "web"]}
    assert pids(hp, "db", "web") == before


def test_added_services_start_if_their_status_says_so(hp, folder):
    folder.put("on", head='status = "start"\n').put("off")
    folder.apply()
    assert (hp.state("on"), hp.state("off")) == ("running", "inactive")


def test_what_is_not_up_is_not_started_by_a_change(hp, folder):
    folder.put("db")
    folder.apply()
    folder.put("db", extra='cwd = "/"\n')
    assert sets(folder.apply()) == {"changed": ["db"]}
    assert hp.state("db") == "inactive"


def test_a_file_that_is_gone_takes_its_service_with_it(hp, folder):
    folder.put("db").put("old")
    folder.apply(start=True)
    pid = pids(hp, "db", "old")
    folder.drop("old")
    answer = folder.apply()
    assert sets(answer) == {"removed": ["old"], "unchanged": ["db"]}
    assert "is not there any more" in answer["removed"][0]["reasons"][0]
    assert not is_alive(pid["old"]) and is_alive(pid["db"])
    assert names(hp.rpc("service.list")["services"]) == ["db"]


def test_only_files_that_the_folder_stands_for_are_taken_away(hp, folder):
    folder.put("db")
    hp.rpc("service.register", manifest='[service]\nname = "far"\n[[binaries]]\nname = "far"\n',
           path=str(folder.path / "a" / "b" / "far.toml"))
    hp.define("own")
    folder.apply()
    assert names(hp.rpc("service.list")["services"]) == ["db", "far", "own"]
    assert sets(folder.apply(prune=True)) == {"removed": ["far"], "unchanged": ["db"]}
    assert names(hp.rpc("service.list")["services"]) == ["db", "own"]


def test_a_rename_is_seen_by_its_file__and_its_history_is_found(hp, folder):
    folder.put("old", script=f"echo said by old; exec {hp.bin}/pause")
    folder.apply(start=True)
    pid = hp.pid("old")
    folder.put("new", file="old", script=f"echo said by old; exec {hp.bin}/pause")
    answer = folder.apply()
    assert sets(answer) == {"renamed": ["new"]}
    assert (answer["renamed"][0]["from"], answer["removed"]) == ("old", [])
    assert not is_alive(pid) and hp.state("new") == "running"
    assert hp.status("new")["wanted"] == "start"
    assert [line["line"] for line in hp.rpc("logs.query", service="old")["lines"]] == ["said by old"]
    events = hp.rpc("events.query", service="new")["events"]
    assert any(e.get("to") == "renamed" and e.get("source") == "old" for e in events), events


def test_any_error_refuses_all_and_every_error_is_listed(hp, folder):
    folder.put("db")
    folder.apply(start=True)
    pid = hp.pid("db")
    folder.put("db", extra='cwd = "/"\n').put("a", extra="cwdd = 1\n").put("b", extra="nice = 99\n")
    error = folder.refusal()
    assert error.code == INVALID_PARAMS
    assert sorted((os.path.basename(os.path.dirname(e["file"])), e["line"] > 0) for e in error.data["errors"]) == \
        [("a", True), ("b", True)]
    assert hp.pid("db") == pid and "definition_changed" not in hp.status("db")
    assert names(hp.rpc("service.list")["services"]) == ["db"]


def test_changed_services_restart_in_order_as_one_operation(hp, folder):
    folder.put("db").put("web", ["db"])
    folder.apply(start=True)
    folder.put("db", extra='env = { A = "1" }\n').put("web", ["db"], extra='env = { A = "1" }\n')
    answer = folder.apply()
    assert len(answer["operations"]) == 1
    steps = hp.rpc("op.get", operation=answer["operations"][0])["steps"]
    assert [(s["step"], s["service"]) for s in steps] == \
        [("stop", "web"), ("stop", "db"), ("start", "db"), ("start", "web")]


def test_a_new_edge_brings_its_target_up_first(hp, folder):
    folder.put("web")
    folder.apply(start=True)
    folder.put("db").put("web", ["db"])
    planned = folder.diff()
    assert names(planned["starts"]) == ["db"] and names(planned["restarts"]) == ["web"]
    answer = folder.apply()
    web = next(c for c in answer["changed"] if c["name"] == "web")
    assert [r.split(" (")[0] for r in web["reasons"]] == ["edge to db added"]
    assert (hp.state("db"), hp.state("web")) == ("running", "running")
    assert hp.status("db")["wanted"] == "ignore"


def test_diff_tells_what_apply_would_do_and_changes_nothing(hp, folder):
    folder.put("db").put("web", ["db"]).put("gone")
    folder.apply(start=True)
    before = pids(hp, "db", "web", "gone")
    folder.put("db", extra='cwd = "/"\n').put("more", head='status = "start"\n').drop("gone")
    answer = folder.diff()
    assert sets(answer) == {"added": ["more"], "changed": ["db"], "removed": ["gone"], "unchanged": ["web"]}
    assert (names(answer["stops"]), names(answer["restarts"]), names(answer["starts"])) == (["gone"], ["db"], ["more"])
    assert pids(hp, "db", "web", "gone") == before
    assert names(hp.rpc("service.list")["services"]) == ["db", "gone", "web"]
    assert sets(folder.apply()) == sets(answer)
    assert pids(hp, "web") == {"web": before["web"]}


def test_a_wide_blast_is_refused_with_the_list_until_it_is_confirmed(hp, folder):
    for i in range(12):
        folder.put(f"s{i:02}")
    folder.apply(start=True)
    before = pids(hp, *[f"s{i:02}" for i in range(12)])
    for i in range(11):
        folder.put(f"s{i:02}", extra='cwd = "/"\n')
    error = folder.refusal()
    assert error.code == E_STATE and "11 services" in error.message
    assert len(error.data["restarts"]) == 11 and error.data["hint"]
    assert pids(hp, *before) == before
    folder.apply(limit=11)
    after = pids(hp, *before)
    assert [n for n in before if after[n] == before[n]] == ["s11"]


def test_what_others_need_is_removed_by_force_only(hp, folder):
    folder.put("db").put("web", ["db"])
    folder.apply(start=True)
    before = pids(hp, "db", "web")
    folder.drop("db")
    folder.put("web", ["db"], extra='cwd = "/"\n').put("other", head='status = "start"\n')
    error = folder.refusal()
    assert error.code == E_CONFLICT and "web needs db" in error.message
    assert pids(hp, "db", "web") == before
    folder.apply(force=True)
    assert hp.state("other") == "running"
    assert not is_alive(before["db"])
    assert "db" in hp.rpc("service.why", name="web")["text"]


BROKEN = "exit 3"


def broken(folder):
    folder.put("web", ["db"], script=BROKEN, extra='retry_policy = { restart = "never" }\n')


def test_what_gives_up_brings_the_previous_definitions_back(hp, folder):
    folder.put("db").put("web", ["db"])
    folder.apply(start=True)
    before, revision = pids(hp, "db", "web"), hp.rpc("service.get", name="web")["actions"]
    broken(folder)
    folder.put("added", head='status = "start"\n')
    error = folder.refusal(rollback_after_ms=20000)
    assert error.code == E_START and "rolled back" in error.message and "web is failed" in error.message
    assert "exit code 3" in error.message
    assert hp.rpc("service.get", name="web")["actions"] == revision
    hp.wait_state("web", "running")
    assert pids(hp, "db") == {"db": before["db"]}
    assert names(hp.rpc("service.list")["services"]) == ["db", "web"]
    assert hp.rpc("op.get", operation=error.data["operation"])["rolled_back"] is True


def test_what_is_not_ready_in_time_brings_the_previous_definitions_back(hp, folder):
    folder.put("web")
    folder.apply(start=True)
    folder.put("web", extra="readiness = { manual = true }\n")
    error = folder.refusal(rollback_after_ms=400)
    assert error.code == E_START and "web is starting" in error.message
    assert hp.state("web") == "running"
    assert "definition_changed" not in hp.status("web")


def test_what_is_ready_and_stays_so_is_kept(hp, folder):
    folder.put("web")
    folder.apply(start=True)
    folder.put("web", extra='cwd = "/"\n')
    pid = hp.pid("web")
    answer = folder.apply(rollback_after_ms=10000)
    assert answer["operation_state"] == "done" and answer["rolled_back"] is False
    assert hp.pid("web") != pid and hp.state("web") == "running"


def test_another_apply_waits_for_the_end_of_one_that_may_be_taken_back(hp, folder):
    folder.put("web")
    folder.apply(start=True)
    folder.put("web", extra="readiness = { manual = true }\n")
    first = folder.apply(rollback_after_ms=20000, wait=False)
    assert folder.refusal().code == E_BUSY
    wait_until(lambda: hp.action("web")["state"] == "running", what="web is executed")
    hp.rpc("service.ready", name="web")
    assert hp.rpc("op.watch", operation=first["operation"])["operation_state"] == "done"
    folder.apply()


def test_a_rollback_that_was_pending_at_a_kill_of_the_server_is_carried_out(hp, folder):
    folder.put("db").put("web", ["db"])
    folder.apply(start=True)
    before = pids(hp, "db", "web")
    folder.put("web", ["db"], extra="readiness = { manual = true }\n").put("added", head='status = "start"\n')
    operation = folder.apply(rollback_after_ms=2500, wait=False)["operation"]
    hp.wait_state("web", "starting")
    hp.kill_server()
    over = hp.rpc("op.watch", operation=operation)
    assert over["operation_state"] == "failed" and "web is starting" in over["error"]["message"]
    hp.wait_state("web", "running")
    assert pids(hp, "db") == {"db": before["db"]}
    assert names(hp.rpc("service.list")["services"]) == ["db", "web"]


def test_an_apply_that_was_confirmed_after_a_kill_of_the_server_stays(hp, folder):
    folder.put("web")
    folder.apply(start=True)
    folder.put("web", extra="readiness = { manual = true }\n")
    operation = folder.apply(rollback_after_ms=15000, wait=False)["operation"]
    wait_until(lambda: hp.action("web")["state"] == "running", what="web is executed")
    hp.kill_server()
    hp.rpc("service.ready", name="web")
    pid = hp.pid("web")
    assert hp.rpc("op.watch", operation=operation)["operation_state"] == "done"
    assert hp.pid("web") == pid and hp.state("web") == "running"


def test_an_apply_goes_on_after_a_kill_of_the_server(hp, folder):
    deaf = f"trap : TERM; echo up; while [ ! -e {hp.root}/go ]; do sleep 0.01; done"
    folder.put("db").put("web", ["db"]).put("old", script=deaf)
    folder.apply(start=True)
    wait_until(lambda: hp.rpc("logs.query", service="old")["lines"], what="it listens to signals")
    before = pids(hp, "db", "web", "old")
    folder.put("web", ["db"], extra='cwd = "/"\n').put("new", head='status = "start"\n').drop("old")
    operation = hp.later("config.apply", paths=[str(folder.path)])
    wait_until(lambda: hp.status("web").get("definition_changed"), what="the definitions changed")
    assert hp.pid("web") == before["web"], "what was removed stops first"
    number = hp.rpc("op.list", kind="apply")["operations"][0]["operation"]
    hp.kill_server()
    assert operation.join(20) is None and operation.error
    assert hp.rpc("op.watch", operation=number)["operation_state"] == "done"
    hp.wait_state("web", "running")
    hp.wait_state("new", "running")
    after = pids(hp, "db", "web")
    assert after["db"] == before["db"] and after["web"] != before["web"]
    wait_until(lambda: not is_alive(before["old"]), what="what was removed is gone")


def lines(done):
    return [line.split(None, 2) for line in done.stdout.splitlines()]


def test_the_command_line_tells_what_differs_and_ends_with_it(hp, folder):
    folder.put("db").put("web", ["db"])
    assert hp.cli("up", folder.path).returncode == 0
    assert hp.cli("diff", folder.path).returncode == 0
    folder.put("web", ["db"], extra='env = { PORT = "1" }\n').put("more").drop("db")
    done = hp.cli("diff", folder.path)
    assert done.returncode == 1
    told = {(row[0], row[1]): row[2] for row in lines(done) if len(row) > 2}
    assert told["~", "web"] == "environment PORT added: 1" and told["+", "more"] == "it was not defined"
    assert told["-", "db"].endswith("is not there any more")
    assert "web needs db" in done.stdout


def test_up_again_leaves_what_is_unchanged_alone_and_restarts_what_changed__F15_F36(hp, folder):
    folder.put("db").put("web", ["db"])
    assert hp.cli("up", folder.path).returncode == 0
    before = pids(hp, "db", "web")
    done = hp.cli("up", folder.path)
    assert done.returncode == 0 and "web: nothing to do" in done.stdout
    assert pids(hp, "db", "web") == before
    folder.put("web", ["db"], extra='cwd = "/"\n')
    assert hp.cli("up", folder.path).returncode == 0
    assert hp.pid("db") == before["db"] and hp.pid("web") != before["web"]


def test_the_command_line_wants_a_yes_before_it_stops_many(hp, folder):
    for i in range(11):
        folder.put(f"s{i:02}")
    assert hp.cli("up", folder.path).returncode == 0
    before = pids(hp, "s00", "s10")
    for i in range(11):
        folder.put(f"s{i:02}", extra='cwd = "/"\n')
    done = hp.cli("apply", folder.path)
    assert done.returncode == 4 and "--yes" in done.stderr and "s07" in done.stdout
    assert pids(hp, "s00", "s10") == before
    assert hp.cli("apply", folder.path, "--dry-run").returncode == 0
    assert pids(hp, "s00", "s10") == before
    assert hp.cli("apply", folder.path, "--yes").returncode == 0
    assert not any(is_alive(pid) for pid in before.values())


def test_the_command_line_ends_with_not_ready_after_a_rollback(hp, folder):
    folder.put("db").put("web", ["db"])
    hp.cli("up", folder.path)
    broken(folder)
    done = hp.cli("apply", folder.path, "--rollback-after", "20s")
    assert done.returncode == 5 and "rolled back" in done.stderr and "exit code 3" in done.stderr
    hp.wait_state("web", "running")
