"""One private supervisor per test; whatever happens it is ended, and nothing may be left of it."""
import signal

import pytest
from hp import Supervisor

# A shell ignores SIGINT for what it starts in the background, and programs inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def fresh():
    """Makes supervisors that are not started yet: fresh(HERO_DELAY_HERO_DB=100)."""
    made = []

    def make(**env):
        made.append(Supervisor(**env))
        return made[-1]

    make.made = made
    yield make
    for supervisor in made:
        supervisor.close()


@pytest.fixture
def hp(fresh):
    """A running, empty supervisor."""
    return fresh().start()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the daemon had to say."""
    report = (yield).get_result()
    if report.when != "call" or not report.failed:
        return
    for supervisor in getattr(item.funcargs.get("fresh"), "made", []):
        report.sections.append(("daemon", supervisor.log_text()[-4000:]))
