"""A disk that takes nothing: everything goes on, says so, and mends itself; also across a SIGKILL."""
import shutil
import subprocess

import pytest

from hp import healthy, is_alive, wait_until


@pytest.fixture
def small(fresh):
    """A supervisor whose state folder is a disk of 8 MiB."""
    hp = fresh()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "small", hp.var], capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs")
    yield hp
    hp.close()
    subprocess.run(["umount", hp.var], check=True)
    hp.root.exists() and shutil.rmtree(hp.root)


def fill(hp):
    with open(hp.var / "filler", "ab", buffering=0) as f:
        try:
            while f.write(bytes(1 << 16)):
                pass
        except OSError:
            pass


def test_F41_on_a_full_disk_every_call_is_answered_and_it_recovers_by_itself(small):
    hp = small.start()
    hp.define("web")
    hp.define("loud", "exec yes 0123456789012345678901234567890123456789")
    hp.rpc("service.start", name="web")
    pid = hp.pid("web")
    fill(hp)
    hp.rpc("service.start", name="loud")
    wait_until(lambda: hp.rpc("system.health")["degraded"], what="the trouble is told")
    assert hp.rpc("service.list")["services"] and hp.rpc("run.list") and hp.rpc("events.query", tail=True)
    assert hp.rpc("logs.query", service="web") and hp.rpc("service.why", name="web")["text"]
    hp.define("late", "exit 0")
    hp.rpc("service.start", name="late")
    hp.rpc("service.restart", name="web")
    assert hp.state("web") == "running" and hp.pid("web") != pid and healthy(hp.socket)
    hp.rpc("service.stop", name="loud")
    assert hp.state("loud") == "inactive"
    (hp.var / "filler").unlink()
    wait_until(lambda: not hp.rpc("system.health")["degraded"], 20, lambda: hp.rpc("system.health"))
    hp.kill_server()
    assert {s["name"] for s in hp.rpc("service.list")["services"]} == {"web", "late", "loud"}
    assert hp.status("loud")["wanted"] == "stop" and hp.status("web")["wanted"] == "start"


def free(hp):
    (hp.var / "filler").unlink()
    wait_until(lambda: not hp.rpc("system.health")["degraded"], 20, lambda: hp.rpc("system.health"))


def findings(hp):
    return [f for f in hp.rpc("system.doctor")["findings"] if f["check"] != "disk"]  # 8 MiB are few


def refused(hp):
    """The next row is refused: what was put before may have had room."""
    fill(hp)
    wait_until(lambda: "unstored" in hp.rpc("service.wanted.set", name="s", wanted="start"), what="the disk takes nothing")


LOUD_END = "trap 'echo end of $$; exit 7' TERM; echo begin of $$; while :; do sleep 0.05; done"


def test_a_kill_on_a_full_disk_loses_no_end_and_no_line_of_a_run_that_another_one_follows(small):
    hp = small.start()
    hp.define("s", LOUD_END)
    hp.rpc("service.start", name="s")
    first = hp.pid("s")
    run = hp.status("s")["run"]["name"]
    wait_until(lambda: hp.log_lines("s"), what="it is captured")
    refused(hp)
    answer = hp.rpc("service.restart", name="s")
    second = hp.pid("s")
    assert answer["unstored"] and second != first
    hp.kill_server()
    assert hp.pid("s") == second and is_alive(second), "the second goes on"
    free(hp)
    job = hp.rpc("run.get", run=run)["jobs"][0]
    assert (job["state"], job["exit_code"]) == ("cancelled", 7)
    wait_until(lambda: f"end of {first}" in hp.log_lines("s"), what=lambda: hp.log_lines("s"))
    wait_until(lambda: f"begin of {second}" in hp.log_lines("s"), what=lambda: hp.log_lines("s"))
    assert hp.divergences() == 0 and findings(hp) == []


def test_the_attempts_of_a_crash_loop_on_a_full_disk_keep_their_lines_across_kills(small):
    hp = small.start()
    ran = hp.root / "ran"
    hp.define("s", f"echo $$ >> {ran}; echo attempt of $$; sleep 0.2; exit 3", retry={"delay_ms": 1, "max_attempts": 100})
    refused(hp)
    hp.rpc("service.start", name="s", wait=False)
    wait_until(lambda: hp.status("s")["actions"][0]["attempt"] >= 4, what=lambda: hp.status("s"))
    for _ in range(4):
        fill(hp)  # what became free is used by others
        hp.kill_server()
    free(hp)
    hp.rpc("service.stop", name="s")
    told = lambda: sorted(hp.log_lines("s"))  # noqa: E731
    wait_until(lambda: told() == sorted(f"attempt of {pid}" for pid in ran.read_text().split()), what=lambda: (told(), ran.read_text()))
    assert hp.divergences() == 0


def test_a_run_that_could_not_be_stored_says_so_and_its_end_is_no_divergence(small):
    hp = small.start()
    hp.define("s")
    refused(hp)
    answer = hp.rpc("run.submit", actions=[{"name": "work", "exec": ["sleep", "1000"]}], wait=False)
    assert answer["unstored"]
    pid = wait_until(lambda: hp.rpc("run.get", run=answer["run"])["jobs"][0].get("pid"), what="it runs")
    hp.kill_server()
    wait_until(lambda: not is_alive(pid), what="nobody knows it any more: it is ended")
    free(hp)
    assert hp.divergences() == 0 and findings(hp) == []


def test_the_command_line_says_that_it_is_in_memory_only(small):
    hp = small.start()
    hp.define("s")
    refused(hp)
    assert hp.cli("service", "start", "s").stderr.count("only in memory until the disk takes it") == 1
    free(hp)
    assert "memory" not in hp.cli("service", "stop", "s").stderr
