"""Several workers that learn as one, each in a process of its own: data-parallel training.

Each worker steps and learns from its rows of every batch, and gradients are averaged before each step, so that all
have the same weights. The first evaluates, logs and saves. `torchrun` starts the workers, or `launch` does.
"""

import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]

from agents.config import TrainConfig
from vln.errors import InputError
from vln.signals import ignoring_interrupts

LOCALHOST = "127.0.0.1"
JOINING = timedelta(minutes=10)  # that workers wait for others to start
WORKING = timedelta(days=1)  # that they wait for one that evaluates; of one that has ended they hear at once
GRACE = 10.0  # seconds in which a worker that is ending must have ended
APART = 0x9E3779B9  # between the seeds of workers: 2**32 over the golden ratio, which hits no other seed for long
T = TypeVar("T")
Helpers = list[tuple[SpawnProcess, Connection]]


class WorkerLost(SystemExit):
    """Another worker has ended, without which none goes on: a message, and exit code 1."""


@dataclass(frozen=True)
class Workers:
    """Worker number `rank`, from 0, of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this worker is the one that evaluates, logs and saves."""
        return self.rank == 0

    @property
    def rows(self) -> slice:
        """This worker's rows of a batch; where batches are sorted by length, all workers have long and short ones."""
        return slice(self.rank, None, self.count)

    def device(self, name: str) -> str:
        """The worker's own device of a kind: GPUs are dealt out in turns."""
        if self.count == 1 or name != "cuda":
            return name
        return f"cuda:{int(os.environ.get('LOCAL_RANK', self.rank)) % max(1, torch.cuda.device_count())}"

    def seed(self, seed: int) -> int:
        """A worker's own seed, from one that all have."""
        return seed + self.rank * APART

    def reseed_per_rank(self, seed: int) -> None:
        """From now on workers have chances of their own; one who is alone goes on with what there is."""
        if self.count > 1:
            torch.manual_seed(self.seed(seed))

    def sum(self, value: Tensor) -> Tensor:
        """The sum of the workers' values."""
        if self.count == 1:
            return value
        with _worker_errors():
            distributed.all_reduce(total := value.detach().clone())
        return total

    def any(self, *facts: bool) -> list[bool]:
        """Whether each of some facts is so for one of the workers, which is found out in one exchange."""
        return (self.sum(torch.tensor(facts).int()) > 0).tolist()

    def cat(self, value: Tensor) -> Tensor:
        """The workers' values, of one shape, joined along the first dimension."""
        if self.count == 1:
            return value
        values = [torch.empty_like(value) for _ in range(self.count)]
        with _worker_errors():
            distributed.all_gather(values, value.contiguous())
        return torch.cat(values)

    def gather(self, own: T) -> list[T]:
        """What each of the workers has to tell, anything that can be pickled."""
        everyones = [own] * self.count
        if self.count > 1:
            with _worker_errors():
                distributed.all_gather_object(everyones, own)
        return everyones

    def mean(self, numbers: dict[str, float]) -> dict[str, float]:
        """The means over workers of numbers by name; NaNs do not count."""
        if self.count == 1:
            return numbers
        everyones = self.gather(numbers)
        values = np.ma.masked_invalid([[each[name] for name in numbers] for each in everyones]).mean(0)
        return dict(zip(numbers, values.filled(np.nan).tolist(), strict=True))

    def on_main(self, act: Callable[[], T]) -> T:
        """What comes of something that the first worker does while the others wait."""
        if self.count == 1:
            return act()
        found: list[Any] = [act() if self.is_main else None]
        with _worker_errors():
            distributed.broadcast_object_list(found)
        return found[0]

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Within the block the first worker is alone, and the others come after; what it caches they find."""
        if not self.is_main:
            self.any(False)
        yield
        if self.is_main:
            self.any(False)

    def divided(self, values: Sequence[Tensor], act: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """What `act` makes of each of some values that all workers have, of the same shape; each does its share."""
        if self.count == 1:
            return [act(value) for value in values]
        biggest_first = sorted(range(len(values)), key=lambda number: -values[number].numel())
        own = set(biggest_first[self.rows])
        made = [act(value) if number in own else torch.zeros_like(value) for number, value in enumerate(values)]
        return self._sums(made)

    def _sums(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The sums of the workers' values, exchanged in one go."""
        if not values:
            return []
        flat = self.sum(torch.cat([value.flatten() for value in values]))
        return [
            part.view_as(value)
            for part, value in zip(torch.split(flat, [value.numel() for value in values]), values, strict=True)
        ]

    def average_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Give all workers the mean of their gradients; whoever has none of a weight counts as zeros."""
        if self.count == 1:
            return
        weights = list(weights)
        reached = self.sum(torch.tensor([each.grad is not None for each in weights]).int())
        moved = [each for each, workers in zip(weights, reached.tolist(), strict=True) if workers]
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in moved]
        for each, total in zip(moved, self._sums(gradients), strict=True):
            each.grad = total / self.count


SINGLE = Workers()


@contextmanager
def _worker_errors() -> Iterator[None]:
    """Within the block others are asked; WorkerLost if one has ended."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise WorkerLost(f"the training ends, since one of its workers has ended ({reason})") from error


# --- how many ---


def check_workers(config: TrainConfig, count: int) -> None:
    """Raise an InputError unless a configuration's batches can be divided among so many workers."""
    if count < 1:
        raise InputError("--workers", f"{count} is out of range", "give a whole number of at least 1")
    if config.batch_size % count:
        problem = f"a batch of {config.batch_size} cannot be divided equally among {count} workers"
        raise InputError("--batch-size", problem, f"give a multiple of {count}, or other --workers")


def workers_wanted(asked: int) -> int:
    """How many workers there are: those that torchrun has started, or those that are asked for."""
    if not distributed.is_torchelastic_launched():
        return asked
    started = int(os.environ["WORLD_SIZE"])
    if asked not in (1, started):
        problem = f"{asked} are asked for, but torchrun has started {started}"
        raise InputError("--workers", problem, "leave it out, or train without torchrun")
    return started


def is_main_here() -> bool:
    """Whether the first worker is this process; others that it starts itself do not ask."""
    return not distributed.is_torchelastic_launched() or os.environ["RANK"] == "0"


# --- starting and ending ---


def launch(task: Callable[[Workers], None], count: int) -> None:
    """Do a task, which can be pickled, with `count` workers: those that torchrun has started, or ones it starts itself.

    What the task raises here is raised, or else what it raised in another worker; WorkerLost if that was killed.
    """
    if count == 1:
        task(SINGLE)
    elif distributed.is_torchelastic_launched():
        with _membership(Workers(int(os.environ["RANK"]), count), None) as workers:
            task(workers)
    else:
        _run_main(task, count)


def _run_main(task: Callable[[Workers], None], count: int) -> None:
    """Be the first worker, and start the others."""
    store = TCPStore(LOCALHOST, 0, count, True, JOINING, wait_for_workers=False)
    helpers: Helpers = []
    try:
        with ignoring_interrupts():  # until they learn; the first worker tells them
            helpers += [_started(task, Workers(rank, count), store.port) for rank in range(1, count)]
        try:
            _wait_until_started(helpers)
            with _membership(Workers(0, count), store) as workers:
                task(workers)
        except WorkerLost:
            raise _cause(helpers) from None
        for process, _ in helpers:
            process.join(GRACE)
    finally:
        for process, report in helpers:
            process.terminate()
            process.join(GRACE)
            process.kill()  # a worker that learns only notes the signal
            process.join()
            report.close()


def _started(task: Callable[[Workers], None], workers: Workers, port: int) -> tuple[SpawnProcess, Connection]:
    """Another worker, and where it reports."""
    context = get_context("spawn")  # forks would lack the threads of compiled code
    report, reporting = context.Pipe(duplex=False)
    process = context.Process(target=_run_worker, args=(task, workers, port, reporting), daemon=True)
    process.start()
    reporting.close()  # so that the worker's end is the end of its reports
    return process, report


def _run_worker(task: Callable[[Workers], None], workers: Workers, port: int, report: Connection) -> None:
    """Be another worker than the first; report that it has started, and what ends it early unless others did."""
    try:
        report.send(None)
        store = TCPStore(LOCALHOST, port, workers.count, False, JOINING)
        with _membership(workers, store):
            task(workers)
    except (WorkerLost, KeyboardInterrupt):
        pass
    except InputError as error:
        report.send(error)
    except Exception as error:
        report.send(RuntimeError(f"worker {workers.rank} of {workers.count} failed:\n{traceback.format_exc()}"))
        raise SystemExit(1) from error


def _wait_until_started(helpers: Helpers) -> None:
    """Wait until all others have started; WorkerLost if one has not."""
    try:
        for _, report in helpers:
            report.recv()
    except EOFError:
        raise WorkerLost("a worker could not start") from None


def _cause(helpers: Helpers) -> BaseException:
    """What ended the first of the other workers that ended."""
    silent = [report for _, report in helpers]
    while silent and (ready := wait(silent, GRACE)):
        for report in cast(list[Connection], ready):
            try:
                found = report.recv()
            except EOFError:
                silent.remove(report)
            else:
                if found is not None:
                    return found
    for rank, (process, _) in enumerate(helpers, 1):
        process.join(GRACE)
        if process.exitcode:
            how = f"signal {-process.exitcode}" if process.exitcode < 0 else f"code {process.exitcode}"
            return WorkerLost(
                f"worker {rank} of {len(helpers) + 1} ended with {how}; --resume goes on where a run stood"
            )
    return WorkerLost("a worker has ended; --resume goes on where a run stood")


@contextmanager
def _membership(workers: Workers, store: Store | None) -> Iterator[Workers]:
    """Within the block, workers can talk; without a store, as the variables of torchrun say.

    What lies on GPUs is exchanged by NCCL, if each worker has one of its own, and all else by gloo.
    """
    own_gpus = distributed.is_nccl_available() and torch.cuda.device_count() >= workers.count
    backend = "cpu:gloo,cuda:nccl" if own_gpus else "gloo"
    who: dict[str, Any] = {} if store is None else {"store": store, "rank": workers.rank, "world_size": workers.count}
    with _worker_errors():
        distributed.init_process_group(backend, timeout=WORKING, **who)
    try:
        yield workers
    finally:
        distributed.destroy_process_group()
