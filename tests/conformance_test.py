#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The conformance suites as tests: each must keep the share of its checks that was reached."""
import importlib.machinery
import importlib.util
import pathlib
import re
import unittest

from posterntest import main

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("conformance", str(HERE / "conformance"))
spec = importlib.util.spec_from_loader("conformance", loader)
conformance = importlib.util.module_from_spec(spec)
loader.exec_module(conformance)


class Conformance(unittest.TestCase):
    def keep(self, name, share):
        if conformance.is_missing(name):
            self.skipTest(conformance.is_missing(name))
        output = conformance.run(name)
        summaries = re.findall(r"(\d+) passed, (\d+) failed", output)
        self.assertTrue(summaries, output[-2000:])
        passed, failed = (sum(map(int, column)) for column in zip(*summaries))
        faults = "\n".join(line for line in output.splitlines() if line.startswith("FAIL"))
        self.assertGreaterEqual(passed / (passed + failed), share, f"{passed}, {failed}\n{faults}")

    def test_smtp(self):
        self.keep("smtp", 0.97)

    def test_pop3(self):
        self.keep("pop3", 0.95)

    def test_mime(self):
        self.keep("mime", 0.90)

    def test_spf(self):
        self.keep("spf", 1)

    def test_dkim(self):
        self.keep("dkim", 1)

    def test_arc(self):
        self.keep("arc", 1)

    def test_dmarc(self):
        self.keep("dmarc", 1)


if __name__ == "__main__":
    main()
