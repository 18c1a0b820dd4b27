"""Gives kernels unaligned memory access, bit counting and vector instructions of LLVM.

Offsets are in bytes from the start of a contiguous array, whatever its element type;
nothing checks them. All of this is portable: LLVM picks instructions for the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_BYTE = ir.IntType(8)
_WORD = ir.IntType(64)
_FIRST = ir.Constant(ir.IntType(32), 0)


def byte_address(context: Any, builder: Any, kind: Any, place: Any, element: Any) -> Any:
    """Pointer to `element` at `place` = (array, offset in bytes)."""
    array, offset = place
    data = context.make_array(kind)(context, builder, array).data
    start = builder.bitcast(data, ir.PointerType(_BYTE))
    return builder.bitcast(builder.gep(start, [offset]), ir.PointerType(element))


def _loader(element: Any, result: Any) -> Any:
    @intrinsic
    def load(typing_context: Any, array: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = byte_address(context, builder, signature.args[0], arguments, element)
            value = builder.load(place)
            value.align = 1
            return value

        return result(array, types.uint64), generate

    return load


def _storer(element: Any, operand: Any) -> Any:
    @intrinsic
    def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = byte_address(context, builder, signature.args[0], arguments[:2], element)
            builder.store(arguments[2], place).align = 1
            return context.get_dummy_value()

        return types.void(array, types.uint64, operand), generate

    return store


load_u64 = _loader(_WORD, types.uint64)
load_u32 = _loader(ir.IntType(32), types.uint32)
store_u64 = _storer(_WORD, types.uint64)
store_u32 = _storer(ir.IntType(32), types.uint32)


@intrinsic
def array_at(typing_context: Any, like: Any, address: Any, size: Any) -> Any:
    """An array of the kind of `like`, one-dimensional and contiguous, of memory elsewhere.

    Args: an array; address; number of elements. Whoever owns the memory must keep it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        given = context.make_array(kind)(context, builder, arguments[0])
        made = context.make_array(kind)(context, builder)
        populate_array(
            made,
            data=builder.inttoptr(arguments[1], given.data.type),
            shape=[arguments[2]],
            strides=[given.itemsize],
            itemsize=given.itemsize,
            meminfo=None,
        )
        return made._getvalue()

    return like(like, types.uint64, types.int64), generate


@intrinsic
def copy_32_bytes(typing_context: Any, target: Any, to: Any, source: Any, at: Any) -> Any:
    """Copy 32 bytes from byte `at` of `source` to byte `to` of `target`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = ir.VectorType(_BYTE, 32)
        kinds = signature.args
        value = builder.load(byte_address(context, builder, kinds[2], arguments[2:], block))
        value.align = 1
        place = byte_address(context, builder, kinds[0], arguments[:2], block)
        builder.store(value, place).align = 1
        return context.get_dummy_value()

    return types.void(target, types.uint64, source, types.uint64), generate


def varint_shuffles() -> np.ndarray:
    """uint8[256, 16]: which bytes of four spread numbers their varints consist of.

    Row by which of them need a second byte (low four bits) and a third (high four).
    """
    shuffles = np.zeros((256, 16), np.uint8)
    for row in range(256):
        sizes = [1 + (row >> lane & 1) + (row >> lane + 4 & 1) for lane in range(4)]
        picked = [4 * lane + byte for lane in range(4) for byte in range(sizes[lane])]
        shuffles[row, : len(picked)] = picked
    return shuffles


def _spread_varints(builder: Any, number: Any) -> tuple[Any, Any, Any]:
    """Eight numbers below 2**21 as varints in four bytes each.

    Returns: <8 x i32> the varints; <8 x i1> which need a second byte, and which a third.
    """
    eight = ir.VectorType(ir.IntType(32), 8)

    def masked(value: Any, mask: int) -> Any:
        return builder.and_(value, ir.Constant(eight, [mask] * 8))

    def above(value: Any, limit: int) -> Any:
        return builder.icmp_signed(">", value, ir.Constant(eight, [limit] * 8))

    # Adding a number's high part to itself moves it by one bit: make room after each seven
    # bits for the bit that says whether more follow.
    spread = builder.add(number, masked(number, 0x1FFF80))
    second, third = above(spread, 0xFF), above(spread, 0x7FFF)
    spread = builder.add(spread, masked(spread, 0x3F8000))
    spread = builder.or_(spread, masked(builder.sext(second, eight), 0x80))
    spread = builder.or_(spread, masked(builder.sext(third, eight), 0x8000))
    return spread, second, third


@intrinsic
def put_eight_varints(
    typing_context: Any, numbers: Any, first: Any, shuffles: Any, out: Any, at: Any
) -> Any:
    """Write the varints of eight numbers below 2**21 to `out`; only where there is SSSE3.

    Args: array of the numbers and byte of the first one; `varint_shuffles`; array and
    byte to write to, of which up to 28 are overwritten. Returns how many of those count.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        number_type = ir.IntType(32)
        eight, sixteen = ir.VectorType(number_type, 8), ir.VectorType(_BYTE, 16)

        def load(kind: Any, place: Any, element: Any) -> Any:
            value = builder.load(byte_address(context, builder, kind, place, element))
            value.align = 1
            return value

        def chosen(one: Any, other: Any, lanes: list[int]) -> Any:
            mask = ir.Constant(ir.VectorType(number_type, len(lanes)), lanes)
            return builder.shuffle_vector(one, other, mask)

        element = ir.VectorType(ir.IntType(kinds[0].dtype.bitwidth), 8)
        number = load(kinds[0], arguments[:2], element)
        if kinds[0].dtype.bitwidth < 32:
            number = builder.zext(number, eight)
        spread, second, third = _spread_varints(builder, number)
        # Bits 0 .. 3 and 4 .. 7 of a row: which of four numbers need a second, a third byte.
        rows = chosen(second, third, [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15])
        both = builder.zext(builder.bitcast(rows, ir.IntType(16)), _WORD)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(sixteen, [sixteen, sixteen]),
            "llvm.x86.ssse3.pshuf.b.128",
        )
        size = ir.Constant(_WORD, 0)
        halves = (
            ([0, 1, 2, 3], builder.and_(both, ir.Constant(_WORD, 0xFF))),
            ([4, 5, 6, 7], builder.lshr(both, ir.Constant(_WORD, 8))),
        )
        for lanes, row in halves:
            place = (arguments[2], builder.shl(row, ir.Constant(_WORD, 4)))
            four = builder.bitcast(chosen(spread, spread, lanes), sixteen)
            packed = builder.call(function, [four, load(kinds[2], place, sixteen)])
            to = (arguments[3], builder.add(arguments[4], size))
            builder.store(packed, byte_address(context, builder, kinds[3], to, sixteen)).align = 1
            size = builder.add(size, builder.add(ir.Constant(_WORD, 4), builder.ctpop(row)))
        return size

    return types.uint64(numbers, types.uint64, shuffles, out, types.uint64), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
    """Ask for the cache line at a byte offset; never faults."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = byte_address(context, builder, signature.args[0], arguments, _BYTE)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, *(ir.Constant(number, value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@intrinsic
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """Number of zero bits below the lowest one bit; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def ones(typing_context: Any, value: Any) -> Any:
    """Number of one bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def bit_length(typing_context: Any, value: Any) -> Any:
    """`int.bit_length` of an unsigned number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(_WORD, 64), zeros)

    return types.uint64(types.uint64), generate


@intrinsic
def crc32c_step(typing_context: Any, register: Any, word: Any) -> Any:
    """The CRC-32C register after 8 more bytes; only where the processor has SSE 4.2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_WORD, [_WORD, _WORD])
        name = "llvm.x86.sse42.crc32.64.64"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, arguments)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def letters_and_digits(typing_context: Any, data: Any, offset: Any) -> Any:
    """Bit k is set where byte offset + k (k < 32) is an ASCII letter or digit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = ir.VectorType(_BYTE, 32)

        def all_of(value: int) -> Any:
            return ir.Constant(block, [value] * 32)

        def within(values: Any, first: str, count: int) -> Any:
            distance = builder.sub(values, all_of(ord(first)))
            return builder.icmp_unsigned("<", distance, all_of(count))

        values = builder.load(byte_address(context, builder, signature.args[0], arguments, block))
        values.align = 1
        lower = builder.or_(values, all_of(0x20))
        found = builder.or_(within(lower, "a", 26), within(values, "0", 10))
        return builder.zext(builder.bitcast(found, ir.IntType(32)), _WORD)

    return types.uint64(data, types.uint64), generate


@intrinsic
def line_ends_and_wide(typing_context: Any, data: Any, offset: Any) -> Any:
    """Bit k is set where byte offset + k (k < 32) is a line end (LF or CR) or no ASCII."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = ir.VectorType(_BYTE, 32)

        def all_of(value: int) -> Any:
            return ir.Constant(block, [value] * 32)

        values = builder.load(byte_address(context, builder, signature.args[0], arguments, block))
        values.align = 1
        ends = builder.or_(
            builder.icmp_unsigned("==", values, all_of(ord("\n"))),
            builder.icmp_unsigned("==", values, all_of(ord("\r"))),
        )
        found = builder.or_(ends, builder.icmp_unsigned(">=", values, all_of(0x80)))
        return builder.zext(builder.bitcast(found, ir.IntType(32)), _WORD)

    return types.uint64(data, types.uint64), generate


@intrinsic
def large_words(typing_context: Any, words: Any, offset: Any, limit: Any) -> Any:
    """Bit k is set where the 32-bit word k (k < 32) from byte `offset` is at least `limit`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = ir.VectorType(ir.IntType(32), 32)
        place = byte_address(context, builder, signature.args[0], arguments[:2], block)
        values = builder.load(place)
        values.align = 4
        first = builder.insert_element(ir.Constant(block, None), arguments[2], _FIRST)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), 32), [0] * 32)
        limits = builder.shuffle_vector(first, first, mask)
        found = builder.icmp_unsigned(">=", values, limits)
        return builder.bitcast(found, ir.IntType(32))

    return types.uint32(words, types.uint64, types.uint32), generate
