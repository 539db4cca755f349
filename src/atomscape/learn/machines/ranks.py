"""Ranks: the processes of a run, started by torchrun or srun, and what is summed or gathered over them.

Alone, a process is rank 0 of 1 and every function gives back what it was given, bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import distributed

T = TypeVar("T")
TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others before the run ends: longer than the longest save or evaluation."""
OF_EXCHANGE = ("connection", "socket", "peer", "timed out", "timeout", "gloo", "nccl", "broken pipe")
"""What errors of torch say, one of these words at least, when the exchange between processes broke down."""
SLURM = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
"""What torch reads → what srun sets."""


@dataclass(frozen=True)
class Ranks:
    """Which process this is, of how many, and the device whose tensors can be exchanged."""

    rank: int = 0
    count: int = 1
    device: torch.device | str = "cpu"

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def mine(self, items: Sequence[T] | Iterator[T]) -> Iterator[T]:
        """Every ``count``-th item, from this rank's on: all processes together take each item once."""
        return islice(iter(items), self.rank, None, self.count)

    def summed(self, numbers: Sequence[float]) -> list[float]:
        """Sum of each number over the processes, in float64; the same on all of them."""
        if self.count == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        distributed.all_reduce(values)
        return values.tolist()

    def gathered(self, value: T) -> list[T]:
        """What each process has, in the order of their ranks."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        distributed.all_gather_object(found, value)
        return found


ALONE = Ranks()


def take_slurm(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that torch needs where srun started several tasks; set, unless torchrun has set them.

    The first host of the job is the meeting point, on a port that the job's number gives.

    Raises
    ------
    ValueError
        Several tasks, and the hosts of the job are not known.
    """
    given = os.environ if environment is None else environment
    if "RANK" in given or "SLURM_STEP_ID" not in given or int(given.get("SLURM_NTASKS", "1")) < 2:
        return {}
    found = {name: given[theirs] for name, theirs in SLURM.items()}
    found["MASTER_ADDR"] = given.get("MASTER_ADDR") or _first_host(given)
    found["MASTER_PORT"] = given.get("MASTER_PORT") or str(20_000 + int(given["SLURM_JOB_ID"]) % 20_000)
    if environment is None:
        os.environ.update(found)
    return found


def _first_host(given: Mapping[str, str]) -> str:
    """First name of a list such as ``gpu[07-09,12],cpu3``."""
    hosts = given.get("SLURM_STEP_NODELIST") or given.get("SLURM_JOB_NODELIST", "")
    head, bracket, rest = hosts.partition("[")
    first = head + rest.replace("-", ",").replace("]", ",").split(",")[0] if bracket else hosts
    first = first if bracket and "," not in head else hosts.split(",")[0]
    if not first:
        raise ValueError(
            "srun started several tasks, but neither SLURM_STEP_NODELIST nor MASTER_ADDR says where they "
            "meet; set MASTER_ADDR to the first host"
        )
    return first


@contextmanager
def explained(ranks: Ranks, folder: object) -> Iterator[None]:
    """Failures of the exchange between processes become one sentence.

    Raises
    ------
    ConnectionError
        Another process ended or did not answer within ``TIMEOUT``.
    """
    try:
        yield
    except RuntimeError as error:
        if ranks.count == 1 or not _is_of_exchange(error):
            raise
        raise ConnectionError(
            f"process {ranks.rank} of {ranks.count} lost the others: one ended or hangs "
            f"({_first_line(error)}). If it said nothing, it was killed, as for want of memory. "
            f"--resume continues {folder} from its last checkpoint"
        ) from error


def _is_of_exchange(error: RuntimeError) -> bool:
    said = str(error).lower()
    return isinstance(error, distributed.DistError) or any(word in said for word in OF_EXCHANGE)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:160]
