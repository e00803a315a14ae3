#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Many sessions at once: idle ones are held while mail flows, slow ones do not stop the rest."""
import imaplib
import os
import pathlib
import poplib
import resource
import signal
import smtplib
import socket
import unittest

from posterntest import SANITIZERS, Instance, loose_tls, main, message, wait_until

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

    @staticmethod
    def mail_sessions(host, has_tls):
        """Logged in: with TLS login relays, without it the session process has the socket."""
        if has_tls:
            imap = imaplib.IMAP4_SSL("127.0.0.1", host.port("imaps"), ssl_context=loose_tls(),
                                     timeout=30)
            pop3 = poplib.POP3_SSL("127.0.0.1", host.port("pop3s"), context=loose_tls(), timeout=30)
        else:
            imap = imaplib.IMAP4("127.0.0.1", host.port("imap"), timeout=30)
            pop3 = poplib.POP3("127.0.0.1", host.port("pop3"), timeout=30)
        imap.login("u1", "secret")
        imap.select("INBOX")
        pop3.user("u1")
        pop3.pass_("secret")
        return imap, pop3

    @staticmethod
    def greeted(host, service):
        s = socket.create_connection(("127.0.0.1", host.port(service)), 30)
        s.settimeout(30)
        s.recv(500)
        return s

    def check_reload_and_stop(self, has_tls):
        with Instance("users=2", *(["tls=yes"] if has_tls else [])) as host:
            old = self.mail_sessions(host, has_tls)
            silent = {b"421": self.greeted(host, "smtp"), b"* BYE": self.greeted(host, "imap"),
                      b"-ERR": self.greeted(host, "pop3")}
            host.tool("postern", "reload")
            for c in old:
                c.noop()
            new = self.mail_sessions(host, has_tls)
            host.stop()
            for word, s in silent.items():
                self.assertTrue(s.recv(500).startswith(word), word)
                s.close()
            for imap, pop3 in (old, new):
                self.assertTrue(imap.file.read().startswith(b"* BYE"))
                self.assertTrue(pop3.file.read().startswith(b"-ERR"))
            self.assertNotIn("by signal", host.log())
            self.assertEqual(host.log().count("disconnected: server shutting down"), 4)

    def test_passed_on_sessions_survive_a_reload_and_are_told_of_the_stop(self):
        self.check_reload_and_stop(False)

    def test_relayed_sessions_survive_a_reload_and_are_told_of_the_stop(self):
        self.check_reload_and_stop(True)

    def test_sessions_of_a_drain_that_takes_too_long_are_told(self):
        with Instance("users=1", "tls=yes", "main.service_drain_time_limit=1s") as host:
            imap, pop3 = self.mail_sessions(host, True)
            smtp = self.greeted(host, "smtp")
            host.tool("postern", "reload")
            self.assertTrue(smtp.recv(500).startswith(b"421"))
            self.assertTrue(imap.file.read().startswith(b"* BYE"))
            self.assertTrue(pop3.file.read().startswith(b"-ERR"))
            smtp.close()
            self.mail_sessions(host, True)
            self.assertNotIn("by signal", host.log())

    def test_sessions_end_with_their_killed_parent(self):
        with Instance("users=1") as host:
            imap, pop3 = self.mail_sessions(host, False)
            for pid, name in host.children().items():
                if name in ("imapd", "pop3d"):
                    os.kill(pid, signal.SIGKILL)
            self.assertTrue(imap.file.read().startswith(b"* BYE"))
            self.assertTrue(pop3.file.read().startswith(b"-ERR"))
            self.mail_sessions(host, False)

    def test_a_stopped_log_process_never_stops_mail(self):
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
