#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""DMARC aggregate reports from messages to totals: what we send is valid by the schema of RFC 7489 C and read alike
by another parser, and what others send is read by us."""
import collections
import email
import email.policy
import gzip
import io
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
import xml.etree.ElementTree as ET
import zipfile

from posterntest import TOP, main

CHECK = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build").resolve() / "mailauth" / "mailauth_check"
SCHEMA = TOP / "tests" / "data" / "dmarc-aggregate.xsd"
NAMESPACE = "http://dmarc.org/dmarc-xml/0.1"
PSL = "/usr/share/publicsuffix/public_suffix_list.dat"
DAY, DAY_S = 20000, 86400
RECORD = "v=DMARC1; p=reject; sp=quarantine; adkim=s; pct=50; fo=1:d; rua=mailto:reports@example.com!20m"
# What a signer may write as d= or s=, and what must not break the XML.
ODD = ["a&b.example", "<x>.example", "]]>.example", "quo\"te'.example", "nul\x01.example", "b\u00fccher.example",
       "\ufffe.example", "bad\udcff\udc80.example", "\u0080c1.example", "tab-free.example"]


class NoDNS(threading.Thread):
    """A name server that fails at once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def run(self):
        while True:
            query, sender = self.socket.recvfrom(4096)
            self.socket.sendto(query[:2] + b"\x81\x82" + query[4:], sender)


NO_DNS = NoDNS()
NO_DNS.start()


def check(*words, data=b""):
    return subprocess.run([str(CHECK), words[0], NO_DNS.address, *map(str, words[1:])], input=data, capture_output=True,
                          timeout=120)


def clean(text):
    """Text as a report may hold it."""
    raw = text.encode("utf-8", "surrogateescape")
    out = raw.decode("utf-8", "surrogateescape")
    return "".join("\ufffd" if 0xdc80 <= ord(c) <= 0xdcff or ord(c) < 0x20 or ord(c) == 0x7f else c for c in out)


def squeeze(text):
    """Characters that are not kept become one or more U+FFFD: how many is of no interest."""
    return re.sub("[\ufffd\ufffe\u0080]+", "\ufffd", clean(text))


def make_messages(count, seed):
    """Lines for dmarc-collect, and how often each row is expected."""
    dice = random.Random(seed)
    lines, rows = [], collections.Counter()
    for _ in range(count):
        ip = dice.choice(["192.0.2.1", "192.0.2.200", "2001:db8::1", "2001:db8:1:2::ffff"])
        odd = dice.choice(ODD)
        row = {
            "header_from": dice.choice(["example.com", "mail.example.com"]),
            "envelope_from": dice.choice(["bounce.example.com", ""]),
            "envelope_to": dice.choice(["receiver.example", ""]),
            "source_ip": ip, "disposition": dice.choice(["none", "quarantine", "reject"]),
            "dkim": dice.choice(["pass", "fail"]), "spf": dice.choice(["pass", "fail"]),
            "reasons": dice.choice(["", "local_policy:arc=pass as.1.d=list.example", "sampled_out:|mailing_list:<list>",
                                    "policy_test_mode:"]),
            "dkim_said": dice.choice(["", "", f"{odd}:sel&1:pass:", f"{odd}::fail:body hash <did> not match|x.example:s:policy:"]),
            "spf_said": dice.choice(["", "bounce.example.com:mfrom:pass", "host.esp.example:helo:softfail"]),
        }
        values = [str(DAY * DAY_S + dice.randrange(DAY_S)), "example.com", RECORD, *row.values()]
        lines.append("\t".join(values))
        rows[tuple(row.values())] += 1
    return "\n".join(lines).encode("utf-8", "surrogateescape"), rows


def expand(ip):
    import ipaddress
    address = ipaddress.ip_address(ip)
    return ip if address.version == 4 else ":".join(f"{int(g, 16):x}" for g in address.exploded.split(":"))


def text_of(element, path):
    found = element.find(path)
    return None if found is None else found.text or ""


def rows_of(root):
    """The rows of a report as another parser sees them, in the form of make_messages."""
    rows = collections.Counter()
    for record in root.findall("record"):
        evaluated = record.find("row/policy_evaluated")
        reasons = "|".join(f"{text_of(r, 'type')}:{text_of(r, 'comment') or ''}" for r in evaluated.findall("reason"))
        dkim = "|".join(":".join(text_of(d, n) or "" for n in ("domain", "selector", "result", "human_result"))
                        for d in record.findall("auth_results/dkim"))
        spf = "|".join(":".join(text_of(s, n) for n in ("domain", "scope", "result"))
                       for s in record.findall("auth_results/spf"))
        row = (text_of(record, "identifiers/header_from"), text_of(record, "identifiers/envelope_from"),
               text_of(record, "identifiers/envelope_to") or "", text_of(record, "row/source_ip"),
               text_of(evaluated, "disposition"), text_of(evaluated, "dkim"), text_of(evaluated, "spf"),
               reasons, dkim, spf)
        rows[tuple(map(squeeze, row))] += int(text_of(record, "row/count"))
    return rows


def wanted_rows(rows):
    wanted = collections.Counter()
    for row, count in rows.items():
        row = list(map(squeeze, row))
        row[3] = expand(row[3])
        row[7] = row[7].replace("policy_test_mode:", "other:policy_test_mode")
        row[9] = row[9] or f"{row[1]}:mfrom:none"
        wanted[tuple(row)] += count
    return wanted


@unittest.skipUnless(CHECK.exists(), "mailauth_check is not built (make test-programs)")
class Reports(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-dmarc-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def send(self, lines):
        """Mails made of messages, as (address, bytes), and the last line."""
        done = check("dmarc-collect", self.folder / "store", data=lines)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.collected = done.stdout.decode()
        return self.send_again((DAY + 1) * DAY_S + 100)

    def send_again(self, seconds):
        done = check("dmarc-send", PSL, self.folder / "store", seconds)
        self.assertEqual(done.returncode, 0, done.stderr)
        rest, mails = done.stdout, []
        while rest.startswith(b"mail "):
            line, rest = rest.split(b"\n", 1)
            _, address, size = line.split()
            mails.append((address.decode(), rest[:int(size)]))
            rest = rest[int(size):]
        return mails, rest.decode().strip()

    def take(self, data, domain="example.com"):
        return check("dmarc-take", self.folder / "totals.db", domain, data=data).stdout.decode().strip()

    def xml_of(self, mail):
        message = email.message_from_bytes(mail, policy=email.policy.default)
        parts = [p for p in message.walk() if p.get_content_type() == "application/gzip"]
        self.assertEqual(len(parts), 1)
        return message, parts[0], gzip.decompress(parts[0].get_payload(decode=True))

    def validate(self, xml, schema):
        """What xmllint says against it, or nothing."""
        report, rules = self.folder / "report.xml", self.folder / "schema.xsd"
        report.write_bytes(xml)
        rules.write_text(schema)
        done = subprocess.run(["xmllint", "--noout", "--schema", str(rules), str(report)], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr

    def test_ten_thousand_messages(self):
        lines, rows = make_messages(10000, 7489)
        mails, summary = self.send(lines)
        self.assertEqual(self.collected, "added 10000, dropped 0\n")
        self.assertEqual(summary, "sent 1 1 0 0")
        self.assertEqual([address for address, _ in mails], ["reports@example.com"])
        message, part, xml = self.xml_of(mails[0][1])
        begin, end = DAY * DAY_S, (DAY + 1) * DAY_S - 1
        found = re.fullmatch(r"Report Domain: example\.com Submitter: receiver\.example "
                             r"Report-ID: <([0-9a-f]+)@receiver\.example>", message["Subject"])
        self.assertTrue(found, message["Subject"])
        self.assertEqual(part.get_filename(), f"receiver.example!example.com!{begin}!{end}!{found[1]}.xml.gz")
        self.assertEqual(message["From"], "dmarc@receiver.example")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        self.assertLessEqual(max(map(len, mails[0][1].splitlines())), 998)
        self.assertNotIn(b"\r", mails[0][1])

        root = ET.fromstring(xml)
        self.assertEqual(text_of(root, "report_metadata/report_id"), f"{found[1]}@receiver.example")
        self.assertEqual(text_of(root, "report_metadata/org_name"), "Receiver & Sons")
        self.assertEqual(text_of(root, "report_metadata/extra_contact_info"), "https://receiver.example/?a=1&b=<2>")
        self.assertEqual(int(text_of(root, "report_metadata/date_range/begin")), begin)
        self.assertEqual(int(text_of(root, "report_metadata/date_range/end")), end)
        published = {e.tag: e.text for e in root.find("policy_published")}
        self.assertEqual(published, {"domain": "example.com", "adkim": "s", "aspf": "r", "p": "reject",
                                     "sp": "quarantine", "pct": "50", "fo": "1:d"})
        self.maxDiff = 5000
        self.assertEqual(rows_of(root), wanted_rows(rows))

    @unittest.skipUnless(shutil.which("xmllint"), "no xmllint here (package libxml2-utils)")
    def test_schema(self):
        mails, _ = self.send(make_messages(10000, 1)[0])
        xml = self.xml_of(mails[0][1])[2]
        schema = SCHEMA.read_text()
        self.assertEqual(self.validate(xml, schema), "")
        # As strict as RFC 7489 C itself: the root, and only it, in the namespace.
        strict = schema.replace("<xs:schema ", f'<xs:schema xmlns="{NAMESPACE}" targetNamespace="{NAMESPACE}" ')
        prefixed = xml.replace(b"<feedback>", f'<d:feedback xmlns:d="{NAMESPACE}">'.encode())
        self.assertEqual(self.validate(prefixed.replace(b"</feedback>", b"</d:feedback>"), strict), "")
        # And the schema does refuse what is wrong.
        self.assertNotEqual(self.validate(xml.replace(b"<disposition>none<", b"<disposition>pass<"), schema), "")

    def test_again(self):
        """A report that is made again has the same id and file; one that is sent is not made again."""
        lines = make_messages(50, 2)[0]
        first, _ = self.send(lines)
        self.assertEqual(self.send_again((DAY + 1) * DAY_S + 200), ([], "sent 0 0 0 0"))
        self.assertEqual(list((self.folder / "store").iterdir()), [])
        again, _ = self.send(lines)
        subjects = {email.message_from_bytes(m, policy=email.policy.default)["Subject"] for m in (first[0][1], again[0][1])}
        self.assertEqual(len(subjects), 1)

    def line(self, domain, record):
        return "\t".join([str(DAY * DAY_S), domain, record, domain, domain, "receiver.example", "192.0.2.1", "none",
                          "pass", "pass", "", "", ""])

    def test_who_gets_one(self):
        """No wish, no answer; a limit; today is not over; who does not answer is asked again, but not for ever."""
        rows = {
            "none.example": "v=DMARC1; p=none",
            "bad.example": "v=DMARC1; p=none; rua=https://bad.example/",
            "small.example": "v=DMARC1; p=none; rua=mailto:a@small.example!1k,mailto:b@small.example!1m",
            "tiny.example": "v=DMARC1; p=none; rua=mailto:a@tiny.example!100",
            "two.example": "v=DMARC1; p=none; rua=mailto:a@two.example,mailto:a%2Bb@two.example,mailto:a@two.example",
            "outside.example": "v=DMARC1; p=none; rua=mailto:a@deaf.example",
        }
        lines = "\n".join(self.line(d, r) for d, r in rows.items()).encode()
        mails, summary = self.send(lines)
        self.assertEqual([a for a, _ in mails], ["b@small.example", "a@two.example", "a+b@two.example"])
        self.assertEqual(summary, "sent 2 3 3 1")
        self.assertEqual(self.send_again((DAY + 1) * DAY_S + 300), ([], "sent 0 0 0 1"))
        self.assertEqual(self.send_again((DAY + 4) * DAY_S + 300), ([], "sent 0 0 1 0"))
        self.assertEqual(list((self.folder / "store").iterdir()), [])

    def test_not_over(self):
        check("dmarc-collect", self.folder / "store", data=self.line("example.com", RECORD).encode())
        self.assertEqual(self.send_again(DAY * DAY_S + 80000), ([], "sent 0 0 0 0"))
        self.assertEqual(self.send_again((DAY + 1) * DAY_S)[1], "sent 1 1 0 0")

    def test_round_trip(self):
        """We read what we write, once, in every container; and only of our domains."""
        lines, rows = make_messages(3000, 3)
        mail = self.send(lines)[0][0][1]
        xml = self.xml_of(mail)[2]
        listed = len(ET.fromstring(xml).findall("record"))
        answer = self.take(mail)
        self.assertRegex(answer, rf"^taken: [0-9a-f]+@receiver\.example of Receiver & Sons, {listed} rows, 3000 messages$")
        self.assertTrue(self.take(mail).startswith("repeat: "))
        for packed in self.containers(xml):
            self.assertTrue(self.take(packed).startswith("repeat: "), packed[:40])
        self.assertEqual(self.take(mail, "other.example"), "refused: the report is on example.com, which is not ours")
        table = check("dmarc-summary", self.folder / "totals.db", "example.com").stdout.decode().splitlines()
        disposed = [sum(c for r, c in rows.items() if r[4] == d) for d in ("none", "quarantine", "reject")]
        aligned = sum(c for r, c in rows.items() if "pass" in r[5:7])
        self.assertEqual(table[-1].split()[:6], [str(n) for n in [3000, aligned, 3000 - aligned, *disposed]])
        best = collections.Counter()
        for row, count in rows.items():
            best[row[3]] += count
        self.assertEqual(int(table[2].split()[0]), best.most_common(1)[0][1])
        self.assertIn("(Receiver & Sons)", table[2])
        self.assertEqual(len(table), 2 + len(best) + 1)

    def containers(self, xml):
        yield xml
        yield b"\xef\xbb\xbf\r\n" + xml.replace(b'<?xml version="1.0" encoding="UTF-8"?>\n', b"")
        yield gzip.compress(xml)
        for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", method) as archive:
                archive.writestr("report.xml", xml)
            yield buffer.getvalue()
        # With the sizes behind the data, as those write it who cannot seek.
        class Pipe(io.RawIOBase):
            def __init__(self):
                self.data = b""

            def writable(self):
                return True

            def write(self, data):
                self.data += bytes(data)
                return len(data)
        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("report.xml", "w") as entry:
                entry.write(xml)
        yield pipe.data
        for maintype, subtype, name in (("application", "zip", "a.zip"), ("application", "octet-stream", "a.xml.gz"),
                                        ("text", "xml", "a.xml")):
            message = email.message.EmailMessage()
            message["Subject"] = "Report"
            message.set_content("see the attachment")
            content = {"zip": buffer.getvalue(), "octet-stream": gzip.compress(xml), "xml": xml}[subtype]
            message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
            yield message.as_bytes()
        single = email.message.EmailMessage()
        single["Subject"] = "Report"
        single.set_content(gzip.compress(xml), maintype="application", subtype="gzip")
        yield single.as_bytes()

    def test_other_writers(self):
        """The newer form, with its namespace, its words and elements of extensions."""
        xml = b"""<?xml version="1.0"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0" xmlns:ext="urn:example:ext">
 <version>1.0</version>
 <report_metadata><org_name> Big Mail </org_name><email>x@big.example</email>
  <extra_contact_info lang="en">y</extra_contact_info><report_id>id-1</report_id>
  <date_range><begin>1700000000</begin><end>1700086399</end></date_range><generator>g 1</generator></report_metadata>
 <policy_published><domain>Example.COM</domain><discovery_method>treewalk</discovery_method><p>reject</p>
  <np>reject</np><testing>n</testing></policy_published>
 <extension><ext:record><ext:row>nothing</ext:row></ext:record></extension>
 <record><row><source_ip>2001:DB8:0:0:0:0:0:1</source_ip><count>5</count>
  <policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf>
   <reason><type>policy_test_mode</type><comment>c</comment></reason></policy_evaluated></row>
  <identifiers><header_from>example.com</header_from></identifiers>
  <auth_results><dkim><domain>example.com</domain><selector>s</selector><result>pass</result></dkim>
  </auth_results><ext:more>z</ext:more></record>
 <record><row><source_ip>not an address</source_ip><count>7</count></row></record>
 <record><row><source_ip>192.0.2.1</source_ip><count>-7</count></row></record>
</feedback>"""
        self.assertEqual(self.take(xml), "taken: id-1 of Big Mail, 1 rows, 5 messages")
        table = check("dmarc-summary", self.folder / "totals.db", "example.com").stdout.decode()
        self.assertRegex(table, r" 5 +5 +0 +5 +0 +0  2001:db8::1 \(Big Mail\)\n")

    def test_hostile(self):
        """Bombs, loops and nonsense are refused, quickly."""
        good = self.xml_of(self.send(make_messages(20, 4)[0])[0][0][1])[2]
        bomb = b"<?xml version='1.0'?><!DOCTYPE f [<!ENTITY a 'aaaa'>%s]><feedback>&z;</feedback>" % b"".join(
            b"<!ENTITY %c '&%c;&%c;&%c;'>" % (98 + i, 97 + i, 97 + i, 97 + i) for i in range(25))
        zeros = gzip.compress(b"<feedback>" + b"0" * (80 << 20), 6)
        huge = gzip.compress(b"<feedback>" + b"".join(b"<x>%d</x>" % (n * n) for n in range(1000)) * 8000, 1)
        cases = {
            bomb: "DOCTYPE",
            b"<?xml version='1.0'?><!DOCTYPE feedback SYSTEM 'file:///etc/passwd'><feedback/>": "DOCTYPE",
            zeros: "times as large|larger than|token",
            huge: "larger than 67108864|times as large",
            b"<a>" * 100000: "another kind",
            b"<feedback>" + b"<record>" * 100000: "on which domain",
            b"<feedback>" + b"<x>" * 100000: "too deep",
            b"<feedback><!--" + b"x" * 3000000: "token",
            b"<feedback a='" + b"x" * 3000000: "token",
            b"<html><body>hello</body></html>": "another kind",
            good[:-20]: "element|closed|tag",
            gzip.compress(good)[:-9]: "damaged",
            gzip.compress(good)[:-6] + b"\0\0\0\0\0\0": "damaged",
            b"PK\3\4" + b"\0" * 10: "ends too early",
            b"PK\3\4" + b"\0" * 40: "no element",
            good.replace(b"<begin>", b"<begin>9999999999"): "time",
            good.replace(b"<domain>example.com</domain>\n<adkim>", b"<adkim>"): "on which domain",
            b"From: x\r\n\r\nhello": "no report in the mail",
            b"": "no report in the mail",
        }
        for data, words in cases.items():
            answer = self.take(data)
            self.assertRegex(answer, rf"^refused: .*({words})", data[:60])
        self.assertTrue(self.take(good).startswith("taken: "))


if __name__ == "__main__":
    main()
