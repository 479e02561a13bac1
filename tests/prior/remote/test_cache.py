from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, settings
from edge2torch.prior.remote import fetch
from edge2torch.prior.remote.cache import name_of
from edge2torch.prior.remote.download import mirrored

from .conftest import Server, answer

URL = "https://example.org/tables/a.tsv?levels=A,B"
ADDRESS = "example.org/tables/a.tsv?levels=A,B"
DATA = b"source\ttarget\nA\tB\n"


@pytest.fixture
def file(server: Server) -> Path:
    """Where the file of this test is kept."""
    server.files[ADDRESS] = DATA
    return settings.cache_dir / name_of(URL)


def no_trace(file: Path) -> bool:
    return not file.parent.exists() or list(file.parent.iterdir()) == []


def test_a_file_is_downloaded_once_and_its_checksum_recorded(server, file, kept):
    assert fetch(URL) == file
    assert fetch(URL) == file
    assert file.read_bytes() == DATA
    assert server.asked == [ADDRESS]
    assert kept() == [file.name, f"{file.name}.sha256"]
    record = (file.parent / f"{file.name}.sha256").read_text()
    assert record == f"{hashlib.sha256(DATA).hexdigest()}  {file.name}\n"


def test_the_user_is_told_once(server, file, capsys):
    fetch(URL)
    fetch(URL)
    told = capsys.readouterr()
    assert told.out == f"[edge2torch] downloading {server.address}/{ADDRESS} (once, into {file.parent})\n"
    assert told.err == ""


def test_the_name_can_be_given(server, file, kept):
    assert fetch(URL, "my file.tsv").read_bytes() == DATA
    assert kept() == ["my file.tsv", "my file.tsv.sha256"]


@pytest.mark.parametrize("name", ["a/b", "../b", "", ".."])
def test_a_name_with_folders_is_refused(server, file, name):
    with pytest.raises(Edge2TorchError, match="without folders"):
        fetch(URL, name)
    assert no_trace(file)


@pytest.mark.parametrize("change", [b"", DATA + b"x", DATA.replace(b"A", b"C")])
def test_a_file_that_was_changed_is_refused_and_left_alone(server, file, change):
    fetch(URL)
    file.write_bytes(change)
    with pytest.raises(Edge2TorchError, match=rf"{re.escape(str(file))} was changed or damaged .* Delete the file"):
        fetch(URL)
    assert file.read_bytes() == change
    assert len(server.asked) == 1


def test_a_damaged_record_is_noticed(server, file):
    fetch(URL)
    (file.parent / f"{file.name}.sha256").write_text("")
    with pytest.raises(Edge2TorchError, match="changed or damaged"):
        fetch(URL)


def test_a_deleted_file_is_downloaded_again_even_if_it_is_another_one(server, file):
    fetch(URL)
    file.unlink()
    server.files[ADDRESS] = b"new"
    assert fetch(URL).read_bytes() == b"new"
    assert fetch(URL).read_bytes() == b"new"
    assert len(server.asked) == 2


def test_a_file_put_there_by_hand_is_used_and_watched_from_then_on(server, file):
    file.parent.mkdir()
    file.write_bytes(b"by hand")
    assert fetch(URL) == file
    assert server.asked == []
    file.write_bytes(b"other")
    with pytest.raises(Edge2TorchError, match="changed or damaged"):
        fetch(URL)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html></html>"])
def test_a_page_put_there_by_hand_is_refused(server, file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(Edge2TorchError, match=r"holds (a web page|nothing).*delete it"):
        fetch(URL)
    assert list(file.parent.iterdir()) == [file]


PAGES = [
    b"<!DOCTYPE html>\n<html><body>Please log in</body></html>",
    b"\xef\xbb\xbf \n<HTML><head></head></HTML>",
    b"",
]
FAULTS = {
    "500": (lambda handler: answer(handler, b"oh", status=500), "the server answered 500"),
    "429": (lambda handler: answer(handler, b"slow down", status=429), "the server answered 429 Too Many Requests"),
    "404": (lambda handler: answer(handler, b"?", status=404), "the server answered 404 Not Found"),
    "short": (lambda handler: answer(handler, DATA, length=1000), "broke half-way"),
    "cut": (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), "no connection"),
    "page": (partial(answer, body=PAGES[0], kind="text/html"), r"a web page \(HTML\) instead of data"),
    "page that says it is text": (partial(answer, body=PAGES[1]), r"a web page \(HTML\) instead of data"),
    "empty": (partial(answer, body=PAGES[2]), "0 bytes"),
    "nonsense": (lambda handler: handler.wfile.write(b"hello\r\n\r\n"), "no connection"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_says_what_to_put_where_and_leaves_nothing(server, file, fault, capsys):
    fail, cause = FAULTS[fault]
    server.faults = [fail] * 9
    with pytest.raises(Edge2TorchError, match=cause) as caught:
        fetch(URL)
    assert URL in str(caught.value)
    assert str(file) in str(caught.value)
    assert caught.value.__cause__ is not None
    assert len(server.asked) == 1 + settings.retries
    assert no_trace(file)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_overcome(server, file, fault):
    server.faults = [FAULTS[fault][0]] * settings.retries
    assert fetch(URL).read_bytes() == DATA
    assert len(server.asked) == 1 + settings.retries


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_a_server_that_hangs_is_given_up(server, file, fault):
    settings.timeout, settings.retries = 0.1, 1
    server.faults = [getattr(server, fault)] * 2
    with pytest.raises(Edge2TorchError, match=r"time-out, no answer for 0\.1 s"):
        fetch(URL)
    assert len(server.asked) == 2
    assert no_trace(file)
    assert fetch(URL).read_bytes() == DATA


def test_nobody_there(file):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.mirror = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Edge2TorchError, match=rf"no connection \(offline.*save it as {re.escape(str(file))}"):
            fetch(URL)
    assert no_trace(file)


def test_an_address_that_is_none():
    settings.mirror = None
    with pytest.raises(Edge2TorchError, match="cannot download no address"):
        fetch("no address")


def test_many_threads_download_once(server, file):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(URL).read_bytes())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DATA] * 8
    assert server.asked == [ADDRESS]


@pytest.mark.parametrize("links", [True, False])
def test_of_two_processes_the_first_gives_the_file(server, file, monkeypatch, links):
    """Another process finishes while this one downloads; then the file and its record still fit."""

    def meanwhile(handler):
        file.write_bytes(b"from the other")
        answer(handler, DATA)

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    server.faults = [meanwhile]
    first = fetch(URL).read_bytes()
    assert first == (b"from the other" if links else DATA)
    assert fetch(URL).read_bytes() == first


def test_processes_that_download_at_once_agree(server, file):
    """Each of them is sent another file, when all of them have asked."""
    n, contents = 3, iter((b"one", b"two", b"three"))
    all_asked = threading.Barrier(n)

    def wait(handler):
        all_asked.wait(60)
        answer(handler, next(contents))

    server.faults = [wait] * n
    program = f"from edge2torch.prior.remote import fetch; path = fetch({URL!r}); print(path.read_text())"
    program = f"from edge2torch import settings; settings.mirror = {server.address!r}; {program}"
    environment = {**os.environ, "EDGE2TORCH_CACHE_DIR": str(settings.cache_dir)}
    running = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    read = {process.communicate()[0].splitlines()[-1].encode() for process in running}
    assert [process.returncode for process in running] == [0] * n
    assert read == {fetch(URL).read_bytes()}
    assert len(server.asked) == n
    assert sorted(file.parent.iterdir()) == [file, file.with_name(f"{file.name}.sha256")]


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    settings.cache_dir = tmp_path / "file" / "below"
    with pytest.raises(Edge2TorchError, match=r"cannot use .* \(Not a directory\): set edge2torch.settings.cache_dir"):
        fetch(URL)


def test_a_cache_shared_read_only_is_used(server, file, monkeypatch):
    file.parent.mkdir()
    file.write_bytes(b"by hand")
    monkeypatch.setattr("os.access", lambda *_: False)
    assert fetch(URL) == file
    assert list(file.parent.iterdir()) == [file]


def test_a_mirror_is_asked_for_host_path_and_query():
    settings.mirror = "https://mirror.example.org/all/"
    assert mirrored("https://a.org/b/c?d=e&f") == "https://mirror.example.org/all/a.org/b/c?d=e&f"
    settings.mirror = None
    assert mirrored("https://a.org/b/c?d=e&f") == "https://a.org/b/c?d=e&f"


def test_names_keep_what_tells_the_format():
    assert name_of("https://a.org/b/human_mouse.txt.gz").endswith("b_human_mouse.txt.gz")
    assert name_of("https://a.org").startswith("a.org-")


ADDRESSES = st.tuples(st.text(max_size=300), st.text(max_size=300)).map(lambda p: f"https://a.org/{p[0]}?{p[1]}")


@given(st.lists(ADDRESSES.filter(str.isprintable), unique=True, max_size=5))
@hypothesis_settings(deadline=None)
def test_names_are_safe_short_and_distinct(urls):
    names = [name_of(url) for url in urls]
    assert len({name.lower() for name in names}) == len(urls)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._,=-]{0,199}", name)
        assert not name.endswith(".")
