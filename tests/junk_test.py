#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""junk_mailbox_name: with a name that cannot be a folder nothing starts, and a line says why."""
import re
import smtplib
import unittest

from posterntest import Instance, main, message, wait_until


class Names(unittest.TestCase):
    def test_no_way_out_of_the_maildir(self):
        for name in ("../u1/Maildir", "INBOX.Junk", "a//b"):
            with self.subTest(name):
                host = Instance("users=1", f"main.junk_mailbox_name={name}")
                with self.assertRaisesRegex(RuntimeError, "program local does not start"):
                    try:
                        host.start()
                    finally:
                        log = (host.dir / "log" / "mail.log").read_text()
                        host.__exit__()
                self.assertRegex(log, rf"fatal: junk_mailbox_name = {re.escape(name)}: no name for a folder")

    def test_levels_and_the_inbox_are_fine(self):
        for name in ("Sorted/Junk mail", "", "inbox"):
            with self.subTest(name), Instance("users=2", f"main.junk_mailbox_name={name}") as host:
                with smtplib.SMTP("127.0.0.1", host.port("smtp"), timeout=30) as s:
                    s.send_message(message("names"))
                host.wait_for_mails("u2", 1)
                wait_until(lambda: "status=sent (delivered to maildir)" in host.log(), 30, host.log_tail)
                self.assertNotIn("fatal: ", host.log())


if __name__ == "__main__":
    main()
