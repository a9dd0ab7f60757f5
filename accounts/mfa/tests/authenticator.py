"""An authenticator in software: discoverable passkeys with P-256 keys, without attestation (WebAuthn, level 3)."""

import hashlib
import json
import os
import struct
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(content):
    return bytes_to_base64url(content)


@dataclass
class Authenticator:
    """A passkey, after `create`. The attributes may be changed to what a hostile one sends."""

    origin: str
    flags: int = PRESENT | VERIFIED
    count: int = 0
    key: object = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: str = ""

    def create(self, options):
        """Return the credential for the options of a registration."""
        self.user_handle = options["user"]["id"]
        attestation = {"fmt": "none", "attStmt": {}, "authData": self.registered(options["rp"]["id"])}
        client = self.client("webauthn.create", options["challenge"])
        return self.credential(
            clientDataJSON=encoded(client), attestationObject=encoded(cbor2.dumps(attestation))
        )

    def get(self, options):
        """Return the credential for the options of an authentication."""
        client, signed = (
            self.client("webauthn.get", options["challenge"]),
            self.data(options["rpId"], self.flags),
        )
        digest = hashlib.sha256(client).digest()
        return self.credential(
            clientDataJSON=encoded(client),
            authenticatorData=encoded(signed),
            signature=encoded(self.key.sign(signed + digest, ec.ECDSA(hashes.SHA256()))),
            userHandle=self.user_handle,
        )

    def client(self, kind, challenge):
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        ).encode()

    def data(self, rp_id, flags):
        self.count += 1
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def registered(self, rp_id):
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        identity = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
        return self.data(rp_id, self.flags | ATTESTED) + identity + cbor2.dumps(cose)

    def credential(self, **response):
        identity = encoded(self.credential_id)
        return {"id": identity, "rawId": identity, "type": "public-key", "response": response}


def changed(text):
    """Return base64url of other bytes of this length."""
    content = bytearray(base64url_to_bytes(text))
    content[-1] ^= 1
    return encoded(bytes(content))
