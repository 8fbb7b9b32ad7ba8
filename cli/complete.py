"""`cumulet complete`: the script that lets bash complete nouns, verbs and options."""

from __future__ import annotations

import argparse

from cliff.command import Command

_SHELLS = ("bash", "none")


class Complete(Command):  # type: ignore[misc]
    """Print the completion script: put `source <(cumulet complete)` into ~/.bashrc."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--name", default="cumulet", metavar="<command_name>", help="name of the command")
        parser.add_argument(
            "--shell", default="bash", choices=_SHELLS, metavar="<shell>", help="bash, or none for data only"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from cliff.complete import CompleteBash, CompleteDictionary, CompleteNoCode

        from cli.main import COMMANDS

        words = CompleteDictionary()
        # The shorter of two that begin alike first: `role list` before `role assignment list`.
        for name in sorted(COMMANDS):
            command = self.app.command_manager.find_command(name.split())[0](self.app, None)
            options = [action for action in command.get_parser(name)._actions if action.option_strings]
            words.add_command(name.split(), options)
        shell = (CompleteBash if parsed_args.shell == "bash" else CompleteNoCode)(parsed_args.name, self.app.stdout)
        shell.write(words.get_commands(), words.get_data())
