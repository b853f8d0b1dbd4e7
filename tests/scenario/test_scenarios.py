"""Every scenario of this folder against a real daemon (docs/scenarios.md).

They wait more than they work, so they are played side by side; each test is the verdict of one file.
"""
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from player import Player, program

HERE = Path(__file__).resolve().parent
FILES = sorted(HERE.glob("*.scn"))
AT_ONCE = 8
CASES = HERE.parents[2] / "shared/cases/scenarios/scenarios.json"
AREAS = {"dep_failure", "readiness", "readiness_timeout", "start", "stop", "race", "conflict", "cycle", "missing",
         "oneshot", "ordering", "soft_dependency", "graph", "reload", "registrant", "restart", "restart_policy",
         "restart_storm", "health", "process_tree", "supervisor_crash"}
# Core cases of these areas that are held by another test, and by which.
ELSEWHERE = {
    "gate-sdk": "tests/system/test_order_matrix.py: a program of the SDK registers itself",
    "probe-hangs": "tests/system/test_probes.py: probes are no words of a scenario",
    "pid-reuse-not-killed": "tests/unit/keeper: F64; tests/system/test_recovery.py: what a former boot recorded",
    "pid-reuse-on-stop": "tests/unit/keeper: F64, who gets the number of an ended leader gets no signal",
    "state-file-truncated": "tests/system/test_recovery.py, tests/unit/store",
    "second-supervisor": "tests/system/test_recovery.py",
}


def remarks(path):
    """{'open': reason, 'sim only': reason} of a file."""
    found = {}
    for line in path.read_text().splitlines():
        for word in ("open", "sim only"):
            if line.startswith(f"# {word}: "):
                found[word] = line.split(": ", 1)[1]
    return found


PLAYED = [path for path in FILES if "sim only" not in remarks(path)]


@pytest.fixture(scope="session")
def verdicts(request):
    wanted = {item.callspec.params.get("path") for item in request.session.items if "callspec" in dir(item)}
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {path: pool.submit(lambda p=path: Player(p).play()) for path in PLAYED
           if path in wanted}
    pool.shutdown()


@pytest.mark.parametrize("path", PLAYED, ids=lambda p: p.stem)
def test_scenario(path, verdicts):
    found = remarks(path)
    if "open" not in found:
        verdicts[path].result(120)
        return
    with pytest.raises(AssertionError):  # known; goes from the list when it is mended
        verdicts[path].result(120)


def test_every_core_case_of_these_areas_has_a_file_or_a_reason():
    if not CASES.exists():
        return  # not part of the project
    held = {m.group(1) for path in FILES for m in re.finditer(r"\bcase ([\w-]+)", path.read_text().split("\n")[0])}
    cases = [c for c in json.loads(CASES.read_text()) if c["category"] in AREAS and c["portable"] == "core"]
    assert cases
    assert [c["id"] for c in cases if c["id"] not in held and c["id"] not in ELSEWHERE] == []


def test_known_faults_are_few_and_say_what_is_wrong():
    assert sum("open" in remarks(path) for path in FILES) <= 10


@pytest.mark.parametrize("text, line, word", [
    ("service a\nstrat a\n", 3, "did you mean `start`"),
    ("service a wings 2\nstart a\n", 2, "wings"),
    ("service a requires b (sometimes)\nstart a\n", 2, "sometimes"),
    ("service a\nexpect a sleeping\n", 3, "sleeping"),
    ("service a\npass 3 s\n", 3, "200ms"),
    ("service a\nstart a quickly\n", 3, "quickly"),
    ("service a\ncrash b\n", 3, "no service `b`"),
    ("service a\norder a ready\n", 3, "order"),
    ("  ready manual\n", 2, "continues"),
])
def test_what_is_not_understood_is_told_with_its_line(tmp_path, text, line, word):
    path = tmp_path / "wrong.scn"
    path.write_text("# wrong\n" + text)
    done = subprocess.run([program("scenario"), path], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"wrong.scn:{line}:" in done.stdout and word in done.stdout


def test_a_scenario_that_does_not_hold_fails_in_both_worlds(tmp_path):
    path = tmp_path / "wrong.scn"
    path.write_text("# a dependent that is executed too early would look so\nservice db ready notify\n"
                    "service app requires db\nstart app nowait\nwait db alive\nexpect app never executed\n"
                    "ready db\nanswer start app done\nexpect order app executed < db ready\n")
    assert subprocess.run([program("scenario"), path], capture_output=True).returncode == 1
    player = Player(path)
    player.bound = 0.3
    with pytest.raises(AssertionError, match="wrong.scn:9"):
        player.play()
