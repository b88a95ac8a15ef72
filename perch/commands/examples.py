"""Commands whose help opens with an example: the first paragraph of their docstring, if it begins with `Example:`."""

import inspect
from typing import Any

import click


class _Exemplified(click.Command):
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.example = ""
        text = inspect.cleandoc(self.help or "")
        if text.startswith("Example:"):
            self.example, _, self.help = text.partition("\n\n")

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, then what every command shows."""
        if self.example:
            formatter.write(f"{self.example}\n\n")
        super().format_help(ctx, formatter)


class ExampleCommand(_Exemplified):
    """A command that shows its example above everything else in its help."""


class ExampleGroup(_Exemplified, click.Group):
    """A group that does the same."""
