#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""One Maildir under two servers: what Dovecot wrote we open in place, what we change Dovecot reads."""
import imaplib
import poplib
import re
import smtplib
import unittest

from peers import Dovecot, why_no_dovecot
from posterntest import Instance, main, message, needs_peers

USERS = 6
FOLDERS = ["Arbeit", "Entw&APw-rfe", "Work", "Work/2026", "Work/2026/Q1", "&ZeVnLIqe-", "with space"]


def quoted(name):
    return f'"{name}"'


def connect(port, user):
    client = imaplib.IMAP4("127.0.0.1", port, timeout=60)
    client.login(f"{user}@example.test", "secret")
    return client


def names_of(lines):
    """Mailbox names of LIST or LSUB answers; what cannot be selected is left out."""
    found = set()
    for line in lines:
        if line is None:
            continue
        flags, name = re.match(rb'\((.*?)\) (?:"."|NIL) "?(.*?)"?$', line).groups()
        if rb"\Noselect" not in flags and rb"\NonExistent" not in flags:
            found.add(name.decode())
    return found


def messages_of(client):
    """uid -> flags, date and size of the selected mailbox; \\Recent is each session's own."""
    _, lines = client.uid("FETCH", "1:*", "(FLAGS INTERNALDATE RFC822.SIZE)")
    found = {}
    for line in lines:
        if line is None or b"INTERNALDATE" not in line:     # nothing, or a change told by the way
            continue
        text = line.decode()
        flags = set(re.search(r"FLAGS \((.*?)\)", text).group(1).split()) - {r"\Recent"}
        found[int(re.search(r"UID (\d+)", text).group(1))] = (
            sorted(flags), re.search(r'INTERNALDATE " ?0?(.*?)"', text).group(1),
            re.search(r"RFC822.SIZE (\d+)", text).group(1))
    return found


def snapshot(port, user):
    """All that a client could compare: folders, subscriptions, and per folder UIDs, flags, dates, sizes."""
    client = connect(port, user)
    everything = {"folders": names_of(client.list()[1]), "subscribed": names_of(client.lsub()[1])}
    for folder in sorted(everything["folders"]):
        status = client.status(quoted(folder), "(UIDVALIDITY UIDNEXT MESSAGES UNSEEN)")[1][0].decode()
        client.select(quoted(folder), readonly=True)
        everything[folder] = (sorted(re.findall(r"[A-Z]+ \d+", status)), messages_of(client))
    client.logout()
    return everything


def uidls(port, user):
    client = poplib.POP3("127.0.0.1", port, timeout=30)
    client.user(f"{user}@example.test")
    client.pass_("secret")
    answer = client.uidl()[1]
    client.quit()
    return answer


def fill(client, folder, count):
    for k in range(count):
        text = f"From: a@b\r\nSubject: {folder} {k}\r\n\r\nbody {k}\r\n".encode()
        date = f'"{k + 1:02}-Feb-2021 03:04:{k:02} +0100"'
        flags = [r"(\Seen)", r"(\Answered \Flagged)", r"(\Draft)", "($Forwarded Wichtig)",
                 r"(\Seen NonJunk)", "()"][k % 6]
        client.append(quoted(folder), flags, date, text)


@needs_peers
@unittest.skipIf(why_no_dovecot("imap", "pop3"), why_no_dovecot("imap", "pop3"))
class DovecotMaildir(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.host = Instance(f"users={USERS}").__enter__()
        cls.dovecot = Dovecot(cls.host.facts["mail"], 64120, USERS).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.dovecot.__exit__()
        cls.host.__exit__()

    def assert_same_view(self, user):
        theirs = snapshot(self.dovecot.imap, user)
        ours = snapshot(self.host.port("imap"), user)
        for what in theirs:
            self.assertEqual(ours.get(what), theirs[what], f"ours, theirs: {what}")
        self.assertEqual(uidls(self.host.port("pop3"), user), uidls(self.dovecot.pop3, user))
        self.assertEqual(self.dovecot.complaints(), [])
        return ours

    def filled_by_dovecot(self, user):
        """A mailbox with gaps in its UIDs, keywords, folders and subscriptions."""
        client = connect(self.dovecot.imap, user)
        for folder in FOLDERS:
            self.assertEqual(client.create(quoted(folder))[0], "OK", folder)
        for folder in FOLDERS[::2]:
            client.subscribe(quoted(folder))
        for folder in ["INBOX", *FOLDERS]:
            fill(client, folder, 8)
        client.select("INBOX")
        client.uid("COPY", "1:3", quoted("Work/2026"))
        client.uid("STORE", "2,5", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()

    def test_what_dovecot_wrote_is_the_same_for_us(self):
        self.filled_by_dovecot("u1")
        seen = self.assert_same_view("u1")
        self.assertEqual(sorted(seen["INBOX"][1]), [1, 3, 4, 6, 7, 8])
        self.assertEqual(seen["INBOX"][1][4][0], ["$Forwarded", "Wichtig"])

    def test_what_we_change_is_the_same_for_dovecot(self):
        self.filled_by_dovecot("u2")
        self.assert_same_view("u2")
        client = connect(self.host.port("imap"), "u2")
        client.select("INBOX")
        for command in (["STORE", "1", "+FLAGS", r"(\Flagged NewByUs)"], ["STORE", "4", "-FLAGS", "(Wichtig)"],
                        ["STORE", "6", "FLAGS", r"(\Answered)"], ["COPY", "3:4", quoted("&ZeVnLIqe-")],
                        ["MOVE", "7", quoted("Arbeit")], ["STORE", "8", "+FLAGS", r"(\Deleted)"],
                        ["EXPUNGE", "8"]):
            self.assertEqual(client.uid(*command)[0] if command[0] != "MOVE" else
                             client._simple_command("UID", *command)[0], "OK", command)
        self.assertEqual(client.create(quoted("Neu&AN8-/by us"))[0], "OK")
        fill(client, "Neu&AN8-/by us", 4)
        fill(client, "INBOX", 4)
        client.subscribe(quoted("Neu&AN8-/by us"))
        client.unsubscribe(quoted(FOLDERS[0]))
        self.assertEqual(client.rename(quoted("Work/2026/Q1"), quoted("Work/Archiv"))[0], "OK")
        self.assertEqual(client.delete(quoted("with space"))[0], "OK")
        client.logout()
        seen = self.assert_same_view("u2")
        self.assertEqual(seen["INBOX"][1][1][0], ["NewByUs", r"\Flagged", r"\Seen"])
        self.assertIn("Neu&AN8-/by us", seen["folders"] & seen["subscribed"])
        self.assertNotIn("with space", seen["folders"])

    def test_a_mailbox_of_ours_is_the_same_for_dovecot(self):
        client = connect(self.host.port("imap"), "u3")
        for folder in FOLDERS:
            self.assertEqual(client.create(quoted(folder))[0], "OK", folder)
            fill(client, folder, 7)
        fill(client, "INBOX", 7)
        client.logout()
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.send_message(message("delivered by us", to="u3@example.test"))
        self.host.wait_for_mails("u3", 8)
        before = snapshot(self.host.port("imap"), "u3")
        self.assertEqual(self.assert_same_view("u3"), before)

    def test_both_serve_one_mailbox_by_turns(self):
        ports = [self.host.port("imap"), self.dovecot.imap]
        for turn in range(6):
            client = connect(ports[turn % 2], "u4")
            fill(client, "INBOX", 3)
            client.select("INBOX")
            client.store("1", "+FLAGS", f"(Turn{turn})")
            client.store("2", "+FLAGS", r"(\Deleted)")
            client.expunge()
            client.logout()
            seen = self.assert_same_view("u4")
            self.assertIn(f"Turn{turn}", seen["INBOX"][1][1][0])
        self.assertEqual(len(seen["INBOX"][1]), 12)

    def test_open_sessions_of_both_see_each_other(self):
        ours, theirs = connect(self.host.port("imap"), "u5"), connect(self.dovecot.imap, "u5")
        fill(theirs, "INBOX", 5)
        for client in (ours, theirs):
            client.select("INBOX")
        for writer, reader, keyword in ((ours, theirs, "FromUs"), (theirs, ours, "FromDovecot")):
            writer.uid("STORE", "1", "+FLAGS", f"({keyword})")
            reader.noop()
            self.assertIn(keyword, messages_of(reader)[1][0])
        ours.uid("STORE", "3", "+FLAGS", r"(\Deleted)")
        ours.expunge()
        theirs.noop()
        self.assertEqual(sorted(messages_of(theirs)), [1, 2, 4, 5])
        theirs.uid("STORE", "4", "+FLAGS", r"(\Deleted)")
        theirs.expunge()
        ours.noop()
        self.assertEqual(sorted(messages_of(ours)), [1, 2, 5])
        for client in (ours, theirs):
            fill(client, "INBOX", 1)
        for client in (ours, theirs):
            client.noop()
            self.assertEqual(sorted(messages_of(client)), [1, 2, 5, 6, 7])
            client.logout()
        self.assert_same_view("u5")

    def test_pop3_deletes_for_both(self):
        client = connect(self.dovecot.imap, "u6")
        fill(client, "INBOX", 6)
        client.logout()
        for port, number in ((self.host.port("pop3"), 2), (self.dovecot.pop3, 3)):
            pop = poplib.POP3("127.0.0.1", port, timeout=30)
            pop.user("u6@example.test")
            pop.pass_("secret")
            pop.retr(1)
            pop.dele(number)
            pop.quit()
        seen = self.assert_same_view("u6")
        self.assertEqual(sorted(seen["INBOX"][1]), [1, 3, 5, 6])


if __name__ == "__main__":
    main()
