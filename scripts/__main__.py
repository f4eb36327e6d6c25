"""The program `vln`: `vln train houses-demo` runs scripts/train.py with the argument `houses-demo`."""

from scripts import prelude  # noqa: I001 (before all other imports)

import re
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from types import ModuleType

from vln.errors import InputError, unknown_name

FILES = (path for path in prelude.SCRIPTS.glob("[a-z]*.py") if "import prelude" in path.read_text(encoding="utf-8"))
COMMANDS = sorted(path.stem.replace("_", "-") for path in FILES)
COMPLETION = "--tyro-print-completion"
HELP = f"""usage: vln COMMAND [ARGUMENTS]

commands:
{{commands}}

`vln COMMAND --help` shows the arguments of a command.
`eval "$(vln {COMPLETION} bash)"` completes commands and their arguments.
"""
# Bash calls the function of a command as if the line began with the command.
BASH = """
_vln() {{
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "{commands}" -- "$2")); return; fi
  COMP_WORDS=("${{COMP_WORDS[@]:1}}")
  COMP_CWORD=$((COMP_CWORD - 1))
  declare -F "_tyro_vln_${{COMP_WORDS[0]//-/_}}" > /dev/null && "_tyro_vln_${{COMP_WORDS[0]//-/_}}"
}}
complete -F _vln vln
"""


def main() -> None:
    """Run the command that the first word of the command line names; code 2 if there is no such command."""
    name, *arguments = sys.argv[1:] or ["--help"]
    try:
        if name in ("-h", "--help"):
            print(HELP.format(commands="\n".join(map(describe, COMMANDS))), end="")
        elif name == COMPLETION:
            print(completion(*arguments[:1]))
        elif name.replace("_", "-") in COMMANDS:
            run(name, arguments)
        else:
            raise unknown_name("vln", name, COMMANDS)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def describe(name: str) -> str:
    """Return the line of a command in the help: its name and the first sentence of its file."""
    first = file_of(name).read_text(encoding="utf-8").partition("\n")[0]
    return f"  {name:<14} {first.strip(chr(34))}"


def file_of(name: str) -> Path:
    """Return the file of a command."""
    return prelude.SCRIPTS / f"{name.replace('-', '_')}.py"


def run(name: str, arguments: list[str]) -> None:
    """Run a command in this process, as Python runs its file."""
    path = file_of(name)
    module = ModuleType("__main__")
    module.__file__ = str(path)  # processes that it starts import it from there
    module.__package__ = prelude.SCRIPTS.name
    sys.modules["__main__"] = module
    sys.argv[:] = [f"vln {name}", *arguments]
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), module.__dict__)


def completion(shell: str = "") -> str:
    """Return the completion script of all commands for bash; an InputError for another shell."""
    if shell != "bash":
        raise InputError(COMPLETION, f"'{shell}' is no shell known here", "use bash")
    parts = []
    for name in COMMANDS:
        output = StringIO()
        with redirect_stdout(output), suppress(SystemExit):
            run(name, [COMPLETION, shell])
        parts.append(re.split(r"^# Register completion", output.getvalue(), flags=re.MULTILINE)[0])
    return "".join(parts) + BASH.format(commands=" ".join(COMMANDS))


if __name__ == "__main__":
    main()
