"""As a container's only program: its end and its exit status (SPEC 3.1 critical, 5)."""
import subprocess

from hp import processes_with, wait_until


def begin(hp, *options):
    """The daemon of the fixture goes; one with these options comes up over the same state."""
    hp.shutdown()
    with open(hp.log, "ab") as log:
        hp.process = subprocess.Popen([hp.bin / "hero_proc_server", "--socket", hp.socket, *options], env=hp.env,
                                cwd=hp.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return hp.process


def service(hp, name, script, **keys):
    hp.rpc("service.define", service={"name": name, "status": "start", **keys, "actions": [
        {"name": name, "script": script, "retry_policy": {"restart": "never"}}]})


def test_F34_a_critical_service_that_gives_up_ends_the_container_with_its_exit_code(hp):
    go = hp.root / "go"
    service(hp, "helper", "sleep 1000")
    service(hp, "main", f"while ! test -e {go}; do sleep 0.02; done; exit 42", critical=True)
    process = begin(hp, "--container")
    wait_until(hp.answers)
    hp.wait_state("main", "running")
    hp.wait_state("helper", "running")
    go.touch()
    assert process.wait(15) == 42
    assert processes_with(hp.mark) == []


def test_F34_one_that_is_not_critical_ends_nothing(hp):
    service(hp, "main", "exit 42")
    service(hp, "critical_in_vain", "exit 43", critical=True)
    process = begin(hp)  # no container: critical ends nothing either
    wait_until(hp.answers)
    hp.wait_state("main", "failed")
    hp.wait_state("critical_in_vain", "failed")
    assert process.poll() is None


def test_a_container_ends_when_all_is_done(hp):
    mark = hp.root / "done"
    hp.rpc("service.define", service={"name": "work", "status": "start", "actions": [
        {"name": "first", "script": "sleep 0.2", "is_process": False},
        {"name": "second", "script": f"touch {mark}", "is_process": False, "depends_on": ["first"]}]})
    process = begin(hp, "--container", "--exit-when-done")
    assert process.wait(15) == 0
    assert mark.exists() and processes_with(hp.mark) == []
