"""X.509 key pairs, which Windows guests log their users in with: a certificate that is imported, or made here."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from common.errors import InvalidRequest
from common.secret import Secret

RSA_BITS = 2048
LIFETIME = timedelta(days=3650)
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # the name by which Windows finds the user
_MAX_CN_CHARS = 64


def fingerprint(certificate_pem: str) -> str:
    """SHA-1 in pairs of hexadecimal digits, as Nova's API shows it. Raises InvalidRequest for what is none."""
    try:
        found = x509.load_pem_x509_certificate(certificate_pem.encode("ascii"))
    except ValueError as err:
        raise InvalidRequest("Keypair data is invalid: failed to generate X509 fingerprint") from err
    digest = hashlib.sha1(found.public_bytes(serialization.Encoding.DER), usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, len(digest), 2))


def make(user_id: str, now: datetime) -> tuple[str, Secret]:
    """A self-signed certificate (PEM) for WinRM, and it with its key as PKCS #12 in base64."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:_MAX_CN_CHARS])])
    upn = f"{user_id[:_MAX_CN_CHARS]}@localhost".encode()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.OtherName(_UPN, b"\x0c" + bytes([len(upn)]) + upn)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    bundle = pkcs12.serialize_key_and_certificates(None, key, certificate, None, serialization.NoEncryption())
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return pem, Secret(base64.b64encode(bundle).decode())
