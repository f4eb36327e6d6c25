"""scripts/data.py and vln/downloads: fetching from a server on this machine, going on, refusals, checks."""

import io
import json
import re
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from command_line import run_script
from small_vlnce import write_vlnce

from vln.data import find_data, split_file
from vln.downloads.fetch import FETCHING, fetch_part
from vln.downloads.parts import PARTS, SCANS, File, Part, find_part
from vln.downloads.unpack import captions, objects, zip_folder
from vln.downloads.verify import CHECKSUMS, verify_part
from vln.errors import InputError
from vln.files import read_json

CONTENT = json.dumps([{"number": number} for number in range(20_000)]).encode()


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


@dataclass
class Served:
    """What the server of a test has, does, and was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    kind: str = "application/octet-stream"
    ranges: bool = True
    tag: str = '"one"'
    stop_after: int | None = None  # bytes of a whole file, after which the connection is closed
    asked: list[str | None] = field(default_factory=list)  # the range of each request


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            served.asked.append(wanted)
            content = served.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            first = 0
            if wanted and served.ranges and self.headers.get("If-Range") == served.tag:
                first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                if first >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Type", served.kind)
            self.send_header("Content-Length", str(len(content) - first))
            self.send_header("ETag", served.tag)
            self.end_headers()
            self.wfile.write(content[first : served.stop_after])

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def served():
    state = Served(files={"file": CONTENT})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def part(served):
    file = File(f"{served.address}/file", "mine/file.json", digest(CONTENT))
    return Part("mine", "mine/*", "a file", "MIT", "https://example.org/mine", (file,))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The script, with the parts of a test, and the folder that it fetches into."""
    folder = tmp_path / "data"

    def run(command, *arguments, parts=()):
        for each in parts:
            monkeypatch.setitem(PARTS, each.name, each)
        return run_script("data.py", command, *arguments, "--data", folder, cache=tmp_path / "cache")

    run.folder = folder
    return run


def unsigned(part: Part) -> Part:
    return replace(part, files=tuple(replace(each, sha256="") for each in part.files))


def refusal(part: Part, folder: Path) -> str:
    with pytest.raises(InputError) as found:
        fetch_part(part, folder)
    assert "\n" not in str(found.value)
    return str(found.value)


def content_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- fetch ---


def test_a_part_is_fetched_checked_and_noted(data, part, served):
    result = data("fetch", "mine", "--agree", parts=[part])
    assert (result.code, result.output) == (0, ""), result.errors
    assert "mine: MIT; https://example.org/mine\n" in result.errors
    assert content_of(data.folder) == [CHECKSUMS, "mine/file.json"]
    assert (data.folder / "mine/file.json").read_bytes() == CONTENT
    assert json.loads((data.folder / CHECKSUMS).read_text()) == {"mine/file.json": digest(CONTENT)}
    assert data("fetch", "mine", "--agree", parts=[part]).code == 0
    assert served.asked == [None]  # what is there is not fetched again


@pytest.mark.parametrize(
    ("tag", "ranges", "asked"),
    [
        ('"one"', True, "bytes=100000-"),
        ('"one"', False, "bytes=100000-"),  # the server sends the whole file again
        ("", True, None),  # nobody can tell whether the file is still the same
    ],
)
def test_an_interrupted_download_goes_on(tmp_path, part, served, tag, ranges, asked):
    served.stop_after, served.tag, served.ranges = 100_000, tag, ranges
    said = refusal(part, tmp_path)
    assert f"the connection ended after 100000 of {len(CONTENT)} bytes; run the same command again" in said
    assert not (tmp_path / "mine").exists()
    served.stop_after = None
    fetch_part(part, tmp_path)
    assert served.asked == [None, asked]
    assert content_of(tmp_path) == [CHECKSUMS, "mine/file.json"]
    assert (tmp_path / "mine/file.json").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(tmp_path, part, served):
    served.stop_after = 100_000
    refusal(unsigned(part), tmp_path)
    served.stop_after, served.tag, served.files["file"] = None, '"two"', CONTENT[::-1]
    fetch_part(unsigned(part), tmp_path)
    assert (tmp_path / "mine/file.json").read_bytes() == CONTENT[::-1]


def test_a_download_that_ended_just_before_it_was_kept_starts_over(tmp_path, part, served):
    served.stop_after = 100_000
    refusal(part, tmp_path)
    (partial,) = (tmp_path / FETCHING).glob("*.part")
    partial.write_bytes(CONTENT)
    (partial.parent / "tmpkilled").touch()
    served.stop_after = None
    fetch_part(part, tmp_path)
    assert served.asked == [None, f"bytes={len(CONTENT)}-", None]
    assert (tmp_path / "mine/file.json").read_bytes() == CONTENT
    assert content_of(tmp_path) == [CHECKSUMS, "mine/file.json"]
    assert not (tmp_path / FETCHING).exists()


def test_another_checksum_is_one_sentence_and_leaves_nothing(tmp_path, part, served):
    served.files["file"] = CONTENT[:-1]
    said = refusal(part, tmp_path)
    assert said.startswith(f"{served.address}/file: what came has another checksum than what was published; ")
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_instead_of_the_file_is_refused(tmp_path, part, served):
    served.kind = "text/html; charset=utf-8"
    assert "a web page came instead of the file" in refusal(unsigned(part), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_names_the_page(tmp_path, part, served):
    served.files.clear()
    assert "the server answers 404 (Not Found); see https://example.org/mine for" in refusal(part, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there(tmp_path, part):
    file = replace(part.files[0], url="http://127.0.0.1:9/file")
    assert "http://127.0.0.1:9/file: cannot be fetched (" in refusal(replace(part, files=(file,)), tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- layouts ---


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def archived(part: Part, to: str, unpack) -> Part:
    return replace(part, files=(File(part.files[0].url, to, unpack=unpack),))


def test_vlnce_is_unpacked_to_its_layout_and_read(tmp_path, part, served):
    write_vlnce(tmp_path / "made")
    files = {each.relative_to(tmp_path / "made" / "vlnce").as_posix(): each for each in tmp_path.rglob("*.json.gz")}
    extra = {"__MACOSX/R2R/train/._train.json.gz": b"", "R2R/../../evil.json.gz": b"", "R2R/README": b""}
    served.files["file"] = packed(**{name: each.read_bytes() for name, each in files.items()}, **extra)
    to = next(iter(files)).split("/")[0]
    ce = replace(archived(part, f"vlnce/{to}", zip_folder), name="r2r-ce", holds=PARTS["r2r-ce"].holds)
    fetch_part(ce, tmp_path / "data")
    assert content_of(tmp_path / "data") == [CHECKSUMS, *sorted(f"vlnce/{name}" for name in files)]
    assert verify_part(ce, tmp_path / "data") == (len(files), len(files))


def test_captions_become_a_file_a_building(tmp_path, part, served):
    views = {"v": {"0": {"global_cap": "a hall", "dense_cap": []}}}
    served.files["file"] = packed(**{"r2r/one.json": json.dumps(views).encode(), "r2r/note.txt": b"x"})
    fetch_part(archived(part, "views", captions), tmp_path)
    assert content_of(tmp_path) == [CHECKSUMS, "views/one.json.xz"]
    assert read_json(tmp_path / "views/one.json.xz") == views


def test_reverie_objects_become_one_file(tmp_path, part, served):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for viewpoint, found in (("b", {}), ("a", {"7": {"name": "sofa"}})):
            content = json.dumps({viewpoint: found}).encode()
            entry = tarfile.TarInfo(f"REVERIE-1/tasks/REVERIE/data/BBox/one_{viewpoint}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    served.files["file"] = buffer.getvalue()
    fetch_part(archived(part, "reverie/objects.json.xz", objects), tmp_path)
    assert read_json(tmp_path / "reverie/objects.json.xz") == {"one": {"a": {"7": {"name": "sofa"}}}}


@pytest.mark.parametrize("unpack", [zip_folder, captions, objects])
@pytest.mark.parametrize("content", [b"no archive", packed(other=b"")])
def test_another_archive_is_refused_and_leaves_nothing(tmp_path, part, served, unpack, content):
    served.files["file"] = content
    said = refusal(archived(part, "vlnce/one", unpack), tmp_path)
    assert re.search(r"is no archive that can be unpacked|has no .+; look at its page", said)
    assert list(tmp_path.iterdir()) == []


# --- refusals of the script ---


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["r2"], "data: 'r2' is not known; use one of r2r, connectivity, "),
        (["conectivity"], "(did you mean 'connectivity'?)."),
        ([], "data.py fetch: no part is named; name some of r2r, "),
        (["scans", "--agree"], "https://niessner.github.io/Matterport/; request them there"),
        (["r4r", "--agree"], "r4r_generate_data.py"),
        (["r2r"], "--agree: the licences are not agreed to; read them, and add --agree."),
    ],
)
def test_what_fetch_refuses_is_one_sentence(data, names, said, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # no terminal
    result = data("fetch", *names)
    assert result.code == 2
    assert said in result.errors.splitlines()[-1]
    assert not data.folder.exists()


def test_a_terminal_is_asked(data, part, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for answer, code in (("n\n", 2), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert data("fetch", "mine", parts=[part]).code == code
        assert data.folder.exists() is (code == 0)


def test_a_folder_that_cannot_be_written(data, part):
    data.folder.write_text("a file")
    result = data("fetch", "mine", "--agree", parts=[part])
    assert result.code == 2
    assert result.errors.splitlines()[-1].startswith(f"{data.folder}: the output folder cannot be created (")


# --- list and verify ---


def test_the_list_says_what_is_here(data, small_data, monkeypatch):
    rows = json.loads(run_script("data.py", "list", "--data", small_data, "--json", cache=small_data).output)
    assert rows.keys() == PARTS.keys()
    assert {name for name, row in rows.items() if row["here"] == "yes"} >= {"r2r", "glove"}
    assert (rows["connectivity"]["here"], rows["scans"]["here"]) == ("some", "no")  # three small buildings
    assert "r2r-navigator" in rows["captions"]["presets"]
    monkeypatch.setenv("COLUMNS", "200")
    shown = data("list").output
    assert all(part.page.removeprefix("https://")[:20] in shown for part in PARTS.values())


def test_verify_tells_what_is_not_as_published_and_reads_the_rest(small_data):
    result = run_script("data.py", "verify", "--data", small_data, "--json", cache=small_data)
    rows = json.loads(result.output)
    said = "has another checksum than when it was published or fetched; delete it and fetch it again."
    assert rows["glove"]["problem"] == f"{small_data}/glove/train_glove.npy: {said}"  # they are made for tests
    assert rows["captions"] == {"files": 3, "checksums": 0, "problem": ""}
    assert result.code == 1


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("mine", lambda folder: (folder / "mine/file.json").write_bytes(CONTENT + b" "), "another checksum"),
        ("mine", lambda folder: (folder / "mine/more.json").write_text("{"), "more.json: "),
    ],
)
def test_a_file_that_changed_or_cannot_be_read_is_told(data, part, name, change, said):
    assert data("fetch", "mine", "--agree", parts=[unsigned(part)]).code == 0
    assert data("verify").code == 0
    change(data.folder)
    result = data("verify", "--json")
    assert result.code == 1
    assert said in json.loads(result.output)[name]["problem"]


def test_graphs_and_their_list_must_agree(tmp_path, small_data):
    graphs = sorted((small_data / "connectivity").glob("*_connectivity.json"))
    (tmp_path / "connectivity").mkdir()
    for path in graphs:
        (tmp_path / "connectivity" / path.name).write_bytes(path.read_bytes())
    names = [path.name.split("_")[0] for path in graphs]
    plain = replace(PARTS["connectivity"], files=())
    for listed, said in ((names, ""), (names[1:], f"has no scan '{names[0]}'"), ([*names, "other"], "scan 'other'")):
        (tmp_path / "connectivity" / "scans.txt").write_text("\n".join(listed))
        if said:
            with pytest.raises(InputError, match=said):
                verify_part(plain, tmp_path)
        else:
            assert verify_part(plain, tmp_path) == (len(names) + 1, 0)


def test_an_empty_folder_has_nothing_to_verify(data):
    result = data("verify")
    assert (result.code, result.errors.count("\n")) == (2, 1)
    assert "has no data; run `python scripts/data.py fetch r2r connectivity`." in result.errors


# --- the table of parts ---


def test_parts_have_addresses_and_places_of_their_own():
    files = [file for part in PARTS.values() for file in part.files]
    assert len({file.url for file in files}) == len({file.path for file in files}) == len(files)
    assert len(set(SCANS.split())) == 90
    for part in PARTS.values():
        assert bool(part.files) != bool(part.by_hand)
        assert find_part(part.name, PARTS) is part
        for file in part.files:
            assert file.url.startswith("https://")
            assert f"{file.path}/".startswith(part.folder)
            assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)


def test_missing_data_names_the_command_that_fetches_it(tmp_path):
    with pytest.raises(InputError, match="python scripts/data.py fetch r2r connectivity"):
        find_data(tmp_path)
    with pytest.raises(InputError, match="python scripts/data.py fetch fgr2r"):
        split_file(tmp_path, "fgr2r", "train")
    result = run_script("doctor.py", "r2r-navigator", "--data", tmp_path, "--json", cache=tmp_path)
    assert "python scripts/data.py fetch captions" in json.loads(result.output)["captions"]["needs"]
