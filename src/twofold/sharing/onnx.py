"""A model as ONNX files, each held against PyTorch, and a contract that says how to use them."""

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twofold.errors import UsageError
from twofold.experiments.context import Context
from twofold.experiments.environment import describe_versions
from twofold.files import write_arrays, write_bytes, write_json
from twofold.models.base import Generative
from twofold.models.capabilities import Paints
from twofold.packages import require
from twofold.priors import StandardNormal
from twofold.sharing.contract import CODES, CONTRACT, FORMAT, VERSION
from twofold.sharing.functions import Function, functions_of

__all__ = ["ALLOWED", "BATCHES", "write_onnx"]

BATCHES = (1, 5, 7)  # sizes at which a file is compared with PyTorch
TRACED = 3  # the size it is traced at, none of these
ALLOWED = 1e-4  # of the largest value, or of 1 where all are smaller
TABLE = 4096  # codes that are kept of a prior other than N(0, I)
EXTRA = "export"
_OWN = "a network of your own must not branch on values or on the size of a batch"


def write_onnx(context: Context, folder: Path) -> dict[str, float]:
    """Writes all that a model can do as ONNX files, and the contract.

    Arguments:
        context: The model, on the CPU.
        folder: Where to; it exists.

    Returns:
        The largest error of each function, by its name.

    Raises:
        UsageError: If a package is missing, something has no ONNX form, or one is not the same.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, EXTRA)
    functions = [_write_function(function, folder) for function in functions_of(context.model)]
    contract = {
        "format": FORMAT,
        "version": VERSION,
        "title": context.title,
        "model": context.model.title,
        **_about_images(context),
        "latent": _about_codes(context, folder),
        "functions": {described.pop("name"): described for described in functions},
        "provenance": _provenance(context),
    }
    write_json(folder / CONTRACT, contract)
    return {name: one["parity"]["error"] for name, one in contract["functions"].items()}


def _write_function(function: Function, folder: Path) -> dict[str, Any]:
    """Writes one file and describes it."""
    function = function.eval()
    program = _traced(function)
    content = program.model_proto.SerializeToString()
    error = _parity(function, content)
    file = f"{function.name}.onnx"
    write_bytes(folder / file, content)
    return {
        "name": function.name,
        "file": file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "opset": program.model.opset_imports[""],
        "inputs": [field.describe() for field in function.inputs],
        "outputs": [field.describe() for field in function.outputs],
        "parity": {"error": error, "allowed": ALLOWED, "batches": list(BATCHES)},
    }


def _traced(function: Function) -> Any:
    """The function as an ONNX program.

    Raises:
        UsageError: With the reason, if it has no ONNX form.
    """
    batch = torch.export.Dim("batch")
    try:
        with _quiet(), torch.no_grad():
            return torch.onnx.export(
                function,
                tuple(_inputs(function, TRACED)),
                dynamo=True,
                input_names=[field.name for field in function.inputs],
                output_names=[_output_name(function, i) for i in range(len(function.outputs))],
                dynamic_shapes=(tuple({0: batch} for _ in function.inputs),),
                verbose=False,
            )
    except Exception as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise UsageError(
            f"`{function.name}` of this model has no ONNX form ({type(error).__name__}: {reason}); "
            f"{_OWN}"
        ) from error


def _output_name(function: Function, i: int) -> str:
    """A state that goes in comes out under its name and `_next`: names of a graph are unique."""
    name = function.outputs[i].name
    return f"{name}_next" if name in [field.name for field in function.inputs] else name


def _inputs(function: Function, count: int) -> Iterator[Tensor]:
    """Random inputs, the same at each call, within the range of each."""
    generator = torch.Generator().manual_seed(count)
    for field in function.inputs:
        draw = torch.randn if field.range is None else torch.rand
        yield draw(count, *field.shape, generator=generator)


def _parity(function: Function, content: bytes) -> float:
    """The largest error of a file, at several sizes of a batch.

    Raises:
        UsageError: If it is larger than `ALLOWED`.
    """
    runtime = require("onnxruntime", EXTRA)
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names, worst = [put.name for put in session.get_inputs()], 0.0
    for count in BATCHES:
        inputs = list(_inputs(function, count))
        given = {f.name: x.numpy() for f, x in zip(function.inputs, inputs, strict=True)}
        try:
            found = session.run(None, {name: given[name] for name in names})
        except Exception as error:
            raise UsageError(
                f"`{function.name}` of this model takes no batch of {count} in ONNX; {_OWN}"
            ) from error
        with torch.no_grad():
            expected = [value.numpy() for value in function(*inputs)]
        for field, one, other in zip(function.outputs, found, expected, strict=True):
            size = max(1.0, float(np.abs(other).max()))
            error = float(np.abs(one - other).max()) / size if one.shape == other.shape else np.inf
            if not error <= ALLOWED:
                raise UsageError(
                    f"`{field.name}` of `{function.name}` differs in ONNX by {error:.2g} from "
                    f"PyTorch at a batch of {count}, and {ALLOWED:g} is allowed; nothing was "
                    "written. Its weights may be too large for float32"
                )
            worst = max(worst, error)
    return worst


def _about_images(context: Context) -> dict[str, Any]:
    condition, data = context.model.condition, context.run.experiment.data
    about: dict[str, Any] = {"about": condition.about}
    if condition.about == "image":
        visible: Any = condition.visible
        about["visible"] = visible.int().tolist()
        about["binary"] = bool(getattr(condition, "binary", False))
    return {
        "image": {
            "shape": list(context.model.image_shape),
            "range": [0.0, 1.0],
            "dtype": "float32",
            "binarize": data.binarize,
        },
        "classes": list(context.class_names),
        "known_classes": context.known_classes,
        "condition": about,
    }


def _about_codes(context: Context, folder: Path) -> dict[str, Any] | None:
    """How codes are drawn; of a prior other than N(0, I), some codes are kept."""
    model = context.model.capability(Generative)
    if model is None:
        return None
    painter = context.model.capability(Paints)
    scale = float(model.sampling_scale)
    normal = isinstance(model.prior, StandardNormal)
    if not normal:
        write_arrays(folder / CODES, {"z": model.sample_latent(TABLE).cpu().numpy()})
    return {
        "dim": model.latent_dim,
        "steps": None if painter is None else painter.num_steps,
        "prior": "standard-normal" if normal else type(model.prior).__name__,
        "scale": scale,
        "codes": None if normal else CODES,
        "draw": f"independent numbers of N(0, 1), times {scale:g}"
        if normal
        else f"rows of z in {CODES}, which were drawn of this prior",
    }


def _provenance(context: Context) -> dict[str, Any]:
    run, facts = context.run, context.facts
    return {
        "experiment": run.experiment.name,
        "run": run.name,
        "data": run.experiment.data.name,
        "fingerprint": run.environment["data"]["fingerprint"],
        "step": facts["step"],
        "total_steps": facts.get("total_steps"),
        "checkpoint_sha256": facts["sha256"],
        "versions": {
            **describe_versions(),
            **{name: require(name, EXTRA).__version__ for name in ("onnx", "onnxruntime")},
        },
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's own warnings, which concern its authors, are not shown."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
