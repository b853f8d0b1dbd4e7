"""Every scenario of this folder against a real daemon (docs/scenarios.md).

They wait more than they work, so they are played side by side; each test is the verdict of one file.
"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from player import Player

HERE = Path(__file__).resolve().parent
FILES = sorted(HERE.glob("*.scn"))
AT_ONCE = 8


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
