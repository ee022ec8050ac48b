"""How a step says that its input is wrong.

A job that exits with another status than 0 fails. What it wrote into ``/opt/ml/output/message``
(a processing job) is the ExitMessage of DescribeProcessingJob, and what it wrote into
``/opt/ml/output/failure`` (a training job) the FailureReason of DescribeTrainingJob.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

# botocore: ExitMessage and FailureReason hold 1,024 characters.
_MOST_CHARACTERS = 1024


class InputError(Exception):
    """Input that the step cannot work with; the message says what, where and what is allowed."""


def run(step: Callable[[], None], *, message_file: Path) -> None:
    """Run a step; leave the reason where SageMaker looks for it if the input is wrong.

    Args:
        step: The step.
        message_file: Where the reason goes.
    """
    try:
        step()
    except InputError as error:
        fail(str(error), message_file=message_file)


def fail(reason: str, *, message_file: Path) -> NoReturn:
    """Write the reason to the file and to stderr, and exit with status 1."""
    message_file.parent.mkdir(parents=True, exist_ok=True)
    message_file.write_text(reason[:_MOST_CHARACTERS], encoding="utf-8")
    sys.exit(f"error: {reason}")
