#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""DNSSEC from the name server to the verdict: a zone signed here, its key as the only trust anchor."""
import hashlib
import socket
import struct
import threading
import unittest

from posterntest import Instance, main
from smtpd_test import Client

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils
except ImportError:
    ec = None

MX, RRSIG, DNSKEY, OPT = 15, 46, 48, 41
ECDSA_P256 = 13
TTL = 300


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


class SignedZone(threading.Thread):
    """Answers for signed.test, well signed, badly signed or not signed, by the first label of the name."""
    ZONE = "signed.test"

    def __init__(self):
        super().__init__(daemon=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_bytes(serialization.Encoding.X962,
                                                   serialization.PublicFormat.UncompressedPoint)
        self.dnskey = struct.pack("!HBB", 257, 3, ECDSA_P256) + point[1:]
        total = sum(b << 8 if k % 2 == 0 else b for k, b in enumerate(self.dnskey))
        self.tag = (total + (total >> 16)) & 0xFFFF
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def anchor(self):
        digest = hashlib.sha256(wire_name(self.ZONE) + self.dnskey).hexdigest()
        return f"; made for one test\n{self.ZONE}. IN DS {self.tag} {ECDSA_P256} 2 {digest}\n"

    def record(self, name, rtype, rdata):
        return wire_name(name) + struct.pack("!HHIH", rtype, 1, TTL, len(rdata)) + rdata

    def signature(self, name, rtype, rdata, expires=0x7FFFFFF0, spoil=False):
        head = struct.pack("!HBBIIIH", rtype, ECDSA_P256, name.count(".") + 1, TTL, expires, 1000000000, self.tag)
        head += wire_name(self.ZONE)
        r, s = utils.decode_dss_signature(self.key.sign(head + self.record(name, rtype, rdata), ec.ECDSA(hashes.SHA256())))
        bits = bytearray(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        if spoil:
            bits[7] ^= 1
        return self.record(name, RRSIG, head + bytes(bits))

    def answers(self, name, rtype):
        """The records of one answer: none of them means that there is no such type."""
        if name == self.ZONE and rtype == DNSKEY:
            return [self.record(name, DNSKEY, self.dnskey), self.signature(name, DNSKEY, self.dnskey)]
        if rtype != MX:
            return []
        rdata = struct.pack("!H", 10) + wire_name(f"mx.{self.ZONE}")
        plain = self.record(name, MX, rdata)
        if not name.endswith("." + self.ZONE) or name.startswith("unsigned."):
            return [plain]
        return [plain, self.signature(name, MX, rdata, spoil=name.startswith("spoilt."),
                                      expires=1100000000 if name.startswith("old.") else 0x7FFFFFF0)]

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += 1 + query[at]
            question = query[12:at + 5]
            rtype = struct.unpack("!H", query[at + 1:at + 3])[0]
            self.asked.append((".".join(labels), rtype))
            found = self.answers(".".join(labels), rtype)
            opt = b"\0" + struct.pack("!HHIH", OPT, 4096, 0x8000, 0)
            self.socket.sendto(query[:2] + struct.pack("!HHHHH", 0x8580, 1, len(found), 0, 1) + question +
                               b"".join(found) + opt, client)


@unittest.skipUnless(ec, "no python3-cryptography to sign a zone with")
class Validation(unittest.TestCase):
    def begin(self, *options, anchor=None):
        zone = SignedZone()
        host = Instance(f"dns={zone.address}", "main.mynetworks=", "main.dns_timeout=3s",
                        "main.smtpd_peername_time_limit=9s", "main.unknown_address_reject_code=550",
                        "main.smtpd_sender_restrictions=reject_unknown_sender_domain", *options)
        etc = host.dir / "etc"
        etc.mkdir(parents=True)
        (etc / "anchors").write_text(zone.anchor() if anchor is None else anchor)
        host.options += (f"main.dns_trust_anchor_file={etc}/anchors",)
        self.addCleanup(host.__exit__)
        host.start()
        return host, zone

    def answer(self, host, domain):
        with Client(host.port("smtp")) as c:
            return c.envelope(f"x@{domain}", "u1@example.test")[1][:9]

    def test_what_is_badly_signed_is_no_answer(self):
        host, zone = self.begin("main.dns_validate=yes")
        for domain, code in (("good.signed.test", "250 2.1.5"), ("spoilt.signed.test", "450 4.1.8"),
                             ("old.signed.test", "450 4.1.8"), ("unsigned.signed.test", "450 4.1.8"),
                             ("free.test", "250 2.1.5")):
            with self.subTest(domain):
                self.assertEqual(self.answer(host, domain), code)
        self.assertIn(("signed.test", DNSKEY), zone.asked)

    def test_without_validation_signatures_mean_nothing(self):
        host, zone = self.begin("main.dns_validate=no")
        self.assertEqual(self.answer(host, "spoilt.signed.test"), "250 2.1.5")
        self.assertNotIn(("signed.test", DNSKEY), zone.asked)

    def test_validation_without_an_anchor_does_not_start(self):
        with self.assertRaises(RuntimeError) as failure:
            self.begin("main.dns_validate=yes", anchor="; nothing\n")
        self.assertIn("no trust anchor", str(failure.exception))


if __name__ == "__main__":
    main()
