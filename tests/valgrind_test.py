#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A few mails in and out, every daemon under valgrind: no access to memory that is not ours."""
import imaplib
import os
import pathlib
import poplib
import re
import smtplib
import tempfile
import unittest

os.environ.setdefault("POSTERN_SLOWNESS", "8")
from posterntest import (SANITIZERS, TOP, Instance, have, loose_tls, main, message, take_reports,
                         wait_until, wrap_daemons)

VALGRIND = ("valgrind", "--leak-check=no", "--vgdb=no", "--num-callers=25",
            f"--suppressions={TOP / 'tests' / 'valgrind.supp'}")
FAULT = re.compile(r"==\d+== (Invalid |Conditional jump|Use of uninit|Syscall param|Source and dest|"
                   r"Mismatched|Argument |Process terminating with default action of signal (6|7|8|11))")
AT_WORK = re.compile(r"Memcheck, a memory error detector")
PROGRAMS = {"master", "smtpd", "router", "qmgr", "local", "smtp", "auth", "tlsmgr", "login", "imapd",
            "pop3d", "postlogd"}
SECONDS = 240


def knows_valgrind():
    """Seccomp and the stacks of tasks need its headers at build time."""
    build = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build")
    return "#define HAVE_VALGRIND_VALGRIND_H 1" in (build / "config.h").read_text()


@unittest.skipIf(SANITIZERS, "sanitizers and valgrind exclude each other")
@unittest.skipUnless(have("valgrind"), "no valgrind")
@unittest.skipUnless(knows_valgrind(), "built without valgrind's headers")
class Valgrind(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="postern-test-")
        top = pathlib.Path(cls.folder.name)
        top.chmod(0o755)
        cls.reports = top / "reports"
        wrap_daemons(top / "libexec", cls.reports, *VALGRIND)
        cls.far = Instance("users=1").__enter__()
        cls.host = Instance("users=3", "tls=yes", f"main.daemon_directory={top / 'libexec'}",
                            f"route.far.test=127.0.0.1:{cls.far.port('smtp')}",
                            "main.virtual_alias_maps=inline:{{team@example.test = u2@example.test "
                            "u3@example.test}}", "main.service_worker_limit=1",
                            "main.master_start_time_limit=300s", "main.master_heartbeat_limit=120s",
                            "main.service_stop_time_limit=60s").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()
        cls.far.__exit__()
        cls.folder.cleanup()

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=SECONDS)

    def receive(self):
        with self.smtp() as s:
            s.starttls(context=loose_tls())
            s.send_message(message("small", to="u1@example.test"))
            s.send_message(message("to two", to="team@example.test"))
            s.send_message(message("large", to="u1@example.test", body="0123456789 abcdef\n" * 20000))
            self.assertEqual(s.docmd("NONSENSE")[0] // 100, 5)
            self.assertEqual(s.docmd("RCPT", "TO:<" + "x" * 300 + "@example.test>")[0] // 100, 5)
        self.host.wait_for_mails("u1", 2)
        self.host.wait_for_mails("u3", 1)

    def submit(self):
        with smtplib.SMTP_SSL("127.0.0.1", self.host.port("submissions"), context=loose_tls(),
                              timeout=SECONDS) as s:
            s.login("u1", "secret")
            s.sendmail("u1@example.test", ["nobody@far.test"], message("away").as_bytes())
        # The far host knows no such user: it comes back as a bounce.
        self.host.wait_for_mails("u1", 3)

    def read_imap(self):
        c = imaplib.IMAP4_SSL("127.0.0.1", self.host.port("imaps"), ssl_context=loose_tls(),
                              timeout=SECONDS)
        c.login("u1", "secret")
        self.assertEqual(c.select("INBOX")[1], [b"3"])
        self.assertEqual(c.search(None, "SUBJECT", "small")[1], [b"1"])
        for items in ("(FLAGS UID ENVELOPE BODYSTRUCTURE RFC822.SIZE)", "(BODY.PEEK[TEXT]<10.50>)",
                      "(BODY[HEADER.FIELDS (SUBJECT TO)])", "(RFC822)"):
            self.assertEqual(c.fetch("1:*", items)[0], "OK", items)
        self.assertEqual(c.create("Other")[0], "OK")
        self.assertEqual(c.copy("1:2", "Other")[0], "OK")
        self.assertEqual(c.store("2", "+FLAGS", r"(\Deleted keyword)")[0], "OK")
        self.assertEqual(c.expunge()[0], "OK")
        self.assertEqual(c.append("Other", r"(\Seen)", None, b"Subject: appended\r\n\r\nx\r\n")[0], "OK")
        self.assertEqual(c.list()[0], "OK")
        c.logout()

    def read_pop3(self):
        c = poplib.POP3_SSL("127.0.0.1", self.host.port("pop3s"), context=loose_tls(), timeout=SECONDS)
        c.user("u3")
        c.pass_("secret")
        self.assertEqual(c.stat()[0], 1)
        self.assertIn(b"Subject: to two", c.retr(1)[1])
        c.uidl()
        c.dele(1)
        c.quit()

    def test_no_memory_error_from_start_to_stop(self):
        self.receive()
        self.submit()
        self.read_imap()
        self.read_pop3()
        self.host.tool("postern", "reload")
        with self.smtp() as s:
            s.send_message(message("after reload", to="u2@example.test"))
        self.host.wait_for_mails("u2", 2)
        wait_until(lambda: self.host.queued() == 0, SECONDS, self.host.log_tail)
        self.host.stop()
        watched = {path.name.split(".")[0] for path in self.reports.iterdir()
                   if AT_WORK.search(path.read_text(errors="replace"))}
        self.assertEqual(PROGRAMS - watched, set(), "not under valgrind")
        faults = take_reports(self.reports, FAULT)
        if faults:
            self.fail("\n".join(faults))


if __name__ == "__main__":
    main()
