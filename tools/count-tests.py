#!/usr/bin/python3
"""count-tests.py - how many tests passed and failed, from the results themselves.

    count-tests.py meson testlog.json    every cmocka test of every program; a program
                                         that tells only its exit status is one test
    count-tests.py junit FILE.xml        every test case

Prints "PASSED FAILED".  Nothing is left out in silence: a cmocka test that skips itself
(its data is not on this machine) is named on stderr, a skipped system test counts as failed.
"""
import json
import re
import sys
import xml.etree.ElementTree


def of_meson(path):
    good = bad = 0
    for line in open(path):
        test = json.loads(line)
        said = test.get("stdout", "") + test.get("stderr", "")
        ok = len(re.findall(r"^\[       OK \]", said, re.M))
        failures = len(set(re.findall(r"^\[  FAILED  \] (\S+)$", said, re.M)))
        for name in sorted(set(re.findall(r"^\[  SKIPPED \] (\S+)$", said, re.M))):
            print(f"left out: {test['name']}: {name}", file=sys.stderr)
        fine = test["result"] in ("OK", "EXPECTEDFAIL")
        good += ok or (1 if fine else 0)
        bad += 0 if fine and not failures else max(failures, 1)
    return good, bad


def of_junit(path):
    good = bad = 0
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        faults = sum(int(suite.get(kind) or 0) for kind in ("failures", "errors", "skipped"))
        bad += faults
        good += int(suite.get("tests") or 0) - faults
    return good, bad


print(*{"meson": of_meson, "junit": of_junit}[sys.argv[1]](sys.argv[2]))
