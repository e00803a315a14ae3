#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The second half of quickstart: a private host that proves itself, twice."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from posterntest import TOP, main

STAGE = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build") / "stage"


class Trial(unittest.TestCase):
    def test_a_fresh_host_shows_a_signed_mail_by_imap_and_pop3(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-trial-"))
        self.addCleanup(shutil.rmtree, folder, True)
        folder.chmod(0o755)
        for _ in range(2):      # the second run finds it there
            done = subprocess.run([sys.executable, str(TOP / "tests" / "trial"), str(STAGE), str(folder)],
                                  capture_output=True, text=True, timeout=300)
            self.addCleanup(subprocess.run, [str(STAGE / "sbin" / "postern"), "-c", str(folder / "etc"), "stop"],
                            capture_output=True)
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
            for part in ("reads it over IMAP", "reads it over POP3", "DKIM-Signature:", "user bob@example.test"):
                self.assertIn(part, done.stdout)


if __name__ == "__main__":
    main()
