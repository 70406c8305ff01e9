"""Options that take several values at once."""

from typing import Any

from typer.core import TyperCommand


class SeveralValues(TyperCommand):
    """A command whose repeatable options take several values at once: `--shots 2 4 8`.

    Positional arguments stand before the options, where no value can be taken for one.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each further value."""
        repeatable = {
            name
            for parameter in self.params
            if getattr(parameter, "multiple", False)
            for name in parameter.opts
        }
        spread: list[str] = []
        option, values = "", 0
        for word in args:
            if word.startswith("-"):
                option, values = word, 0
            elif option in repeatable:
                values += 1
                if values > 1:
                    spread.append(option)
            spread.append(word)
        return super().parse_args(ctx, spread)
