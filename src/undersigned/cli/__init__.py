"""The command line: `undersigned` and its commands, each a thin doorway to a room.

Exit codes: 0 all well, 1 a check failed or something was refused, 2 usage, 3 it could not be checked or reached.
"""

import sys
from importlib import import_module

import click

from undersigned.errors import Unavailable, UndersignedError

_COMMANDS = {
    "verify": (
        "undersigned.cli.verify",
        "verify",
        "Check a letter's dossier, from a file or an address, or evidence against its host.",
    ),
    "watch": ("undersigned.cli.watch", "watch", "Follow a letter, keep what it shows, and shout when its host lies."),
    "export": ("undersigned.cli.export", "export", "Write a letter as plain files for any web host."),
    "receipt": ("undersigned.cli.verify", "receipt", "Check one receipt."),
    "sign": ("undersigned.cli.sign", "sign", "Sign a letter from the terminal."),
    "withdraw": ("undersigned.cli.sign", "withdraw", "Leave a letter, with its receipt."),
    "condition": ("undersigned.cli.sign", "condition", "Change your condition, or go public, with your receipt."),
    "consent": ("undersigned.cli.sign", "consent", "Stand under the letter's newer text as well."),
    "letter": ("undersigned.cli.letter", "letter", "Write, check, publish, amend and close a letter."),
    "roster": ("undersigned.cli.roster", "roster", "Import who may sign, and print their codes."),
    "registrar": ("undersigned.cli.roster", "registrar", "Look after a registrar."),
    "log": ("undersigned.cli.log", "log", "Scrub a log, take a signature out, name the log that went before."),
    "trustee": ("undersigned.cli.trustee", "trustee", "Keep one key, and open names when the rule says so."),
    "witness": ("undersigned.cli.witness", "witness", "Vouch that logs have one history."),
    "serve": ("undersigned.cli.serve", "serve", "Run all rooms, or the named ones."),
    "restore": ("undersigned.cli.restore", "restore", "Bring a letter's log back from its dossier and the old keys."),
    "try": ("undersigned.cli.try_", "try_", "Play a whole letter on this machine, from first word to last."),
}


class _Lazy(click.Group):
    """Imports a command's module only when it is called, so that `verify` needs nothing of the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[name]
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("undersigned"):
                raise
            raise click.ClickException(
                f"`undersigned {name}` needs {missing.name}: install it with pip install 'undersigned[server]'"
            ) from None
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="undersigned")
def cli() -> None:
    """Open letters that people can sign under seal, and anybody can recount."""


def main() -> None:
    """Run the command line; refusals become one sentence and an exit code."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as usage:
        usage.show()
        sys.exit(usage.exit_code if isinstance(usage, click.UsageError) else 1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: nothing more was sent", err=True)
        sys.exit(1)
    except UndersignedError as refusal:
        click.echo(f"undersigned: {refusal}", err=True)
        sys.exit(3 if isinstance(refusal, Unavailable) else 1)
