// Run once in each engine instance, before its memory image is taken: removes what could make code
// out of text or reach a clock, adds the helpers and the runner, then freezes all builtins.
(function () {
  "use strict";
  const global = globalThis;

  // Without these there is no way from a value to a function compiled from a string: every function
  // prototype's `constructor` would otherwise lead to one.
  for (const sample of [function () {}, function* () {}, async function () {}, async function* () {}]) {
    Object.defineProperty(Object.getPrototypeOf(sample), "constructor", {
      value: undefined, writable: false, configurable: false,
    });
  }
  const removed = [
    "eval", "Function", "performance", "queueMicrotask", "SharedArrayBuffer", "Atomics", "WeakRef",
    "FinalizationRegistry", "console",
  ];
  for (const name of removed) delete global[name];
  // Their setters keep what they are given in the engine, out of Object.freeze's reach.
  for (const name of ["prepareStackTrace", "stackTraceLimit"]) delete Error[name];

  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const helpers = {
    json: (value, indent) => JSON.stringify(value, null, indent),
    first: (values) => (values == null ? undefined : values[0]),
    last: (values) => (values == null ? undefined : values[values.length - 1]),
    keys: (value) => (value == null ? [] : Object.keys(value)),
    values: (value) => (value == null ? [] : Object.values(value)),
    exists: (value) => value !== null && value !== undefined,
    isArray: (value) => Array.isArray(value),
    isObject,
  };

  // What stands for a value inside a longer text.
  const asText = (value) => {
    if (value === null || value === undefined) return "";
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString();
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };

  // Half of a surrogate pair has no UTF-8; JSON.stringify writes it, and nothing else, as \ud….
  const toJson = (value) => {
    const text = JSON.stringify(value);
    if (text !== undefined && text.includes("\\ud") && /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(text)) {
      throw new TypeError("a text holds half of a surrogate pair, which is not valid Unicode");
    }
    return text;
  };

  const rejectUnusable = (value) => {
    if (typeof value === "function") {
      throw new TypeError("the result is a function; call it with ()");
    }
    if (typeof value === "symbol") throw new TypeError("the result is a symbol");
    if (value instanceof Promise) {
      throw new TypeError("the result is a promise; templates have nothing to wait for");
    }
    return value;
  };

  // A thrown value is the user's: reading it may throw again or return anything.
  const describe = (thrown, index) => {
    const read = (key) => {
      try {
        const value = thrown[key];
        return typeof value === "string" ? value.slice(0, 2000) : "";
      } catch {
        return "";
      }
    };
    let name = "Error", message = "", stack = "";
    if (thrown === null) {
      // What the engine throws when no memory is left even for an error.
      name = "null";
    } else if (typeof thrown === "object") {
      name = read("name") || "Error";
      message = read("message");
      stack = read("stack");
    } else {
      try { message = String(thrown).slice(0, 2000); } catch { message = "unknown"; }
    }
    return { expression: index, name, message, stack };
  };

  // A field is [isExact, ...parts]; a part is a literal string or [expression index, function].
  const renderField = (field, lenient) => {
    let text = "", exact, index = -1;
    try {
      for (let i = 1; i < field.length; i++) {
        const part = field[i];
        if (typeof part === "string") { text += part; continue; }
        index = part[0];
        try {
          const value = rejectUnusable(part[1]());
          if (field[0]) exact = toJson(value); else text += asText(value);
        } catch (thrown) {
          if (!lenient) throw thrown;
        }
      }
      if (!field[0]) return "[0," + toJson(text) + "]";
      return "[0," + (exact === undefined ? "null" : exact) + "]";
    } catch (thrown) {
      return "[1," + JSON.stringify(describe(thrown, index)) + "]";
    }
  };

  // make: scope values, then row values -> fields. The answer is JSON: one array of fields a row.
  const run = (make, scopeNames, rowNames, lenient) => {
    const { scope, rows } = JSON.parse(global.$payload);
    global.$payload = "";
    const fixed = scopeNames.map((name) => scope[name]);
    let answer = "[";
    for (let r = 0; r < rows.length; r++) {
      const fields = make(...fixed, ...rowNames.map((name) => rows[r][name]));
      answer += (r ? ",[" : "[") + fields.map((field) => renderField(field, lenient)).join(",") + "]";
    }
    return answer + "]";
  };

  for (const [name, value] of Object.entries({ ...helpers, $run: run })) {
    Object.defineProperty(global, name, { value, enumerable: false });
  }
  // The one slot that stays writable: the host puts each evaluation's data there.
  Object.defineProperty(global, "$payload", { value: "", writable: true, enumerable: false });

  // Objects whose prototypes no global names: iterators, generators and their kin.
  const hidden = [
    [][Symbol.iterator](), ""[Symbol.iterator](), new Map().entries(), new Set().entries(),
    "".matchAll(/x/g), [].values().map((value) => value), Iterator.from({ next() {} }),
    (function* () {})(), (async function* () {})(),
    (function* () {}), (async function* () {}), (async function () {}),
  ];
  const seen = new Set();
  const queue = Reflect.ownKeys(global).map((key) => global[key]);
  queue.push(...hidden.map((item) => Object.getPrototypeOf(item)));
  while (queue.length > 0) {
    const item = queue.pop();
    if (item === null || (typeof item !== "object" && typeof item !== "function")) continue;
    if (item === global || seen.has(item)) continue;
    seen.add(item);
    queue.push(Object.getPrototypeOf(item));
    for (const descriptor of Object.values(Object.getOwnPropertyDescriptors(item))) {
      queue.push(descriptor.value, descriptor.get, descriptor.set);
    }
    for (const key of Object.getOwnPropertySymbols(item)) {
      const descriptor = Object.getOwnPropertyDescriptor(item, key);
      queue.push(descriptor.value, descriptor.get, descriptor.set);
    }
    Object.freeze(item);
  }
  for (const key of Reflect.ownKeys(global)) {
    if (key !== "$payload") {
      Object.defineProperty(global, key, { writable: false, configurable: false });
    }
  }
  Object.preventExtensions(global);
})();
"ready";
