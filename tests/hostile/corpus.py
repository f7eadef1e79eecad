"""Scripts that mean harm, by what they try; each is a function body that sees ``rows``."""

from __future__ import annotations

LOOPS = """
while (true) {}
for (;;) {}
do {} while (true)
for (let i = 0; ; i++) { i = 0 }
while (true) { try { throw 1 } catch {} }
while (true) { try { return 1 } finally { continue } }
outer: while (true) { inner: while (true) { continue outer } }
const f = () => f2(), f2 = () => { while (true) {} }; return f()
[3, 2, 1].sort(() => { while (true) {} })
[1].map(() => { for (;;); })
[1, 2].reduce(() => { for (;;); })
"a".replace(/a/, () => { while (true) {} })
JSON.parse("[1]", () => { while (true) {} })
JSON.stringify({ a: 1 }, () => { while (true) {} })
Array.from({ length: 1 }, () => { while (true) {} })
for (const x of (function* () { while (true) yield 1 })()) {}
return [...(function* () { while (true) {} })()]
new Map([[1, 2]]).forEach(() => { while (true) {} })
let n = 0n; while (true) n++
const d = new Date(0); while (true) d.setTime(d.getTime() + 1)
"""

NATIVE_LOOPS = """
return Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)
return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)
return Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)
return Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)
return Array.prototype.join.call({ length: 2 ** 53 - 1 })
return Array.prototype.reverse.call({ length: 2 ** 53 - 1 })
return Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 1)
return Array.prototype.findLast.call({ length: 2 ** 53 - 1 }, () => false)
return Array.prototype.some.call({ length: 2 ** 53 - 1 }, () => false)
return Array.prototype.splice.call({ length: 2 ** 53 - 1 }, 0, 1)
return Array.prototype.unshift.call({ length: 2 ** 53 - 2 }, 1)
return Array.prototype.shift.call({ length: 2 ** 53 - 1 })
return Array(2 ** 32 - 2).join("")
return Array(2 ** 32 - 2).indexOf(1)
return Array(2 ** 31).fill(0).length
return Array(2 ** 32 - 1).sort().length
return Array.from({ length: 2 ** 32 - 1 }).length
return Reflect.apply(Math.max, null, { length: 2 ** 31 })
return new Uint8Array(2 ** 25).sort((a, b) => b - a).length
return Array(5000).fill(Array(5000).fill(Array(5000).fill(1))).flat(Infinity).length
const a = "a".repeat(4e6); return a.indexOf("a".repeat(2e6) + "b")
const a = "ab".repeat(2e6); return a.lastIndexOf("ab".repeat(1e6) + "c")
return "a".repeat(3e6).split("").length
return "a".repeat(2e6).replaceAll("a", "bb").length
let o = {}; for (let i = 0; i < 30; i++) o = { a: o, b: o }; return JSON.stringify(o).length
let o = [0]; for (let i = 0; i < 32; i++) o = [o, o]; return o
return parseInt("9".repeat(5e6))
return BigInt("9".repeat(5e6)).toString().length
return Number("0." + "1".repeat(1e7))
return "x".padStart(2 ** 29).length
return "x".repeat(2 ** 28).normalize("NFKD").length
return "\\u00e9".repeat(5e6).normalize("NFD").toUpperCase().length
return "a".repeat(1e7).localeCompare("a".repeat(1e7) + "b")
"""

REGEX = r"""
return /^(a+)+$/.test("a".repeat(40) + "b")
return /^(a|a)*$/.test("a".repeat(40) + "b")
return /^(a|aa)+$/.test("a".repeat(60) + "b")
return /(x+x+)+y/.test("x".repeat(60))
return /^(([a-z])+.)+[A-Z]([a-z])+$/.test("a".repeat(60))
return /(.*)*\1x/.test("a".repeat(60))
return /(?=(a+))+b/.test("a".repeat(60))
return /^(?:a?){40}a{40}$/.test("a".repeat(40) + "b")
return /(a*)*(b*)*(c*)*$/.test("abc".repeat(20) + "!")
return "a".repeat(50).match(/(?:(?:a+)+)+$!/)
return "a".repeat(50).replace(/(a+)+b/g, "")
return "a".repeat(50).split(/(a+)+b/)
return [..."a".repeat(50).matchAll(/(a+)+b/g)]
return /(?<n>a+)+\k<n>b/u.test("a".repeat(50))
return new RegExp("(" + "a?".repeat(5000) + ")*b").test("a".repeat(5000))
return new RegExp("(".repeat(50000) + ")".repeat(50000)).test("")
return new RegExp("[" + "a-z".repeat(1e6) + "]").test("a")
return /a{0,65535}{0,65535}/.test("a")
return /(?:a{1,1000}){1,1000}b/.test("a".repeat(3000))
return /\p{L}+\p{L}+\p{L}+\p{L}+$/u.test("é".repeat(3000) + "1")
"""

ALLOCATION = """
const a = []; while (true) a.push(a.length)
const a = []; while (true) a.push(new Array(1e5).fill(1))
const a = []; while (true) { try { a.push(new Uint8Array(1 << 20)) } catch {} }
const a = []; while (true) { try { a.push("x".repeat(1 << 20) + a.length) } catch {} }
return new Uint8Array(2 ** 31).length
return new ArrayBuffer(2 ** 40).byteLength
return new ArrayBuffer(1, { maxByteLength: 2 ** 31 }).resize(2 ** 31)
return new Float64Array(new Array(2 ** 24).fill(1)).length
const m = new Map(); for (let i = 0; ; i++) m.set(i, {})
const s = new Set(); for (let i = 0; ; i++) s.add({ i })
let o = {}; for (let i = 0; ; i++) o["k" + i] = i
let o = null; while (true) o = { o }
let f = () => 0; while (true) { const g = f; f = () => g() }
return Array(1e9).fill().map(() => ({}))
return Object.fromEntries(Array.from({ length: 1e8 }, (_, i) => [i, i]))
return structuredClone ? 1 : 0
const a = [1]; while (true) a.push(...a)
const a = [[]]; while (true) a[0] = a.concat(a)
return Array.from({ length: 1e7 }, (_, i) => Symbol("s" + i)).length
for (let i = 0; ; i++) Symbol.for("key" + i)
return new Array(1e6).fill(0).map(() => /(x)/g).length
return new Array(1e7).fill(0).map((_, i) => BigInt(i)).length
"""

STRINGS = r"""
let s = "x"; while (true) s += s
let s = "x"; for (;;) s = s + "y".repeat(1e6)
return "x".repeat(2 ** 30)
return "x".repeat(2 ** 29).split("x")
return "\u{10ffff}".repeat(2 ** 27).length
let s = "x"; for (let i = 0; i < 40; i++) s = `${s}${s}`; return s
return "ab".repeat(2 ** 24).replace(/a/g, "$&".repeat(1000)).length
return Array(2 ** 20).fill("x".repeat(1000)).join("y".repeat(1000)).length
return "\ud800"
return ["\udc00", "\ud800x"]
return { "\ud800": 1 }
return "a\u0000b" + String.fromCharCode(0, 1, 2)
return encodeURIComponent("\ud800")
return "x".repeat(3e7)
return Array(1e6).fill("\u0000".repeat(50))
return "\u2028\u2029".repeat(1e6)
return String.raw({ raw: { length: 2 ** 31 } })
"""

BIGINT = """
return 2n ** 1000000n
return 2n ** (2n ** 62n)
return (2n ** 100000n).toString().length
let n = 2n; while (true) n *= n
let n = 3n ** 50000n; while (true) n = (n * n) % (2n ** 300000n)
return (7n ** 300000n) / (3n ** 200000n)
return BigInt.asUintN(2 ** 30, -1n)
return 1n << (2n ** 40n)
return -(1n << 10000000n)
return BigInt("0x" + "f".repeat(3e6)).toString(7).length
return [1n]
return { a: 10n ** 400n }
"""

RECURSION = """
const f = () => f(); return f()
const f = () => { try { return f() } catch { return f() } }; return f()
const f = () => { try { f() } finally { f() } }; return f()
const a = [], g = () => { a.push(1); g() }; return g()
const o = { get x() { return this.x } }; return o.x
const o = { toString() { return "" + this } }; return "" + o
const o = { [Symbol.toPrimitive]() { return +this } }; return +o
const o = { valueOf() { return this + 1 } }; return o + 1
class A { constructor() { new A() } } return new A()
const f = (...a) => f(...a, ...a); return f(1)
return [1].map(function g() { return [1].map(g) })
return "a".replace(/a/, function g() { return "a".replace(/a/, g) })
return [2, 1].sort(function g() { return [2, 1].sort(g).length })
let o = []; for (let i = 0; i < 1e5; i++) o = [o]; return o
let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return o
let s = "["; for (let i = 0; i < 17; i++) s += s; return JSON.parse(s)
return JSON.parse("[".repeat(1e6) + "]".repeat(1e6))
let f = () => 0; for (let i = 0; i < 1e5; i++) { const g = f; f = () => g() } return f()
const p = new Proxy({}, { get(t, k, r) { return r[k] } }); return p.x
const p = {}; p.__proto__ = new Proxy(p, {}); return p.x
let e = new Error("x"); for (let i = 0; i < 1e5; i++) e = new Error("x", { cause: e }); throw e
"""

PROXIES = """
return new Proxy({}, { ownKeys() { while (true) {} } })
return new Proxy([], { get() { while (true) {} } })
return new Proxy({}, { get() { throw new Proxy({}, { get() { while (true) {} } }) } })
return new Proxy({}, { getPrototypeOf() { while (true) {} } }) instanceof Array
return { get x() { while (true) {} } }
return { toJSON() { while (true) {} } }
return { toJSON() { return this } }
return { toJSON() { return { toJSON() { return { toJSON: this.toJSON } } } } }
return { toJSON: new Proxy(function () {}, { apply() { while (true) {} } }) }
return Object.defineProperty([], "length", { value: 2 ** 32 - 1 })
return Object.create(null, { x: { get() { throw 1 }, enumerable: true } })
return new Proxy(function () {}, {})
return new Proxy({}, { ownKeys: () => Array.from({ length: 1e7 }, (_, i) => "k" + i) })
const p = new Proxy({}, { has: () => true, get: () => p }); return p
return { then(resolve) { while (true) {} } }
const o = {}; o.o = o; return o
const a = []; a[0] = a; return a
const m = new Map(); m.set(m, m); return m
return new Date(NaN)
const d = new Date(0); d.toISOString = () => { while (true) {} }; return d
return Object.assign(Object.create({ toJSON() { for (;;); } }), { a: 1 })
"""

THROWN = """
throw { toString() { while (true) {} } }
throw { get message() { while (true) {} } }
throw { get name() { throw { get name() { while (true) {} } } } }
throw { get stack() { while (true) {} } }
throw new Proxy({}, { get() { while (true) {} } })
throw new Proxy(new Error("x"), { getPrototypeOf() { while (true) {} } })
throw null
throw undefined
throw Symbol("x")
throw 10n ** 1000n
throw "x".repeat(1e7)
throw new Error("x".repeat(1e8))
throw Object.assign(new Error("x"), { message: { toString() { for (;;); } } })
throw Object.assign(new Error("x"), { stack: "at x (eval_script:99999999999999999999:1)" })
throw Object.assign(new Error("x"), { name: "InternalError", message: "out of memory" })
throw Object.assign(new Error("x"), { name: "\\ud800", message: "\\u0000" })
throw function () { while (true) {} }
throw new AggregateError(Array.from({ length: 1e5 }, () => new Error("x")))
class E extends Error { get message() { return "x".repeat(1e8) } } throw new E()
throw { toJSON() { for (;;); }, message: "x" }
"""

MICROTASKS = """
const f = () => Promise.resolve().then(f); f(); return 1
(async () => { while (true) await null })(); return 1
(async () => { while (true) {} })(); return 1
Promise.resolve().then(() => { while (true) {} }); return 1
for (let i = 0; i < 1e6; i++) Promise.resolve().then(() => 1); return 1
return Promise.resolve(1)
return (async () => 1)()
return Promise.all(Array.from({ length: 1e6 }, () => Promise.resolve(1)))
return new Promise(() => {})
return Promise.reject(new Error("x"))
Promise.reject(new Error("x")); return 1
const g = async function* () { while (true) yield 1 }; (async () => { for await (const x of g()) {} })(); return 1
return { then: (f) => f(1) }
return [Promise.resolve(1)]
Promise.resolve({ get then() { while (true) {} } }); return 1
"""

POLLUTION = """
Object.prototype.polluted = 1; return 1
Array.prototype.polluted = 1; return 1
Array.prototype.map = () => "stolen"; return 1
String.prototype.polluted = 1; return 1
Function.prototype.polluted = 1; return 1
Object.defineProperty(Object.prototype, "toJSON", { value: () => "stolen" }); return 1
Object.setPrototypeOf(Object.prototype, { polluted: 1 }); return 1
({}).__proto__.polluted = 1; return 1
({}).constructor.prototype.polluted = 1; return 1
JSON.parse = () => "stolen"; return 1
JSON.stringify = () => '"stolen"'; return 1
globalThis.polluted = 1; return 1
globalThis.json = () => "stolen"; return 1
globalThis.$run = () => "stolen"; return 1
globalThis.$payload = '{"scope":{},"rows":[{},{}]}'; return 1
Object.defineProperty(globalThis, "$payload", { get: () => "{}" }); return 1
delete globalThis.JSON; return 1
Math.polluted = 1; return 1
Symbol.prototype.polluted = 1; return 1
RegExp.prototype.exec = () => null; return 1
Promise.prototype.then = () => "stolen"; return 1
Error.prepareStackTrace = () => "stolen"; return 1
Error.stackTraceLimit = 0; return 1
(function* () {}).constructor.prototype.polluted = 1; return 1
Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true }); return 1
Object.getPrototypeOf(new Map().entries()).next = () => ({ done: true }); return 1
Object.getPrototypeOf(Int8Array).prototype.polluted = 1; return 1
Date.prototype.toISOString = () => "stolen"; return 1
Number.prototype.toString = () => "stolen"; return 1
Object.freeze = (x) => x; return 1
(function () { this.polluted = 1 })(); return 1
(0, function () { return this })().polluted = 1; return 1
arguments.callee.polluted = 1; return 1
"x".replace(/(x)/, ""); RegExp.lastMatch = "polluted"; return 1
class A extends Array {} A.prototype.__proto__.polluted = 1; return 1
Reflect.set(Object.prototype, "polluted", 1); return Reflect.defineProperty(Object.prototype, "polluted", { value: 1 })
"""

ESCAPES = """
return eval("1")
return (0, eval)("1")
return globalThis.eval("1")
return globalThis["ev" + "al"]("1")
return Function("return 1")()
return new Function("return 1")()
return (() => {}).constructor("return 1")()
return (function () {}).constructor("return 1")()
return (function* () {}).constructor("yield 1")().next()
return (async () => {}).constructor("return 1")()
return (async function* () {}).constructor("yield 1")().next()
return (class {}).constructor("return 1")()
return [].map.constructor("return 1")()
return Object.getPrototypeOf(() => {}).constructor("return 1")()
return Reflect.construct((() => {}).constructor, ["return 1"])()
return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(() => {}), "constructor").value("return 1")()
return Reflect.get(Function.prototype, "constructor")("return 1")()
return new Proxy(() => {}, {}).constructor("return 1")()
return Object.getOwnPropertyDescriptor(Object.prototype, "__proto__").get.constructor("return 1")()
return JSON.stringify.bind().constructor("return 1")()
return Symbol.prototype[Symbol.toPrimitive].constructor("return 1")()
return import("os")
return import("std")
return import.meta.url
return require("fs")
return process.env
return fetch("http://127.0.0.1/")
return new XMLHttpRequest()
return new WebSocket("ws://127.0.0.1/")
return new Worker("x")
return std.open("/etc/passwd", "r")
return os.exec(["id"])
return Deno.env
return globalThis.process?.env ?? fetch
return setTimeout(() => {}, 0)
return setInterval(() => {}, 0)
return queueMicrotask(() => { while (true) {} })
return new SharedArrayBuffer(8)
return Atomics.wait(new Int32Array(8), 0, 0)
return new WeakRef({}).deref()
return performance.now()
return console.log("x")
return print("x")
return load("/etc/passwd")
return scriptArgs
return gc()
return new ShadowRealm().evaluate("1")
with ({}) { return 1 }
return arguments.callee.caller
return (function () { return this })()
debugger; return 1
"""

ENGINE = """
const a = [1, 2, 3]; a.sort(() => { a.length = 0; return 1 }); return a
const a = [1, 2, 3]; return a.map(() => { a.length = 0; return a })
const a = new Uint8Array(8); return a.fill({ valueOf() { a.buffer.transfer?.(); return 1 } })
const b = new ArrayBuffer(8); const v = new DataView(b); b.transfer(); return v.getInt8(0)
const a = [1.1, 2.2]; a.__proto__ = new Proxy([], { get: () => { a.length = 1e6 } }); return a[9]
const a = []; a[2 ** 32 - 2] = 1; return a.concat(a, a)
const a = [1, 2]; Object.defineProperty(a, 0, { get() { a.length = 0; return 1 } }); return a.slice()
const m = new Map([[1, 1], [2, 2]]); m.forEach((_, k) => { m.delete(k); m.set(k + 2, 1) }); return 1
const s = new Set([1]); for (const x of s) { s.delete(x); s.add(x + 1) }
const it = [1, 2, 3].values(); it.next(); return [...it, ...it]
const g = (function* () { yield g.next() })(); return g.next()
const r = /a/y; r.lastIndex = { valueOf() { r.compile("b".repeat(1000)); return 0 } }; return r.test("a")
return Array.prototype.concat.call(1, new Proxy([], { get: (t, k) => k === "length" ? 2 ** 32 : 1 }))
return Object.groupBy({ length: 2 ** 31, [Symbol.iterator]: null }, () => 1)
return Reflect.construct(Array, [2 ** 32], Date)
return Reflect.ownKeys(new Proxy({}, { ownKeys: () => ["a", "a"] }))
const e = new Error(); e.stack = { get length() { for (;;); } }; throw e
return [..."x".repeat(100)].toSorted(() => NaN).with(2 ** 31, 1)
return new Date(8.64e15 + 1).toISOString()
return "x".at(2 ** 53) ?? "x".codePointAt(-1)
return Object.entries(new Proxy({}, { ownKeys: () => Array(1e6).fill().map((_, i) => `${i}`) })).length
const o = { valueOf() { o.valueOf = null; return o } }; return [o > o, o == 1]
let x = 0; label: { x = (() => { try { return 1 } finally { x = 2 } })() } return x
class A { static #p = 1; static { A.#p = A } static get() { return A.#p } } return A.get()
return ((a = (() => b)(), b = 1) => a)()
return new (class extends null { constructor() { return [] } })()
"""

DEEP_JSON = """
return rows
return JSON.parse(JSON.stringify(rows))
return Array.from({ length: 3e6 }, (_, i) => i)
return Array.from({ length: 1e5 }, (_, i) => ({ i, s: "x".repeat(500) }))
return [NaN, Infinity, -Infinity, -0, 2 ** 53, 2 ** 64, 5e-324]
return [undefined, null, () => 1, Symbol("x")]
return { a: undefined, b: () => 1 }
return Symbol("x")
return () => 1
return new Map([[1, 2]])
return new Set([1])
return new Uint8Array(1e6)
return Object.fromEntries([["__proto__", 1], ["constructor", 2]])
return { ["\\u0000"]: "\\u0000" }
return { length: 1e9, 0: 1 }
return Array(1e8)
"""

# Not one expression by themselves; the wrapper around a template must not make them one.
BREAK_OUTS = """
1); evil(); (2
1]; evil(); [2
1}; evil(); {2
1)) }]]]; }, [], [], false); while (true) {} ((
1 /*
1 //
`
"
'
/
1, ...x
...x
}, () => { while (true) {}
1) => (2
await 1
yield 1
return 1
let x = 1
1; 2
x => {
{
}
/* */ */
<!-- x
--> x
1\\u0029; evil(
new.target
super.x
import x from "y"
export default 1
#!x
"""

FAMILIES = {
    "loops": LOOPS,
    "native loops": NATIVE_LOOPS,
    "regex": REGEX,
    "allocation": ALLOCATION,
    "strings": STRINGS,
    "bigint": BIGINT,
    "recursion": RECURSION,
    "proxies and getters": PROXIES,
    "thrown values": THROWN,
    "microtasks": MICROTASKS,
    "pollution": POLLUTION,
    "escapes": ESCAPES,
    "engine": ENGINE,
    "json": DEEP_JSON,
}

SCRIPTS = [
    (family, line) for family, text in FAMILIES.items() for line in text.strip().splitlines()
]
BROKEN = BREAK_OUTS.strip().splitlines()
