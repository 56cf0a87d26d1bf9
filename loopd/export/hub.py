"""Owns sending an export to the Hugging Face hub; must not change what is on disk.

What an earlier export sent and this one lacks goes; files of others in the repository stay, and
where they would be in the way nothing is sent. So do files that somebody has changed there since; a
card that was edited is kept. What loopd has sent is in the facts that it sends.

``huggingface_hub`` is imported only then. It reads token and address from its own settings:
``HF_TOKEN``, or what its login has kept, and ``HF_ENDPOINT``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopd.errors import ConfigError, ServerError
from loopd.export.folder import CARD, FACTS
from loopd.export.shipment import SOURCES, Shipment, data_shipment, digest, model_shipment

_HUB_OWN = ".gitattributes"
"""The file with which the hub begins a repository."""


def refuse_no_repo(name: str, sources: Collection[str] = ()) -> None:
    """Check that a repository can have this name, and that it is none from which the run reads.

    Args:
        name: of the repositories.
        sources: names of the data sets on the hub from which the run reads.

    Raises:
        ConfigError: none can, or it is one.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ConfigError(
            f"--push: {_first_line(error)}", "write it as on the hub: `name` or `owner/name`"
        ) from None
    _refuse_source(name, sources)


def _refuse_source(name: str, sources: Collection[str]) -> None:
    if name.casefold() in {source.casefold() for source in sources}:
        raise ConfigError(
            f"--push: the run reads its texts from {name}", "push to a repository of another name"
        )


def push(folder: Path, name: str, model: Path | None, tell: Callable[[str], None]) -> None:
    """Send a data set, and the model beside it, to repositories of one name.

    New repositories are private; those that are there stay what they are.

    Args:
        folder: of the export.
        name: of the repositories.
        model: folder of the model, ``None`` for none.
        tell: called with lines for people.

    Raises:
        ConfigError: a repository holds what loopd has not sent, or a file that was changed there
            since and that this would replace, or is one from which the run reads.
        ServerError: the hub cannot be reached, or refuses it.
    """
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    with _refusals(name):
        data = _repository(name, "dataset")
        _refuse_source(data.repo_id, facts.get(SOURCES, ()))
        before = _facts_of(data.repo_id)
        shipments = [data_shipment(folder, data, before, facts, with_model=model is not None)]
        there = [_there(shipments[0])]
        if model is not None:
            shipments.append(model_shipment(model, _repository(name, "model"), before))
            there.append(_there(shipments[1]))
        edited = [_edited(*pair) for pair in zip(shipments, there, strict=True)]
        for shipment, names in zip(shipments, edited, strict=True):
            _refuse_edited(shipment, names)
        for shipment, files, names in zip(shipments, there, edited, strict=True):
            _send(shipment, files.keys(), names)
            tell(f"  sent to {shipment.repo}")
            if CARD in names:
                tell(f"  kept its {CARD}, which was edited there; the new one is in the export")


def _repository(name: str, kind: str) -> Any:
    """The repository, which is made where it is not there: ``huggingface_hub``'s address of it."""
    return _api().create_repo(name, repo_type=kind, private=True, exist_ok=True)


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="loopd")


def _facts_of(repo_id: str) -> dict[str, Any]:
    """What the last export that was sent there said of itself; empty without one."""
    from huggingface_hub.utils._http import hf_raise_for_status

    answer = _file(repo_id, FACTS, "dataset")
    if answer.status_code == 404:
        return {}
    hf_raise_for_status(answer)
    try:
        facts = answer.json()
    except ValueError:
        return {}
    ours = isinstance(facts, dict) and {"config_digest", "formats"} <= facts.keys()
    return facts if ours else {}


def _file(repo_id: str, name: str, kind: str) -> Any:
    """The hub's answer for one file."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import get_session

    url = hf_hub_url(repo_id, name, repo_type=kind)
    return get_session().get(url, headers=build_hf_headers(library_name="loopd"))


# -- sending ---------------------------------------------------------------------------------------


def _there(shipment: Shipment) -> dict[str, Any]:
    """The files in the repository, ``huggingface_hub``'s ``RepoFile`` by path.

    Raises:
        ConfigError: it holds none of loopd's, or some that others put where ours would be.
    """
    repo_id, before = shipment.repo.repo_id, shipment.before.keys()
    tree = _api().list_repo_tree(repo_id, recursive=True, repo_type=shipment.kind)
    there = {file.path: file for file in tree if hasattr(file, "blob_id")}
    there.pop(_HUB_OWN, None)
    strange = (there.keys() & shipment.files.keys() if before else there.keys()) - before
    if strange:
        raise ConfigError(
            f"--push: the {shipment.kind} repository {repo_id} holds files that loopd has not "
            f"sent, such as {min(strange)[:60]}",
            "the export is on disk; push it to another name, or remove them on the hub first",
        )
    return there


def _edited(shipment: Shipment, there: Mapping[str, Any]) -> set[str]:
    """Paths of files that are not what loopd sent, nor what it would send now."""
    return {
        name
        for name, sent in shipment.before.items()
        if sent is not None and name in there
        if _digest_there(shipment, there[name]) not in {sent, _digest_here(shipment, name)}
    }


def _refuse_edited(shipment: Shipment, edited: Collection[str]) -> None:
    in_the_way = sorted({*edited} & shipment.files.keys() - {CARD})
    if in_the_way:
        raise ConfigError(
            f"--push: somebody has changed {in_the_way[0]} in the {shipment.kind} repository "
            f"{shipment.repo.repo_id} since loopd sent it",
            "the export is on disk; push it to another name, or remove that file on the hub first",
        )


def _digest_there(shipment: Shipment, file: Any) -> str:
    """SHA-256 of a file in the repository; of a large one the hub knows it."""
    if file.lfs is not None:
        return str(file.lfs.sha256)
    from huggingface_hub.utils._http import hf_raise_for_status

    answer = _file(shipment.repo.repo_id, file.path, shipment.kind)
    hf_raise_for_status(answer)
    return digest(answer.content)


def _digest_here(shipment: Shipment, name: str) -> str | None:
    """SHA-256 of a file that would be sent; ``None`` where it would not."""
    file = shipment.files.get(name)
    if file is None:
        return None
    return digest(file if isinstance(file, bytes) else file.read_bytes())


def _send(shipment: Shipment, there: Collection[str], edited: Collection[str]) -> None:
    """Send the files, and take away those that loopd sent and that are not among them any more.

    Args:
        shipment: what is sent.
        there: paths of the files in the repository.
        edited: paths of those that stay as they are.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    gone = shipment.before.keys() & {*there} - shipment.files.keys() - {*edited}
    _api().create_commit(
        shipment.repo.repo_id,
        [
            *(
                CommitOperationAdd(name, file if isinstance(file, bytes) else str(file))
                for name, file in shipment.files.items()
                if name not in edited
            ),
            *(CommitOperationDelete(name, is_folder=False) for name in sorted(gone)),
        ],
        repo_type=shipment.kind,
        commit_message="Exported by loopd",
    )


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turns what the client raises into one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    try:
        yield
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
