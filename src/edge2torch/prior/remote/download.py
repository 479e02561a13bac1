"""One download: with time-outs, tried again when it fails, whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge2torch._notes import note
from edge2torch._settings import settings
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import requests

#: how web pages begin
PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")


def download(url: str, part: Path, path: Path) -> None:
    """Download a file.

    Parameters
    ----------
    url
        Its address; asked at ``edge2torch.settings.mirror`` if that is set.
    part
        Where to write it.
    path
        Where users can put it by hand, for messages.

    Raises
    ------
    Edge2TorchError
        If it cannot be downloaded, or is not data.
    """
    import pooch
    from requests import RequestException

    address = mirrored(url)
    note(f"downloading {address} (once, into {path.parent})")
    puppy = pooch.create(
        path=part.parent,
        base_url="",
        registry={part.name: None},
        urls={part.name: address},
        retry_if_failed=settings.retries,
    )
    try:
        with _quiet(pooch.get_logger()):
            puppy.fetch(part.name, downloader=_get)
    except (RequestException, ValueError) as error:
        at = "" if address == url else f" (asked at {address})"
        raise Edge2TorchError(
            f"cannot download {url}{at}: {cause(error)}. "
            f"Try again later; or get the file in another way, and save it as {path}"
        ) from error


def mirrored(url: str) -> str:
    """Give the address at which a file is asked.

    Examples
    --------
    >>> mirrored("https://example.org/tables?name=a")
    'https://example.org/tables?name=a'
    """
    if settings.mirror is None:
        return url
    return f"{settings.mirror.rstrip('/')}/{url.split('://', 1)[-1]}"


def cause(error: Exception) -> str:
    """Say in few words why a download failed."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, exceptions.Timeout) or "timed out" in str(error):
        return f"time-out, no answer for {settings.timeout:g} s"
    if isinstance(error, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
        return "the connection broke half-way"
    if isinstance(error, exceptions.SSLError):
        return f"no secure connection ({error})"
    if isinstance(error, exceptions.ConnectionError):
        return "no connection (offline, or the server is down)"
    return str(error)


def refuse_page(path: Path, what: str, advice: str = "") -> None:
    """Raise if a file is empty or a web page.

    Parameters
    ----------
    path
        The file.
    what
        How the message begins, such as ``"the server sent"``.
    advice
        How it ends.

    Raises
    ------
    Edge2TorchError
        If it is.
    """
    with path.open("rb") as file:
        start = file.read(1024)
    if not start:
        raise Edge2TorchError(f"{what} nothing, 0 bytes{advice}")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGE):
        raise Edge2TorchError(f"{what} a web page (HTML) instead of data{advice}")


def _get(url: str, output_file: str, pooch_: Any) -> None:
    """Download as pooch does, and look at what came."""
    import pooch

    responses: list[requests.Response] = []
    http = pooch.HTTPDownloader(
        chunk_size=2**16,
        timeout=settings.timeout,
        headers={"User-Agent": f"edge2torch/{version('edge2torch')}"},
        hooks={"response": lambda response, **_: responses.append(response)},
    )
    try:
        http(url, output_file, pooch_)
        response = responses[-1]  # those before were redirections
        announced, came = response.headers.get("Content-Length", ""), response.raw.tell()
    finally:
        for response in responses:
            response.close()
    if announced.isdigit() and came < int(announced):  # not every version of urllib3 compares the two
        raise Edge2TorchError(f"the connection broke half-way, after {came:,} of {int(announced):,} bytes")
    refuse_page(Path(output_file), "the server sent")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Say nothing about single attempts: the note, or the error, says it all."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
