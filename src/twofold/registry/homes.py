"""Importing what Twofold itself brings of a kind, when it is first asked for."""

import importlib
import pkgutil
import threading

from twofold.registry.kinds import KINDS

__all__ = ["load_home"]

_loaded: set[str] = set()
_loading = threading.RLock()


def load_home(kind: str) -> None:
    """Imports what Twofold brings of a kind, every file of a package: adding one is enough."""
    home = KINDS[kind].home
    with _loading:  # by this thread alone, which may come here again from within
        if home in _loaded:
            return
        _loaded.add(home)
        try:
            module = importlib.import_module(home)
            for file in pkgutil.iter_modules(getattr(module, "__path__", ())):
                importlib.import_module(f"{home}.{file.name}")
        except BaseException:
            _loaded.discard(home)
            raise
