"""As PID 1 of a container, here of a pid namespace: orphans, signals, exit status (SPEC 5)."""
import os
import signal
import subprocess
from pathlib import Path

import pytest

from hp import is_alive, wait_until
from test_container import service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a pid namespace needs root")


def children(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def zombies(pid):
    return [p for p in children(pid) if Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[0] == "Z"]


class Container:
    """The supervisor as PID 1; `init` is its pid out here."""

    def __init__(self, hp, *options, unshare=("--mount-proc",), before=""):
        hp.shutdown()
        command = [hp.bin / "hero_proc_server", "--socket", hp.socket, "--container", *options]
        shell = f'{before}\nexec "$@"'
        with open(hp.log, "ab") as log:
            hp.process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *unshare, "sh", "-c", shell, "sh", *command],
                                          env=hp.env, cwd=hp.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.hp, self.process = hp, hp.process

    def up(self):
        wait_until(self.hp.answers)
        self.init = children(self.process.pid)[0]
        assert self.hp.info()["keeper_pid"] == 1
        return self


def test_pid_1_ends_with_the_exit_code_of_its_critical_service(hp):
    go = hp.root / "go"
    service(hp, "main", f"while ! test -e {go}; do sleep 0.02; done; exit 42", critical=True)
    c = Container(hp).up()
    hp.wait_state("main", "running")
    go.touch()
    assert c.process.wait(15) == 42


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_pid_1_stops_everything_in_order_and_ends_it_with_0(hp, signo):
    stopped = hp.root / "stopped"
    script = f"trap 'echo $0 >> {stopped}; exit 0' TERM; while :; do sleep 0.05; done"
    service(hp, "db", script.replace("$0", "db"))
    service(hp, "web", script.replace("$0", "web"), dependencies={"requires": ["db"]})
    c = Container(hp).up()
    hp.wait_state("web", "running")
    os.kill(c.init, signo)
    assert c.process.wait(15) == 0
    assert stopped.read_text().split() == ["web", "db"]


@pytest.mark.parametrize("signo", [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE])
def test_no_other_signal_ends_pid_1(hp, signo):
    c = Container(hp).up()
    os.kill(c.init, signo)
    assert hp.info()["keeper_pid"] == 1 and c.process.poll() is None


def test_pid_1_takes_away_every_orphan_and_confuses_none_with_a_service(hp):
    done = hp.root / "done"
    service(hp, "forks", f"for i in $(seq 300); do (sleep 0.$((i % 5)) &) ; done; touch {done}; exec sleep 1000")
    run = {"name": "seven", "script": "exit 7"}
    c = Container(hp).up()
    wait_until(done.exists, what="it forks")
    for _ in range(20):
        jobs = hp.rpc("run.submit", actions=[run], wait=True)["jobs"]
        assert jobs[0]["exit_code"] == 7
    wait_until(lambda: len(children(c.init)) == 2, what=lambda: f"server and service are left: {children(c.init)}")
    assert zombies(c.init) == [] and hp.state("forks") == "running"


def test_a_server_that_is_killed_below_pid_1_is_replaced_and_nothing_is_lost(hp):
    service(hp, "s", "exec sleep 1000")
    c = Container(hp).up()
    hp.wait_state("s", "running")
    inside = hp.pid("s")
    server = next(p for p in children(c.init) if "hero_proc_serv" in Path(f"/proc/{p}/comm").read_text())
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not is_alive(server), what="the server died")
    wait_until(hp.answers, what="its successor answers")
    assert hp.pid("s") == inside and hp.info()["keeper_pid"] == 1


def test_pid_1_of_a_foreign_proc_says_so_and_ends(hp):
    c = Container(hp, unshare=())
    assert c.process.wait(10) == 1
    assert "/proc is that of another pid namespace" in hp.log_text()


def test_pid_1_works_where_cgroups_can_not_be_written(hp):
    service(hp, "s", "(setsid sleep 1000 &); exec sleep 1000")
    c = Container(hp, before="mount -t tmpfs -o ro none /sys/fs/cgroup").up()
    hp.wait_state("s", "running")
    assert not hp.info()["cgroups"]
    wait_until(lambda: len(children(c.init)) == 3, what="its daemon was inherited")
    hp.rpc("service.stop", name="s")
    assert len(children(c.init)) == 1
