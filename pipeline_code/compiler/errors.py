"""What a compilation says when it cannot go on."""


class CompileError(Exception):
    """A mistake in a use case that its author can mend.

    The message says what was found, what is allowed and what to write instead.
    """
