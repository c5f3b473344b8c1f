/**
 * Builds a game: `node main.js <game's folder> <the contract's wit> <where the component goes>`.
 * `croupier build` runs it. The same sources give the same bytes, on any computer.
 */

import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { componentize } from "componentize-qjs";
import { build } from "esbuild";

import { NO_BETS } from "../src/simulation.js";
import { engineWithoutTime } from "./runtime.js";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));

/** The worlds of the contract that a game may be built for, of which none has migrations of its documents. */
const WORLD = "casino-game";
const WORLD_WITH_SIMULATION = "casino-game-with-simulation";

/** What QuickJS runs: nothing is rewritten that needs not be. */
const LANGUAGE = "es2023";

const [game, contract, output] = process.argv.slice(2).map((path) => resolve(path));
try {
  await writeFile(output, await componentOf(game));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/**
 * With the simulation if the game declares bets. Nothing of a game runs in this process: the engine that is to run it is asked.
 * @param {string} game
 */
async function componentOf(game) {
  const runtimeBytes = Buffer.from(engineWithoutTime());
  const componentFor = async (world) => {
    const jsSource = await bundle(game, world);
    const { component } = await componentize({ witPath: contract, world, jsSource, stubWasi: true, runtimeBytes });
    return component;
  };
  try {
    return await componentFor(WORLD_WITH_SIMULATION);
  } catch (error) {
    if (error.message.includes(NO_BETS)) return componentFor(WORLD);
    throw error;
  }
}

/**
 * One module with the lockdown first, so that not even the game's top level has a clock.
 * @param {string} game
 * @param {string} world
 */
async function bundle(game, world) {
  const entry = await entryOf(game);
  const contents = [
    `import ${JSON.stringify(join(SOURCE, "lockdown.js"))};`,
    `import { component } from ${JSON.stringify(join(SOURCE, "component.js"))};`,
    `import declared from ${JSON.stringify(entry)};`,
    "export const game = component(declared);",
  ];
  if (world === WORLD_WITH_SIMULATION) {
    contents.push(
      `import { simulationOf } from ${JSON.stringify(join(SOURCE, "simulation/component.js"))};`,
      "export const simulation = simulationOf(declared);",
    );
  }
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
