"""The parts of the data folder: what each is, and from where it comes.

Addresses are those that the data sets' own repositories give; files of a repository are taken at a fixed commit. A file
on Google Drive is named by the id in its link.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vln.downloads.unpack import captions, objects, zip_folder
from vln.errors import InputError, unknown_name

GITHUB = "https://raw.githubusercontent.com"
SIMULATOR = f"{GITHUB}/peteanderson80/Matterport3DSimulator/589d091b111333f9e9f9d6cfd021b2eb68435925/connectivity"
FGR2R = f"{GITHUB}/YicongHong/Fine-Grained-R2R/305ed4cd219d79306bc38650899edc14cfdcfb69/data"
REVERIE_COMMIT = "0fe0955705c4c998729c33f59b1a4e965ab86e27"
REVERIE = f"{GITHUB}/YuankaiQi/REVERIE/{REVERIE_COMMIT}/tasks/REVERIE/data_v2"
REVERIE_ALL = f"https://codeload.github.com/YuankaiQi/REVERIE/tar.gz/{REVERIE_COMMIT}"
SPEAKER_FOLLOWER = f"{GITHUB}/ronghanghu/speaker_follower/e4dcdf923ecacf7893397bd9821377e71e32a75a/tasks/R2R/data"
DROPBOX = "https://www.dropbox.com/s/{}?dl=1"
DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"
RXR = "https://storage.googleapis.com/rxr-data"
CVDN = "https://cvdn.dev/dataset/NDH"
MATTERPORT = "the terms of use of Matterport3D"
SCANS = (
    "17DRP5sb8fy 1LXtFkjw3qL 1pXnuDYAj8r 29hnd4uzFmX 2azQ1b91cZZ 2n8kARJN3HM 2t7WUuJeko7 5LpN3gDmAk7 5q7pvUzZiYa "
    "5ZKStnWn8Zo 759xd9YjKW5 7y3sRwLe3Va 8194nk5LbLH 82sE5b5pLXE 8WUmhLawc2A aayBHfsNo7d ac26ZMwG7aT ARNzJeq3xxb "
    "B6ByNegPMKs b8cTxDM8gDG cV4RVeZvu5T D7G3Y4RVNrH D7N2EKCX4Sj dhjEzFoUFzH E9uDoFAP3SH e9zR4mvMWw7 EDJbREhghzL "
    "EU6Fwq7SyZv fzynW3qQPVF GdvgFV5R1Z5 gTV8FGcVJC9 gxdoqLR6rwA gYvKGZ5eRqb gZ6f7yhEvPG HxpKQynjfin i5noydFURQK "
    "JeFG25nYj2p JF19kD82Mey jh4fc5c5qoQ JmbYfDe2QKZ jtcxE69GiFV kEZ7cmS4wCh mJXqzFtmKg4 oLBMNvg9in8 p5wJjkQkbXX "
    "pa4otMbVnkk pLe4wQe7qrG Pm6F8kyY3z2 pRbA3pwrgk9 PuKPg4mmafe PX4nDJXEHrG q9vSo1VnCiC qoiz87JEwZ2 QUCTc6BB5sX "
    "r1Q1Z4BcV1o r47D5H71a5s rPc6DW4iMge RPmz2sHmrrY rqfALeAoiTq s8pcmisQ38h S9hNv5qa7GM sKLMLpTHeUy SN83YJsR3w2 "
    "sT4fr6TAbpF TbHJrupSAjP ULsKaCPVFJR uNb9QFRL6hY ur6pFq6Qu1A UwV83HsGsw3 Uxmj2M2itWa V2XKFyX4ASd VFuaQ6m2Qom "
    "VLzqgDo317F Vt2qJdWjCF2 VVfe2KiqLaN Vvot9Ly1tCj vyrNrziPKCB VzqfbhrpDEA wc2JMjhGNzB WYY7iVyf5p8 X7HyMhZNoso "
    "x8F5xyUWy9e XcA2TqTSSAj YFuZgdQ5vWj YmJkqBEsHnH yqstnuAEVhm YVUC4YcDtcY Z6MFQCViBuw ZMojNkEp431 zsNo4HB9uLZ"
)


@dataclass(frozen=True)
class File:
    """A file to fetch."""

    url: str
    path: str  # of what it becomes in the data folder: a file, or a folder
    sha256: str = ""  # of what is fetched; empty where nobody says it
    unpack: Callable[[Path, Path], None] | None = None  # writes what it becomes; None moves it there


@dataclass(frozen=True)
class Part:
    """A part of the data folder."""

    name: str
    holds: str  # pattern of its files in the data folder, whose first component is the part's folder
    what: str
    licence: str
    page: str  # where it is published
    files: tuple[File, ...] = ()
    by_hand: str = ""  # how to come by it if there is no file to fetch
    use: str = ""  # what needs it beside presets
    need: str = ""  # its name among what presets need (agents/requirements.py), if that is another

    def check_fetchable(self) -> None:
        """Check that a program can fetch it; the InputError says how else it is had."""
        if not self.files:
            problem = f"cannot be fetched by a program; see {self.page}"
            raise InputError(f"data '{self.name}'", problem, self.by_hand)

    @property
    def folder(self) -> str:
        """The folder in the data folder."""
        return self.holds.split("/")[0] + "/"

    def found(self, data: Path) -> list[Path]:
        """Return its files in a data folder."""
        return sorted(each for each in Path(data).glob(self.holds) if each.is_file())

    def missing(self, data: Path) -> list[File]:
        """Return the files to fetch that are not in a data folder."""
        return [file for file in self.files if not _here(Path(data) / file.path)]


def _here(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def find_part(name: str, parts: Mapping[str, Part]) -> Part:
    """Return a part by its name."""
    if name not in parts:
        raise unknown_name("data", name, parts)
    return parts[name]


def _each(base: str, folder: str, hashes: Mapping[str, str]) -> tuple[File, ...]:
    """Return files that are published beside each other, and kept under their names."""
    return tuple(File(f"{base}/{name}", f"{folder}/{name}", sha256) for name, sha256 in hashes.items())


def _by_name(parts: Sequence[Part]) -> dict[str, Part]:
    return {part.name: part for part in parts}


PARTS = _by_name(
    [
        Part(
            "r2r",
            "r2r/R2R_*.json",
            "Room-to-Room: paths and instructions",
            f"MIT (code of the simulator); {MATTERPORT}",
            "https://github.com/peteanderson80/Matterport3DSimulator",
            tuple(
                File(DROPBOX.format(f"{key}/R2R_{split}.json"), f"r2r/R2R_{split}.json", sha256)
                for split, key, sha256 in (
                    ("train", "hh5qec8o5urcztn", ""),
                    ("val_seen", "8ye4gqce7v8yzdm", "755633db9d5e64d5ca71d329c5046bb722781a09f0d1d501d7e8d094c83652ec"),
                    (
                        "val_unseen",
                        "p6hlckr70a07wka",
                        "1cc730adc1c098998ac9191462849fc725e0c5336984a35bfbac7d5f044e682c",
                    ),
                    ("test", "w4pnbwqamwzdwd1", "f7e28b527ab7fd209010439b327269c18d315888c68ecc81486ef20d58046f10"),
                )
            ),
        ),
        Part(
            "connectivity",
            "connectivity/*",
            "navigation graph of each building, and scans.txt",
            f"MIT; {MATTERPORT}",
            "https://github.com/peteanderson80/Matterport3DSimulator/tree/master/connectivity",
            (
                File(
                    f"{SIMULATOR}/scans.txt",
                    "connectivity/scans.txt",
                    "a09a1f19b6facc68dfb240110b4ff2183bd2b5a5af61badbdcd234319ccd3c39",
                ),
                *_each(SIMULATOR, "connectivity", {f"{scan}_connectivity.json": "" for scan in SCANS.split()}),
            ),
            use="every task on graphs",
            need="navigation graphs",
        ),
        Part(
            "glove",
            "glove/train_*",
            "GloVe vectors (300) of the words of R2R",
            "BSD-2-Clause (Speaker-Follower); GloVe: PDDL",
            "https://github.com/ronghanghu/speaker_follower",
            _each(
                SPEAKER_FOLLOWER,
                "glove",
                {
                    "train_glove.npy": "c88f7cbbb55de860d4252f76a4d1c8d89942ffd0cf242876ccc28b6b62dd001f",
                    "train_vocab.txt": "ab08ba5728a3134ff311ecf861cf00571a93d9eedae20af54b8a31b89fb5e1a6",
                },
            ),
            need="word vectors",
        ),
        Part(
            "captions",
            "views/*.json.xz",
            "caption and detections of the 36 views of each viewpoint (LangNav)",
            f"MIT; {MATTERPORT}",
            "https://github.com/pbw-Berwin/LangNav",
            (File(DRIVE.format("1X7F48q--15h8cdzA_A5NozHtRJdtJsI8"), "views", unpack=captions),),
            use="--features captions",
        ),
        Part(
            "r4r",
            "r4r/R4R_*.json",
            "Room-for-Room: R2R paths joined in pairs",
            "Apache-2.0 (the program that makes it)",
            "https://github.com/google-research/google-research/tree/master/r4r",
            by_hand="its program r4r_generate_data.py makes R4R_<split>.json of R2R_<split>.json and connectivity/",
            use="--task r4r",
        ),
        Part(
            "fgr2r",
            "fgr2r/FGR2R_*.json",
            "Fine-Grained R2R: clauses aligned to the path",
            "MIT",
            "https://github.com/YicongHong/Fine-Grained-R2R",
            _each(
                FGR2R,
                "fgr2r",
                {
                    "FGR2R_train.json": "",
                    "FGR2R_val_seen.json": "7e8c4b516ac896b340c3e2d5e898343359b5748f687d74718a23cbf4acf6e166",
                    "FGR2R_val_unseen.json": "9f15b5ac72b444e02d61c4eac44935508cf3c6cf2d8fdd5a0e13df3f52accbf0",
                },
            ),
            use="--task fgr2r",
        ),
        Part(
            "rxr",
            "rxr/*.jsonl.gz",
            "Room-across-Room: English, Hindi and Telugu",
            f"CC BY 4.0; {MATTERPORT}",
            "https://github.com/google-research-datasets/RxR",
            _each(
                RXR,
                "rxr",
                {
                    f"rxr_{name}.jsonl.gz": ""
                    for name in (
                        *("train_guide", "val_seen_guide", "val_unseen_guide", "test_standard_public_guide"),
                        *("train_follower", "val_seen_follower", "val_unseen_follower"),
                    )
                },
            ),
        ),
        Part(
            "reverie",
            "reverie/*",
            "REVERIE v2: objects to find, and the objects of each viewpoint",
            "none stated",
            "https://github.com/YuankaiQi/REVERIE",
            (
                *_each(
                    REVERIE,
                    "reverie",
                    {
                        "REVERIE_train.json": "67ce4fd05a0eaf6fd3bb7dad32d671330e7a91fa8dedfc5ca8f002a7304aceb4",
                        "REVERIE_val_seen.json": "6776ce0c5e8c2c928742c05c693a353e30e15fab293e441991c65f700a876b61",
                        "REVERIE_val_unseen.json": "c150d0ffec4484a45c710ad240ae6b62ffa05626c2bb46a9d69ac93fa6124de5",
                        "REVERIE_test.json": "8b8482ed3252abe194f9e0007bd9486a9b0a5aa55f09a93a546f119afc096afa",
                    },
                ),
                File(REVERIE_ALL, "reverie/objects.json.xz", unpack=objects),
            ),
        ),
        Part(
            "cvdn",
            "ndh/*.json",
            "navigation from dialog history (CVDN)",
            f"MIT; {MATTERPORT}",
            "https://github.com/mmurray/cvdn",
            (
                *_each(
                    f"{CVDN}/train_val", "ndh", {f"{each}.json": "" for each in ("train", "val_seen", "val_unseen")}
                ),
                File(f"{CVDN}/test_cleaned/test_cleaned.json", "ndh/test.json"),
            ),
        ),
        Part(
            "r2r-ce",
            "vlnce/R2R_VLNCE_v1-*/*/*.json.gz",
            "R2R in continuous environments",
            f"MIT (code of VLN-CE); {MATTERPORT}",
            "https://github.com/jacobkrantz/VLN-CE",
            (
                File(
                    DRIVE.format("1fo8F4NKgZDH-bPSdVU3cONAkt5EW-tyr"),
                    "vlnce/R2R_VLNCE_v1-3_preprocessed",
                    unpack=zip_folder,
                ),
            ),
            use="--task r2r-ce",
        ),
        Part(
            "rxr-ce",
            "vlnce/RxR_VLNCE_v*/*/*.json.gz",
            "RxR in continuous environments",
            f"CC BY 4.0; {MATTERPORT}",
            "https://github.com/jacobkrantz/VLN-CE",
            (File(DRIVE.format("145xzLjxBaNTbVgBfQ8e9EsBAV8W-SM0t"), "vlnce/RxR_VLNCE_v0", unpack=zip_folder),),
            use="--task rxr-ce",
        ),
        Part(
            "rooms",
            "rooms/*",
            "room labels of the viewpoints",
            "none stated",
            "https://github.com/zehao-wang/LAD",
            by_hand="take vp2room_label.json from dataset/REVERIE/annotations there, and write region_label.txt, a "
            "line 'letter,name' for each of Matterport's kinds of rooms",
            use="names on the maps",
        ),
        Part(
            "scans",
            "scene_datasets/mp3d/*/*.glb",
            "the scans of Matterport3D",
            f"{MATTERPORT}, to be signed",
            "https://niessner.github.io/Matterport/",
            by_hand="request them there, fetch them with download_mp.py --task habitat, and unpack them into "
            "scene_datasets/mp3d/<scan>/<scan>.glb",
            use="agents on r2r-ce and rxr-ce",
            need="Matterport3D scenes",
        ),
    ]
)
