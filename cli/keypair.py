"""`cumulet keypair …`: the keys that servers let their owner in with."""

from __future__ import annotations

import argparse
import os
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Field, same, show, table

_LIST = (Field("Name", "name"), Field("Fingerprint", "fingerprint"), Field("Type", "type"))
_SHOW = (*same("created_at", "fingerprint", "name", "type", "user_id"), Field("id", "name"),
         Field("is_deleted", "deleted"), Field("private_key", "private_key"))  # fmt: skip
_CREATED = (
    *same("created_at", "fingerprint", "name", "type", "user_id"),
    Field("id", "name"),
    Field("is_deleted", "deleted"),
)


class ListKeypairs(Lister):  # type: ignore[misc]
    """List your keypairs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.user(parser, "another user's (administrators)")
        options.project(parser, "of all users of this project (administrators)")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        users: list[str | None] = [_user(cloud, parsed_args)]
        if parsed_args.project:
            users = _users_of(cloud, parsed_args)
        found = [
            item["keypair"]
            for user_id in users
            for item in cloud.pages("/os-keypairs", "keypairs", "compute", user_id=user_id, **options.page(parsed_args))
        ]
        return table(_LIST, found)


class ShowKeypair(ShowOne):  # type: ignore[misc]
    """Show one keypair, or only its public key."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<key>", help="name of the keypair")
        parser.add_argument("--public-key", action="store_true", help="print the public key and nothing else")
        options.user(parser, "another user's (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud = self.app.cloud()
        found = cloud.get(f"/os-keypairs/{part(parsed_args.name)}", "compute", user_id=_user(cloud, parsed_args))[
            "keypair"
        ]
        if parsed_args.public_key:
            self.app.stdout.write(found["public_key"])
            return (), ()
        return show(_SHOW, found)


class CreateKeypair(ShowOne):  # type: ignore[misc]
    """Import a public key, or make a pair; a private key is printed, or written to a file of mode 0600."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name of the keypair")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--public-key", metavar="<file>", help="the public key to import")
        which.add_argument("--private-key", metavar="<file>", help="where to write the private key of a new pair")
        parser.add_argument("--type", choices=("ssh", "x509"), metavar="<type>", help="ssh (default) or x509")
        options.user(parser, "for another user (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        public, private = (_read(parsed_args.public_key), "") if parsed_args.public_key else _new_pair()
        wanted = options.given(
            name=parsed_args.name, public_key=public, type=parsed_args.type, user_id=_user(cloud, parsed_args)
        )
        if parsed_args.private_key:  # before the cloud knows the pair: a key that can't be kept would be of no use
            _write(parsed_args.private_key, private)
        made = cloud.send("POST", "/os-keypairs", {"keypair": wanted}, service_type="compute")["keypair"]
        if private and not parsed_args.private_key:
            self.app.stdout.write(private)
            return (), ()
        return show(_CREATED, made)


class DeleteKeypairs(Command):  # type: ignore[misc]
    """Delete keypairs; servers keep the keys that they have."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", nargs="+", metavar="<key>", help="name of the keypair")
        options.user(parser, "another user's (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        user_id = _user(cloud, parsed_args)

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/os-keypairs/{part(name)}", service_type="compute", user_id=user_id)

        options.each(parsed_args.name, "keypairs could not be deleted", delete)


def _user(cloud: Cloud, parsed_args: argparse.Namespace) -> str | None:
    return find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain)


def _users_of(cloud: Cloud, parsed_args: argparse.Namespace) -> list[str | None]:
    """Those who have a role in the project."""
    scope = {"scope.project.id": find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)}
    assigned: Any = cloud.pages("/role_assignments", "role_assignments", "identity", **scope)  # type: ignore[arg-type]
    return list(dict.fromkeys(item["user"]["id"] for item in assigned if "user" in item))


def _read(name: str) -> str:
    try:
        with open(os.path.expanduser(name)) as file:
            return file.read()
    except OSError as err:
        raise CommandError(f"The public key {name} can't be read: {err.strerror}.") from err


def _write(name: str, text: str) -> None:
    """Raises CommandError rather than replacing a file: it may be the only copy of another key."""
    try:
        with os.fdopen(os.open(os.path.expanduser(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
    except OSError as err:
        raise CommandError(f"The private key can't be written to {name}: {err.strerror}; name another file.") from err


def _new_pair() -> tuple[str, str]:
    """Made here, so that the private key never leaves this machine."""
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption())
    public = key.public_key().public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH)
    return public.decode(), private.decode()
