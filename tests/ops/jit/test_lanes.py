"""The small language in which kernels are written: arithmetic, masks, loops, exact constants."""

from __future__ import annotations

import itertools
import re

import pytest
import torch

from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.lanes import Program
from atomscape.ops.jit.launch import NUMBER, call, declined, lanes_for

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
_names = (f"lesson{n}" for n in itertools.count())


def run(write, *arguments, dtype=torch.float64, lanes=4, threads=1):
    """Compile what ``write(program)`` writes and call it with tensors and integers."""
    name = next(_names)
    p = Program(name, NUMBER[dtype], lanes)
    write(p)
    given = {str(k): a for k, a in enumerate(arguments)}
    call(address_of(name, (p.text,), lambda: p.text), tuple(given), given, threads)


def numbers(n, dtype=torch.float64):
    return torch.linspace(-2, 3, n, dtype=dtype)


@DTYPES
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_formulae_on_lanes(dtype, lanes):
    x, y, out = numbers(lanes, dtype), numbers(lanes, dtype).cos(), torch.zeros(lanes, dtype=dtype)

    def write(p):
        a, b, to = (p.pointer(k) for k in range(3))
        u, v = p.load(a, 0), p.load(b, 0)
        p.store(p.fma(u, v, 1.5 - u / (v + 4)) - (-u) * 0.1 + 2 / (v + 3), to, 0)

    run(write, x, y, out, dtype=dtype, lanes=lanes)
    torch.testing.assert_close(out, x * y + 1.5 - x / (y + 4) + x * 0.1 + 2 / (y + 3))


@DTYPES
@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 11])
def test_masked_lanes_neither_read_nor_write(dtype, size):
    x, out = numbers(size, dtype), torch.full((size + 4,), 7.0, dtype=dtype)

    def write(p):
        a, to, n = p.pointer(0), p.pointer(1), p.integer(2)
        with p.blocks(n, tail=True) as (i, mask):
            p.store(p.load(a, i, mask) * 2, to, i, mask)

    run(write, x, out, size, dtype=dtype)
    assert torch.equal(out[:size], 2 * x)
    assert torch.equal(out[size:], torch.full((4,), 7.0, dtype=dtype))


@DTYPES
def test_sums_shuffles_and_roots(dtype):
    x, out = numbers(4, dtype).square(), torch.zeros(10, dtype=dtype)

    def write(p):
        a, to = p.pointer(0), p.pointer(1)
        v = p.load(a, 0)
        p.store(p.shuffle(v, p.sqrt(v), [3, 4, 0, 5]), to, 0)
        p.put(p.sum(v), to, 4)
        p.store(p.select(p.compare("gt", v, 1), v, p.broadcast(p.read(a, 2))), to, 5)

    run(write, x, out, dtype=dtype)
    chosen = torch.stack([x[3], x[0].sqrt(), x[0], x[1].sqrt()])
    torch.testing.assert_close(out[:4], chosen)
    torch.testing.assert_close(out[4], x.sum())
    assert torch.equal(out[5:9], torch.where(x > 1, x, x[2]))


def test_integers_loops_and_conditions():
    """Sum of the odd numbers below n, the largest power of two up to n, and integers that are divided."""
    out = torch.zeros(4, dtype=torch.int64)

    def write(p):
        to, n = p.pointer(0), p.integer(1)
        total, power = p.variable(p.like(0, n)), p.variable(p.like(1, n))
        with p.range(1, n, 2) as k:
            total.set(total.get() + k)
        with p.loop() as again:
            again.unless(p.compare("le", power.get() * 2, n))
            power.set(power.get() * 2)
        p.put(total.get(), to, 0)
        p.put(power.get(), to, 1)
        p.put(p.larger(n / 3, p.smaller(n, p.like(2, n))), to, 2)
        with p.when(p.either(p.compare("eq", n, 20), p.both(p.compare("gt", n, 3), p.compare("ne", n, 21)))):
            p.put(p.like(5, n), to, 3)

    run(write, out, 20)
    assert out.tolist() == [100, 16, 6, 5]
    run(write, out, 21)
    assert out.tolist() == [100, 16, 7, 5]


def test_each_thread_knows_its_number():
    out = torch.zeros(3, 2, dtype=torch.int64)

    def write(p):
        to = p.pointer(0)
        p.put(p.thread, to, p.thread * 2)
        p.put(p.threads, to, p.thread * 2 + 1)

    run(write, out, threads=3)
    assert out.tolist() == [[0, 3], [1, 3], [2, 3]]


@pytest.mark.parametrize("number", [0.1, 1 / 3, -1e-300, 3.4e38, 5e-324])
def test_constants_are_exact(number):
    out = torch.zeros(2, dtype=torch.float64)
    run(lambda p: p.store(p.constant(number), p.pointer(0), 0), out, lanes=2)
    assert out.tolist() == [number, number]


def test_float32_constants_are_rounded_once():
    out = torch.zeros(2)
    run(lambda p: p.store(p.constant(0.1), p.pointer(0), 0), out, lanes=2, dtype=torch.float32)
    assert torch.equal(out, torch.full((2,), 0.1))


@pytest.mark.parametrize(("number", "other"), [("double", r"\bfloat\b"), ("float", r"\bdouble\b")])
def test_a_program_has_one_precision(number, other):
    p = Program("one", number, 4)
    a = p.pointer(0)
    p.store(p.sqrt(p.fma(p.load(a, 0), p.constant(0.1), 1 - p.load(a, 4))), a, 0, p.first(p.integer(1)))
    assert not re.search(other, p.text)


def test_lanes_fit_the_axis():
    for dtype in NUMBER:
        widest = lanes_for(dtype, 1000)
        assert [lanes_for(dtype, n) for n in (0, 1, 2, 3, 4)] == [2, 2, 2, min(4, widest), min(4, widest)]
        assert all(lanes_for(dtype, n) <= widest for n in range(100))


def test_what_no_kernel_can_take():
    x = torch.ones(2)
    assert declined(x, x) is None
    assert "meta, not on the CPU" in declined(x, x.to("meta"))
    assert "an argument is int64" in declined(x.long())
    assert "float32 and float64" in declined(x, x.double())
