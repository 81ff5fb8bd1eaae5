"""A run in a form that others can use."""

from dataclasses import dataclass
from pathlib import Path

from twofold.apply.common.result import require_free
from twofold.apply.context import Subject, open_run
from twofold.errors import UsageError
from twofold.files import atomic_folder

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        onnx: The folder of ONNX files, if one was asked for.
        parity: How far each of them is from PyTorch, of its largest value, by its function.
    """

    onnx: Path | None
    parity: dict[str, float]

    def __str__(self) -> str:
        lines = [f"{name}.onnx: off by {error:.1e} at most" for name, error in self.parity.items()]
        return "\n".join([*lines, str(self.onnx)])


def export(run: Subject, *, onnx: str | Path | None = None) -> Exported:
    """Writes a run in a form that others can use.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        onnx: A new folder for ONNX files, each compared with PyTorch, and the contract.json that
            says how to use them. `sample`, `reconstruct` and `classify` take it in a run's place.

    Raises:
        UsageError: If a folder is not empty, a package is missing, or something cannot be exported.
        RunError: If the run is damaged, or the folder cannot be written.

    Example:
        $ twofold export runs/cvae --onnx cvae-onnx
    """
    if onnx is None:
        raise UsageError("export to what? Name a folder: --onnx DIR (in Python: onnx=)")
    from twofold.sharing.onnx import write_onnx

    folder = Path(onnx)
    require_free(folder)
    context = open_run(run, "cpu")
    with atomic_folder(folder) as temporary:
        parity = write_onnx(context, temporary)
    return Exported(folder, parity)
