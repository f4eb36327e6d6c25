"""The tasks that come with the package.

Those of VLN-CE are as its code configures them (https://github.com/jacobkrantz/VLN-CE, habitat_extensions/config:
`vlnce_task.yaml` for R2R, `rxr_vlnce_english_task.yaml` and its siblings for RxR), with habitat's own values where
those files say nothing. RxR's actions to look up and down are left out: cameras here are level.
"""

from dataclasses import replace

from vln.tasks.rewards import ProgressReward
from vln.tasks.success import WithinRadius
from vln.tasks.task import Body, Camera, Motion, Task, register_task

LABELS = ("category", "colour", "room", "target", "way")  # of pixels, in continuous worlds
IN_METRES = ProgressReward("metres", progress_weight=1.0, success=3.0, failure=-0.5)
CUSTOM = Task("custom", "custom")  # of environments that are put together by hand

R2R = register_task(Task("r2r", "r2r", max_steps=10))
for _task in (
    Task("r2r-low-level", "r2r", actions="low-level", max_steps=40),
    Task("r4r", "r4r", max_steps=20),
    Task("r4r-low-level", "r4r", actions="low-level", max_steps=80),
    Task("fgr2r", "fgr2r", max_steps=10),
):
    register_task(_task)

HOUSES = Task(
    "houses",
    "houses",
    scenes="houses",
    simulator="embedded",
    actions="low-level",
    body=Body(radius=0.15),
    motion=Motion(forward=0.5, turn=22.5),
    max_steps=150,
    reward=IN_METRES,
    success=WithinRadius(1.5),
    metrics="walk",
    privileged=LABELS,
)
FINE = Motion(forward=0.25, turn=15.0)
# Names and step limits; an expert takes some third of them, or some two thirds where moves are fine.
HOUSE_DATASETS = {"houses-short": 60, "houses": 150, "houses-long": 300}
for _name, _steps in HOUSE_DATASETS.items():
    _task = register_task(replace(HOUSES, name=_name, dataset=_name, max_steps=_steps))
    register_task(replace(_task, name=f"{_name}-fine", motion=FINE))

R2R_CE = register_task(
    replace(
        HOUSES,
        name="r2r-ce",
        dataset="r2r-ce",
        scenes="scans",
        simulator="habitat",
        body=Body(radius=0.1, height=1.5),
        motion=Motion(forward=0.25, turn=15.0, sliding=True),
        camera=Camera(eye=1.25, hfov=90.0, width=224, height=224),
        max_steps=500,
        reward=replace(IN_METRES, failure=0.0),
        success=WithinRadius(),
        metrics="vln-ce",
    )
)
register_task(
    replace(
        R2R_CE,
        name="rxr-ce",
        dataset="rxr-ce",
        body=Body(radius=0.18, height=0.88),
        motion=Motion(forward=0.25, turn=30.0, sliding=False),
        camera=Camera(eye=0.88, hfov=79.0, width=640, height=480),
    )
)
