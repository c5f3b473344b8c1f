/** Write casino games for Croupier in JavaScript or TypeScript: see README.md. */

export { Fault, Refusal, faults } from "./fault.js";
export { game, look, method } from "./game.js";
export * as schema from "./schema.js";
export { bet } from "./simulation.js";
