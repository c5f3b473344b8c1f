// README's game is a game.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { TestTable } from "croupier-sdk/testing";

test("README's game plays as README says", async (context) => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [source, session] = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  const file = new URL(`./readme-${process.pid}.tmp.js`, import.meta.url);
  writeFileSync(file, source);
  context.after(() => rmSync(file));
  const { default: highDice } = await import(file.href);
  const play = session.replace(/^import .*\n/gm, "");
  new Function("assert", "TestTable", "highDice", play)(assert, TestTable, highDice);
});
