"""Owns sending an export to the Hugging Face hub; must not change what is on disk.

``huggingface_hub`` is imported only then. It reads token and address from its own settings:
``HF_TOKEN``, or what its login has kept, and ``HF_ENDPOINT``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopd.errors import ConfigError, ServerError

NOT_SENT = ("model/**", "dataset/**", "table.csv")
"""What of a folder is no part of the data set on the hub: the hub has data files of its own, and
the table that came in may hold columns that nobody meant to publish."""


def refuse_no_repo(name: str) -> None:
    """Check that a repository can have this name.

    Raises:
        ConfigError: none can.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ConfigError(
            f"--push: {_first_line(error)}", "write it as on the hub: `name` or `owner/name`"
        ) from None


def push(folder: Path, name: str, model: Path | None, tell: Callable[[str], None]) -> None:
    """Send a data set, and the model beside it, to repositories of one name.

    New repositories are private; those that are there stay what they are.

    Args:
        folder: of the export.
        name: of the repositories.
        model: folder of the model, ``None`` for none.
        tell: called with lines for people.

    Raises:
        ServerError: the hub cannot be reached, or refuses it.
    """
    tell(f"  sent to {_sent(folder, name, 'dataset')}")
    if model is not None:
        tell(f"  sent to {_sent(model, name, 'model')}")


def _sent(folder: Path, name: str, kind: str) -> str:
    """Send one folder; the address at which it is then."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    api = HfApi(library_name="loopd")
    try:
        repo: Any = api.create_repo(name, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repo.repo_id,
            repo_type=kind,
            folder_path=str(folder),
            commit_message="Exported by loopd",
            ignore_patterns=list(NOT_SENT) if kind == "dataset" else None,
        )
    except OfflineModeIsEnabled:
        raise ServerError("the hub is switched off", "unset HF_HUB_OFFLINE to push") from None
    except LocalTokenNotFoundError:
        raise _no_token("there is no token for the hub") from None
    except UnicodeEncodeError:
        raise _no_token("the token for the hub holds signs that no token has") from None
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise _no_token(f"the hub refuses {name}: {_first_line(error)}") from None
        raise ServerError(f"the hub refuses {name}: {_first_line(error)}", _LATER) from None
    except _unreachable() as error:
        raise ServerError(f"cannot reach the hub: {_first_line(error)}", _LATER) from None
    return str(repo)


def _unreachable() -> tuple[type[Exception], ...]:
    """What the client of ``huggingface_hub`` raises; its releases have used three of them."""
    from huggingface_hub.utils._http import get_session

    client = sys.modules[type(get_session()).__module__.partition(".")[0]]
    own: type[Exception] = getattr(client, "TransportError", OSError)
    return OSError, own


_LATER = "the export is on disk; try again with --force --push"


def _no_token(message: str) -> ServerError:
    return ServerError(message, "set HF_TOKEN to a token that may write there")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
