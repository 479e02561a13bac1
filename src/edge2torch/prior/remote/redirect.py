"""decoupler reads from the cache.

decoupler downloads without time-outs and anew at every call, by ``requests.get`` and ``pandas.read_csv``. While a
function of it runs, its modules see stand-ins of these two, which give the files of the cache; the rest is its code.
"""

from __future__ import annotations

import io
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ParamSpec, TypeVar

from edge2torch.errors import Edge2TorchError
from edge2torch.prior.remote.cache import fetch

P = ParamSpec("P")
T = TypeVar("T")

#: modules of ``decoupler.op`` that download, all by the one function
DOWNLOADING = ("collectri", "dorothea", "hallmark", "resource", "translate")

#: what decoupler runs into where a file, or an option, is not as it expects
WRONG_FILE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    zlib.error,
)

#: the stand-ins are seen by all threads
_LOCK = threading.Lock()


def call(what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of decoupler that downloads, with files from the cache.

    Parameters
    ----------
    what
        Name of the prior, for messages.
    function
        The function.
    *args, **kwargs
        What to call it with.

    Raises
    ------
    Edge2TorchError
        If a file is missing and cannot be downloaded, decoupler refuses an option or cannot read a file, or this
        version of decoupler downloads in a way that is not known here.
    """
    with from_cache() as files:
        try:
            result = function(*args, **kwargs)
        except Edge2TorchError:
            raise
        except WRONG_FILE as error:
            raise _explain(what, files, error) from error
    if not files:
        raise _unknown_version()
    return result


@contextmanager
def from_cache() -> Iterator[list[Path]]:
    """Let decoupler read from the cache; gives a list that the files are put in as they are read."""
    from decoupler import op  # noqa: F401 - loads all that is looked at below

    files: list[Path] = []
    with _LOCK, ExitStack() as stack:
        _check_version()
        for module in _modules():
            for name, stand_in in (("requests", _requests(files)), ("pd", _Pandas(files))):
                if name in vars(module):
                    stack.callback(setattr, module, name, vars(module)[name])
                    setattr(module, name, stand_in)
        # what decoupler does with its own tables (SettingWithCopyWarning) is not for our users
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", module=r"decoupler\.")
        yield files


def _modules() -> list[ModuleType]:
    return [
        module
        for name, module in list(sys.modules.items())
        if name == "decoupler._download" or name.startswith("decoupler.op.")
    ]


def _check_version() -> None:
    """Raise if decoupler would download in another way than is known here."""
    import requests

    loaded = {module.__name__: vars(module) for module in _modules()}
    download = loaded.get("decoupler._download", {})
    one_way = {loaded.get(f"decoupler.op._{name}", {}).get("_download") for name in DOWNLOADING}
    if download.get("requests") is not requests or one_way != {download.get("_download")} or one_way == {None}:
        raise _unknown_version()


def _unknown_version() -> Edge2TorchError:
    return Edge2TorchError(
        f"decoupler {version('decoupler')} downloads in a way that is not known here, past the cache: "
        "install a version from 2.1 to 2.3, or pass the table that its functions give, as a DataFrame"
    )


def _explain(what: str, files: list[Path], error: Exception) -> Edge2TorchError:
    if isinstance(error, AssertionError) or not files:
        return Edge2TorchError(f"decoupler refuses the options of {what!r}: {error}")
    return Edge2TorchError(
        f"decoupler {version('decoupler')} cannot make {what!r} of {files[-1]} ({type(error).__name__}: {error}): "
        "if the file is damaged, or is not what its name says, delete it to have it downloaded again; "
        "otherwise check the options, or update decoupler"
    )


def _read(url: str, files: list[Path]) -> Path:
    files.append(fetch(url))
    return files[-1]


def _requests(files: list[Path]) -> SimpleNamespace:
    """Make a stand-in of the module ``requests``."""
    import requests

    def get(url: str, **_: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        response.url = url
        response.raw = io.BytesIO(_read(url, files).read_bytes())
        return response

    return SimpleNamespace(get=get, exceptions=requests.exceptions)


class _Pandas:
    """Stand-in of the module ``pandas``."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        import pandas as pd

        return getattr(pd, name)

    def read_csv(self, source: Any, *args: Any, **kwargs: Any) -> Any:
        """Read a table; of an address, the file in the cache."""
        import pandas as pd

        if isinstance(source, str) and "://" in source:
            source = _read(source, self._files)
        return pd.read_csv(source, *args, **kwargs)
