#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Relaying, retrying, bouncing, and the queue commands, against a far end that the test plays."""
import email
import json
import os
import pathlib
import re
import smtplib
import socket
import socketserver
import subprocess
import threading
import unittest

from posterntest import Instance, main, message, wait_until


class FarEnd(socketserver.ThreadingTCPServer):
    """An SMTP server that answers as told: behaviour maps a recipient (or "*") to the reply to RCPT;
    "DATA" the reply after the dot."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host="127.0.0.1", port=0):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Session)
        self.behaviour, self.mails, self.connections = {}, [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.server.connections += 1
        self.say(self.server.behaviour.get("GREETING", "220 far.test ESMTP"))
        sender, rcpts, params = None, [], ""
        for raw in self.rfile:
            line = raw.decode(errors="replace").rstrip("\r\n")
            verb = line[:4].upper()
            if verb == "EHLO":
                self.wfile.write(b"250-far.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 50000000\r\n")
            elif verb == "MAIL":
                sender, rcpts, params = line[10:], [], line
                self.say("250 2.1.0 Ok")
            elif verb == "RCPT":
                address = re.search(r"<(.*?)>", line).group(1)
                reply = self.server.behaviour.get(address, self.server.behaviour.get("*", "250 2.1.5 Ok"))
                if reply.startswith("2"):
                    rcpts.append(address)
                self.say(reply)
            elif verb == "DATA":
                if not rcpts:
                    self.say("554 5.5.1 no valid recipients")
                    continue
                self.say("354 go")
                lines = []
                for part in self.rfile:
                    if part == b".\r\n":
                        break
                    lines.append(part[1:] if part.startswith(b".") else part)
                reply = self.server.behaviour.get("DATA", "250 2.0.0 Ok: queued as FAR1")
                if reply.startswith("2"):
                    self.server.mails.append((sender, rcpts, b"".join(lines), params))
                self.say(reply)
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


class Relaying(unittest.TestCase):
    def setUp(self):
        self.far = FarEnd()
        self.host = Instance("users=2", f"relayhost=127.0.0.1:{self.far.port}",
                             "main.minimal_backoff_time=1s", "main.maximal_backoff_time=2s",
                             "main.queue_run_delay=1s").__enter__()

    def tearDown(self):
        self.host.__exit__()
        self.far.shutdown()
        self.far.server_close()

    def send(self, recipients, subject="relay", sender="u1@example.test", options=(), rcpt_options=(),
             body="body\r\n"):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.ehlo()
            self.assertEqual(s.mail(sender, list(options))[0], 250)
            for r in recipients:
                self.assertEqual(s.rcpt(r, list(rcpt_options))[0], 250)
            code, text = s.data(f"Subject: {subject}\r\nFrom: u1@example.test\r\n\r\n{body}")
            self.assertEqual(code, 250, text)
            return text.decode().split()[-1]

    def wait_relayed(self, count):
        wait_until(lambda: len(self.far.mails) >= count, 30, self.host.log_tail)

    def bounce_for(self, user="u1"):
        wait_until(lambda: self.host.mails(user), 30, self.host.log_tail)
        return email.message_from_bytes(self.host.mails(user)[-1])

    def test_content_is_relayed_octet_for_octet(self):
        self.send(["a@far.test"], body=".leading dot\r\n\r\n..two\r\nlast\r\n")
        self.wait_relayed(1)
        sender, rcpts, mail, _ = self.far.mails[0]
        self.assertEqual(rcpts, ["a@far.test"])
        self.assertIn(b"<u1@example.test>", sender.encode())
        self.assertTrue(mail.endswith(b"\r\n\r\n.leading dot\r\n\r\n..two\r\nlast\r\n"), mail)
        self.assertIn(b"Received: ", mail)

    def test_a_large_message_is_relayed(self):
        body = ("z" * 76 + "\r\n") * 20000
        self.send(["a@far.test"], body=body)
        self.wait_relayed(1)
        self.assertTrue(self.far.mails[0][2].endswith(body.encode()))

    def test_each_recipient_has_its_own_fate(self):
        self.far.behaviour = {"no@far.test": "550 5.1.1 no such user here",
                              "later@far.test": "450 4.2.0 try later"}
        self.send(["yes@far.test", "no@far.test", "later@far.test"])
        self.wait_relayed(1)
        self.assertEqual(self.far.mails[0][1], ["yes@far.test"])
        report = self.bounce_for()
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertIn("no@far.test", report.as_string())
        self.assertNotIn("Final-Recipient: rfc822; later@far.test", report.as_string())
        self.far.behaviour = {}
        self.wait_relayed(2)
        self.assertEqual(self.far.mails[1][1], ["later@far.test"])
        wait_until(lambda: self.host.queued() == 0, 30, self.host.log_tail)

    def test_a_bounce_is_what_rfc3464_asks(self):
        self.far.behaviour = {"*": "550 5.7.1 go away"}
        queue_id = self.send(["x@far.test"], subject="doomed", options=["ENVID=QQ314159", "RET=HDRS"],
                             rcpt_options=["NOTIFY=FAILURE", "ORCPT=rfc822;orig@far.test"])
        report = self.bounce_for()
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        parts = report.get_payload()
        self.assertEqual([p.get_content_type() for p in parts][:2],
                         ["text/plain", "message/delivery-status"])
        status = parts[1].as_string()
        self.assertIn("Reporting-MTA: dns; mx.example.test", status)
        self.assertIn("Original-Envelope-Id: QQ314159", status)
        self.assertIn("Original-Recipient: rfc822;orig@far.test", status.replace("rfc822; ", "rfc822;"))
        self.assertIn("Final-Recipient: rfc822; x@far.test", status)
        self.assertIn("Action: failed", status)
        self.assertIn("Status: 5.7.1", status)
        self.assertIn("Diagnostic-Code: smtp; 550 5.7.1 go away", status)
        self.assertIn(parts[2].get_content_type(), ("text/rfc822-headers", "message/rfc822-headers"))
        self.assertIn("Subject: doomed", parts[2].get_payload() if isinstance(parts[2].get_payload(), str)
                      else parts[2].as_string())
        self.assertTrue(report["From"].startswith("MAILER-DAEMON"))
        self.host.wait_logged(rf"bounce\[\d+\]: {queue_id}: sender non-delivery notification: \w+")

    def test_notify_never_means_no_bounce(self):
        self.far.behaviour = {"*": "550 5.1.1 no"}
        self.send(["x@far.test"], rcpt_options=["NOTIFY=NEVER"])
        wait_until(lambda: "status=bounced" in self.host.log() and self.host.queued() == 0, 30,
                   self.host.log_tail)
        self.assertEqual(self.host.mails("u1"), [])

    def test_a_bounce_is_never_bounced_to_nobody(self):
        self.far.behaviour = {"*": "550 5.1.1 no"}
        self.send(["x@far.test"], sender="")
        wait_until(lambda: "status=bounced" in self.host.log() and self.host.queued() == 0, 30,
                   self.host.log_tail)
        self.assertEqual(len(self.far.mails), 0)

    def test_deferred_mail_survives_a_restart_and_goes_out(self):
        self.far.behaviour = {"*": "451 4.3.0 not now"}
        ids = [self.send([f"r{k}@far.test"], subject=f"deferred {k}") for k in range(5)]
        wait_until(lambda: self.host.log().count("status=deferred") >= 5, 30, self.host.log_tail)
        self.assertEqual(self.host.queued(), 5)
        self.host.stop()
        self.host.start()
        self.assertEqual(self.host.queued(), 5)
        listed = self.host.tool("postqueue", "-p").stdout
        for queue_id in ids:
            self.assertIn(queue_id, listed)
        self.far.behaviour = {}
        self.host.call("flush")
        self.wait_relayed(5)
        wait_until(lambda: self.host.queued() == 0, 30, self.host.log_tail)
        self.assertEqual(sorted(m[1][0] for m in self.far.mails),
                         [f"r{k}@far.test" for k in range(5)])

    def test_an_unreachable_host_defers(self):
        self.far.shutdown()
        self.far.server_close()
        self.send(["x@far.test"])
        wait_until(lambda: "Connection refused" in self.host.log(), 30, self.host.log_tail)
        self.assertEqual(self.host.queued(), 1)
        self.assertEqual(self.host.mails("u1"), [])

    def test_old_mail_is_returned(self):
        self.far.behaviour = {"*": "450 4.2.1 never today"}
        self.host.stop()
        self.host.start("users=2", f"relayhost=127.0.0.1:{self.far.port}", "main.maximal_queue_lifetime=2s",
                        "main.minimal_backoff_time=1s", "main.maximal_backoff_time=1s",
                        "main.queue_run_delay=1s")
        self.send(["x@far.test"])
        report = self.bounce_for()
        self.assertIn("x@far.test", report.as_string())
        self.host.wait_logged("status=expired, returned to sender")

    def test_postqueue_json_postcat_and_postsuper(self):
        self.far.behaviour = {"*": "451 4.3.0 not now"}
        first, second = self.send(["a@far.test"], subject="one"), self.send(["b@far.test"], subject="two")
        wait_until(lambda: self.host.log().count("status=deferred") >= 2, 30, self.host.log_tail)
        entries = {e["queue_id"]: e for e in
                   map(json.loads, self.host.tool("postqueue", "-j").stdout.splitlines())}
        self.assertEqual(set(entries), {first, second})
        self.assertEqual(entries[first]["sender"], "u1@example.test")
        self.assertEqual(entries[first]["recipients"][0]["address"], "a@far.test")
        self.assertIn("not now", entries[first]["recipients"][0]["delay_reason"])
        cat = self.host.tool("postcat", "-q", first).stdout
        self.assertIn("Subject: one", cat)
        self.assertIn("*** MESSAGE CONTENTS", cat)
        self.host.tool("postsuper", "-h", first)
        listed = self.host.tool("postqueue", "-p").stdout
        self.assertIn(first + "!", listed.replace(" ", ""))
        self.far.behaviour = {}
        self.host.call("flush")
        self.wait_relayed(1)
        self.assertEqual(self.far.mails[0][1], ["b@far.test"])
        self.assertEqual(self.host.queued(), 1)
        self.host.tool("postsuper", "-H", first)
        self.host.call("flush")
        self.wait_relayed(2)
        self.far.behaviour = {"*": "451 4.3.0 not now"}
        third = self.send(["c@far.test"])
        wait_until(lambda: f"{third}: to=<c@far.test>" in self.host.log(), 30, self.host.log_tail)
        done = self.host.tool("postsuper", "-d", third)
        self.assertIn("Deleted: 1 message", done.stderr + done.stdout)
        self.assertEqual(self.host.queued(), 0)

    def test_success_is_reported_when_asked(self):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.ehlo()
            s.mail("u1@example.test")
            s.rcpt("u2@example.test", ["NOTIFY=SUCCESS"])
            s.data("Subject: tell me\r\n\r\nx\r\n")
        report = self.bounce_for()
        self.assertIn("Action: delivered", report.as_string())

    def test_connections_are_reused(self):
        for k in range(20):
            self.send([f"r{k}@far.test"])
        self.wait_relayed(20)
        self.assertLess(self.far.connections, 20)

    def test_sendmail_submits(self):
        build = os.environ.get("POSTERN_BUILD") or pathlib.Path(__file__).parent.parent / "build"
        subprocess.run([str(pathlib.Path(build) / "stage" / "sbin" / "sendmail"), "-C", self.host.facts["config"],
                        "-t", "-i", "-f", "u1@example.test"],
                       input="To: u2@example.test\nSubject: by sendmail\n\n.\nafter the dot\n",
                       text=True, check=True)
        mail = self.host.wait_for_mails("u2", 1)[0]
        self.assertIn(b"\r\n.\r\nafter the dot\r\n", mail)
        self.host.wait_logged(r"pickup\[\d+\]: \w+: uid=\d+ from=<u1@example.test>")

    def test_sendmail_keeps_mail_while_the_host_is_down(self):
        build = os.environ.get("POSTERN_BUILD") or pathlib.Path(__file__).parent.parent / "build"
        self.host.stop()
        subprocess.run([str(pathlib.Path(build) / "stage" / "sbin" / "sendmail"), "-C", self.host.facts["config"],
                        "-f", "u1@example.test", "u2@example.test"],
                       input="Subject: while down\n\nx\n", text=True, check=True)
        self.host.start()
        mail = self.host.wait_for_mails("u2", 1)[0]
        self.assertIn(b"Subject: while down", mail)


if __name__ == "__main__":
    main()
