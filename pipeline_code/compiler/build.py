"""From a use case's folder to the text of its two files.

``definition.json`` is what the SDK makes of ``pipeline.py``, cleaned, checked, with sentinels for
what is known only at deploy time, and with sorted keys: the same sources give the same bytes on
every machine, run and hash seed.
"""

import dataclasses
import importlib.util
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline_code.compiler import lock, postpass, validate
from pipeline_code.compiler.context import Context
from pipeline_code.compiler.errors import CompileError
from pipeline_code.compiler.sentinels import SENTINEL, Sentinels
from pipeline_code.compiler.session import offline, offline_session

DEFINITION = "definition.json"
LOCK = "definition.lock.json"


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What belongs into a use case's folder.

    Attributes:
        files: Text by file name: definition.json and definition.lock.json.
        steps: Type of every step by name.
        sentinels: Names of the sentinels in use.
    """

    files: dict[str, str]
    steps: dict[str, str]
    sentinels: tuple[str, ...]


def compile_use_case(folder: Path) -> Compiled:
    """Compile the ``pipeline.py`` in a folder; nothing is written.

    Args:
        folder: The use case's folder; its name is the use case's name.

    Raises:
        CompileError: There is no pipeline.py, it has a mistake, or what it builds would be
            refused by the service.
    """
    source = folder / "pipeline.py"
    if not source.is_file():
        raise CompileError(
            f"{folder.name}/pipeline.py is missing. It defines `build(context: Context) -> "
            "Pipeline`; see pipeline_code/README.md."
        )
    sentinels = Sentinels()
    with offline():
        session = offline_session(sentinels.bucket("artifacts"))
        context = Context(folder=folder, session=session, sentinels=sentinels)
        raw = _build(source, context)
        cleaned: Any = postpass.clean(json.loads(raw))
        postpass.name_check_images(cleaned, context)
    text = lock.to_text(cleaned)
    if found := validate.problems(cleaned, characters=len(text)):
        raise CompileError(
            f"{folder.name}: the service would refuse this pipeline:\n  " + "\n  ".join(found)
        )
    text = sentinels.substitute(text)
    used = tuple(sorted(set(SENTINEL.findall(text))))
    steps = validate.step_types(cleaned)
    lock_text = lock.lock_text(
        folder=folder,
        definition=json.loads(text),
        definition_text=text,
        steps=steps,
        sentinels=used,
        bundles=context.bundles,
        images=context.images,
    )
    return Compiled(files={DEFINITION: text, LOCK: lock_text}, steps=steps, sentinels=used)


def _build(source: Path, context: Context) -> str:
    """Run the use case's code; say where in it a mistake is, rather than where in the SDK."""
    name = f"pipeline_code.{source.parent.name}.pipeline"
    spec = importlib.util.spec_from_file_location(name, source)
    if spec is None or spec.loader is None:
        raise CompileError(f"{source} cannot be loaded as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        definition: str = _entry(module)(context).definition()
    except CompileError:
        raise
    except Exception as error:
        raise CompileError(f"{_place(error, source)}: {type(error).__name__}: {error}") from error
    finally:
        del sys.modules[name]
    return definition


def _entry(module: ModuleType) -> Any:
    if not hasattr(module, "build"):
        raise CompileError(f"{module.__file__} defines no `build(context: Context) -> Pipeline`.")
    return module.build


def _place(error: Exception, source: Path) -> str:
    short = f"{source.parent.name}/{source.name}"
    if isinstance(error, SyntaxError) and error.filename == str(source):
        return f"{short}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(source)]
    return f"{short}:{lines[-1]}" if lines else short
