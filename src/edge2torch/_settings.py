"""Settings of the package, as ``edge2torch.settings``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge2torch._checks import check_number, check_whole
from edge2torch.errors import Edge2TorchError

#: environment variable with the folder of downloads
CACHE_VARIABLE = "EDGE2TORCH_CACHE_DIR"


class Settings:
    """Where downloads are kept and how they are made; each value is checked when it is set.

    Attributes
    ----------
    cache_dir
        Folder of downloaded files. Until it is set (and again after it was set to ``None``): the environment variable
        ``EDGE2TORCH_CACHE_DIR``, else the folder for caches of the operating system.
    timeout
        Seconds to wait for a connection, and for the next piece of a file. Default 30.
    retries
        How many times a download that failed is tried again. Default 3.
    mirror
        ``None``, or the address of a mirror: ``https://host/path?query`` is then asked as ``<mirror>/host/path?query``.

    Raises
    ------
    Edge2TorchError
        If a value cannot be used.

    Examples
    --------
    >>> settings = Settings()
    >>> settings.timeout, settings.retries, settings.mirror
    (30, 3, None)
    >>> settings.retries = -1
    Traceback (most recent call last):
        ...
    edge2torch.errors.Edge2TorchError: settings.retries=-1 must be a whole number of at least 0
    """

    __slots__ = ("_cache_dir", "_mirror", "_retries", "_timeout")

    def __init__(self) -> None:
        self._cache_dir: Path | None = None
        self._timeout: float = 30
        self._retries: int = 3
        self._mirror: str | None = None

    @property
    def cache_dir(self) -> Path:
        """Folder of downloaded files."""
        if self._cache_dir is not None:
            return self._cache_dir
        if os.environ.get(CACHE_VARIABLE):
            return _folder(os.environ[CACHE_VARIABLE], CACHE_VARIABLE)
        import pooch

        return Path(pooch.os_cache("edge2torch"))

    @cache_dir.setter
    def cache_dir(self, value: str | os.PathLike[str] | None) -> None:
        self._cache_dir = None if value is None else _folder(value, "settings.cache_dir")

    @property
    def timeout(self) -> float:
        """Seconds to wait for a connection, and for the next piece of a file."""
        return self._timeout

    @timeout.setter
    def timeout(self, value: float) -> None:
        check_number("settings.timeout", value, positive=True)
        self._timeout = value

    @property
    def retries(self) -> int:
        """How many times a download that failed is tried again."""
        return self._retries

    @retries.setter
    def retries(self, value: int) -> None:
        check_whole("settings.retries", value, least=0)
        self._retries = value

    @property
    def mirror(self) -> str | None:
        """Address of a mirror, or ``None``."""
        return self._mirror

    @mirror.setter
    def mirror(self, value: str | None) -> None:
        if value is not None and not _is_address(value):
            raise Edge2TorchError(
                f"settings.mirror={value!r} is not the address of a mirror: "
                "None, or an address such as 'https://mirror.example.org/edge2torch'"
            )
        self._mirror = value

    def __repr__(self) -> str:
        return (
            f"Settings(cache_dir={str(self.cache_dir)!r}, timeout={self.timeout!r}, retries={self.retries!r}, "
            f"mirror={self.mirror!r})"
        )


def _folder(value: Any, name: str) -> Path:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise Edge2TorchError(f"{name}={value!r} is not the path of a folder")
    try:
        folder = Path(value).expanduser().absolute()
        is_file = folder.is_file()
    except (RuntimeError, ValueError) as error:  # no such user after "~", no such path on this system
        raise Edge2TorchError(f"{name}={str(value)!r} is not the path of a folder: {error}") from error
    if is_file:
        raise Edge2TorchError(f"{name}={str(value)!r} is a file: name a folder")
    return folder


def _is_address(value: Any) -> bool:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.query


settings = Settings()
