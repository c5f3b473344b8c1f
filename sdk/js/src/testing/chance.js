/** Where a test's draws come from: a seed or a script. It knows nothing of money. */

import { createCipheriv, createHash } from "node:crypto";

import { DRAWS_MAX, DRAW_CHOICES_MAX } from "../limits.js";

const RANGE = 2n ** 64n;
const BLOCK_BYTES = 4096;

/** The chance of a table, and what the running or last call drew. */
export class Chance {
  /** What the running or last call drew. */
  draws = [];
  #source;
  /** Numbers drawn; a shuffle takes several. */
  #taken = 0;

  constructor(source) {
    this.#source = source;
  }

  static seeded(seed) {
    return new Chance(new Seeded(seed));
  }

  static scripted(draws) {
    return new Chance(new Scripted(draws));
  }

  /** Begins a call. */
  begin() {
    this.draws = [];
    this.#taken = 0;
  }

  below(bound) {
    if (bound === 0) throw new RangeError("the game drew below 0: there is no such number");
    this.#take(1);
    return this.#keep(this.#source.below(bound));
  }

  weighted(weights) {
    assertChoices(weights.length, "weights");
    const sum = weights.reduce((sum, weight) => sum + weight, 0);
    if (sum === 0) throw new RangeError(`the game drew from weights that sum to 0: [${weights}]`);
    this.#take(1);
    return this.#keep(this.#source.weighted(weights, sum));
  }

  shuffled(n) {
    assertChoices(n, "elements");
    this.#take(Math.max(n - 1, 1));
    return this.#keep(this.#source.shuffled(n));
  }

  #take(numbers) {
    this.#taken += numbers;
    if (this.#taken > DRAWS_MAX) throw new RangeError(`the game drew too often: a call draws at most ${DRAWS_MAX} times`);
  }

  #keep(draw) {
    this.draws.push(draw);
    return draw;
  }
}

function assertChoices(count, what) {
  if (count > DRAW_CHOICES_MAX) throw new RangeError(`the game drew from ${count} ${what}; at most ${DRAW_CHOICES_MAX} can be`);
}

/** The stream of ChaCha20 under the seed. */
class Seeded {
  #cipher;
  #block = Buffer.alloc(0);
  #at = 0;

  constructor(seed) {
    const key = createHash("sha256").update(String(seed)).digest();
    this.#cipher = createCipheriv("chacha20", key, Buffer.alloc(16));
  }

  /** Without bias: what is left over of 2^64 beyond a multiple of the bound is drawn again. */
  below(bound) {
    const wide = BigInt(bound);
    const surplus = RANGE % wide;
    for (;;) {
      const number = this.#next();
      if (number < RANGE - surplus) return Number(number % wide);
    }
  }

  weighted(weights, sum) {
    let rest = this.below(sum);
    return weights.findIndex((weight) => {
      rest -= weight;
      return rest < 0;
    });
  }

  /** Fisher and Yates. */
  shuffled(n) {
    const order = Array.from({ length: n }, (_, at) => at);
    for (let last = n - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }

  #next() {
    if (this.#at === this.#block.length) {
      this.#block = this.#cipher.update(Buffer.alloc(BLOCK_BYTES));
      this.#at = 0;
    }
    this.#at += 8;
    return this.#block.readBigUInt64LE(this.#at - 8);
  }
}

class Scripted {
  #draws;

  constructor(draws) {
    this.#draws = [...draws];
  }

  below(bound) {
    return this.#number(`below(${bound})`, (number) => number < bound);
  }

  weighted(weights) {
    return this.#number(`weighted([${weights}])`, (number) => weights[number] > 0);
  }

  /** The permutation that begins as the script says and goes on in ascending order. */
  shuffled(n) {
    const beginning = this.#next(`shuffled(${n})`);
    if (!Array.isArray(beginning)) throw new Error(`the script says ${beginning} for shuffled(${n}), which takes a list`);
    const rest = new Set(Array.from({ length: n }, (_, at) => at));
    if (!beginning.every((number) => rest.delete(number))) {
      throw new Error(`the script says [${beginning}] for shuffled(${n}): a number is twice or too large`);
    }
    return [...beginning, ...rest];
  }

  #number(draw, isPossible) {
    const number = this.#next(draw);
    const fits = Number.isSafeInteger(number) && number >= 0 && isPossible(number);
    if (!fits) throw new Error(`the script says ${JSON.stringify(number)} for ${draw}`);
    return number;
  }

  #next(draw) {
    if (this.#draws.length === 0) throw new Error(`the script is exhausted at ${draw}`);
    return this.#draws.shift();
  }
}
