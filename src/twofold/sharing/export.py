"""A run in a form that others can use."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from twofold.errors import UsageError
from twofold.experiments.context import Context, Subject, open_run
from twofold.files import atomic_folder, require_free

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        onnx: The folder of ONNX files, if one was asked for.
        parity: How far each of them is from PyTorch, of its largest value, by its function.
        hub: The folder for a model hub, if one was asked for.
        pushed: hf:USER/NAME@REVISION, if it was pushed.
    """

    onnx: Path | None = None
    parity: dict[str, float] = field(default_factory=dict)
    hub: Path | None = None
    pushed: str | None = None

    def __str__(self) -> str:
        lines = [f"{name}.onnx: off by {error:.1e} at most" for name, error in self.parity.items()]
        return "\n".join(lines + [str(one) for one in (self.onnx, self.hub, self.pushed) if one])


def export(
    run: Subject,
    *,
    onnx: str | Path | None = None,
    hub: str | Path | None = None,
    push: str | None = None,
) -> Exported:
    """Writes a run in a form that others can use.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        onnx: A new folder for ONNX files, each compared with PyTorch, and the contract.json that
            says how to use them. `sample`, `reconstruct` and `classify` take it in a run's place.
        hub: A new folder with the weights, their settings and a README, which every command takes
            in a run's place.
        push: USER/NAME on the Hugging Face hub, where that folder is uploaded.

    Raises:
        UsageError: If a folder is not empty, a package is missing, or something cannot be exported.
        RunError: If the run is damaged, a folder cannot be written, or the hub refuses it.

    Example:
        $ twofold export runs/cvae --onnx cvae-onnx
        $ twofold export runs/cvae --hub cvae-hub
    """
    if onnx is None and hub is None and push is None:
        raise UsageError("export to what? Give --onnx DIR, --hub DIR or --push USER/NAME")
    folders = [Path(one) for one in (onnx, hub) if one is not None]
    for folder in folders:
        require_free(folder)
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"{hub} is asked for twice; give --onnx and --hub folders of their own")
    if push is not None:
        from twofold.packages import require
        from twofold.sharing.hub import repository

        require("huggingface_hub", "hub")
        repository(push)
    context, parity, pushed = open_run(run, "cpu"), {}, None
    if onnx is not None:
        from twofold.sharing.onnx import write_onnx

        with atomic_folder(Path(onnx)) as folder:
            parity = write_onnx(context, folder)
    if hub is not None or push is not None:
        pushed = _to_hub(context, hub, push)
    written = [None if one is None else Path(one) for one in (onnx, hub)]
    return Exported(written[0], parity, written[1], pushed)


def _to_hub(context: Context, hub: str | Path | None, push: str | None) -> str | None:
    """Writes the folder, or only for an upload where none is asked for, and uploads it."""
    from twofold.sharing.hub import push_folder, repository, write_hub

    place = f"hf:{repository(push)}" if push else str(hub)
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(passing) / "model" if hub is None else Path(hub)
        with atomic_folder(folder) as made:
            write_hub(context, made, place)
        return push_folder(folder, push) if push else None
