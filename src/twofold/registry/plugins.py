"""Where names come from that are not Twofold's: installed packages, and files of the user's."""

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from twofold.errors import UsageError

__all__ = ["load_packages", "load_plugin", "origin", "plugin_files"]

GROUP = "twofold"  # of entry points
_files: list[Path] = []
_origins: list[str] = []  # the package or file that is being imported


def origin() -> str:
    """The package or file that is being imported, if any."""
    return _origins[-1] if _origins else ""


def load_plugin(path: str | Path) -> None:
    """Runs a Python file that registers names. Only the user names one, no file of settings does.

    Raises:
        UsageError: If there is no such file, or it fails, with its reason.
    """
    path = Path(path).resolve()
    if path in _files:
        return
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(f"--plugin {path}: expected a Python file, for example my_model.py")
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"twofold_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _run(f"the plugin {path}", path.name, partial(spec.loader.exec_module, module))
    _files.append(path)


def plugin_files() -> list[Path]:
    """The files that were loaded, for processes that have to load them too."""
    return list(_files)


@cache
def load_packages() -> list[UsageError]:
    """Imports the installed packages that have an entry point, once; why some could not be."""
    broken = []
    for point in importlib.metadata.entry_points(group=GROUP):
        package = point.dist.name if point.dist else point.value
        try:
            _run(f"the plugin package {package}", package, point.load)
        except UsageError as error:
            broken.append(error)
    return broken


def _run(what: str, source: str, action: Callable[[], Any]) -> None:
    _origins.append(source)
    try:
        action()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{what} cannot be loaded: {type(error).__name__}: {error}; mend or remove it"
        ) from error
    finally:
        _origins.pop()
