"""The one exception a user causes and can mend."""


class InputError(ValueError):
    """Bad input, told in one sentence that names the source, the field and the fix.

    Scripts print the sentence and exit with code 2; nothing has been written by then.

    Args:
        source: The file, folder or flag that holds the bad value.
        problem: Which field is wrong and how, in words that follow the source ("field 'scan' is missing").
        fix: What to do about it, as an imperative ("download the file again").
    """

    def __init__(self, source: object, problem: str, fix: str) -> None:
        super().__init__(source, problem, fix)  # all of them, so that it can be pickled

    def __str__(self) -> str:
        source, problem, fix = self.args
        return f"{source}: {problem}; {fix}."


class WriteError(InputError):
    """What the system refuses to write: the disk is full or read-only, or the folder has vanished."""
