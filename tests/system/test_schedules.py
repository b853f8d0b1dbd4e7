"""Schedules: what runs by itself, in time, once, and every due time with an answer."""
import datetime as dt
import time

import pytest

from hp import E_NOT_FOUND, INVALID_PARAMS, NOT_FOUND, REFUSED, wait_until

EVERY_SECOND = {"cron": "* * * * * *", "timezone": "UTC"}


def job(hp, name="tick", schedule=None, script="true", **keys):
    """An action that notes each due time it was run for, and then does `script`."""
    return {"name": name, "script": f"echo $HERO_SCHEDULED_AT >> {hp.root}/{name}; {script}",
            "schedule_policy": schedule or EVERY_SECOND, **keys}


def set_service(hp, *actions, name="s", **keys):
    return hp.rpc("service.set", service={"name": name, "actions": list(actions), **keys})


def noted(hp, name="tick"):
    path = hp.root / name
    return path.read_text().split() if path.exists() else []


def one(hp, name="tick"):
    return hp.rpc("schedule.list", name=name)["schedules"][0]


def seconds(texts):
    return [int(dt.datetime.fromisoformat(t.replace("Z", "+00:00")).timestamp()) for t in texts]


def events(hp, kind):
    return [e for e in hp.rpc("events.query", limit=1000)["events"] if e["kind"] == kind]


def test_a_scheduled_action_runs_by_itself_and_not_with_its_service(hp):
    set_service(hp, job(hp), {"name": "main", "is_process": True, "script": f"exec {hp.bin}/pause"})
    hp.rpc("service.start", name="s")
    assert [a["name"] for a in hp.status("s")["actions"]] == ["main"]
    wait_until(lambda: len(noted(hp)) >= 3, what="three due times")
    due = seconds(noted(hp))
    assert due == list(range(due[0], due[0] + len(due)))
    assert abs(due[-1] - time.time()) < 3
    row = wait_until(lambda: one(hp) if one(hp)["last"]["state"] == "succeeded" else None)
    assert row["service"] == "s" and row["action"] == "tick" and row["state"] == "active"
    assert row["due_times"]["kept"] >= 3 and row["due_times"]["missed"] == 0
    assert row["next"].endswith("+00:00")


def test_what_it_needs_is_started_first(hp):
    hp.define("db", script=f"sleep 0.2; echo up > {hp.root}/db; exec {hp.bin}/pause",
              readiness={"after_ms": 300})
    set_service(hp, job(hp, script=f"cat {hp.root}/db >> {hp.root}/seen", depends_on=["db"]))
    wait_until(lambda: (hp.root / "seen").exists() and (hp.root / "seen").read_text(), what="it ran")
    assert hp.state("db") == "running"
    assert (hp.root / "seen").read_text().split()[0] == "up"


@pytest.mark.parametrize("schedule, said", [
    ({"cron": "61 * * * *"}, "column 1: minute: `61`: expected 0 to 59"),
    ({"cron": "* * * *"}, "5 fields"),
    ("0 0 31 2", "5 fields"),
    ({"interval": "10ms"}, "one second or more"),
    ({"cron": "* * * * *", "interval": "5m"}, "both given"),
    ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "Mars/Olympus"),
    ({"cron": "* * * * *", "timezone": "../../etc/passwd"}, "no time zone"),
    ({"cron": "* * * * *", "overlapp": "skip"}, "overlap"),
    ({}, "not when"),
    (5, "table or a text"),
])
def test_F43_a_schedule_that_makes_no_sense_is_refused_when_it_is_set(hp, schedule, said):
    e = hp.refusal("service.set", service={"name": "s", "actions": [job(hp) | {"schedule_policy": schedule}]})
    assert e.code == INVALID_PARAMS
    assert said in str(e), str(e)
    assert hp.rpc("schedule.list")["schedules"] == []


def test_a_manifest_names_the_line(hp):
    text = '[service]\nname = "s"\n[[binaries]]\nname = "j"\nkind = "job"\nexec = "true"\nschedule = {cron = "0 25 * * *"}\n'
    e = hp.refusal("service.register", manifest=text, path="s/service.toml")
    assert e.data["errors"][0]["line"] == 7 and "hour" in e.data["errors"][0]["message"]
    hp.register_text(text.replace("0 25", "0 5"))
    assert one(hp, "j")["cron"] == "0 5 * * *"


def test_a_long_running_action_has_no_schedule(hp):
    e = hp.refusal("service.set", service={"name": "s", "actions": [job(hp, is_process=True)]})
    assert "long-running" in str(e)


@pytest.mark.parametrize("overlap", ["skip", "queue", "parallel"])
def test_a_due_time_while_the_former_run_is_not_over(hp, overlap):
    set_service(hp, job(hp, schedule=EVERY_SECOND | {"overlap": overlap}, script="sleep 2.4"))
    wait_until(lambda: sum(one(hp)["due_times"].values()) >= 5, what="five due times")
    row, ran = one(hp), noted(hp)
    if overlap == "skip":
        assert row["due_times"]["skipped"] >= 2
        assert all(b - a >= 3 for a, b in zip(seconds(ran), seconds(ran)[1:]))
    elif overlap == "queue":
        assert row["due_times"]["skipped"] == 0 and row["queued"] >= 2
        assert seconds(ran) == list(range(seconds(ran)[0], seconds(ran)[0] + len(ran)))
    else:
        assert row["due_times"]["skipped"] == 0 and len(ran) >= 4


def test_pause_resume_and_trigger(hp):
    set_service(hp, job(hp))
    assert hp.rpc("schedule.pause", name="tick")["changed"]
    assert not hp.rpc("schedule.pause", name="s/tick")["changed"]
    before = len(noted(hp))
    wait_until(lambda: one(hp)["due_times"]["skipped"] >= 2, what="two are skipped")
    assert one(hp)["state"] == "paused" and one(hp)["next"] is None
    assert len(noted(hp)) <= before + 1
    run = hp.rpc("schedule.trigger", name="tick")["run"]
    wait_until(lambda: hp.rpc("run.get", run=run)["state"] == "succeeded", what="the run by hand")
    hp.kill_server()
    assert one(hp)["state"] == "paused"
    hp.rpc("schedule.resume", name="tick")
    n = len(noted(hp))
    wait_until(lambda: len(noted(hp)) > n, what="it runs again")


def test_next_of_an_expression_and_of_a_schedule(hp):
    times = hp.rpc("schedule.next", cron="30 2 * * *", timezone="Europe/Paris",
                   after="2026-03-27T12:00:00Z", count=3)["times"]
    assert times == ["2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"]
    assert hp.rpc("schedule.next", cron="0 0 30 2 *")["times"] == []
    e = hp.refusal("schedule.next", cron="0 0 * * fry")
    assert e.code == INVALID_PARAMS and e.data["errors"][0]["column"] == 9
    set_service(hp, job(hp, schedule={"interval": "1h"}))
    times = hp.rpc("schedule.next", schedule="tick")["times"]
    assert len(times) == 10
    assert hp.refusal("schedule.next", schedule="tock").code == E_NOT_FOUND


def test_an_action_of_no_service(hp):
    hp.rpc("action.set", action=job(hp, "loose"))
    wait_until(lambda: len(noted(hp, "loose")) >= 2, what="it runs")
    assert one(hp, "loose")["service"] is None
    hp.kill_server()
    n = len(noted(hp, "loose"))
    wait_until(lambda: len(noted(hp, "loose")) > n + 1, what="it still runs")
    hp.rpc("action.delete", name="loose")
    assert hp.rpc("schedule.list")["schedules"] == []


def test_a_service_that_is_switched_off_runs_nothing(hp):
    set_service(hp, job(hp))
    wait_until(lambda: noted(hp), what="it runs")
    hp.rpc("wanted.set", name="s", wanted="stop")
    wait_until(lambda: one(hp)["due_times"]["skipped"] >= 2, what="two are skipped")
    n = len(noted(hp))
    wait_until(lambda: one(hp)["due_times"]["skipped"] >= 4, what="two more")
    assert len(noted(hp)) == n


def test_a_failed_run_is_seen_without_looking_for_it(hp):
    set_service(hp, job(hp, script="exit 3"))
    wait_until(lambda: (one(hp)["last"] or {}).get("state") == "failed", what="the failure is in the list")
    assert one(hp)["last_success"] is None


def test_F101_no_success_for_too_long_is_an_event_once(hp):
    set_service(hp, job(hp, schedule=EVERY_SECOND | {"overdue_after": "2s"}, script="exit 1"))
    wait_until(lambda: one(hp)["state"] == "overdue", what="it is overdue")
    assert hp.metric("hero_proc_schedules_overdue") == 1
    wait_until(lambda: one(hp)["due_times"]["kept"] >= 5, what="it goes on")
    assert len(events(hp, "schedule_overdue")) == 1
    set_service(hp, job(hp, schedule=EVERY_SECOND | {"overdue_after": "2s"}))
    wait_until(lambda: one(hp)["state"] == "active", what="a success")


def test_F94_a_clock_that_jumps_ahead_is_answered_at_once(fresh):
    import struct
    from hp import program
    hp = fresh()
    path = hp.root / "clock"
    path.write_bytes(struct.pack("q", 0))
    hp.env.update(LD_PRELOAD=str(program("chaos_clock.so")), CHAOS_CLOCK=str(path))
    hp.start()
    set_service(hp, job(hp))
    wait_until(lambda: noted(hp), what="it runs")
    with open(path, "r+b") as f:
        f.write(struct.pack("q", 3 * 3600))
    wait_until(lambda: one(hp)["due_times"]["missed"] > 10000, what="three hours were missed")
    n = len(noted(hp))
    wait_until(lambda: len(noted(hp)) > n, what="it goes on")
    assert len(noted(hp)) < 60
    assert len(set(noted(hp))) == len(noted(hp))


def test_kills_of_the_server_lose_and_double_no_due_time(hp):
    """Each second is run once, whichever instant the server is killed at."""
    set_service(hp, job(hp, schedule=EVERY_SECOND | {"overlap": "parallel"}, script="sleep 0.3"))
    wait_until(lambda: noted(hp), what="it runs")
    for kill in range(4):  # a fifth within a minute would make it safe: it would start nothing
        aim = time.time() // 1 + 1 + (0.0, 0.002, 0.01, 0.05)[kill]
        wait_until(lambda: time.time() >= aim, what="just behind a due time")
        hp.kill_server()
        n = sum(one(hp)["due_times"].values())
        wait_until(lambda: sum(one(hp)["due_times"].values()) > n, what="a due time")
    hp.rpc("schedule.pause", name="tick")
    wait_until(lambda: one(hp)["last"]["state"] != "running", what="the last run is over")
    due = seconds(noted(hp))
    assert sorted(due) == list(range(min(due), max(due) + 1)), "one was lost or run twice"
    assert one(hp)["due_times"]["missed"] == 0


def test_a_killed_keeper_loses_no_due_time(hp):
    set_service(hp, job(hp, schedule=EVERY_SECOND | {"catch_up": "all", "overlap": "queue"}))
    wait_until(lambda: noted(hp), what="it runs")
    hp.kill_keeper()
    n = len(noted(hp))
    wait_until(lambda: len(noted(hp)) > n + 1, what="it goes on")
    due = seconds(noted(hp))
    assert due == list(range(due[0], due[0] + len(due)))


def test_the_command_line_says_what_runs_by_itself(hp):
    assert "nothing runs by itself" in hp.cli("schedule", "list").stdout
    set_service(hp, job(hp, schedule="30 2 * * *"))
    listed = hp.cli("schedule", "list").stdout
    assert "s/tick" in listed and "30 2 * * *" in listed and "active" in listed
    done = hp.cli("schedule", "next", "30 2 * * *", "Europe/Paris", "--since", "2026-03-27T12:00:00Z", "-n", "2")
    assert done.stdout.split() == ["2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00"]
    assert len(hp.cli("schedule", "next", "tick").stdout.split()) == 10
    assert "is paused" in hp.cli("schedule", "pause", "tick").stdout
    assert "runs again" in hp.cli("schedule", "resume", "tick").stdout
    run = hp.cli("schedule", "trigger", "tick").stdout.strip()
    assert hp.cli("run", "wait", run).returncode == 0
    bad = hp.cli("schedule", "next", "61 * * * *")
    assert bad.returncode == REFUSED and "expected 0 to 59" in bad.stderr
    assert hp.cli("schedule", "pause", "tock").returncode == NOT_FOUND
