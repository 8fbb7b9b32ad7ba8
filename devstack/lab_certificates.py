"""Certificates by which the lab's nodes know each other when volumes are served over NBD: one authority, one for each node.

As docs/operations.md asks for: the node's name is all of the subject, and the DNS name. Made once and kept; the authority's
key stays on the controller.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import host
import services
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lab_names import Node
from layout import Layout

CA, CERTIFICATE, KEY = "ca.pem", "node.pem", "node.key"
_LIFE = timedelta(days=3650)


def make_authority(lab: Layout) -> None:
    """Kept when there."""
    folder = _folder(lab)
    if (folder / CA).exists():
        return
    services.make_folders(((folder, 0o700, (0, 0)),))
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("cumulet lab")
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    signed = _unsigned(name, name, key).add_extension(is_authority, critical=True).sign(key, hashes.SHA256())
    host.write_private(folder / "ca.key", _pem_of_key(key))
    (folder / CA).write_text(_pem(signed))


def install(node: Node) -> None:
    """The node's own, for both ends of a connection, and the authority's beside it; kept when there."""
    folder, authority = node.folder / "etc/nbd", _folder(node.lab)
    if (folder / CERTIFICATE).exists():
        return
    services.make_folders(((folder, 0o700, (0, 0)),))
    issuer = x509.load_pem_x509_certificate((authority / CA).read_bytes())
    signing = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), password=None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    both_ends = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    names = x509.SubjectAlternativeName([x509.DNSName(node.name)])
    signed = (
        _unsigned(_name(node.name), issuer.subject, key)
        .add_extension(names, critical=False)
        .add_extension(both_ends, critical=False)
        .sign(signing, hashes.SHA256())
    )
    host.write_private(folder / KEY, _pem_of_key(key))
    (folder / CA).write_bytes((authority / CA).read_bytes())
    (folder / CERTIFICATE).write_text(_pem(signed))  # the last: without it all is made anew


def _folder(lab: Layout) -> Path:
    return lab.etc / "nbd"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFE)
    )


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
