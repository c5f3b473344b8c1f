/**
 * The JavaScript engine of a component, without a clock and without entropy.
 *
 * componentize-qjs runs the engine once while it builds, with this computer's clock and entropy, and keeps the memory that
 * this leaves: a seed for `Math.random`, the time, keys of hash tables. Two builds would differ, and every call of a game would
 * begin with the same seed. So the engine's module is taken out of the package, and its three imports for such things are
 * bound to functions of its own: they answer 0 while the component is built and trap ever after.
 */

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { Section, append, bytesOf, count, decodeImports, encodeImports, encodeModule, modulesIn, number, text } from "./wasm.js";

/** @typedef {import("./wasm.js").ModuleSection} ModuleSection */

const WASM_I32 = 0x7f;
const FUNCTION = 0x00;
const MUTABLE = 0x01;

/** The engine's last act while it is built: from here on, there is no time. */
const SEAL = { module: "wasi_snapshot_preview1", name: "reset_adapter_state" };

/** What the engine would learn of this computer, and the code that stands in for it; `sealed` is the global's index. */
const REPLACED = [
  { ...SEAL, ownName: "croupier_seal", code: (sealed) => bytesOf(i32Const(1), [0x24], number(sealed)) },
  { module: "wasi:random/insecure-seed", name: "insecure-seed", ownName: "croupier_seed", code: zeroRecord },
  { module: "wasi:clocks/wall-clock", name: "now", ownName: "croupier_time", code: zeroRecord },
  {
    module: "wasi:clocks/monotonic-clock",
    name: "now",
    ownName: "croupier_instant",
    code: (sealed) => bytesOf(trapWhen(sealed), [0x42, 0x00]),
  },
];

/**
 * @returns {Uint8Array} The engine's core module.
 * @throws {Error} Where the installed componentize-qjs is not the one this was written for.
 */
export function engineWithoutTime() {
  const engines = modulesIn(readFileSync(binding())).filter(isSynchronousEngine);
  // There is one optimised for speed and one for size, in this order of size.
  const fastest = engines.sort((one, other) => size(other) - size(one))[0];
  if (!fastest) throw new Error("this componentize-qjs has no engine that is known: install the version in package-lock.json");
  return encodeModule(withoutTime(fastest));
}

/** The native library of componentize-qjs for this computer, which holds the engines. */
function binding() {
  const require = createRequire(createRequire(import.meta.url).resolve("componentize-qjs"));
  const { optionalDependencies } = require("./package.json");
  for (const name of Object.keys(optionalDependencies)) {
    try {
      const folder = dirname(require.resolve(`${name}/package.json`));
      const library = readdirSync(folder).find((file) => file.endsWith(".node"));
      if (library) return join(folder, library);
    } catch {
      // It is of another platform.
    }
  }
  throw new Error(`componentize-qjs has no library for ${process.platform} on ${process.arch}`);
}

/** @param {ModuleSection[]} sections */
function isSynchronousEngine(sections) {
  const imports = importsOf(sections);
  const isEngine = REPLACED.every((replaced) => imports.some((entry) => matches(entry, replaced)));
  return isEngine && !imports.some(({ name }) => name.startsWith("[async") || name.startsWith("[context"));
}

/**
 * @param {ModuleSection[]} sections
 * @returns {ModuleSection[]}
 */
function withoutTime(sections) {
  const imports = importsOf(sections);
  const isFunction = ({ kind }) => kind[0] === FUNCTION;
  const functions = imports.filter(isFunction).length + count(bodyOf(sections, Section.function));
  const isGlobal = ({ kind }) => kind[0] === 3;
  const sealed = imports.filter(isGlobal).length + count(bodyOf(sections, Section.global));

  const stand = REPLACED.map((replaced) => {
    const index = imports.findIndex((entry) => matches(entry, replaced));
    const type = imports[index].kind.subarray(1);
    imports[index] = { ...imports[index], module: "env", name: replaced.ownName };
    return { type, code: functionBody(replaced.code(sealed)), name: replaced.ownName };
  });
  const added = {
    [Section.function]: stand.map(({ type }) => type),
    [Section.global]: [bytesOf([WASM_I32, MUTABLE], i32Const(0), [0x0b])],
    [Section.export]: stand.map(({ name }, at) => bytesOf(text(name), [FUNCTION], number(functions + at))),
    [Section.code]: stand.map(({ code }) => code),
  };
  return sections.map(({ id, body }) => {
    if (id === Section.import) return { id, body: encodeImports(imports) };
    return { id, body: id in added ? append(body, added[id]) : body };
  });
}

/** @param {ModuleSection[]} sections */
function importsOf(sections) {
  const section = sections.find(({ id }) => id === Section.import);
  return section ? decodeImports(section.body) : [];
}

/**
 * @param {ModuleSection[]} sections
 * @param {number} wanted
 */
function bodyOf(sections, wanted) {
  const section = sections.find(({ id }) => id === wanted);
  if (!section) throw new Error(`the engine has no section ${wanted}`);
  return section.body;
}

function matches(entry, { module, name }) {
  return entry.name === name && entry.module.split("@")[0] === module;
}

function size(sections) {
  return sections.reduce((sum, { body }) => sum + body.length, 0);
}

/** Sixteen bytes of 0 where the caller wants the answer: a seed of two numbers, or seconds and nanoseconds. */
function zeroRecord(sealed) {
  const store = (offset) => bytesOf([0x20, 0x00, 0x42, 0x00, 0x37, 0x03], number(offset));
  return bytesOf(trapWhen(sealed), store(0), store(8));
}

function trapWhen(global) {
  return bytesOf([0x23], number(global), [0x04, 0x40, 0x00, 0x0b]);
}

function i32Const(value) {
  return bytesOf([0x41], number(value));
}

function functionBody(code) {
  const body = bytesOf([0x00], code, [0x0b]);
  return bytesOf(number(body.length), body);
}
