"""Runs a kernel on the threads that PyTorch's operators run on.

PyTorch computes on a team of OpenMP's threads, which wait for their next work actively, for
about a millisecond. Threads of our own would take the cores from them, or wait until they give
up; and Python starts one after the other. OpenMP's `GOMP_parallel` (GCC's libgomp, ABI of
-fopenmp; LLVM's and Intel's libraries have it, too) starts the whole team at once:

    void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags)
    int omp_get_thread_num(void)
    int omp_get_num_threads(void)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

# In the order in which `on_team` takes their addresses.
TEAM_FUNCTIONS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
_WORD = ir.IntType(64)
_NUMBER = ir.IntType(32)
_POINTER = ir.IntType(8).as_pointer()
_BODY = ir.FunctionType(ir.VoidType(), [_POINTER])


@intrinsic
def on_team(
    typing_context: Any, function: Any, places: Any, threads: Any, count: Any, scratch: Any,
    arguments: Any,
) -> Any:  # fmt: skip
    """Share blocks among the threads of a team, and wait for them.

    Args: a kernel (first block, the one behind the last, scratch, *arguments), which raises
    nothing; addresses of `TEAM_FUNCTIONS`; number of threads, of which OpenMP may start fewer;
    number of blocks; a one-dimensional array, of which every thread gets a part as scratch, or
    None, where the kernel takes none; a tuple of arguments.
    """
    own = () if isinstance(scratch, types.NoneType) else (scratch,)
    kinds = (types.int64, types.int64, *own, *arguments.types)
    function.get_call_type(typing_context, kinds, {})
    given = (function, places, types.int64, types.int64, scratch, arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kernel = function.dispatcher.get_compile_result(Signature(types.none, kinds, None))
        context.active_code_library.add_linking_library(kernel.library)
        frame_type = ir.LiteralStructType([value.type for value in values[1:]])
        frame = cgutils.alloca_once(builder, frame_type)
        builder.store(cgutils.pack_struct(builder, values[1:]), frame)
        body = _body(context, builder.module, kernel, signature.args[1:], frame_type)
        start = ir.FunctionType(ir.VoidType(), [_BODY.as_pointer(), _POINTER, _NUMBER, _NUMBER])
        parallel = builder.inttoptr(builder.extract_value(values[1], 0), start.as_pointer())
        team = builder.trunc(values[2], _NUMBER)
        data = builder.bitcast(frame, _POINTER)
        builder.call(parallel, [body, data, team, ir.Constant(_NUMBER, 0)])
        return context.get_dummy_value()

    return types.void(*given), generate


def _body(context: Any, module: Any, kernel: Any, kinds: Any, frame_type: Any) -> Any:
    """The function that every thread calls with the frame: runs the kernel on its blocks."""
    name = module.get_unique_name("body_of_" + kernel.fndesc.mangled_name)
    body = ir.Function(module, _BODY, name)
    body.linkage = "internal"
    builder = ir.IRBuilder(body.append_basic_block("entry"))
    frame = builder.load(builder.bitcast(body.args[0], frame_type.as_pointer()))
    places, _, count, scratch, arguments = (
        builder.extract_value(frame, number) for number in range(5)
    )

    def asked(place: int) -> Any:
        kind = ir.FunctionType(_NUMBER, []).as_pointer()
        address = builder.inttoptr(builder.extract_value(places, place), kind)
        return builder.zext(builder.call(address, []), _WORD)

    number, threads = asked(1), asked(2)
    ends = [
        builder.sdiv(builder.mul(count, one), threads)
        for one in (number, builder.add(number, ir.Constant(_WORD, 1)))
    ]
    own = []
    if not isinstance(kinds[3], types.NoneType):
        own = [_part(context, builder, kinds[3], scratch, number, threads)]
    parts = [builder.extract_value(arguments, place) for place in range(len(kinds[4].types))]
    target = context.declare_function(module, kernel.fndesc)
    context.call_conv.call_function(
        builder, target, kernel.signature.return_type, kernel.signature.args, [*ends, *own, *parts]
    )
    builder.ret_void()
    return body


def _part(context: Any, builder: Any, kind: Any, array: Any, number: Any, count: Any) -> Any:
    """One of the equal parts of a one-dimensional array."""
    whole = context.make_array(kind)(context, builder, array)
    size = builder.sdiv(builder.extract_value(whole.shape, 0), count)
    part = context.make_array(kind)(context, builder)
    populate_array(
        part,
        data=builder.gep(whole.data, [builder.mul(number, size)]),
        shape=[size],
        strides=[whole.itemsize],
        itemsize=whole.itemsize,
        meminfo=None,
    )
    return part._getvalue()
