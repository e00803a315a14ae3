#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Mailboxes under use: several sessions at once, large and many things, delivery meanwhile."""
import imaplib
import poplib
import re
import smtplib
import threading
import unittest

from posterntest import Instance, main, message

MANY_FOLDERS = 300
LARGE_BYTES = 5 * 1024 * 1024


def mail(subject, date="Mon, 1 Feb 2021 10:00:00 +0000", extra="", body="body\r\n"):
    return (f"From: a@b.test\r\nDate: {date}\r\nSubject: {subject}\r\n{extra}"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}").encode()


def uids(client, *criteria):
    return [int(n) for n in client.uid("SEARCH", *criteria)[1][0].split()]


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=12").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def imap(self, user, folder=None):
        client = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=60)
        client.login(user, "secret")
        self.addCleanup(client.shutdown)
        if folder:
            self.assertEqual(client.select(folder)[0], "OK")
        return client

    def pop3(self, user):
        client = poplib.POP3("127.0.0.1", self.host.port("pop3"), timeout=60)
        client.user(user)
        client.pass_("secret")
        self.addCleanup(client.close)
        return client

    def fill(self, client, count, folder="INBOX"):
        for k in range(count):
            self.assertEqual(client.append(folder, None, None, mail(f"number {k}"))[0], "OK")

    # ---- large and many ----

    def test_a_large_append_comes_back_octet_for_octet(self):
        text = mail("large", body=("0123456789" * 7 + "\r\n") * (LARGE_BYTES // 72))
        client = self.imap("u1", "INBOX")
        self.assertEqual(client.append("INBOX", r"(\Seen)", None, text)[0], "OK")
        client.noop()
        data = client.fetch("1", "(RFC822.SIZE BODY.PEEK[])")[1]
        self.assertIn(f"RFC822.SIZE {len(text)}".encode(), data[0][0])
        self.assertEqual(data[0][1], text)
        part = client.fetch("1", f"(BODY.PEEK[]<{len(text) - 10}.100>)")[1][0][1]
        self.assertEqual(part, text[-10:])

    def test_a_large_fetch_of_many_messages(self):
        client = self.imap("u2", "INBOX")
        self.fill(client, 300)
        client.noop()
        data = client.fetch("1:*", "(UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])")[1]
        bodies = [d[1] for d in data if isinstance(d, tuple)]
        self.assertEqual(bodies, [mail(f"number {k}") for k in range(300)])

    def test_many_folders_are_listed_with_their_status(self):
        client = self.imap("u3")
        for k in range(MANY_FOLDERS):
            self.assertEqual(client.create(f"f{k % 10}/sub{k}")[0], "OK")
        self.fill(client, 2, "f7/sub7")
        names = client.list()[1]
        self.assertEqual(sum(b"/sub" in n for n in names), MANY_FOLDERS)
        self.assertEqual(sum(b"/" in n.rpartition(b'"/" ')[2] for n in client.list('""', "f3/%")[1]), MANY_FOLDERS // 10)
        typ, _ = client._simple_command("LIST", '""', '"*"', "RETURN", "(STATUS (MESSAGES UNSEEN))")
        self.assertEqual(typ, "OK")
        answers = b"\n".join(client.response("STATUS")[1])
        self.assertEqual(answers.count(b"MESSAGES"), MANY_FOLDERS + 1)     # and the INBOX
        self.assertRegex(answers, rb'f7/sub7"? \(MESSAGES 2 UNSEEN 2\)')

    # ---- several sessions ----

    def test_flag_changes_and_expunges_are_seen_by_others(self):
        first, second = self.imap("u4", "INBOX"), self.imap("u4", "INBOX")
        self.fill(first, 6)
        second.noop()
        first.noop()
        first.uid("STORE", "2", "+FLAGS", r"(\Flagged Shared)")
        second.noop()
        self.assertIn(b"Shared", b" ".join(second.response("FETCH")[1]))
        first.uid("STORE", "3,5", "+FLAGS", r"(\Deleted)")
        first.expunge()
        # A FETCH by number must not renumber under the client's feet (RFC 3501 7.4.1).
        second.fetch("4", "(FLAGS)")
        self.assertEqual(second.response("EXPUNGE")[1], [None])
        second.noop()
        left = [1, 2, 3, 4, 5, 6]
        for number in second.response("EXPUNGE")[1]:
            del left[int(number) - 1]
        self.assertEqual(left, [1, 2, 4, 6])
        self.assertEqual(uids(second, "ALL"), [1, 2, 4, 6])

    def test_writers_at_once_lose_nothing(self):
        self.fill(self.imap("u5"), 10)
        failures = []

        def work(number):
            try:
                client = self.imap("u5", "INBOX")
                for k in range(10):
                    client.uid("STORE", str(k + 1), "+FLAGS", f"(By{number})")
                    client.append("INBOX", None, None, mail(f"from {number}"))
                client.uid("COPY", "1:5", "INBOX")
            except Exception as why:
                failures.append(why)

        workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual(failures, [])
        client = self.imap("u5", "INBOX")
        found = uids(client, "ALL")
        self.assertEqual(found, list(range(1, 10 + 4 * 10 + 4 * 5 + 1)))
        for n in range(4):
            self.assertTrue(set(range(1, 11)) <= set(uids(client, "KEYWORD", f"By{n}")))

    def test_pop3_and_imap_at_once(self):
        client = self.imap("u6", "INBOX")
        self.fill(client, 5)
        pop = self.pop3("u6")
        self.assertEqual(pop.stat()[0], 5)
        client.noop()
        client.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
        client.expunge()
        pop.dele(2)
        self.assertEqual(pop.retr(3)[1][2], b"Subject: number 2")
        with self.assertRaises(poplib.error_proto):
            pop.retr(1)
        pop.quit()
        client.noop()
        self.assertEqual(uids(client, "ALL"), [3, 4, 5])

    def test_idle_tells_of_each_delivery(self):
        client = self.imap("u7", "INBOX")
        client.send(b"i IDLE\r\n")
        self.assertTrue(client.readline().startswith(b"+"))

        def deliver():
            for k in range(20):
                with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
                    s.send_message(message(f"idle {k}", to="u7@example.test"))

        sender = threading.Thread(target=deliver)
        sender.start()
        exists = 0
        while exists < 20:
            line = client.readline()
            self.assertTrue(line, "closed")
            match = re.match(rb"\* (\d+) EXISTS", line)
            exists = int(match.group(1)) if match else exists
        sender.join()
        client.send(b"DONE\r\n")
        line = client.readline()
        while not line.startswith(b"i "):
            line = client.readline()
        self.assertTrue(line.startswith(b"i OK"))
        self.assertEqual(uids(client, "ALL"), list(range(1, 21)))

    def test_folders_that_others_rename_and_delete(self):
        owner, guest = self.imap("u8"), self.imap("u8")
        for name in ("Old", "Doomed"):
            owner.create(name)
            self.fill(owner, 2, name)
        guest.select("Old")
        self.assertEqual(owner.rename("Old", "New/Name")[0], "OK")
        guest.noop()
        self.assertEqual(owner.select("New/Name")[1], [b"2"])
        guest = self.imap("u8", "Doomed")
        owner.select("INBOX")
        self.assertEqual(owner.delete("Doomed")[0], "OK")
        try:
            guest.fetch("1", "(BODY.PEEK[])")
            guest.noop()
        except imaplib.IMAP4.abort:
            pass                            # closed with BYE: it is gone
        fresh = self.imap("u8")
        self.assertEqual(fresh.select("Doomed")[0], "NO")
        self.assertEqual(fresh.create("Doomed")[0], "OK")
        self.assertEqual(fresh.select("Doomed")[1], [b"0"])

    # ---- names and searches ----

    def test_names_beyond_ascii(self):
        client = self.imap("u9")
        name = '"&ZeVnLIqe-/Entw&APw-rfe &- mehr"'
        self.assertEqual(client.create(name)[0], "OK")
        self.assertEqual(client.subscribe(name)[0], "OK")
        self.assertIn(b"&ZeVnLIqe-/Entw&APw-rfe &- mehr", client.lsub()[1][-1])
        self.assertEqual(client.append(name, None, None, mail("x"))[0], "OK")
        self.assertEqual(client.select(name)[1], [b"1"])
        self.assertEqual(client.create('"bad &ZZZ name"')[0], "NO")

    def test_searches(self):
        client = self.imap("u10", "INBOX")
        for subject, date, extra, body in (
                ("plain", "Mon, 1 Feb 2021 10:00:00 +0000", "", "nothing\r\n"),
                ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Tue, 2 Feb 2021 23:30:00 -0500", "X-Tag: yes\r\n", "K\u00f6ln\r\n"),
                ("=?iso-8859-1?q?M=FCnchen?=", "Wed, 3 Feb 2021 10:00:00 +0000",
                 "List-Id: <x.lists.test>\r\n", "\u65e5\u672c\u8a9e\r\n")):
            client.append("INBOX", None, None, mail(subject, date, extra, body))
        client.noop()

        def text(criteria, words):
            client.literal = words.encode()
            return uids(client, "CHARSET", "UTF-8", criteria)

        self.assertEqual(text("SUBJECT", "gr\u00fc\u00dfe"), [2])
        self.assertEqual(text("SUBJECT", "M\u00dcNCHEN"), [3])
        self.assertEqual(text("BODY", "\u672c\u8a9e"), [3])
        self.assertEqual(text("TEXT", "k\u00d6ln"), [2])
        self.assertEqual(uids(client, "HEADER", "X-Tag", '""'), [2])
        self.assertEqual(uids(client, "HEADER", "List-Id", "lists.test"), [3])
        self.assertEqual(uids(client, "SENTON", "2-Feb-2021"), [2])
        self.assertEqual(uids(client, "SENTSINCE", "2-Feb-2021"), [2, 3])
        self.assertEqual(uids(client, "SENTBEFORE", "2-Feb-2021"), [1])
        self.assertEqual(uids(client, "OR", "SENTBEFORE", "2-Feb-2021", "NOT", "SUBJECT", "gr"), [1, 3])
        self.assertEqual(uids(client, "SINCE", "1-Jan-2020", "LARGER", "1", "UNSEEN", "UID", "2:*"), [2, 3])
        client.literal = b"x"
        with self.assertRaisesRegex(imaplib.IMAP4.error, "BADCHARSET"):
            answer = client.uid("SEARCH", "CHARSET", "X-NONE", "SUBJECT")
            raise imaplib.IMAP4.error(str(answer))

    def test_pop3_top_uidl_and_dot_stuffing(self):
        self.imap("u11").append("INBOX", None, None, mail("dots", body=".\r\n..x\r\nline\r\n"))
        pop = self.pop3("u11")
        self.assertEqual(pop.retr(1)[1][-3:], [b".", b"..x", b"line"])
        self.assertEqual(pop.top(1, 1)[1][-1], b".")
        self.assertEqual(len(pop.uidl()[1]), 1)
        pop.rset()
        pop.quit()


if __name__ == "__main__":
    main()
