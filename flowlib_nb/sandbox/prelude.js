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
    return typeof value === "object" ? JSON.stringify(value) ?? "" : String(value);
  };

  // It would let through what JSON.stringify takes care of: half surrogate pairs, 1e999.
  const { rawJSON: rawJson } = JSON;
  delete JSON.rawJSON;

  // How JSON.stringify writes what JSON has no form for: by itself it throws at the first, and
  // makes {} of the others. Python reads integers of at most 4300 digits.
  const tooLong = 10n ** 4300n;
  function bigIntToJson() {
    if (this >= tooLong || this <= -tooLong) throw new TypeError("a BigInt of more than 4300 digits");
    return rawJson(String(this));
  }
  // The same copy each time, by which JSON.stringify notices what holds itself.
  const copies = new WeakMap();
  const copyOf = (original, fresh) => {
    if (!copies.has(original)) copies.set(original, fresh);
    return copies.get(original);
  };
  function mapToJson() {
    const copy = copyOf(this, Object.create(null));
    for (const key of Object.keys(copy)) delete copy[key];
    for (const [key, value] of this) copy[key] = value;
    if (Object.keys(copy).length === this.size) return copy;
    throw new TypeError("two keys of a Map are the same text, or one is a symbol");
  }
  function setToJson() {
    const copy = copyOf(this, []);
    copy.length = 0;
    for (const value of this) copy.push(value);
    return copy;
  }
  for (const [type, value] of [[BigInt, bigIntToJson], [Map, mapToJson], [Set, setToJson]]) {
    Object.defineProperty(type.prototype, "toJSON", { value, enumerable: false });
  }

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
        return typeof value === "string" ? value.slice(0, 2000).toWellFormed() : "";
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
      if (message === "" && !(thrown instanceof Error)) {
        try {
          message = String(toJson(thrown)).slice(0, 2000).toWellFormed();
        } catch {
          message = "unknown";
        }
      }
    } else {
      try { message = String(thrown).slice(0, 2000).toWellFormed(); } catch { message = "unknown"; }
    }
    return { expression: index, name, message, stack };
  };

  // A column has a field's values, one a row. Numbers and texts, which cannot fail alone, are kept
  // as they are and written together; once there is another value, each is kept as its JSON text.
  const put = (column, row, value) => {
    const type = typeof value;
    if (!column.isWritten && (type === "number" || (type === "string" && value.isWellFormed()))) {
      column.values[row] = value;
      return;
    }
    const text = toJson(rejectUnusable(value));
    if (!column.isWritten) {
      column.values = column.values.map((earlier) => JSON.stringify(earlier));
      column.isWritten = true;
    }
    column.values[row] = text === undefined ? "null" : text;
  };
  const written = ({ values, isWritten }) =>
    isWritten ? "[" + values.join(",") + "]" : JSON.stringify(values);

  const apply = Reflect.apply;
  const partText = (value) =>
    typeof value === "string" || typeof value === "number" ? value : asText(rejectUnusable(value));

  // A part is a literal string or [expression index, function].
  const renderText = (parts, values, column, row, lenient) => {
    let text = "", index = -1;
    try {
      for (let i = 0; i < parts.length; i++) {
        const part = parts[i];
        if (typeof part === "string") { text += part; continue; }
        index = part[0];
        try {
          text += partText(apply(part[1], undefined, values));
        } catch (thrown) {
          if (!lenient) throw thrown;
        }
      }
      put(column, row, text);
      return null;
    } catch (thrown) {
      put(column, row, null);
      return describe(thrown, index);
    }
  };
  const renderExact = ([index, expression], values, column, row, lenient) => {
    try {
      put(column, row, apply(expression, undefined, values));
      return null;
    } catch (thrown) {
      put(column, row, null);
      return lenient ? null : describe(thrown, index);
    }
  };

  // A field is [isExact, parts, whole]; whole, if there, is a function that makes the same of a
  // text's parts at once, but cannot tell which one fails. Returns [row, error] for each failure.
  const renderColumn = ([isExact, parts, whole], rows, column, lenient) => {
    const render = isExact ? renderExact : renderText, given = isExact ? parts[0] : parts;
    const failures = [];
    for (let r = 0; r < rows.length; r++) {
      if (whole !== undefined) {
        try {
          put(column, r, apply(whole, undefined, rows[r]));
          continue;
        } catch {
          // Once more below, part by part.
        }
      }
      const error = render(given, rows[r], column, r, lenient);
      if (error !== null) failures.push([r, error]);
    }
    return failures;
  };

  const integer = /^-?\d+$/;
  const keepDigits = (key, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && integer.test(source)
      ? BigInt(source) : value;

  // fields: functions of the scope's values, then a row's. The answer is JSON: for each field its
  // values, then [field, row, error] for each failure.
  const run = (fields, scopeNames, lenient) => {
    const payload = global.$payload;
    // The host marks what may hold integers that a number would lose digits of.
    const { scope, rows, hasGaps } =
      payload[0] === "!" ? JSON.parse(payload.slice(1), keepDigits) : JSON.parse(payload);
    // For good, so that one row cannot leave something there for the next.
    Object.defineProperty(global, "$payload", { value: "", writable: false });
    if (hasGaps) {
      for (const row of rows) {
        for (let i = 0; i < row.length; i++) if (row[i] === null) row[i] = undefined;
      }
    }
    const fixed = scopeNames.map((name) => scope[name]);
    const all = fixed.length > 0 ? rows.map((values) => fixed.concat(values)) : rows;
    const columns = fields.map(() => ({ values: [], isWritten: false }));
    const failures = fields.flatMap((field, f) =>
      renderColumn(field, all, columns[f], lenient).map((failure) => [f, ...failure]));
    // Joined, since what `+` makes of long texts is a rope, which the native engine's binding cannot
    // hand out.
    return ["[[", columns.map(written).join(","), "],", JSON.stringify(failures), "]"].join("");
  };

  for (const [name, value] of Object.entries({ ...helpers, $run: run, $text: partText })) {
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
