#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The admin's side: postconf, postmap and postalias as Postfix's admins know them, unchanged Postfix
configurations that must load, and clear errors for what cannot work."""
import os
import pathlib
import shutil
import smtplib
import subprocess
import tempfile
import unittest

from posterntest import Instance, main, message, needs_peers

BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD") or pathlib.Path(__file__).parent.parent / "build")
# Debian's Postfix master.cf, in shape: services that we do ourselves, pipes, a re-injection listener.
POSTFIX_MASTER = """
smtp      inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Tools(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-conf-"))
        (self.dir / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = mx.example.test\n")
        (self.dir / "master.cf").write_text("")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def run_tool(self, name, *words, text=None, system=False):
        program = shutil.which(name) if system else str(BUILD / "stage" / "sbin" / name)
        return subprocess.run([program, *map(str, words)], input=text, capture_output=True, text=True)

    def test_postconf_prints_values_and_expands(self):
        (self.dir / "main.cf").write_text(
            "compatibility_level = 3.6\nmyhostname = mx.example.test\nmyorigin = $mydomain\n"
            "x = a\n# comment\n\n  b\nmynetworks = 127.0.0.0/8,\n\t10.0.0.0/8\n")
        out = self.run_tool("postconf", "-c", self.dir, "-n").stdout
        self.assertIn("myorigin = $mydomain\n", out)
        self.assertIn("mynetworks = 127.0.0.0/8, 10.0.0.0/8\n", out)
        self.assertEqual(self.run_tool("postconf", "-c", self.dir, "-x", "-h", "myorigin").stdout,
                         "example.test\n")

    def test_postconf_knows_defaults(self):
        out = self.run_tool("postconf", "-c", self.dir, "-d", "smtpd_timeout", "message_size_limit",
                            "maximal_queue_lifetime").stdout
        self.assertEqual(out, "smtpd_timeout = ${stress?{10}:{300}}s\nmessage_size_limit = 10240000\n"
                              "maximal_queue_lifetime = 5d\n")

    def test_postconf_edits_in_place(self):
        (self.dir / "main.cf").write_text("# mine\nmyhostname = a.example\n  # inside\nrelayhost =\n")
        self.assertEqual(self.run_tool("postconf", "-c", self.dir, "-e", "relayhost=[smtp.example]:587",
                                       "mydomain=example").returncode, 0)
        text = (self.dir / "main.cf").read_text()
        self.assertTrue(text.startswith("# mine\nmyhostname = a.example\n"), text)
        self.assertIn("relayhost = [smtp.example]:587\n", text)
        self.assertTrue(text.endswith("mydomain = example\n"), text)

    def test_postconf_warns_of_unknown_names(self):
        done = self.run_tool("postconf", "-c", self.dir, "no_such_parameter")
        self.assertEqual(done.returncode, 0)
        self.assertIn("unknown parameter", done.stderr)

    @needs_peers
    def test_defaults_are_those_of_postfix(self):
        """Every value that both know and that names neither of us nor a newer release."""
        ours = dict(line.split(" = ", 1) if " = " in line else (line.rstrip(" ="), "")
                    for line in self.run_tool("postconf", "-c", self.dir, "-d").stdout.splitlines())
        theirs = dict(line.split(" = ", 1) if " = " in line else (line.rstrip(" ="), "")
                      for line in self.run_tool("postconf", "-c", self.dir, "-d", system=True)
                      .stdout.splitlines())
        wrong = []
        for name in ("smtpd_banner", "smtpd_timeout", "smtpd_helo_required", "queue_run_delay",
                     "minimal_backoff_time", "maximal_backoff_time", "bounce_queue_lifetime",
                     "default_destination_concurrency_limit", "local_destination_concurrency_limit",
                     "smtpd_recipient_limit", "virtual_transport", "relay_transport", "hopcount_limit",
                     "smtp_connect_timeout", "smtp_helo_timeout", "local_transport",
                     "mydestination", "virtual_alias_maps", "virtual_alias_domains",
                     "smtpd_soft_error_limit", "smtpd_hard_error_limit", "recipient_delimiter",
                     "mailbox_size_limit", "virtual_mailbox_limit", "bounce_size_limit"):
            if ours.get(name) != theirs.get(name):
                wrong.append((name, ours.get(name), theirs.get(name)))
        self.assertEqual(wrong, [])

    def test_postmap_builds_queries_and_dumps(self):
        source = self.dir / "t"
        source.write_text("# c\nkey1 value one\nKEY2\tvalue two\n   continued\nkey1 again\n")
        done = self.run_tool("postmap", "-c", self.dir, f"hash:{source}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('duplicate entry: "key1"', done.stderr)
        done = self.run_tool("postmap", "-c", self.dir, "-q", "key2", f"hash:{source}")
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["value", "two", "continued"]))
        self.assertEqual(self.run_tool("postmap", "-c", self.dir, "-q", "none", f"hash:{source}").returncode, 1)
        done = self.run_tool("postmap", "-c", self.dir, "-q", "-", f"hash:{source}", text="key1\nnone\n")
        self.assertEqual(done.stdout, "key1\tvalue one\n")
        self.assertEqual(len(self.run_tool("postmap", "-c", self.dir, "-s", f"hash:{source}").stdout.splitlines()), 2)

    @needs_peers
    def test_postfix_reads_our_tables_and_we_read_its(self):
        source = self.dir / "t"
        source.write_text("a@example.test b\n")
        for kind in ("hash", "btree"):
            for writer_is_postfix in (True, False):
                (self.dir / "t.db").unlink(missing_ok=True)
                self.run_tool("postmap", "-c", self.dir, f"{kind}:{source}", system=writer_is_postfix)
                for reader_is_postfix in (True, False):
                    done = self.run_tool("postmap", "-c", self.dir, "-q", "a@example.test",
                                         f"{kind}:{source}", system=reader_is_postfix)
                    self.assertEqual(done.stdout, "b\n", f"{kind} {writer_is_postfix} {reader_is_postfix}")

    def test_unknown_table_types_are_told(self):
        done = self.run_tool("postmap", "-c", self.dir, "-q", "x", "nosuch:/x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unsupported dictionary type: nosuch", done.stderr)

    def test_postalias_reads_aliases(self):
        source = self.dir / "aliases"
        source.write_text("# c\npostmaster: root\nteam: a@example.test,\n  b@example.test\n")
        self.assertEqual(self.run_tool("postalias", "-c", self.dir, f"hash:{source}").returncode, 0)
        done = self.run_tool("postalias", "-c", self.dir, "-q", "team", f"hash:{source}")
        self.assertIn("b@example.test", done.stdout)


class Hosts(unittest.TestCase):
    def test_a_postfix_master_cf_runs_unchanged(self):
        with Instance("users=2") as host:
            etc = pathlib.Path(host.facts["config"])
            text = (etc / "master.cf").read_text()
            host.stop()
            ours = text.splitlines()
            # Postfix's entries, with our ports and our programs that Postfix does not have behind them.
            port = host.port("smtp")
            extra, keep = [], False
            for line in ours:
                if line[:1] not in (" ", "#", ""):
                    keep = line.split()[-1] in ("dns", "auth", "login", "imapd", "pop3d") or \
                        line.split()[7:8] in (["login"], ["dns"], ["auth"], ["imapd"], ["pop3d"]) or \
                        (line.startswith("127.0.0.1") and f":{port}" not in line)
                if keep:
                    extra.append(line)
            stock = POSTFIX_MASTER.replace("smtp      inet", f"127.0.0.1:{port} inet", 1)
            (etc / "master.cf").write_text(stock + "\n".join(extra) + "\n")
            done = host.tool("postern", "start")
            self.assertEqual(done.returncode, 0)
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as s:
                s.send_message(message("stock"))
            host.wait_for_mails("u2", 1)

    def test_a_configuration_without_a_relay_rule_is_refused(self):
        with self.assertRaises(RuntimeError) as caught:
            with Instance("users=1", "main.smtpd_relay_restrictions=",
                          "main.smtpd_recipient_restrictions=permit"):
                pass
        self.assertIn("smtpd", str(caught.exception))

    def test_a_missing_configuration_is_one_clear_line(self):
        done = subprocess.run([str(BUILD / "stage" / "sbin" / "postern"), "-c", "/nonexistent", "start"],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent/main.cf", done.stderr)

    def test_unused_parameters_are_logged_and_do_not_stop(self):
        with Instance("users=1", "main.no_such_thing=1") as host:
            host.wait_logged("unused parameter: no_such_thing=1")

    def test_two_masters_never_run_on_one_queue(self):
        with Instance("users=1") as host:
            done = host.tool("postern", "start", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(host.tool("postern", "status").returncode, 0)

    def test_instances_run_side_by_side(self):
        with Instance("users=1") as one, Instance("users=1") as two:
            for host in (one, two):
                with smtplib.SMTP("127.0.0.1", host.port("smtp"), timeout=30) as s:
                    s.send_message(message("side by side", to="u1@example.test"))
            one.wait_for_mails("u1", 1)
            two.wait_for_mails("u1", 1)

    def test_virtual_aliases_expand_and_loops_end(self):
        with Instance("users=3", "main.virtual_alias_maps=inline:{{team@example.test = "
                      "u1@example.test u2@example.test}, {loop@example.test = loop@example.test "
                      "u3@example.test}}") as host:
            for to in ("team@example.test", "loop@example.test"):
                with smtplib.SMTP("127.0.0.1", host.port("smtp"), timeout=30) as s:
                    s.send_message(message("alias", to=to))
            for user in ("u1", "u2", "u3"):
                host.wait_for_mails(user, 1)


if __name__ == "__main__":
    main()
