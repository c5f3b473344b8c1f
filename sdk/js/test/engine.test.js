// The engine of a component learns nothing of the computer it is built on.

import assert from "node:assert/strict";
import { test } from "node:test";

import { engineWithoutTime } from "../build/runtime.js";
import { Section, decodeImports, modulesIn, number } from "../build/wasm.js";

test("the engine imports neither clock nor entropy", () => {
  const [sections] = modulesIn(engineWithoutTime());
  const imports = decodeImports(sections.find(({ id }) => id === Section.import).body);
  const names = imports.map(({ module, name }) => `${module}#${name}`);
  assert.ok(names.includes("env#croupier_time"));
  const time = names.filter((name) => /random|seed|(wall|monotonic)-clock.*#now/.test(name));
  assert.deepEqual(time, ["env#croupier_seed"]);
});

test("numbers are written as LEB128", () => {
  const cases = [[0, [0]], [127, [127]], [128, [0x80, 1]], [624_485, [0xe5, 0x8e, 0x26]]];
  for (const [value, bytes] of cases) assert.deepEqual([...number(value)], bytes);
});
