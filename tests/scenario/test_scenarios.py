"""Every scenario of this folder against a real daemon (docs/scenarios.md).

They wait more than they work, so they are played side by side; each test is the verdict of one file.
"""
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from player import Player

HERE = Path(__file__).resolve().parent
FILES = sorted(HERE.glob("*.scn"))
AT_ONCE = 8
CASES = HERE.parents[2] / "shared/cases/scenarios/scenarios.json"
AREAS = {"dep_failure", "readiness", "readiness_timeout", "start", "stop", "race", "conflict", "cycle", "missing",
         "oneshot", "ordering", "soft_dependency", "graph", "reload", "registrant", "restart", "restart_policy",
         "restart_storm", "health"}
# Core cases of these areas that are held by another test, and by which.
ELSEWHERE = {
    "gate-sdk": "tests/system/test_order_matrix.py: a program of the SDK registers itself",
    "probe-hangs": "probes are no words of a scenario: tests/system",
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
    wanted = {item.callspec.params["path"] for item in request.session.items if "callspec" in dir(item)}
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
