#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Many sessions at once: idle ones are held while mail flows, slow ones do not stop the rest."""
import pathlib
import resource
import smtplib
import socket
import unittest

from posterntest import SANITIZERS, Instance, main, message, wait_until

IDLE = 1500


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * IDLE + 200), hard))
        cls.host = Instance("users=2", f"sessions={IDLE}").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def open_idle(self, count, service="smtp"):
        held = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", self.host.port(service)), 30)
            s.settimeout(30)
            self.assertTrue(s.recv(200))
            held.append(s)
        return held

    def memory(self, name):
        """PSS of all processes of that program, in bytes."""
        total = 0
        for pid, program in self.host.children().items():
            if program == name:
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total

    def test_idle_sessions_are_held_and_cheap(self):
        before = self.memory("smtpd")
        held = self.open_idle(IDLE)
        for s in held:
            s.sendall(b"EHLO idle\r\n")
            self.assertTrue(s.recv(1000).startswith(b"250"))
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as c:
            c.send_message(message("meanwhile"))
        self.host.wait_for_mails("u2", 1)
        each = (self.memory("smtpd") - before) / IDLE
        if not SANITIZERS:      # which pay for each byte with shadow memory
            self.assertLess(each, 24 * 1024)
        for s in held:
            s.sendall(b"NOOP\r\n")
            self.assertTrue(s.recv(100).startswith(b"250"))
            s.close()

    def test_imap_front_door_holds_many_silent_clients(self):
        held = self.open_idle(300, "imap")
        import imaplib
        with imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30) as c:
            c.login("u1", "secret")
            self.assertEqual(c.select("INBOX")[0], "OK")
        for s in held:
            s.close()

    def test_reload_keeps_sessions(self):
        held = self.open_idle(20)
        self.host.tool("postern", "reload")
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as c:
            self.assertEqual(c.ehlo()[0], 250)
        for s in held:
            s.sendall(b"NOOP\r\n")
            self.assertTrue(s.recv(100).startswith(b"250"), "reload dropped a session")
            s.close()

    def test_a_stopped_log_process_never_stops_mail(self):
        import os
        import signal
        logs = [pid for pid, name in self.host.children().items() if name == "postlogd"]
        self.assertTrue(logs)
        for pid in logs:
            os.kill(pid, signal.SIGSTOP)
        try:
            before = len(self.host.mails("u1"))
            for k in range(200):
                with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as c:
                    c.send_message(message(f"quiet {k}", to="u1@example.test"))
            self.host.wait_for_mails("u1", before + 200)
        finally:
            for pid in logs:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass


if __name__ == "__main__":
    main()
