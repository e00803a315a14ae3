#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A python3-milter program sees every callback and macro, and each change it can ask for is done.

Every test runs against us and against Debian's Postfix, so that what is expected is what Postfix does."""
import base64
import os
import struct
import subprocess
import unittest

from milters.case import Filtered, body_of, fields_of, has_python_milter, values_of
from milters.mtas import AuthServer, Ours, Reference, held
from milters.raw import CONNECT, NEGOTIATE, RawFilter
from peers import why_no_postfix
from posterntest import free_port, loose_tls, main, needs_peers, wait_until

ALL_CLIENT_MACROS = ("{client_addr} {client_name} {client_port} {client_ptr} {client_resolve} {client_connections} "
                     "{daemon_port} j")
REJECTED, LATER = "550 5.7.1 Command rejected", "451 4.7.1 Service unavailable - try again later"
STAGES = ("connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "eom")
MESSAGE_STAGES = STAGES[2:]
SESSIONS, AT_ONCE, IDLE = 50, 10, 200


class Recorded(Filtered):
    HAS_TLS = True

    @classmethod
    def prepare(cls):
        cls.port = free_port()
        cls.plain = cls.add_recorder("plain")
        cls.quiet = cls.add_recorder("quiet", "--quiet", socket=f"inet:{cls.port}@127.0.0.1")
        cls.choosy = cls.add_recorder("choosy", "--leading-space", "--rejected",
                                      "--macros", f"connect={ALL_CLIENT_MACROS}", "--macros", "helo={tls_version}",
                                      "--macros", "mail={auth_type}",
                                      "--macros", "rcpt={rcpt_mailer} {rcpt_host} {rcpt_addr}",
                                      "--macros", "eom=i {made_up} {auth_results}")
        for recorder in (cls.plain, cls.quiet, cls.choosy):
            recorder.wait()
        (cls.dir / "by-client").write_text(f"127.0.2.1 DISABLE\n127.0.2.2 inet:127.0.0.1:{cls.port}\n")
        cls.counted = RawFilter(cls.dir / "counted.sock")
        cls.stack.callback(cls.counted.close)
        cls.auth = AuthServer(cls.dir / "auth.sock")
        cls.stack.callback(cls.auth.close)

    @classmethod
    def settings(cls):
        settings = {"non_smtpd_milters": cls.plain.socket, "milter_macro_defaults": "made_up=yes",
                    "message_size_limit": "20000000", "virtual_mailbox_limit": "0"}
        if cls.MTA is Reference:
            settings.update(smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path=cls.auth.path)
        return settings

    @classmethod
    def services(cls):
        quiet = f"inet:127.0.0.1:{cls.port}"
        return {"plain": {"smtpd_milters": cls.plain.socket},
                "quiet": {"smtpd_milters": quiet},
                "choosy": {"smtpd_milters": cls.choosy.socket},
                "counted": {"smtpd_milters": f"unix:{cls.dir}/counted.sock"},
                "none": {"smtpd_milters": cls.plain.socket, "receive_override_options": "no_milters"},
                "at once": {"smtpd_milters": cls.plain.socket, "smtpd_delay_reject": "no"},
                "by client": {"smtpd_peername_lookup": "no",
                              "smtpd_milters": f"{cls.plain.socket}, {quiet}",
                              "smtpd_milter_maps": f"texthash:{cls.dir}/by-client"},
                "two": {"smtpd_milters": f"{cls.plain.socket}, {quiet}"},
                "version 2": {"smtpd_milters": cls.plain.socket, "milter_protocol": "2"},
                "version 4": {"smtpd_milters": f"{{{cls.plain.socket}, protocol=4}}"}}

    def setUp(self):
        for recorder in (self.plain, self.quiet, self.choosy):
            recorder.order()

    def change(self, *orders, fields=(), body="Hello.\r\n"):
        """A message through a filter that does this at its end, as it was delivered."""
        self.plain.order(eom=orders)
        return self.delivered("plain", *fields, body=body)

    # ---- callbacks ----

    def test_every_callback_in_order(self):
        word = self.word()
        with self.client("plain") as c:
            port = c.socket.getsockname()[1]
            self.assertEqual(c.say("MAIL FROM:<u1@example.test> SIZE=100 BODY=8BITMIME")[:3], "250")
            self.assertEqual(c.say("FOO bar")[:2], "50")
            for to in ("<u2@example.test> NOTIFY=NEVER", "<u3@example.test>"):
                self.assertEqual(c.say(f"RCPT TO:{to}")[:3], "250")
            reply = c.data(self.message(word, "X-Folded: a\r\n\tb", "X-Two:  blanks", "X-None:y", "X-8: \u00e4").encode())
            self.assertEqual(reply[:3], "250")
        self.arrived("u3", word)
        seen = [(what, arguments) for what, arguments, _ in self.plain.events() if what not in ("negotiate", "close")]
        if self.MTA is Reference:       # it shows the first word only
            seen = [(what, ["FOO bar"] if arguments == ["FOO"] else arguments) for what, arguments in seen]
        self.assertEqual(seen[:7], [
            ("connect", ["localhost", 2, ["127.0.0.1", port]]), ("helo", ["client.test"]),
            ("mail", ["<u1@example.test>", "SIZE=100", "BODY=8BITMIME"]), ("unknown", ["FOO bar"]),
            ("rcpt", ["<u2@example.test>", "NOTIFY=NEVER"]), ("rcpt", ["<u3@example.test>"]), ("data", [])])
        self.assertEqual(seen[7:12], [("header", [name, value]) for name, value in (
            ("From", "Ann <u1@example.test>"), ("To", "u2@example.test"), ("Subject", word),
            ("Message-ID", f"<{word}@client.test>"), ("Date", "Sat, 28 Nov 2026 12:00:00 +0000"))])
        self.assertEqual(seen[12:16], [("header", [name, value]) for name, value in (
            ("X-Folded", "a\n\tb"), ("X-Two", " blanks"), ("X-None", "y"), ("X-8", "\u00e4"))])
        self.assertEqual(seen[16:19], [("eoh", []), ("body", [8, "Hello.\r\n", "Hello.\r\n"]), ("eom", [])])


    def test_a_message_that_is_broken_off(self):
        with self.client("plain") as c:
            c.envelope("u1@example.test", "u2@example.test")
            c.say("RSET")
            c.envelope("", "u2@example.test")
            self.assertEqual(c.data(self.message(self.word()))[:3], "250")
            c.envelope("u1@example.test", "u2@example.test")
            c.say("DATA")
            c.send("Subject: half of it\r\n")
        wait_until(lambda: self.plain.names().count("abort") >= 2, 30, self.plain.names)
        names = [n for n in self.plain.names() if n != "header"]
        self.assertEqual(names[:10], ["connect", "helo", "mail", "rcpt", "abort", "mail", "rcpt", "data", "eoh", "body"])
        self.assertEqual([a for n, a, _ in self.plain.events() if n == "mail"][1], ["<>"])
        self.assertEqual(names.count("eom"), 1)

    def test_without_ehlo(self):
        with self.client("plain", greet=False) as c:
            self.assertEqual(c.say("HELO old.test")[:3], "250")
            self.assertEqual(c.mail("u2@example.test", text="old")[:3], "250")
        self.assertEqual(self.plain.seen("helo")[0], ["old.test"])

    def test_recipients_that_we_refuse(self):
        """Are reported to those that want to know."""
        for service, recorder, count in (("plain", self.plain, 1), ("choosy", self.choosy, 2)):
            with self.client(service) as c:
                replies = c.envelope("u1@example.test", "nobody@example.test", "u2@example.test")
            self.assertEqual([r[:3] for r in replies], ["250", "550", "250"])
            self.assertEqual(recorder.names().count("rcpt"), count)
        refused = next(macros for what, _, macros in self.choosy.events() if what == "rcpt")
        self.assertEqual((refused["{rcpt_mailer}"], refused["{rcpt_host}"]), ("error", "5.1.1"))
        self.assertIn("User unknown", refused["{rcpt_addr}"])

    def test_steps_that_are_not_wanted(self):
        """HELO is not reported, and only RCPT and the end wait for an answer."""
        with self.client("quiet") as c:
            for _ in range(2):
                self.assertEqual(c.mail("u2@example.test", text="quiet")[:3], "250")
        names = [n for n in self.quiet.names() if n not in ("header", "abort")]
        self.assertEqual(names, ["connect"] + ["mail", "rcpt", "data", "eoh", "body", "eom"] * 2)

    def test_old_versions(self):
        """Version 2 knows neither DATA nor unknown commands, 4 does."""
        for service, extra in (("version 2", []), ("version 4", ["data", "unknown"])):
            self.plain.order(eom=[["addheader", "X-Added", "yes"]])
            word = self.word()
            with self.client(service) as c:
                c.envelope("u1@example.test", "u2@example.test")
                c.say("FOO")
                self.assertEqual(c.data(self.message(word))[:3], "250")
            self.assertEqual(values_of(self.arrived("u2", word), "X-Added"), [" yes"])
            self.assertEqual(sorted(set(self.plain.names()) & {"data", "unknown"}), extra)

    def test_the_blank_behind_the_colon(self):
        """Is part of the value for those who want it so."""
        self.choosy.order(eom=[["addheader", "X-Glued", "a"], ["addheader", "X-Blank", " b"], ["chgheader", "X-C", 1, "d"]])
        mail = self.delivered("choosy", "X-C: c", "X-None:y")
        self.assertIn(["X-C", " c"], self.choosy.headers())
        self.assertIn(["X-None", "y"], self.choosy.headers())
        self.assertEqual([values_of(mail, n) for n in ("X-Glued", "X-Blank", "X-C")], [["a"], [" b"], ["d"]])

    def test_what_is_offered(self):
        """All of version 6."""
        self.delivered("counted")
        self.assertEqual(self.counted.seen(NEGOTIATE)[0], struct.pack("!III", 6, 0x1FF, 0x1FFFFF))

    # ---- macros ----

    def test_macros_of_a_plain_session(self):
        word, reply = self.mail("plain")
        connect, mail, rcpt = (self.plain.seen(n)[1] for n in ("connect", "mail", "rcpt"))
        self.assertEqual((connect["j"], connect["{daemon_name}"], connect["{daemon_addr}"], connect["_"]),
                         ("mx.example.test", "mx.example.test", "127.0.0.1", "localhost [127.0.0.1]"))
        self.assertRegex(connect["v"], r"^(Postfix|Postern) \d")
        self.assertNotIn("{tls_version}", self.plain.seen("helo")[1])
        self.assertEqual([mail[n] for n in ("{mail_addr}", "{mail_host}", "{mail_mailer}")],
                         ["u1@example.test", "example.test", "virtual"])
        self.assertNotIn("{auth_type}", mail)
        self.assertEqual([rcpt[n] for n in ("{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}")],
                         ["u2@example.test", "example.test", "virtual"])
        queue_id = reply.split()[-1]
        for stage in ("data", "header", "eoh", "body", "eom"):
            self.assertEqual(self.plain.seen(stage)[1]["i"], queue_id)
        self.arrived("u2", word)

    def test_macros_after_tls_and_login(self):
        with self.client("plain") as c:
            self.assertEqual(c.say("STARTTLS")[:3], "220")
            c.socket = loose_tls().wrap_socket(c.socket)
            c.file = c.socket.makefile("rb")
            c.say("EHLO client.test")
            secret = base64.b64encode(b"\0u1@example.test\0secret").decode()
            self.assertEqual(c.say(f"AUTH PLAIN {secret}")[:3], "235")
            self.assertEqual(c.mail("u2@example.test", text="secure")[:3], "250")
            version, cipher = c.socket.version(), c.socket.cipher()
        helo = self.plain.seen("helo")[1]
        self.assertEqual((helo["{tls_version}"], helo["{cipher}"], helo["{cipher_bits}"]),
                         (version, cipher[0], str(cipher[2])))
        mail = self.plain.seen("mail")[1]
        self.assertEqual((mail["{auth_type}"], mail["{auth_authen}"]), ("PLAIN", "u1@example.test"))
        self.assertNotIn("{auth_author}", mail)

    def test_macros_that_a_filter_chooses(self):
        with self.client("choosy") as c:
            port = str(c.socket.getsockname()[1])
            self.assertEqual(c.mail("u2@example.test", text="choosy")[:3], "250")
        connect, eom = self.choosy.seen("connect")[1], self.choosy.seen("eom")[1]
        self.assertEqual(connect, {
            "{client_addr}": "127.0.0.1", "{client_name}": "localhost", "{client_port}": port, "{client_ptr}": "localhost",
            "{client_resolve}": "OK", "{client_connections}": "1", "j": "mx.example.test",
            "{daemon_port}": str(self.mta.ports["choosy"])})
        self.assertEqual((eom["{made_up}"], self.choosy.seen("mail")[1].get("{mail_addr}")), ("yes", None))

    # ---- changes to the header ----

    def test_add_header(self):
        mail = self.change(["addheader", "X-Last", "value"], ["addheader", "X-Long", "a\n\tb\n c"],
                           ["addheader", "X-Empty", ""], ["addheader", "X-8", "\u00e4"])
        self.assertEqual(fields_of(mail)[-4:], [("X-Last", " value"), ("X-Long", " a\n\tb\n c"), ("X-Empty", " "),
                                                ("X-8", " \u00e4")])
        self.assertEqual(body_of(mail), "Hello.\n")

    def test_insert_header(self):
        """Indexes count our own trace field, too."""
        mail = self.change(["addheader", "X-0", "zero", 0], ["addheader", "X-2", "two", 2],
                           ["addheader", "X-99", "last", 99], ["addheader", "X-00", "on top", 0])
        names = [name for name, _ in fields_of(mail)]
        self.assertEqual(names, ["X-00", "X-0", "Received", "X-2", "From", "To", "Subject", "Message-ID", "Date", "X-99"])

    def test_change_and_delete_header(self):
        fields = ["X-A: 1", "x-a: 2", "X-B: 1", "X-A:\r\n 3", "X-B: 2"]
        mail = self.change(["chgheader", "X-A", 2, "two"], ["chgheader", "x-b", 1, ""], ["chgheader", "X-A", 9, "nine"],
                           ["chgheader", "X-C", 1, "new"], ["chgheader", "X-D", 1, ""],
                           ["chgheader", "Subject", 1, "a\n other"], fields=fields)
        found = [f for f in fields_of(mail) if f[0].lower().startswith("x-") or f[0] == "Subject"]
        self.assertEqual(found[0], ("Subject", " a\n other"))
        self.assertEqual(found[1:], [("X-A", " 1"), ("X-A", " two"), ("X-A", "\n 3"), ("X-B", " 2"), ("X-A", " nine"),
                                     ("X-C", " new")])

    def test_delete_counts_on(self):
        """After a deletion the fields behind it have moved up."""
        mail = self.change(["chgheader", "X-A", 1, ""], ["chgheader", "X-A", 1, "first"],
                           fields=["X-A: 1", "X-A: 2", "X-A: 3"])
        self.assertEqual(values_of(mail, "X-A"), [" first", " 3"])

    def test_our_own_trace_field_is_not_shown(self):
        mail = self.change(["chgheader", "Received", 1, "by nowhere"], fields=["Received: by elsewhere.test"])
        self.assertEqual(values_of(mail, "Received")[1:], [" by nowhere"])
        self.assertEqual([h for h in self.plain.headers() if h[0] == "Received"], [["Received", "by elsewhere.test"]])

    def test_many_headers(self):
        mail = self.change(*(["addheader", "X-Many", f"{k} {'x' * 900}"] for k in range(200)))
        self.assertEqual([v.split()[0] for v in values_of(mail, "X-Many")], [str(k) for k in range(200)])

    # ---- the body ----

    def test_replace_the_body(self):
        self.assertEqual(body_of(self.change(["replacebody", "Another.\r\n", 1, ""])), "Another.\n")

    def test_replace_it_by_a_long_one(self):
        text = body_of(self.change(["replacebody", "One line of many.\r\n", 30000, ""],
                                   ["replacebody", "second\r\n", 1, "piece\r\n"], ["addheader", "X-After", "yes"]))
        self.assertEqual(text, "One line of many.\n" * 30000 + "second\npiece\n")

    def test_replace_it_by_unix_lines(self):
        self.assertEqual(body_of(self.change(["replacebody", "a\n.\nb", 1, "\n\nc\n"])), "a\n.\nb\n\nc\n")

    def test_replace_it_by_nothing(self):
        self.assertEqual(body_of(self.change(["replacebody", "", 1, ""])), "")

    def test_replace_it_by_dots_and_odd_lines(self):
        text = body_of(self.change(["replacebody", ".\r\n..a\r\n\r\nFrom x\r\n.", 1, "\r\nno end"]))
        self.assertEqual(text, ".\n..a\n\nFrom x\n.\nno end\n")

    def test_a_large_message(self):
        """Its body comes in pieces, and with both kinds of changes."""
        body = "".join(f"{k:07} a line of a large message, sixty-four bytes with its end.\r\n" for k in range(80000))
        mail = self.change(["addheader", "X-Added", "yes"], ["chgheader", "X-A", 1, "b"], body=body)
        self.assertEqual((values_of(mail, "X-Added"), body_of(mail)), ([" yes"], body.replace("\r\n", "\n")))
        sizes = [a[0] for n, a, _ in self.plain.events() if n == "body"]
        self.assertEqual(sum(sizes), len(body))
        self.assertGreater(max(sizes), 60000)
        mail = self.change(["replacebody", "0123456789\r\n", 450000, "end\r\n"], ["addheader", "X-Top", "yes", 0], body=body)
        self.assertEqual((fields_of(mail)[0], body_of(mail)), (("X-Top", " yes"), "0123456789\n" * 450000 + "end\n"))

    def test_skip(self):
        self.plain.order(body=[["skip"]])
        body = "x" * 70 + "\r\n"
        mail = self.delivered("plain", body=body * 5000)
        self.assertEqual(body_of(mail), body.replace("\r", "") * 5000)
        self.assertEqual(self.plain.names().count("body"), 1)
        self.assertIn("eom", self.plain.names())

    # ---- the envelope ----

    def test_add_and_delete_recipients(self):
        self.plain.order(eom=[["addrcpt", "<u4@example.test>"], ["addrcpt", "u5@example.test"],
                              ["delrcpt", "<u2@example.test>"], ["delrcpt", "<nobody@example.test>"],
                              ["addrcpt", "<u6@example.test>", "NOTIFY=NEVER"]])
        word, reply = self.mail("plain", to=("u2@example.test", "u3@example.test"))
        self.assertEqual(reply[:3], "250")
        for user in ("u3", "u4", "u5", "u6"):
            self.arrived(user, word)
        self.assertEqual(self.found("u2", word), [])

    def test_delete_all_recipients(self):
        self.plain.order(eom=[["delrcpt", "<u2@example.test>"]])
        word, reply = self.mail("plain")
        self.assertEqual(reply[:3], "250")
        self.plain.order()
        self.delivered("plain")
        self.assertEqual(self.found("u2", word), [])

    def test_delete_and_add_the_same(self):
        self.plain.order(eom=[["delrcpt", "<u2@example.test>"], ["addrcpt", "<u2@example.test>"]])
        self.arrived("u2", self.mail("plain")[0])

    def test_change_the_sender(self):
        for sender, then in (("<u7@example.test>", "u7@example.test"), ("<>", "")):
            self.plain.order(eom=[["chgfrom", sender]])
            word, reply = self.mail("plain")
            self.assertEqual(reply[:3], "250")
            self.assertIn(f"Return-Path: <{then}>".encode(), self.arrived("u2", word))
            self.logged(rf"{reply.split()[-1]}: from=<{then}>")

    def test_change_the_sender_with_parameters(self):
        self.plain.order(eom=[["chgfrom", "<u7@example.test>", "RET=HDRS ENVID=abc"]])
        word, reply = self.mail("plain")
        self.assertEqual(reply[:3], "250")
        self.assertIn(b"Return-Path: <u7@example.test>", self.arrived("u2", word))

    def test_changes_that_make_little_sense(self):
        """Are done as far as they can be."""
        self.plain.order(eom=[["chgfrom", "<u7@example.test>", "NONSENSE=1"], ["addrcpt", "<u3@example.test>", "NONSENSE=1"],
                              ["chgheader", "X-A", 5, ""],
                              ["addrcpt", "<nobody@example.test>"]])
        word, reply = self.mail("plain")
        self.assertEqual(reply[:3], "250")
        self.assertIn(b"Return-Path: <u7@example.test>", self.arrived("u2", word))
        self.arrived("u3", word)
        self.assertIn(b"nobody@example.test", self.arrived("u7", word))     # the bounce

    def test_a_field_longer_than_a_packet(self):
        """Postfix cuts it, we show the beginning and keep it."""
        self.plain.order(eom=[["addheader", "X-Added", "yes"]])
        mail = self.delivered("plain", "X-Long: " + ("y" * 900 + "\r\n ") * 100)
        shown, = (value for name, value in self.plain.headers() if name == "X-Long")
        self.assertGreater(len(shown), 50000)
        self.assertGreater(len(values_of(mail, "X-Long")[0]), 50000)
        self.assertEqual(values_of(mail, "X-Added"), [" yes"])

    def test_quarantine(self):
        self.plain.order(eom=[["quarantine", "smells of fish"], ["addheader", "X-Seen", "yes"]])
        word, reply = self.mail("plain")
        queue_id = reply.split()[-1]
        self.assertEqual(reply[:3], "250")
        wait_until(lambda: queue_id in held(self.mta), 30, self.mta.log_tail)
        self.logged(rf"{queue_id}: milter-hold: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: milter triggers HOLD "
                    r"action[^;]*; from=<u1@example\.test> to=<u2@example\.test> proto=ESMTP helo=<client\.test>")
        self.assertEqual(self.found("u2", word), [])
        self.mta.release(queue_id)
        self.assertEqual(values_of(self.arrived("u2", word), "X-Seen"), [" yes"])

    def test_everything_at_once(self):
        mail = self.change(["progress"], ["addheader", "X-B", "2"], ["chgheader", "X-A", 1, ""],
                           ["replacebody", "new\r\n", 1, ""], ["addrcpt", "<u3@example.test>"],
                           ["chgfrom", "<u8@example.test>"], ["progress"], ["addheader", "X-C", "3", 1], ["accept"],
                           fields=["X-A: 1"])
        self.assertEqual([n for n, _ in fields_of(mail)][:2], ["Received", "X-C"])
        self.assertEqual((values_of(mail, "X-A"), values_of(mail, "X-B"), body_of(mail)), ([], [" 2"], "new\n"))
        self.assertIn(b"Return-Path: <u8@example.test>", mail)

    # ---- verdicts ----

    def attempt(self, service="plain"):
        word = self.word()
        with self.client(service) as c:
            return *self.refused_or_taken(c, word), word

    def test_refusals_of_every_stage(self):
        """Those of the connection or HELO hold for MAIL."""
        replied = {"connect": "mail", "helo": "mail", "mail": "mail", "rcpt": "rcpt", "data": "data"}
        own = ["reply", "554", "5.7.9", "we do not", "like you"], "554-5.7.9 we do not\n554 5.7.9 like you"
        slow = ["reply", "450", "4.7.9", "come back"], "450 4.7.9 come back"
        for stage in STAGES:
            for order, text in ((["reject"], REJECTED), (["tempfail"], LATER), own, slow):
                with self.subTest(stage, order=order):
                    self.plain.order(**{stage: [order]})
                    name, reply, word = self.attempt()
                    self.assertEqual((name, reply), (replied.get(stage, "end"), text))
                    self.assertEqual(self.found("u2", word), [])

    def test_refusals_in_the_log(self):
        places = {"mail": "MAIL", "rcpt": "RCPT", "data": "DATA", "header": "END-OF-MESSAGE", "eoh": "END-OF-MESSAGE",
                  "body": "END-OF-MESSAGE", "eom": "END-OF-MESSAGE"}
        for stage, place in places.items():
            self.plain.order(**{stage: [["reply", "550", "5.7.2", f"not at {stage}"]]})
            self.attempt()
            to = "" if stage == "mail" else r" to=<u2@example\.test>"
            identity = "NOQUEUE" if stage in ("mail", "rcpt") else r"\w{6,}"
            code = "" if place == "END-OF-MESSAGE" else "550 "
            self.logged(rf"{identity}: milter-reject: {place} from localhost\[127\.0\.0\.1\]: {code}5\.7\.2 not at {stage}; "
                        rf"from=<u1@example\.test>{to} proto=ESMTP helo=<client\.test>")

    def test_accept_at_every_stage(self):
        for stage in STAGES:
            with self.subTest(stage):
                self.plain.order(**{stage: [["accept"]]})
                self.delivered("plain")
                later = {"connect": 0, "helo": 1}.get(stage, STAGES.index(stage))
                self.assertEqual(set(self.plain.names()) & set(STAGES[later + 1:]), set())

    def test_discard_at_every_stage(self):
        words = []
        for stage in MESSAGE_STAGES:
            with self.subTest(stage):
                self.plain.order(**{stage: [["discard"]]})
                name, reply, word = self.attempt()
                self.assertEqual((name, reply[:3]), ("end", "250"))
                words.append(word)
                self.logged(rf"milter-discard: {stage.upper() if stage in ('mail', 'rcpt', 'data') else 'END-OF-MESSAGE'} "
                            r"from localhost\[127\.0\.0\.1\]: milter triggers DISCARD action; from=<u1@example\.test>")
        self.plain.order()
        self.delivered("plain")
        for word in words:
            self.assertEqual(self.found("u2", word), [])

    def test_a_refused_recipient_is_one_of_several(self):
        self.plain.order(rcpt=[["when", "<u2@example.test>"], ["reject"]])
        word = self.word()
        with self.client("plain") as c:
            replies = c.envelope("u1@example.test", "u2@example.test", "u3@example.test")
            self.assertEqual(replies[1:], [REJECTED, "250 2.1.5 Ok"])
            self.assertEqual(c.data(self.message(word))[:3], "250")
        self.arrived("u3", word)
        self.assertEqual(self.found("u2", word), [])

    def test_a_session_goes_on_after_a_refusal(self):
        with self.client("plain") as c:
            for stage in MESSAGE_STAGES:
                self.plain.order(**{stage: [["reject"]]})
                self.assertEqual(c.mail("u2@example.test", text="refused")[:3], "550")
                c.say("RSET")
            self.plain.order()
            self.assertEqual(c.mail("u2@example.test", text="good")[:3], "250")

    def test_hang_up(self):
        for stage in MESSAGE_STAGES:
            with self.subTest(stage):
                self.plain.order(**{stage: [["reply", "421", "4.7.0", "go away"]]})
                with self.client("plain") as c:
                    reply = c.mail("u2@example.test", text="gone")
                    self.assertEqual((reply, c.reply()), ("421 4.7.0 go away", ""))

    def test_hang_up_on_a_session(self):
        """As soon as the filter is asked."""
        for stage in ("connect", "helo"):
            with self.subTest(stage):
                self.plain.order(**{stage: [["reply", "421", "4.7.0", "go away"]]})
                with self.client("plain", greet=False) as c:
                    replies = [c.greeting]
                    for line in ("EHLO client.test", "MAIL FROM:<u1@example.test>"):
                        if replies[-1][:3] != "421":
                            replies.append(c.say(line))
                    self.assertEqual((replies[-1][:3], c.reply()), ("421", ""))

    def test_changes_of_a_filter_that_refuses(self):
        self.plain.order(eom=[["addrcpt", "<u9@example.test>"], ["addheader", "X-A", "b"], ["reject"]])
        word, reply = self.mail("plain")
        self.assertEqual(reply, REJECTED)
        self.delivered("quiet")
        self.assertEqual(self.found("u9", word) + self.found("u2", word), [])

    # ---- several ----

    def test_the_second_sees_what_the_first_changed(self):
        self.plain.order(eom=[["addheader", "X-First", "1"], ["chgheader", "Subject", 1, "changed"],
                              ["chgheader", "X-Gone", 1, ""], ["addheader", "X-Top", "2", 0],
                              ["replacebody", "From the first.\r\n", 1, ""]])
        self.quiet.order(eom=[["chgheader", "X-First", 1, "2"], ["addheader", "X-Second", "3"]])
        mail = self.delivered("two", "X-Gone: yes")
        headers = self.quiet.headers()
        self.assertIn(["Subject", "changed"], headers)
        self.assertIn(["X-First", "1"], headers)
        self.assertIn(["X-Top", "2"], headers)
        self.assertNotIn("X-Gone", [n for n, _ in headers])
        self.assertEqual(self.quiet.seen("body")[0][1], "From the first.\r\n")
        self.assertEqual((values_of(mail, "X-First"), values_of(mail, "X-Second")), ([" 2"], [" 3"]))

    def test_one_accepts_and_the_other_is_still_asked(self):
        for stage in STAGES:
            with self.subTest(stage):
                self.plain.order(**{stage: [["accept"]]})
                self.quiet.order(eom=[["reply", "550", "5.7.3", "says the second"]])
                self.assertEqual(self.attempt("two")[1], "550 5.7.3 says the second")

    def test_one_refuses_and_the_other_need_not_see_it(self):
        self.plain.order(eom=[["reject"]])
        self.assertEqual(self.attempt("two")[1], REJECTED)
        self.assertNotIn("eom", self.quiet.names())

    # ---- which filters, and how often they are called ----

    def test_filters_by_client(self):
        """smtpd_milter_maps: other filters for an address, or none."""
        asked = {}
        for address in ("127.0.2.1", "127.0.2.2", "127.0.2.3"):
            for recorder in (self.plain, self.quiet):
                recorder.order()
            with self.client("by client", source=(address, 0)) as c:
                self.assertEqual(c.mail("u2@example.test", text=address)[:3], "250")
            asked[address] = [r.names().count("eom") for r in (self.plain, self.quiet)]
        self.assertEqual(asked, {"127.0.2.1": [0, 0], "127.0.2.2": [0, 1], "127.0.2.3": [1, 1]})

    def test_no_filters_here(self):
        self.delivered("none")
        self.assertEqual(self.plain.names(), [])

    def test_a_connection_serves_many_sessions(self):
        before = self.counted.connections, len(self.counted.seen(CONNECT))
        for _ in range(SESSIONS):
            self.assertEqual(self.mail("counted")[1][:3], "250")
        wait_until(lambda: len(self.counted.seen(CONNECT)) - before[1] == SESSIONS)
        used = self.counted.connections - before[0]
        if self.MTA is Ours:
            self.assertLess(used, 5)
        else:
            self.assertEqual(used, SESSIONS)

    def test_however_a_session_ended_the_next_is_served(self):
        """libmilter takes a new session on a connection in some states only."""
        for stage in STAGES:
            for verdict in ("accept", "reject", "discard", "continue"):
                with self.subTest(stage, verdict=verdict):
                    self.plain.order(**{stage: [[verdict]]})
                    self.attempt()
                    self.plain.order()
                    self.assertEqual(self.attempt()[1][:3], "250")
        with self.client("at once") as c:
            self.assertEqual(c.mail("u2@example.test", text="one")[:3], "250")
            c.say("EHLO again.test")
        self.assertEqual(self.attempt("at once")[1][:3], "250")
        for lines in (["EHLO x"], ["MAIL FROM:<>"], ["MAIL FROM:<>", "RSET"], ["MAIL FROM:<>", "RCPT TO:<u2@example.test>"],
                      ["MAIL FROM:<>", "RCPT TO:<nobody@example.test>", "QUIT"], ["MAIL FROM:<>", "FOO"],
                      ["MAIL FROM:<>", "RCPT TO:<u2@example.test>", "DATA"]):
            with self.subTest(lines):
                with self.client("plain") as c:
                    for line in lines:
                        c.say(line)
                self.assertEqual(self.attempt()[1][:3], "250")

    def test_sessions_at_once(self):
        clients = [self.client("counted") for _ in range(AT_ONCE)]
        for line in ("MAIL FROM:<u1@example.test>", "RCPT TO:<u2@example.test>", "DATA"):
            for c in clients:
                c.send(f"{line}\r\n")
            for c in clients:
                self.assertIn(c.reply()[:3], ("250", "354"))
        words = [self.word() for _ in clients]
        for c, word in zip(clients, words):
            c.send(self.message(word))
        for c, word in zip(clients, words):
            self.assertEqual(c.reply()[:3], "250")
            self.arrived("u2", word)

    # ---- other ways in ----

    def test_chunks(self):
        """BDAT is DATA to a filter."""
        self.plain.order(eom=[["addheader", "X-Added", "yes"]])
        word = self.word()
        message = self.message(word)[:-3].encode()
        with self.client("plain") as c:
            c.envelope("u1@example.test", "u2@example.test")
            c.send(b"BDAT 100\r\n" + message[:100] + b"BDAT %d LAST\r\n" % (len(message) - 100) + message[100:])
            self.assertEqual([c.reply()[:3], c.reply()[:3]], ["250", "250"])
        self.assertEqual(values_of(self.arrived("u2", word), "X-Added"), [" yes"])
        names = [n for n in self.plain.names() if n != "header"]
        self.assertEqual(names[:7], ["connect", "helo", "mail", "rcpt", "data", "eoh", "body"])
        self.plain.order(data=[["reject"]])
        with self.client("plain") as c:
            c.envelope("u1@example.test", "u2@example.test")
            c.send(b"BDAT 100\r\n" + message[:100])
            self.assertEqual(c.reply(), REJECTED)
            self.assertEqual(c.say("RSET")[:3], "250")

    def test_everything_in_one_segment(self):
        self.plain.order(rcpt=[["when", "<u3@example.test>"], ["tempfail"]])
        word = self.word()
        with self.client("plain") as c:
            c.send("MAIL FROM:<u1@example.test>\r\nRCPT TO:<u2@example.test>\r\nRCPT TO:<u3@example.test>\r\nDATA\r\n")
            self.assertEqual([c.reply()[:3] for _ in range(4)], ["250", "250", "451", "354"])
            c.send(self.message(word) + "QUIT\r\n")
            self.assertEqual([c.reply()[:3] for _ in range(2)], ["250", "221"])
        self.arrived("u2", word)

    def test_local_mail(self):
        """A session of a client on localhost is shown."""
        self.plain.order(eom=[["addheader", "X-Local", "yes"], ["chgheader", "X-A", 1, "b"],
                              ["addrcpt", "<u3@example.test>"]])
        word = self.word()
        self.mta.sendmail("u1@example.test", ["u2@example.test"],
                          f"From: u1@example.test\nX-A: a\nSubject: {word}\n\nlocal\n")
        mail = self.arrived("u2", word)
        self.arrived("u3", word)
        self.assertEqual((values_of(mail, "X-Local"), values_of(mail, "X-A")), ([" yes"], [" b"]))
        names = [n for n in self.plain.names() if n not in ("header", "abort")]
        self.assertEqual(names, ["connect", "helo", "mail", "rcpt", "data", "eoh", "body", "eom"])
        self.assertEqual(self.plain.seen("connect")[0][:2], ["localhost", 2])
        self.assertEqual(self.plain.seen("connect")[0][2][0], "127.0.0.1")
        # Sendmail and we have <> around the addresses, Postfix has not.
        self.assertEqual([a.strip("<>") for a in self.plain.seen("mail")[0]], ["u1@example.test"])
        self.assertEqual([a.strip("<>") for a in self.plain.seen("rcpt")[0]], ["u2@example.test"])

    def test_local_mail_that_is_refused(self):
        """Comes back to its sender, or sendmail says so at once."""
        self.plain.order(eom=[["reply", "550", "5.7.4", "not from here"]])
        word = self.word()
        mail = "u1@example.test", ["u2@example.test"], f"From: u1@example.test\nSubject: {word}\n\nlocal\n"
        if self.MTA is Ours:
            with self.assertRaises(subprocess.CalledProcessError) as refused:
                self.mta.sendmail(*mail)
            self.assertEqual(refused.exception.returncode, os.EX_UNAVAILABLE)
            self.assertIn("not from here", refused.exception.stderr)
        else:
            self.mta.sendmail(*mail)
            self.assertIn(b"5.7.4", self.arrived("u1", word))
        self.assertEqual(self.found("u2", word), [])


@unittest.skipUnless(has_python_milter(), "no python3-milter")
class ByUs(Recorded, unittest.TestCase):
    MTA = Ours

    def test_a_client_that_was_accepted_is_remembered(self):
        """As long as accept_memory says, which only we have; each process remembers for itself."""
        self.plain.order(connect=[["accept"]])
        for _ in range(AT_ONCE * 2):
            self.assertEqual(self.mail("memory")[1][:3], "250")
        self.assertLess(self.plain.names().count("connect"), AT_ONCE)
        self.plain.order()
        self.delivered("plain")
        self.assertIn("eom", self.plain.names())

    @classmethod
    def services(cls):
        return {**super().services(), "memory": {"smtpd_milters": f"{{ {cls.plain.socket}, accept_memory=600s }}"}}

    def test_idle_clients_cost_no_connection(self):
        before = self.counted.connections
        clients = [self.client("counted") for _ in range(IDLE)]
        self.assertEqual(self.counted.connections, before)
        self.assertEqual(clients[-1].mail("u2@example.test")[:3], "250")
        self.assertLessEqual(self.counted.connections, before + 1)


@needs_peers
@unittest.skipIf(why_no_postfix() or not has_python_milter(), why_no_postfix() or "no python3-milter")
class ByPostfix(Recorded, unittest.TestCase):
    MTA = Reference


if __name__ == "__main__":
    main()
