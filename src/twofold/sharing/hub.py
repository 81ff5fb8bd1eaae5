"""A run for a model hub: two files that open again, a card, and a picture of samples."""

from pathlib import Path
from typing import Any

from twofold.errors import RunError, UsageError
from twofold.experiments.context import Context
from twofold.experiments.packed import REPO, pack
from twofold.files import write_text
from twofold.models.base import Generative
from twofold.packages import require
from twofold.sharing.card import SAMPLES, card
from twofold.verbs.sample import sample

__all__ = ["push_folder", "repository", "write_hub"]


def write_hub(context: Context, folder: Path, place: str) -> None:
    """Writes the weights, the settings, the card and, where it makes images, a picture.

    Arguments:
        context: The model.
        folder: Where to; it exists.
        place: Under which name a reader will have it.

    Raises:
        UsageError: If the model is of classes that are not registered.
    """
    pack(context.run, folder)
    makes = context.model.capability(Generative) is not None
    pictured = makes and context.model.condition.about != "image"
    if pictured:
        sample(context.run, device="cpu").save(folder / SAMPLES)
    write_text(folder / "README.md", card(context.run, place, pictured))


def repository(name: str) -> str:
    """USER/NAME of a model on the hub.

    Raises:
        UsageError: If it is none.
    """
    found = REPO.fullmatch(f"hf:{name.removeprefix('hf:')}")
    if found is None or found["revision"]:
        raise UsageError(f"{name!r} is no place on the hub; expected USER/NAME")
    return found["repo"]


def push_folder(folder: Path, name: str) -> str:
    """Uploads a folder that `write_hub` wrote, by the account that huggingface_hub knows.

    Returns:
        Under which name it can be opened, with the revision that was made.

    Raises:
        UsageError: If huggingface_hub is not installed.
        RunError: If the hub refuses it, or cannot be reached.
    """
    hub: Any = require("huggingface_hub", "hub")
    repo = repository(name)
    try:
        api = hub.HfApi()
        api.create_repo(repo, exist_ok=True)
        made = api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="Upload a model of Twofold"
        )
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            f"cannot push to {repo}: {type(error).__name__}: {reason}; `hf auth login` says who "
            "you are"
        ) from error
    return f"hf:{repo}@{made.oid}"
