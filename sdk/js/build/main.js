/**
 * Builds a game: `node main.js <game's folder> <the contract's wit> <where the component goes>`.
 * `croupier build` runs it. The same sources give the same bytes, on any computer.
 */

import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { componentize } from "componentize-qjs";
import { build } from "esbuild";

import { engineWithoutTime } from "./runtime.js";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));

/** The world of the contract that a game is built for: one without migrations of its documents. */
const WORLD = "casino-game";

/** What QuickJS runs: nothing is rewritten that needs not be. */
const LANGUAGE = "es2023";

const [game, contract, output] = process.argv.slice(2).map((path) => resolve(path));
try {
  const source = await bundle(game);
  const runtimeBytes = Buffer.from(engineWithoutTime());
  const { component } = await componentize({
    witPath: contract,
    world: WORLD,
    jsSource: source,
    stubWasi: true,
    runtimeBytes,
  });
  await writeFile(output, component);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/**
 * One module with the lockdown first, so that not even the game's top level has a clock.
 * @param {string} game
 */
async function bundle(game) {
  const entry = await entryOf(game);
  const contents = [
    `import ${JSON.stringify(join(SOURCE, "lockdown.js"))};`,
    `import { component } from ${JSON.stringify(join(SOURCE, "component.js"))};`,
    `import declared from ${JSON.stringify(entry)};`,
    "export const game = component(declared);",
  ];
  const { outputFiles } = await build({
    stdin: { contents: contents.join("\n"), resolveDir: game, sourcefile: "component" },
    absWorkingDir: game,
    bundle: true,
    external: ["croupier:game/*"],
    format: "esm",
    target: LANGUAGE,
    platform: "neutral",
    mainFields: ["module", "main"],
    charset: "utf8",
    legalComments: "none",
    // Its comments name files as they lie on this computer.
    minifyWhitespace: true,
    logLevel: "silent",
    write: false,
  });
  return outputFiles[0].text;
}

/** @param {string} game */
async function entryOf(game) {
  const { main } = JSON.parse(await readFile(join(game, "package.json"), "utf8"));
  if (!main) throw new Error("package.json needs 'main': the file whose default export is the game");
  return join(game, main);
}
