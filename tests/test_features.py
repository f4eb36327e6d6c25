"""View features: captions, the field's feature files, and the errors for bad ones."""

import base64
import csv
import json
import lzma
import os

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.errors import InputError
from vln.features import blind_table, open_features
from vln.features.captions import (
    BOX_CAPTION,
    CLASS,
    IMAGE_CAPTION,
    WHOLE_IMAGE,
    Mentions,
    content_words,
    load_captions,
    merge,
    tabulate,
)
from vln.features.hdf5 import load_hdf5
from vln.features.resnet_tsv import COLUMNS, load_resnet_tsv
from vln.graph import VIEWS, NavigationGraph

BOX = (0.5, 0.2, 0.25, 0.75)
SURE = (0.9, 0.1, 0.5, 0.25)


def graph(scan, *viewpoints):
    n = len(viewpoints)
    return NavigationGraph(scan, viewpoints, np.zeros((n, 3)), np.zeros((n, n), dtype=bool))


def bag(table, scan, viewpoint, view):
    """Words of a view with their attributes."""
    row = table.index[scan, viewpoint]
    pairs = zip(table.words[row, view], table.attributes[row, view], strict=True)
    return {table.vocabulary[word]: tuple(np.round(place.astype(float), 3)) for word, place in pairs if word}


def random_features(seed, width, dtype=np.float32):
    return np.random.default_rng(seed).random((VIEWS, width)).astype(dtype)


# --- the words of captions ---


def test_stop_words_and_punctuation_are_dropped_and_classes_split():
    assert content_words("A close up view of a Living-room, with two chairs.") == ("living", "room", "two", "chairs")
    assert content_words("potted plant") == ("potted", "plant")


def mentions_of(*mentions):
    collected = Mentions({})
    collected.keys.append(("s", "v"))
    for view, kind, box, text in mentions:
        collected.add(view, kind, box, text.split())
    return collected


def merged(*mentions):
    collected = mentions_of(*mentions)
    names = {number: word for word, number in collected.vocabulary.items()}
    entries = merge(collected)
    rows = zip(entries.view, entries.word, entries.attributes, strict=True)
    return [(int(view), names[int(word)], tuple(np.round(place.astype(float), 3))) for view, word, place in rows]


@pytest.mark.parametrize(
    ("mentions", "place"),
    [
        ([(0, IMAGE_CAPTION, WHOLE_IMAGE, "bed")], WHOLE_IMAGE),
        ([(0, CLASS, BOX, "bed")], BOX),
        ([(0, CLASS, BOX, "bed"), (0, CLASS, SURE, "bed")], SURE),
        ([(0, BOX_CAPTION, SURE, "bed"), (0, CLASS, BOX, "bed")], (0.9, *BOX[1:])),
        ([(0, IMAGE_CAPTION, WHOLE_IMAGE, "bed"), (0, BOX_CAPTION, BOX, "bed bed")], (1, *BOX[1:])),
    ],
    ids=["whole image", "box", "surest box", "class before caption", "box before whole image"],
)
def test_a_word_of_a_view_is_one_entry(mentions, place):
    for order in (mentions, mentions[::-1]):
        assert merged(*order) == [(0, "bed", place)]


def test_entries_stand_by_view_then_confidence_then_area():
    found = merged(
        (1, CLASS, BOX, "bed"),
        (1, IMAGE_CAPTION, WHOLE_IMAGE, "room"),
        (0, CLASS, SURE, "sink"),
        (1, CLASS, SURE, "tv"),
    )
    assert [(view, word) for view, word, _ in found] == [(0, "sink"), (1, "room"), (1, "tv"), (1, "bed")]


TEXT = st.lists(st.sampled_from(["bed", "chair", "room", "white", "door"]), max_size=4).map(" ".join)
SHARE = st.floats(1 / 64, 1, width=32)
BOXES = st.tuples(
    st.integers(0, 35), st.sampled_from([CLASS, BOX_CAPTION]), st.tuples(SHARE, SHARE, SHARE, SHARE), TEXT
)
IMAGES = st.tuples(st.integers(0, 35), st.just(IMAGE_CAPTION), st.just(WHOLE_IMAGE), TEXT)


@given(st.lists(BOXES | IMAGES, max_size=12))
def test_merging_keeps_every_word_of_every_view_once(mentions):
    found = merged(*mentions)
    assert sorted({(view, word) for view, _, _, text in mentions for word in text.split()}) == sorted(
        (view, word) for view, word, _ in found
    )
    for view, word, place in found:
        boxes = [box for other, _, box, text in mentions if other == view and word in text.split()]
        assert place[0] == pytest.approx(max(box[0] for box in boxes), abs=1e-3)
        assert any(place[1:] == pytest.approx(box[1:], abs=1e-3) for box in boxes)


def test_the_table_drops_rare_words_and_what_does_not_fit():
    common = [f"word{n:02}" for n in range(30)]
    every = [
        (view, CLASS, (1 - n / 100, 0.1, 0.5, 0.5), word) for view in range(VIEWS) for n, word in enumerate(common)
    ]
    rare = [(view, CLASS, SURE, "rare") for view in range(19)]
    collected = mentions_of(*every, *rare)
    vocabulary, arrays, dropped = tabulate(merge(collected), list(collected.vocabulary), 1)
    assert vocabulary == ("<pad>", *common)
    assert arrays["words"].shape == (1, VIEWS, 24)
    assert [vocabulary[n] for n in arrays["words"][0, 7]] == common[:24]
    assert arrays["attributes"][0, 7, :, 0] == pytest.approx(1 - np.arange(24) / 100, abs=1e-3)
    assert dropped == pytest.approx(6 / 30)


# --- captions on disk ---


def caption_view(text="a bed in a room", boxes=()):
    fields = ("obj_class", "coordinates", "confidence", "caption")
    return {"global_cap": text, "dense_cap": [dict(zip(fields, box, strict=True)) for box in boxes]}


def write_views(folder, scan, viewpoints):
    (folder / "views").mkdir(exist_ok=True)
    path = folder / "views" / f"{scan}.json.xz"
    path.write_bytes(lzma.compress(json.dumps(viewpoints).encode()))
    return path


def panorama(**views):
    return {str(view): views.get(f"v{view}", caption_view()) for view in range(VIEWS)}


@pytest.fixture
def folder(tmp_path):
    sofa = ("bed", "160 120 480 360", "0.50", "a bed with a room")
    write_views(tmp_path, "house", {"a": panorama(v3=caption_view("a room", [sofa])), "b": panorama()})
    write_views(tmp_path, "annex", {"a": panorama()})
    return tmp_path


def test_captions_become_words_with_places(folder, tmp_path):
    table = load_captions(folder, tmp_path / "cache")
    assert table.vocabulary == ("<pad>", "bed", "room")
    assert bag(table, "house", "a", 0) == {"bed": WHOLE_IMAGE, "room": WHOLE_IMAGE}
    assert bag(table, "house", "a", 3) == {"room": (1, 0.25, 0.5, 0.5), "bed": (0.5, 0.25, 0.5, 0.5)}
    assert table.words.dtype == np.int16
    assert table.attributes.dtype == np.float16
    assert table.words.shape == (3, VIEWS, 2)


def test_captions_of_boxes_can_be_left_out(folder, tmp_path):
    table = open_features("captions-short", folder, tmp_path / "cache")
    assert bag(table, "house", "a", 3) == {"room": WHOLE_IMAGE, "bed": (0.5, 0.25, 0.5, 0.5)}


def test_the_second_load_maps_what_the_first_one_wrote(folder, tmp_path, monkeypatch):
    first = load_captions(folder, tmp_path / "cache")
    monkeypatch.setattr("vln.features.captions._build", None)
    second = open_features("captions", folder, tmp_path / "cache")
    assert isinstance(second.words, np.memmap)
    assert not second.words.flags.writeable
    assert (second.words == first.words).all()
    assert (second.attributes == first.attributes).all()
    assert (second.index, second.vocabulary, second.source_hash) == (first.index, first.vocabulary, first.source_hash)


def test_changed_captions_are_read_again(folder, tmp_path):
    before = load_captions(folder, tmp_path / "cache")
    write_views(folder, "annex", {"a": panorama(v0=caption_view("a room"))})
    after = load_captions(folder, tmp_path / "cache")
    assert after.source_hash != before.source_hash
    assert set(bag(before, "annex", "a", 0)) == {"bed", "room"}
    assert set(bag(after, "annex", "a", 0)) == {"room"}


@pytest.mark.parametrize("damage", ["words.npy", "manifest.json"])
def test_a_damaged_cache_is_built_again(folder, tmp_path, damage):
    load_captions(folder, tmp_path / "cache")
    (place,) = (tmp_path / "cache").iterdir()
    (place / damage).write_bytes((place / damage).read_bytes()[:150])
    assert bag(load_captions(folder, tmp_path / "cache"), "house", "b", 0) == {"bed": WHOLE_IMAGE, "room": WHOLE_IMAGE}


def test_the_cache_follows_the_environment(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VLN_CACHE", str(tmp_path / "elsewhere"))
    load_captions(folder)
    assert list((tmp_path / "elsewhere").iterdir())


def test_buildings_can_be_chosen(folder, tmp_path):
    table = load_captions(folder, tmp_path / "cache", scans=["house"])
    assert set(table.index) == {("house", "a"), ("house", "b")}
    with pytest.raises(InputError, match=r"shed\.json\.xz: the captions of scan 'shed' are missing"):
        load_captions(folder, tmp_path / "cache", scans=["house", "shed"])


def test_a_folder_without_captions_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no file <scan>\.json\.xz"):
        load_captions(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        (("bed", "160 120 480", "0.50", "a bed"), "viewpoint 'c', view 3"),
        (("bed", "160 120 80 360", "0.50", "a bed"), "box '160 120 80 360'"),
        (("bed", "160 120 640 481", "0.50", "a bed"), "box '160 120 640 481'"),
        (("bed", "160 120 480 nan", "0.50", "a bed"), "box '160 120 480 nan'"),
        (("bed", "160 120 480 360", "nan", "a bed"), "confidence 'nan'"),
        (("bed", "160 120 480 360", None, "a bed"), r"field 'dense_cap\[0\].confidence' of viewpoint 'c', view 3"),
        (("bed", "160 120 480 360", "0.50", 7), "viewpoint 'c', view 3"),
        ((["bed"], "160 120 480 360", "0.50", "a bed"), "viewpoint 'c', view 3"),
    ],
)
def test_a_bad_box_is_named(folder, tmp_path, box, problem):
    write_views(folder, "annex", {"c": panorama(v3=caption_view(boxes=[box]))})
    with pytest.raises(InputError, match=rf"annex\.json\.xz: .*{problem}"):
        load_captions(folder, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_missing_view_is_named(folder, tmp_path):
    views = panorama()
    del views["35"]
    write_views(folder, "annex", {"c": views})
    with pytest.raises(InputError, match="viewpoint 'c', view 35"):
        load_captions(folder, tmp_path / "cache")


@pytest.mark.parametrize(
    "content", [b"", b"{}", lzma.compress(b'{"a": {'), lzma.compress(b"[]"), lzma.compress(b"\xff")]
)
def test_a_file_that_is_not_compressed_json_is_named(folder, tmp_path, content):
    (folder / "views" / "annex.json.xz").write_bytes(content)
    with pytest.raises(InputError, match=r"annex\.json\.xz: is (truncated or|malformed|byte 0 is not UTF-8)"):
        load_captions(folder, tmp_path / "cache")


@given(cut=st.integers(1, 80))
def test_truncated_captions_are_named(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("truncated")
    path = write_views(folder, "house", {"a": panorama()})
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match="truncated"):
        load_captions(folder, folder / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match="locked"):
        load_captions(folder, tmp_path / "locked" / "cache")


def test_a_cache_below_a_file_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        load_captions(folder, tmp_path / "file" / "cache")


def test_published_captions_say_what_was_seen(data, tmp_path):
    table = load_captions(data, tmp_path, scans=["17DRP5sb8fy"])
    words = bag(table, "17DRP5sb8fy", "30c97842da204e6290ac32904c924e17", 0)
    # "a living room with a couch a chair and a bed"; the surer of three beds has 0.60, the chair fills 182-405, 0-243.
    assert words["couch"] == WHOLE_IMAGE
    assert words["chair"] == pytest.approx((1, 0.176, 293.5 / 640, 121.5 / 480), abs=2e-3)
    assert words["bed"] == pytest.approx((1, 0.103, 511 / 640, 62.5 / 480), abs=2e-3)
    assert words["blue"][0] == pytest.approx(0.71, abs=1e-3)
    assert len(table.index) == 44


# --- the table ---


def test_rows_follow_the_order_of_the_graphs(folder, tmp_path):
    table = load_captions(folder, tmp_path / "cache")
    rows = table.rows([graph("house", "b", "a"), graph("annex", "a")])
    assert rows.dtype == np.int64
    assert rows.tolist() == [table.index[key] for key in (("house", "b"), ("house", "a"), ("annex", "a"))]
    assert table.rows([]).shape == (0,)


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        (graph("house", "a", "z"), "features of viewpoint 'z' of scan 'house' are missing"),
        (graph("house", "y", "z"), "features of viewpoint 'y' of scan 'house' and of 1 more viewpoints are missing"),
        (graph("shed", "q"), r"features of scan 'shed' \(viewpoint 'q'\) are missing"),
    ],
)
def test_missing_viewpoints_are_named_when_asked_for(folder, tmp_path, missing, problem):
    table = load_captions(folder, tmp_path / "cache")
    with pytest.raises(InputError, match=problem):
        table.rows([graph("annex", "a"), missing])


def test_a_blind_agent_sees_nothing_anywhere(tmp_path):
    table = open_features("none", tmp_path)
    rows = table.rows([graph("anything", "a", "b")])
    assert table.blind
    assert table.dense[rows].shape == (2, VIEWS, 0)
    assert table.name == blind_table().name == "none"


@pytest.mark.parametrize("name", ["caption", "resnet", "features.npy", ""])
def test_unknown_features_are_named(tmp_path, name):
    with pytest.raises(InputError, match=f"features: '{name}' is not known; use 'captions'"):
        open_features(name, tmp_path)


# --- ResNet TSV ---


def write_tsv(path, rows):
    """As scripts/precompute_img_features.py of the Matterport3D simulator writes it."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, delimiter="\t", fieldnames=COLUMNS)
        for scan, viewpoint, features in rows:
            encoded = features if isinstance(features, str) else base64.b64encode(features).decode()
            writer.writerow(dict(zip(COLUMNS, (scan, viewpoint, 640, 480, 60, encoded), strict=True)))
    return path


def test_a_resnet_file_becomes_a_dense_table(tmp_path):
    first, second = random_features(0, 2048), random_features(1, 2048)
    path = write_tsv(tmp_path / "ResNet-152-imagenet.tsv", [("house", "a", first), ("annex", "a", second)])
    table = open_features(str(path), tmp_path, tmp_path / "cache")
    assert table.name == "ResNet-152-imagenet"
    assert table.dense.shape == (2, VIEWS, 2048)
    assert table.dense.dtype == np.float16
    rows = table.rows([graph("annex", "a"), graph("house", "a")])
    assert table.dense[rows] == pytest.approx(np.stack([second, first]).astype(np.float16))
    assert not table.blind
    with pytest.raises(InputError, match=r"imagenet\.tsv: features of scan 'shed'"):
        table.rows([graph("shed", "a")])


def test_a_feature_file_is_converted_once_and_again_when_it_changes(tmp_path):
    path = write_tsv(tmp_path / "f.tsv", [("house", "a", random_features(0, 8))])
    first = load_resnet_tsv(path, tmp_path / "cache", 8)
    assert isinstance(first.dense, np.memmap)
    (array,) = (tmp_path / "cache").glob("*/dense.npy")
    written = array.stat().st_mtime_ns
    assert load_resnet_tsv(path, tmp_path / "cache", 8).source_hash == first.source_hash
    assert array.stat().st_mtime_ns == written
    write_tsv(path, [("house", "a", random_features(1, 8)), ("house", "b", random_features(2, 8))])
    assert len(load_resnet_tsv(path, tmp_path / "cache", 8).index) == 2


def with_value(value):
    features = random_features(0, 8)
    features[17, 5] = value
    return features


ENCODED = base64.b64encode(random_features(0, 8)).decode()


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        (random_features(0, 9), "field 'features' of line 2 has 1296 bytes, not 1152"),
        (ENCODED[:-4], "field 'features' of line 2 has 1149 bytes, not 1152"),
        (ENCODED[:-3], "field 'features' of line 2 is truncated or not base64"),
        ("!" + ENCODED[1:], "field 'features' of line 2 is truncated or not base64"),
        ("", "field 'features' of line 2 has 0 bytes"),
        (with_value(np.nan), "features of scan 'house', viewpoint 'b', view 17 are not finite"),
        (with_value(-np.inf), "features of scan 'house', viewpoint 'b', view 17 are not finite"),
        (with_value(1e6), "feature of scan 'house', viewpoint 'b' exceeds 65504"),
    ],
)
def test_bad_features_of_a_tsv_are_named(tmp_path, features, problem):
    path = write_tsv(tmp_path / "f.tsv", [("house", "a", random_features(0, 8)), ("house", "b", features)])
    with pytest.raises(InputError, match=rf"f\.tsv: .*{problem}"):
        load_resnet_tsv(path, tmp_path / "cache", 8)
    assert not list((tmp_path / "cache").glob("*/*"))


def test_a_cut_or_repeated_line_of_a_tsv_is_named(tmp_path):
    row = ("house", "a", random_features(0, 8))
    path = write_tsv(tmp_path / "f.tsv", [row, row])
    with pytest.raises(InputError, match="viewpoint 'a' of scan 'house' occurs twice"):
        load_resnet_tsv(path, tmp_path / "cache", 8)
    path.write_bytes(b"house\ta\t640\n")
    with pytest.raises(InputError, match="line 1 has 3 columns, not 6"):
        load_resnet_tsv(path, tmp_path / "cache", 8)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        load_resnet_tsv(path, tmp_path / "cache", 8)


@pytest.mark.parametrize("name", ["absent.tsv", "absent.hdf5"])
def test_a_missing_feature_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match=f"{name}: the feature file does not exist"):
        open_features(str(tmp_path / name), tmp_path, tmp_path / "cache")


# --- HDF5 ---


def write_hdf5(path, rows):
    """As preprocess/precompute_img_features_vit.py of HAMT writes it."""
    with h5py.File(path, "w") as file:
        for scan, viewpoint, features in rows:
            key = f"{scan}_{viewpoint}"
            file.create_dataset(key, features.shape, dtype="float", compression="gzip")
            file[key][...] = features
            camera = {"scanId": scan, "viewpointId": viewpoint, "image_w": 640, "image_h": 480, "vfov": 60}
            file[key].attrs.update(camera)
    return path


def test_an_hdf5_file_becomes_a_dense_table_without_the_logits(tmp_path):
    first, second = random_features(0, 1768), random_features(1, 1768)
    rows = [("new_house", "b", first), ("annex", "a", second)]
    path = write_hdf5(tmp_path / "pth_vit_base_patch16_224_imagenet.hdf5", rows)
    table = open_features(str(path), tmp_path, tmp_path / "cache")
    assert table.dense.shape == (2, VIEWS, 768)
    ordered = table.dense[table.rows([graph("new_house", "b"), graph("annex", "a")])]
    assert ordered == pytest.approx(np.stack([first, second])[..., :768].astype(np.float16))
    assert load_hdf5(path, tmp_path / "cache").index == table.index
    whole = open_features(str(path), tmp_path, tmp_path / "cache", feature_size=1768)
    assert whole.dense.shape == (2, VIEWS, 1768)


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        (random_features(0, 7), r"data set 'house_b' has shape \(36, 7\), not \(36, 8 or more\)"),
        (random_features(0, 8)[:35], r"data set 'house_b' has shape \(35, 8\)"),
        (random_features(0, 8)[0], r"data set 'house_b' has shape \(8,\)"),
        (with_value(np.nan), "features of scan 'house', viewpoint 'b', view 17 are not finite"),
    ],
)
def test_bad_features_of_an_hdf5_file_are_named(tmp_path, features, problem):
    path = write_hdf5(tmp_path / "f.h5", [("house", "a", random_features(0, 8)), ("house", "b", features)])
    with pytest.raises(InputError, match=rf"f\.h5: .*{problem}"):
        load_hdf5(path, tmp_path / "cache", 8)
    assert not list((tmp_path / "cache").glob("*/*"))


def test_an_hdf5_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["nothing"] = np.zeros((VIEWS, 8))
    with pytest.raises(InputError, match="key 'nothing' is not a data set <scan>_<viewpoint> of floats"):
        load_hdf5(path, tmp_path / "cache", 8)
    with h5py.File(path, "w") as file:
        file["house_a"] = np.zeros((VIEWS, 8), dtype=bool)
    with pytest.raises(InputError, match="key 'house_a'"):
        load_hdf5(path, tmp_path / "cache", 8)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(InputError, match="has no viewpoints"):
        load_hdf5(path, tmp_path / "cache", 8)


@pytest.mark.parametrize("size", [0, 100, 0.5])
def test_a_truncated_hdf5_file_is_named(tmp_path, size):
    path = write_hdf5(tmp_path / "f.hdf5", [("house", name, random_features(n, 64)) for n, name in enumerate("abcd")])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * size) if isinstance(size, float) else size])
    with pytest.raises(InputError, match=r"f\.hdf5: is truncated or damaged"):
        load_hdf5(path, tmp_path / "cache", 64)
