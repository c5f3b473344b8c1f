// README's game is a game.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { TestTable, simulate } from "croupier-sdk/testing";

test("README's game plays as README says", async (context) => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  const [source, session] = [code[0], code.at(-1)];
  const file = new URL(`./readme-${process.pid}.tmp.js`, import.meta.url);
  writeFileSync(file, source);
  context.after(() => rmSync(file));
  const { default: highDice } = await import(file.href);
  const play = session.replace(/^import .*\n/gm, "");
  new Function("assert", "TestTable", "simulate", "highDice", play)(assert, TestTable, simulate, highDice);
});
