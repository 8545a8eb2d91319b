"""Inner loops with vectors in registers, as LLVM instructions through numba: what its own vectorizer does not find.

Both loops walk through kept weights. A row is `count` vectors of 8 float32, consecutive examples of a batch; `x[start]`
is the first element of a row. Loads need no alignment beyond that of a float32.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 8
"""float32 in a vector: a register of AVX2; LLVM splits or joins them for other processors."""

_FLOAT, _INDEX, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_ONE = ir.Constant(_INDEX, 1)
_FLAGS = ("reassoc", "contract", "nsz")
"""A product and a sum may be one instruction, sums may be taken in another order; NaN stays NaN."""


def gather_row(count: int) -> Callable[..., None]:
    """A loop `(out, at, bias, values, x, starts, base, stride, shift, last_vector, first, last)`.

    It stores `count` vectors at out[at], the last of them at out[at + last_vector]; it may overlap the one before.
    They are bias + sum over the entries p, `first` to `last` - 1, of values[p] * the row of x at
    (starts[p] + base) * stride + shift.
    """

    @intrinsic
    def loop(context, out, at, bias, values, x, starts, base, stride, shift, last_vector, first, last):  # type: ignore[no-untyped-def]
        signature = types.void(out, at, bias, values, x, starts, base, stride, shift, last_vector, first, last)

        def code(target: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
            given = _Arguments(target, builder, signature, arguments)
            out, values, x, starts = (given.pointer(number) for number in (0, 3, 4, 5))
            at, base, stride, shift, last_vector, first, last = (given.index(n) for n in (1, 6, 7, 8, 9, 10, 11))
            offsets = [ir.Constant(_INDEX, n * WIDTH) for n in range(count - 1)] + [last_vector]
            walk = _Walk(builder, first, last, [_splat(builder, arguments[2])] * count)
            value = _splat(builder, builder.load(builder.gep(values, [walk.entry])))
            row = _row(builder, starts, walk.entry, base, stride, shift)
            rows = [_load(builder, x, row, offset) for offset in offsets]
            walk.close([_plus(builder, total, value, part) for total, part in zip(walk.totals, rows, strict=True)])
            for total, offset in zip(walk.totals, offsets, strict=True):
                builder.store(total, _place(builder, out, at, offset), align=4)
            return target.get_dummy_value()

        return signature, code

    return loop


def dot_rows(count: int, rest: bool) -> Callable[..., None]:
    """A loop `(gradient, places, first, dy, at, x, starts, base, stride, shift, length)` for `count` entries at once.

    For the `count` entries p from `first` it takes the inner product of `length` elements, at least a vector, of dy
    from dy[at] and of x from x[(starts[p] + base) * stride + shift]. To a float64 `gradient` it is added at places[p],
    for sums over many runs of positions; a float32 one gets it at p. rest: `length` is no multiple of a vector.
    """

    @intrinsic
    def loop(context, gradient, places, first, dy, at, x, starts, base, stride, shift, length):  # type: ignore[no-untyped-def]
        signature = types.void(gradient, places, first, dy, at, x, starts, base, stride, shift, length)
        adds = gradient.dtype == types.float64

        def code(target: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
            given = _Arguments(target, builder, signature, arguments)
            gradient, places, dy, x, starts = (given.pointer(number) for number in (0, 1, 3, 5, 6))
            first, at, base, stride, shift, length = (given.index(number) for number in (2, 4, 7, 8, 9, 10))
            width = ir.Constant(_INDEX, WIDTH)
            entries = [builder.add(first, ir.Constant(_INDEX, n)) for n in range(count)]
            rows = [_row(builder, starts, entry, base, stride, shift) for entry in entries]
            vectors = builder.sdiv(length, width)
            walk = _Walk(builder, ir.Constant(_INDEX, 0), vectors, [ir.Constant(_VECTOR, None)] * count)
            offset = builder.mul(walk.entry, width)
            signal = _load(builder, dy, at, offset)
            parts = [_load(builder, x, row, offset) for row in rows]
            walk.close([_plus(builder, total, signal, part) for total, part in zip(walk.totals, parts, strict=True)])
            totals = list(walk.totals)
            if rest:  # the last vector begins before the end of the one before: what that had is 0
                offset = builder.sub(length, width)
                fresh = _from_lane(builder, builder.sub(builder.mul(builder.add(vectors, _ONE), width), length))
                signal = builder.select(fresh, _load(builder, dy, at, offset), ir.Constant(_VECTOR, None))
                parts = [_load(builder, x, row, offset) for row in rows]
                totals = [_plus(builder, total, signal, part) for total, part in zip(totals, parts, strict=True)]
            _keep_sums(
                builder, gradient, totals, first, None if not adds else [_at(builder, places, e) for e in entries]
            )
            return target.get_dummy_value()

        return signature, code

    return loop


def _from_lane(builder: ir.IRBuilder, lane: Any) -> Any:
    """Which elements of a vector are at `lane` or later."""
    lanes = ir.VectorType(_LANE, WIDTH)
    number = builder.trunc(lane, _LANE)
    first = builder.insert_element(ir.Constant(lanes, ir.Undefined), number, ir.Constant(_LANE, 0))
    splat = builder.shuffle_vector(first, ir.Constant(lanes, ir.Undefined), ir.Constant(lanes, [0] * WIDTH))
    return builder.icmp_signed(">=", ir.Constant(lanes, list(range(WIDTH))), splat)


def _keep_sums(builder: ir.IRBuilder, gradient: Any, totals: list[Any], first: Any, places: list[Any] | None) -> None:
    """Stores the sum of each vector from `first`, or adds it at its place."""
    if len(totals) == WIDTH:
        vector = _sums(builder, totals)
        if places is None:
            builder.store(vector, _place(builder, gradient, first, ir.Constant(_INDEX, 0)), align=4)
            return
        sums = [builder.extract_element(vector, ir.Constant(_LANE, n)) for n in range(WIDTH)]
    else:
        sums = [_sum(builder, total) for total in totals]
    for number, total in enumerate(sums):
        if places is None:
            builder.store(total, builder.gep(gradient, [builder.add(first, ir.Constant(_INDEX, number))]))
        else:
            place = builder.gep(gradient, [places[number]])
            builder.store(builder.fadd(builder.load(place), builder.fpext(total, ir.DoubleType())), place)


def _sums(builder: ir.IRBuilder, vectors: list[Any]) -> Any:
    """A vector of the sums of 8 vectors: neighbours are added, then pairs, then halves."""
    steps = [[0, 8, 2, 10, 4, 12, 6, 14], [0, 1, 8, 9, 4, 5, 12, 13], [0, 1, 2, 3, 8, 9, 10, 11]]
    for size, low in zip((1, 2, 4), steps, strict=True):
        masks = [ir.Constant(ir.VectorType(_LANE, WIDTH), [n + shift for n in low]) for shift in (0, size)]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [builder.fadd(*(builder.shuffle_vector(a, b, m) for m in masks), flags=_FLAGS) for a, b in pairs]
    return vectors[0]


def stream_rows(count: int) -> Callable[..., None]:
    """A loop `(out, at, bias, values, x, starts, base, stride, shift, first, vectors, begins)` for `count` entries.

    To each of `vectors` vectors from out[at], or to the bias where `begins` is not 0, it adds values[p] * the row of x
    at (starts[p] + base) * stride + shift, for the `count` entries p from `first`. It reads few long rows at a time.
    """

    @intrinsic
    def loop(context, out, at, bias, values, x, starts, base, stride, shift, first, vectors, begins):  # type: ignore[no-untyped-def]
        signature = types.void(out, at, bias, values, x, starts, base, stride, shift, first, vectors, begins)

        def code(target: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[Any]) -> Any:
            given = _Arguments(target, builder, signature, arguments)
            out, values, x, starts = (given.pointer(number) for number in (0, 3, 4, 5))
            at, base, stride, shift, first, vectors, begins = (given.index(n) for n in (1, 6, 7, 8, 9, 10, 11))
            entries = [builder.add(first, ir.Constant(_INDEX, n)) for n in range(count)]
            rows = [_row(builder, starts, entry, base, stride, shift) for entry in entries]
            factors = [_splat(builder, builder.load(builder.gep(values, [entry]))) for entry in entries]
            start, fresh = _splat(builder, arguments[2]), builder.icmp_signed("!=", begins, ir.Constant(_INDEX, 0))
            walk = _Walk(builder, ir.Constant(_INDEX, 0), vectors, [])
            offset = builder.mul(walk.entry, ir.Constant(_INDEX, WIDTH))
            total = builder.select(fresh, start, _load(builder, out, at, offset))
            for factor, row in zip(factors, rows, strict=True):
                total = _plus(builder, total, factor, _load(builder, x, row, offset))
            builder.store(total, _place(builder, out, at, offset), align=4)
            walk.close([])
            return target.get_dummy_value()

        return signature, code

    return loop


class _Arguments:
    """The arguments of a call, as pointers and as 64-bit indices."""

    def __init__(self, target: Any, builder: ir.IRBuilder, signature: Any, values: Sequence[Any]) -> None:
        self.target, self.builder, self.signature, self.values = target, builder, signature, values

    def pointer(self, number: int) -> Any:
        array = self.target.make_array(self.signature.args[number])
        return array(self.target, self.builder, self.values[number]).data

    def index(self, number: int) -> Any:
        return _extended(self.builder, self.values[number])


class _Walk:
    """A loop over `entry` from `first` to `last` - 1 that carries `totals` in registers."""

    def __init__(self, builder: ir.IRBuilder, first: Any, last: Any, totals: Sequence[Any]) -> None:
        self.builder, before = builder, builder.block
        self.head, self.body, self.end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.entry = builder.phi(_INDEX)
        self.totals = [builder.phi(_VECTOR) for _ in totals]
        self.entry.add_incoming(first, before)
        for total, value in zip(self.totals, totals, strict=True):
            total.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", self.entry, last), self.body, self.end)
        builder.position_at_end(self.body)

    def close(self, totals: Sequence[Any]) -> None:
        """Goes on with the next entry; instructions from here on run after the loop."""
        body = self.builder.block
        self.entry.add_incoming(self.builder.add(self.entry, ir.Constant(_INDEX, 1)), body)
        for total, value in zip(self.totals, totals, strict=True):
            total.add_incoming(value, body)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.end)


def _extended(builder: ir.IRBuilder, value: Any) -> Any:
    return builder.sext(value, _INDEX) if value.type.width < _INDEX.width else value


def _at(builder: ir.IRBuilder, pointer: Any, index: Any) -> Any:
    return _extended(builder, builder.load(builder.gep(pointer, [index])))


def _row(builder: ir.IRBuilder, starts: Any, entry: Any, base: Any, stride: Any, shift: Any) -> Any:
    return builder.add(builder.mul(builder.add(_at(builder, starts, entry), base), stride), shift)


def _splat(builder: ir.IRBuilder, value: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_LANE, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_LANE, WIDTH), [0] * WIDTH))


def _place(builder: ir.IRBuilder, pointer: Any, start: Any, offset: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [builder.add(start, offset)]), _VECTOR.as_pointer())


def _load(builder: ir.IRBuilder, pointer: Any, start: Any, offset: Any) -> Any:
    return builder.load(_place(builder, pointer, start, offset), align=4)


def _plus(builder: ir.IRBuilder, total: Any, left: Any, right: Any) -> Any:
    return builder.fadd(total, builder.fmul(left, right, flags=_FLAGS), flags=_FLAGS)


def _sum(builder: ir.IRBuilder, vector: Any) -> Any:
    """The sum of a vector's elements: halves are added to each other."""
    width = WIDTH
    while width > 1:
        width //= 2
        halves = [
            builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_LANE, width), list(part)))
            for part in (range(width), range(width, 2 * width))
        ]
        vector = builder.fadd(*halves, flags=_FLAGS)
    return builder.extract_element(vector, ir.Constant(_LANE, 0))
