"""What vanishes comes back: logs/, the log of one service, one of its files, while it writes and while it is silent."""
import json
import shutil
import time

import pytest

from hp import wait_until

WRITES = """i=0
while [ ! -e {stop} ]; do i=$((i+1)); echo line $i; sleep 0.02; done
echo last $i
while :; do sleep 1; done"""


def segment(hp, suffix):
    return sorted((hp.state_dir / "logs" / "w").glob(f"*.{suffix}"))[-1]


def foreign(path):
    """Another file takes its place."""
    other = path.with_name("other")
    other.write_bytes(b"not a log\n" * 100)
    other.rename(path)


GONE = {
    "logs": lambda hp: shutil.rmtree(hp.state_dir / "logs", ignore_errors=True),
    "logs renamed": lambda hp: (hp.state_dir / "logs").rename(hp.root / "elsewhere"),
    "its folder": lambda hp: shutil.rmtree(hp.state_dir / "logs" / "w", ignore_errors=True),
    "its folder renamed": lambda hp: (hp.state_dir / "logs" / "w").rename(hp.root / "elsewhere"),
    "its segment": lambda hp: segment(hp, "seg").unlink(),
    "its index": lambda hp: segment(hp, "idx").unlink(),
    "its segment renamed": lambda hp: segment(hp, "seg").rename(hp.root / "elsewhere"),
    "its segment replaced": lambda hp: foreign(segment(hp, "seg")),
    "its index replaced": lambda hp: foreign(segment(hp, "idx")),
}
HOW = pytest.mark.parametrize("gone", GONE.values(), ids=GONE.keys())


def repairs(hp):
    return [e["what"] for e in hp.rpc("events.query", limit=1000)["events"] if e.get("event") == "repaired"]


def lines(hp):
    return [x["line"] for x in hp.rpc("logs.query", name="w", limit=10000)["lines"]]


def is_clean(hp):
    found = [f for f in hp.rpc("system.doctor", timeout=60)["findings"] if f["severity"] != "note"]
    return not found


@HOW
def test_F81_the_log_of_a_service_that_writes_loses_no_line(hp, gone):
    hp.define("w", script=WRITES.format(stop=hp.root / "stop"))
    hp.rpc("service.start", name="w")
    wait_until(lambda: len(lines(hp)) > 20, what="it writes")
    for _ in range(2):
        before = len(lines(hp))
        gone(hp)
        wait_until(lambda: len(lines(hp)) > before, 2.0, "its lines are there again")
        elsewhere = hp.root / "elsewhere"
        shutil.rmtree(elsewhere) if elsewhere.is_dir() else elsewhere.unlink(missing_ok=True)
    (hp.root / "stop").touch()
    wait_until(lambda: lines(hp)[-1].startswith("last"), what="its last line")
    written = lines(hp)
    n = int(written[-1].split()[1])
    assert written == [f"line {i}" for i in range(1, n + 1)] + [f"last {n}"]
    wait_until(lambda: any("vanished" in text for text in repairs(hp)), what="an event says so")
    assert is_clean(hp)


@pytest.mark.parametrize("gone", ["logs", "its folder"])
def test_F81_the_log_of_a_silent_service_vanishes_and_the_loss_is_said(hp, gone):
    hp.define("w", script=f"echo first; until [ -e {hp.root}/go ]; do sleep 0.05; done; echo second; while :; do sleep 1; done")
    hp.rpc("service.start", name="w")
    wait_until(lambda: lines(hp) == ["first"], what="it writes")
    time.sleep(2.5)  # files that nothing is written to are closed
    GONE[gone](hp)
    if gone == "logs":
        wait_until((hp.state_dir / "logs").is_dir, 1.0, "it is made again at once")
        assert is_clean(hp)
    (hp.root / "go").touch()
    wait_until(lambda: lines(hp) == ["second"], what="what it writes now is kept")
    wait_until(lambda: any("lost" in text for text in repairs(hp)), what="the loss is said")
    assert "w" in json.dumps(repairs(hp)) and is_clean(hp)


def test_F81_logs_vanish_and_the_server_is_killed(hp):
    hp.define("w", script=WRITES.format(stop=hp.root / "stop"))
    hp.rpc("service.start", name="w")
    wait_until(lambda: len(lines(hp)) > 5, what="it writes")
    GONE["logs"](hp)
    hp.kill_server()
    (hp.root / "stop").touch()
    wait_until(lambda: lines(hp) and lines(hp)[-1].startswith("last"), what="its last line")
    assert is_clean(hp)
