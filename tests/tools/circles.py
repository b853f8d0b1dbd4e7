#!/usr/bin/env python3
"""circles.py - tools/check-circles, on a tree of two files."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "check-circles")
LOOP = {"a.c": "int b(void); int a(void); int a(void) { return b(); }",
        "b.c": "int a(void); int b(void); int b(void) { return a(); }"}
HANDED = {"a.c": "void b(int (*)(void)); static int own(void) { return 1; } int a(void); int a(void) { b(own); return 0; }",
          "b.c": "void b(int (*f)(void)); void b(int (*f)(void)) { f(); }"}


class Circles(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        for folder in ("tools", "src/x", "build"):
            os.makedirs(os.path.join(self.tree, folder))
        shutil.copy(SCRIPT, os.path.join(self.tree, "tools"))

    def put(self, name, text):
        with open(os.path.join(self.tree, name), "w") as f:
            f.write(text)

    def build(self, sources):
        rows = []
        for name, text in sources.items():
            self.put(f"src/x/{name}", text + "\n")
            subprocess.run(["cc", "-c", f"src/x/{name}", "-o", f"build/{name}.o"], cwd=self.tree, check=True)
            rows.append({"directory": os.path.join(self.tree, "build"), "file": f"../src/x/{name}",
                         "output": f"{name}.o"})
        self.put("build/compile_commands.json", json.dumps(rows))

    def check(self, *arguments):
        environment = {**os.environ, "BUILD": os.path.join(self.tree, "build")}
        return subprocess.run([os.path.join(self.tree, "tools/check-circles"), *arguments], text=True,
                              env=environment, capture_output=True)

    def limits(self):
        with open(os.path.join(self.tree, "src/CIRCLES")) as f:
            return f.read()

    def test_a_loop_above_the_limit_fails_and_is_listed_with_its_call(self):
        self.build(LOOP)
        self.put("src/CIRCLES", "")
        self.assertEqual(self.check().returncode, 1)
        self.assertIn("b.c calls back a.c: a", self.check("--list").stdout)

    def test_a_loop_within_the_limit_passes(self):
        self.build(LOOP)
        self.put("src/CIRCLES", "x: 2\n")
        self.assertEqual(self.check().returncode, 0)

    def test_a_function_that_is_handed_over_closes_no_loop(self):
        self.build(HANDED)
        self.put("src/CIRCLES", "")
        self.assertEqual(self.check().returncode, 0)

    def test_headers_that_include_each_other_are_a_loop(self):
        self.build(HANDED)
        self.put("src/CIRCLES", "")
        self.put("src/x/a.h", '#include "x/b.h"\n')
        self.put("src/x/b.h", '#include "x/a.h"\n')
        self.assertIn("x: 2 files", self.check("--list").stdout)
        self.assertEqual(self.check().returncode, 1)

    def test_a_limit_only_goes_down(self):
        self.build(LOOP)
        self.put("src/CIRCLES", "# why\nx: 1\ny: 3\n")
        self.check("--write")
        self.assertEqual(self.limits(), "# why\nx: 1\n")


if __name__ == "__main__":
    sys.exit(unittest.main())
