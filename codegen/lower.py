"""A promoted kernel with known sizes becomes the text of an LLVM module.

The module has `gemel_entry(ptr args, ptr error) -> i64`: `args` has a 64-bit slot for each parameter and result (a pointer, or a
scalar's bits), the value is 0, or the number (from 1) of the `Assert` that failed, whose values are then in `error`, or -1
where memory ran out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.codegen import llvmfloat as fl
from gemel.codegen import llvmops
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.semantics import ops
from gemel.semantics.build import reads_memory
from gemel.semantics.dtypes import BF16, F16, DType, FixedType, FloatType, storage_bits, width_of
from gemel.semantics.errors import CompileError
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Call,
    Carry,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.traverse import Body

STACK_LIMIT = 1 << 16
"""Local arrays of at most this many bytes in all live on the stack."""

ERROR_SLOTS = 8
"""How many values of a failed `Assert` are kept."""


def memory_type(dtype: DType) -> str:
    """The LLVM type of an element in memory."""
    if dtype in (F16, BF16):
        return "i16"
    return llvm_type(dtype) if isinstance(dtype, FloatType) else f"i{storage_bits(dtype)}"


def element_bytes(dtype: DType) -> int:
    """Bytes of an element in memory."""
    return storage_bits(dtype) // 8


@dataclass
class Lowering:
    """The state of emission: where variables and buffers are."""

    out: Emitter = field(default_factory=Emitter)
    values: dict[Var, str] = field(default_factory=dict)
    pointers: dict[Buffer, str] = field(default_factory=dict)
    sites: list[Assert] = field(default_factory=list)
    globals: list[str] = field(default_factory=list)
    allocas: list[str] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    stack: int = 0

    # -------------------------------------------------------------------------------------------------- expressions

    def expr(self, e: Expr) -> str:
        """The LLVM value of an expression."""
        match e:
            case Const():
                return llvmops.constant(e.value, e.dtype)
            case Ref():
                return self.values[e.var]
            case Load():
                return self.load(e)
            case Apply():
                return self._lazy(e) if e.op.lazy else self._strict(e)

    def _strict(self, e: Apply) -> str:
        args = [(self.expr(a), a.dtype) for a in e.args]
        return llvmops.emit(e.op, e.dtype, args, self.out)

    def _lazy(self, e: Apply) -> str:
        """A choice: by `select` where both sides may be evaluated, else by branches."""
        if not any(map(_costly, e.args[1:])):
            return self._strict(e)
        cond = self.expr(e.args[0])
        if e.op is ops.SELECT:
            sides: list[Expr | str] = [e.args[1], e.args[2]]
        elif e.op is ops.LAND:
            sides = [e.args[1], "false"]
        else:
            sides = ["true", e.args[1]]
        return self._choose(cond, sides, e.dtype)

    def _choose(self, cond: str, sides: list[Expr | str], dtype: DType) -> str:
        out = self.out
        labels = [out.name("yes"), out.name("no"), out.name("join")]
        out.branch(cond, labels[0], labels[1])
        incoming = []
        for label, side in zip(labels, sides, strict=False):
            out.start(label)
            if isinstance(side, str):
                value = side
            else:
                value = llvmops.emit(ops.CAST, dtype, [(self.expr(side), side.dtype)], out)
            incoming.append(f"[ {value}, %{out.block} ]")
            out.jump(labels[2])
        out.start(labels[2])
        return out.value(f"phi {llvm_type(dtype)} {', '.join(incoming)}")

    def address(self, b: Buffer, indices: tuple[Expr, ...]) -> str:
        """The address of an element."""
        pointer = self.pointers[b]
        if not indices:
            return pointer
        offset = self.expr(indices[0])
        for axis in range(1, len(indices)):
            scaled = self.out.value(f"mul nsw i64 {offset}, {self.expr(b.shape[axis])}")
            offset = self.out.value(f"add nsw i64 {scaled}, {self.expr(indices[axis])}")
        size = element_bytes(b.dtype)
        if size > 8:
            offset = self.out.value(f"mul nsw i64 {offset}, {size}")
            return self.out.value(f"getelementptr inbounds i8, ptr {pointer}, i64 {offset}")
        return self.out.value(f"getelementptr inbounds {memory_type(b.dtype)}, ptr {pointer}, i64 {offset}")

    def load(self, e: Load) -> str:
        """The value of an element."""
        kind, align = memory_type(e.dtype), min(element_bytes(e.dtype), 8)
        raw = self.out.value(f"load {kind}, ptr {self.address(e.buffer, e.indices)}, align {align}")
        return self._from_memory(raw, e.dtype)

    def _from_memory(self, raw: str, dtype: DType) -> str:
        if isinstance(dtype, FloatType):
            return fl.from_pattern(self.out, raw, dtype) if dtype in (F16, BF16) else raw
        bits, width = storage_bits(dtype), width_of(dtype)
        return raw if bits == width else self.out.value(f"trunc i{bits} {raw} to i{width}")

    def store(self, b: Buffer, indices: tuple[Expr, ...], value: str) -> None:
        """Sets an element."""
        address = self.address(b, indices)
        if b.dtype in (F16, BF16):
            value = fl.pattern(self.out, value, fl.float_type(b.dtype))
        elif not isinstance(b.dtype, FloatType):
            bits, width = storage_bits(b.dtype), width_of(b.dtype)
            if bits != width:
                extend = "sext" if getattr(b.dtype, "signed", False) else "zext"
                value = self.out.value(f"{extend} i{width} {value} to i{bits}")
        align = min(element_bytes(b.dtype), 8)
        self.out.do(f"store {memory_type(b.dtype)} {value}, ptr {address}, align {align}")

    # --------------------------------------------------------------------------------------------------- statements

    def body(self, body: Body) -> None:
        """Emits statements in order."""
        for s in body:
            self.stmt(s)

    def stmt(self, s: Stmt) -> None:
        """Emits a statement."""
        match s:
            case Let():
                self.values[s.var] = self.expr(s.value)
            case Alloc():
                self._alloc(s.buffer)
            case Store():
                value = self.expr(s.value)
                self.store(s.buffer, s.indices, value)
            case Reduce():
                self._reduce(s)
            case For():
                self._for(s)
            case While():
                self._while(s)
            case If():
                self._if(s)
            case Assert():
                self._assert(s)
            case Assume():
                self.out.call("void", "llvm.assume", ("i1", self.expr(s.cond)))
            case Call():
                raise CompileError("a call that was not inlined", code="C02", span=s.span)

    def _reduce(self, s: Reduce) -> None:
        value = self.expr(s.value)
        old = self.load(Load(s.buffer, s.indices, s.span))
        dtype = s.buffer.dtype
        self.store(s.buffer, s.indices, llvmops.emit(s.op, dtype, [(old, dtype), (value, dtype)], self.out))

    def _alloc(self, b: Buffer) -> None:
        if b.data is not None:
            self._table(b)
            return
        sizes = [d.value if isinstance(d, Const) else None for d in b.shape]
        if all(n is not None for n in sizes):
            count = 1
            for n in sizes:
                count *= int(n or 0)
            total = max(count * element_bytes(b.dtype), 1)
            if self.stack + total <= STACK_LIMIT:
                self._on_stack(b, total)
                return
            self._on_heap(b, str(total), reuse=True)
            return
        product = self.expr(b.shape[0])
        for d in b.shape[1:]:
            product = self.out.value(f"mul i64 {product}, {self.expr(d)}")
        scaled = self.out.value(f"mul i64 {product}, {element_bytes(b.dtype)}")
        self._on_heap(b, self.out.value(f"add i64 {scaled}, 1"), reuse=False)

    def _on_stack(self, b: Buffer, total: int) -> None:
        self.stack += total
        name = f"%{self.out.name('local')}"
        self.allocas.append(f"{name} = alloca [{total} x i8], align 64")
        self.pointers[b] = name

    def _on_heap(self, b: Buffer, total: str, reuse: bool) -> None:
        """Memory that is freed when the kernel ends; a buffer of fixed size in a loop keeps its memory."""
        out = self.out
        slot = f"%{out.name('slot')}"
        self.allocas += [f"{slot} = alloca ptr", f"store ptr null, ptr {slot}"]
        self.slots.append(slot)
        self.globals += ["declare noalias ptr @malloc(i64)", "declare void @free(ptr)"]
        old = out.value(f"load ptr, ptr {slot}")
        make, done, fail = out.name("make"), out.name("made"), out.name("full")
        if reuse:
            present = out.value(f"icmp ne ptr {old}, null")
            before = out.block
            out.branch(present, done, make)
        else:
            out.do(f"call void @free(ptr {old})")
            out.jump(make)
        out.start(make)
        new = out.value(f"call noalias ptr @malloc(i64 {total})")
        out.do(f"store ptr {new}, ptr {slot}")
        bad = out.value(f"icmp eq ptr {new}, null")
        after = out.block
        out.branch(bad, fail, done)
        out.start(fail)
        self._exit("-1")
        out.start(done)
        self.pointers[b] = out.value(f"phi ptr [ {old}, %{before} ], [ {new}, %{after} ]") if reuse else new

    def _table(self, b: Buffer) -> None:
        if b.data is None:
            return
        data = b.data.tobytes()
        name = f"@{self.out.name('table')}"
        text = "".join(f"\\{byte:02X}" for byte in data) or "\\00"
        size = max(len(data), 1)
        self.globals.append(f'{name} = private unnamed_addr constant [{size} x i8] c"{text}", align 64')
        self.pointers[b] = name

    def _enter(self, carry: tuple[Carry, ...]) -> tuple[list[str], int]:
        names = [f"%{self.out.name(c.var.hint + '.')}" for c in carry]
        for c, name in zip(carry, names, strict=True):
            self.values[c.var] = name
            self.values[c.result] = name
        return names, self.out.hole()

    def _phis(self, carry: tuple[Carry, ...], names: list[str], inits: list[str], before: str) -> list[str]:
        lines = []
        for c, name, init in zip(carry, names, inits, strict=True):
            final = self.expr(c.next)
            lines.append(f"{name} = phi {llvm_type(c.var.dtype)} [ {init}, %{before} ], [ {final}, %{self.out.block} ]")
        return lines

    def _for(self, s: For) -> None:
        out = self.out
        lo, hi, step = self.expr(s.lo), self.expr(s.hi), self.expr(s.step)
        inits = [self.expr(c.init) for c in s.carry]
        head, body, done = out.name("head"), out.name("body"), out.name("done")
        before = out.block
        out.jump(head)
        out.start(head)
        index = f"%{out.name(s.var.hint + '.')}"
        self.values[s.var] = index
        names, hole = self._enter(s.carry)
        out.branch(self._more(index, hi, step), body, done)
        out.start(body)
        if s.until is not None:
            go = out.name("go")
            out.branch(self.expr(s.until), done, go)
            out.start(go)
        self.body(s.body)
        phis = self._phis(s.carry, names, inits, before)
        following = out.value(f"add {'nsw ' if step == '1' else ''}i64 {index}, {step}")
        out.fill(hole, [f"{index} = phi i64 [ {lo}, %{before} ], [ {following}, %{out.block} ]", *phis])
        out.jump(head)
        out.start(done)

    def _more(self, index: str, hi: str, step: str) -> str:
        out = self.out
        if step.lstrip("-").isdigit():
            return out.value(f"icmp {'slt' if int(step) > 0 else 'sgt'} i64 {index}, {hi}")
        up = out.value(f"icmp sgt i64 {step}, 0")
        below = out.value(f"icmp slt i64 {index}, {hi}")
        above = out.value(f"icmp sgt i64 {index}, {hi}")
        return out.value(f"select i1 {up}, i1 {below}, i1 {above}")

    def _while(self, s: While) -> None:
        out = self.out
        inits = [self.expr(c.init) for c in s.carry]
        head, body, done = out.name("head"), out.name("body"), out.name("done")
        before = out.block
        out.jump(head)
        out.start(head)
        names, hole = self._enter(s.carry)
        out.branch(self.expr(s.cond), body, done)
        out.start(body)
        self.body(s.body)
        out.fill(hole, self._phis(s.carry, names, inits, before))
        out.jump(head)
        out.start(done)

    def _if(self, s: If) -> None:
        out = self.out
        cond = self.expr(s.cond)
        yes, no, join = out.name("then"), out.name("else"), out.name("join")
        out.branch(cond, yes, no)
        ends = []
        for label, block, side in ((yes, s.then, "then"), (no, s.orelse, "orelse")):
            out.start(label)
            self.body(block)
            values = [self._merged(m.var.dtype, m.then if side == "then" else m.orelse) for m in s.merges]
            ends.append((out.block, values))
            out.jump(join)
        out.start(join)
        for n, m in enumerate(s.merges):
            incoming = ", ".join(f"[ {values[n]}, %{label} ]" for label, values in ends)
            self.values[m.var] = out.value(f"phi {llvm_type(m.var.dtype)} {incoming}")

    def _merged(self, dtype: DType, e: Expr) -> str:
        return llvmops.emit(ops.CAST, dtype, [(self.expr(e), e.dtype)], self.out)

    def _assert(self, s: Assert) -> None:
        out = self.out
        self.sites.append(s)
        number = len(self.sites)
        fine, fail = out.name("fine"), out.name("fail")
        cond = self.expr(s.cond)
        out.do(f"br i1 {cond}, label %{fine}, label %{fail}, !prof !0")
        out.start(fail)
        for n, v in enumerate(s.values[:ERROR_SLOTS]):
            value = self._as_slot(self.expr(v), v.dtype)
            where = out.value(f"getelementptr i64, ptr %error, i64 {n}")
            out.do(f"store i64 {value}, ptr {where}")
        self._exit(str(number))
        out.start(fine)

    def _as_slot(self, value: str, dtype: DType) -> str:
        if isinstance(dtype, FloatType):
            wide = value if llvm_type(dtype) == "double" else self.out.value(f"fpext float {value} to double")
            return self.out.value(f"bitcast double {wide} to i64")
        return llvmops.resize(self.out, value, llvmops.integer_type(dtype), 64)

    def _exit(self, code: str) -> None:
        self.out.do(f"store i64 {code}, ptr %status")
        self.out.jump("leave")


def _costly(e: Expr) -> bool:
    return reads_memory(e) or _divides(e)


def _divides(e: Expr) -> bool:
    if not isinstance(e, Apply):
        return False
    return e.op in (ops.FLOORDIV, ops.MOD, ops.DIV, ops.SQRT) or any(map(_divides, e.args))


def lower(kernel: Kernel) -> tuple[str, list[Assert]]:
    """The LLVM module of a promoted kernel, and its `Assert`s in the order of their numbers.

    Raises CompileError for what the back end doesn't have.
    """
    for p in (*kernel.params, *kernel.results):
        if isinstance(p.dtype, FixedType):
            raise CompileError(f"{p.hint} is fixed point, which is to be lowered before", code="C02", span=p.span)
    low = Lowering()
    names = _bind_parameters(low, kernel)
    low.out.start("work")
    low.body((*kernel.requires, *kernel.body, *kernel.ensures))
    low.out.do("store i64 0, ptr %status")
    low.out.jump("leave")
    return _module(low, names), low.sites


def _bind_parameters(low: Lowering, kernel: Kernel) -> list[str]:
    names = []
    for p in (*kernel.params, *kernel.results):
        name = f"%{low.out.name(p.hint + '.')}"
        if isinstance(p, Buffer):
            low.pointers[p] = name
            names.append(f"ptr noalias nocapture align {min(element_bytes(p.dtype), 8)} {name}")
        else:
            low.values[p] = name
            names.append(f"{llvm_type(p.dtype)} {name}")
    return names


def _module(low: Lowering, params: list[str]) -> str:
    signature = ", ".join([*params, "ptr noalias nocapture %error"])
    frees = [f"  %free{n} = load ptr, ptr {slot}\n  call void @free(ptr %free{n})" for n, slot in enumerate(low.slots)]
    lines = [
        *dict.fromkeys(low.globals),
        f"define internal i64 @gemel_body({signature}) #0 {{",
        "entry:",
        "  %status = alloca i64",
        *(f"  {a}" for a in low.allocas),
        "  br label %work",
        *low.out.lines,
        "leave:",
        *frees,
        "  %code = load i64, ptr %status",
        "  ret i64 %code",
        "}",
        *_entry(params),
        *sorted(low.out.declarations),
        'attributes #0 = { nounwind "prefer-vector-width"="512" "no-trapping-math"="true" }',
        '!0 = !{!"branch_weights", i32 2000, i32 1}',
    ]
    return "\n".join(lines) + "\n"


def _entry(params: list[str]) -> list[str]:
    lines = ["define i64 @gemel_entry(ptr %args, ptr %error) #0 {"]
    passed = []
    for n, p in enumerate(params):
        kind = p.split()[0]
        lines.append(f"  %at{n} = getelementptr i64, ptr %args, i64 {n}")
        passed.append(f"{kind} %a{n}")
        lines += _slot(n, kind)
    lines.append(f"  %code = call i64 @gemel_body({', '.join([*passed, 'ptr %error'])})")
    return [*lines, "  ret i64 %code", "}"]


def _slot(n: int, kind: str) -> list[str]:
    if kind == "float":  # every float scalar is passed as a double
        return [f"  %d{n} = load double, ptr %at{n}", f"  %a{n} = fptrunc double %d{n} to float"]
    if kind in ("ptr", "double", "i64"):
        return [f"  %a{n} = load {kind}, ptr %at{n}"]
    return [f"  %w{n} = load i64, ptr %at{n}", f"  %a{n} = trunc i64 %w{n} to {kind}"]
