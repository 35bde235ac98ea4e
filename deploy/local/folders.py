"""Where local services keep their data: under ``.services`` of the checkout, which git ignores."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import server
from .errors import ServiceError
from .locks import try_lock, waiting_lock

ROOT = Path(__file__).resolve().parents[2] / ".services"
_SCRATCH_PREFIX = "run-"


@contextmanager
def scratch_folder(root: Path = ROOT) -> Iterator[Path]:
    """Give a new folder for one run, and remove it afterwards.

    After an error the folder stays, so that the logs can be read, until the next run. So does that
    of a run that was killed: the next one stops the servers it left, and removes it.
    """
    try:
        folder, owner = _make_folder(root)
    except PermissionError as error:
        raise ServiceError(
            f"{error.filename} belongs to another user: remove {root}, or run as that user."
        ) from error
    try:
        # Whoever runs the servers must be able to pass.
        folder.chmod(0o711)
        yield folder
        # Once the owner's lock file is gone, a run that starts would take the rest for abandoned.
        with waiting_lock(_gate_of(root)):
            shutil.rmtree(folder)
    finally:
        os.close(owner)


def _make_folder(root: Path) -> tuple[Path, int]:
    """Return a new folder, and the descriptor of the lock that says it is in use."""
    root.mkdir(parents=True, exist_ok=True)
    with waiting_lock(_gate_of(root)):
        _remove_abandoned(root)
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=root))
        owner = try_lock(_owner_of(folder))
    if owner is None:
        raise ServiceError(f"{folder} was made a moment ago and is locked by somebody else.")
    return folder, owner


def _remove_abandoned(root: Path) -> None:
    for folder in root.glob(f"{_SCRATCH_PREFIX}*"):
        owner = try_lock(_owner_of(folder))
        if owner is not None:
            stop_all(folder)
            shutil.rmtree(folder)
            os.close(owner)


def stop_all(folder: Path) -> list[server.Server]:
    """Stop the servers that run in folders of ``folder`` and return them."""
    running = servers_in(folder)
    for each in running:
        server.stop(each)
    return running


def servers_in(folder: Path) -> list[server.Server]:
    """Return the servers that run in folders of ``folder``, by name."""
    found = (server.find(each) for each in sorted(folder.glob("*/")))
    return [each for each in found if each is not None]


def _gate_of(root: Path) -> Path:
    """Return the file that is locked while folders are made or removed."""
    return root / "lock"


def _owner_of(folder: Path) -> Path:
    return folder / "owner"
