/** The chance of a simulation: numbers of 32 bits, because anything wider is slow in an interpreter. */

/** The numbers that are made at once: a loop over local variables is the fastest that there is. */
const BLOCK = 1024;

/** Small draws are taken from 31 bits, which are an integer to an interpreter. */
const SMALL_MAX = 2 ** 31 - 1;

/** Large draws are taken from 53 bits, which are exact. */
const LARGE_MAX = 2 ** 53 - 1;

/** Steps after each word of a seed: with so many, each of its bits reaches all of the state. */
const MIXING = 15;

/**
 * `sfc32` of C. Doty-Humphrey's PractRand (https://pracrand.sourceforge.net/RNG_engines.txt): three words that are added and
 * shifted, and a counter, so that no sequence is shorter than 2^32. A simulation has no secret to keep.
 */
export class Generator {
  #state = new Int32Array([0, 0, 0, 1]);
  #block = new Int32Array(BLOCK);
  #at = BLOCK;

  /** @param {readonly (bigint | number)[]} seed Words of 64 bits. */
  constructor(seed) {
    for (const word of seed.map(BigInt)) {
      for (const half of [word, word >> 32n]) {
        this.#state[0] ^= Number(BigInt.asIntN(32, half));
        this.#fill(MIXING);
      }
    }
  }

  /**
   * Uniform in 0..bound, without bias: what is left over beyond a multiple of the bound is drawn again.
   * @param {number} bound 1 to 2^53 - 1.
   */
  below(bound) {
    if (bound > SMALL_MAX) return this.#belowLarge(bound);
    for (;;) {
      if (this.#at === BLOCK) this.#refill();
      const number = this.#block[this.#at++] >>> 1;
      const rest = number % bound;
      if (number - rest <= SMALL_MAX - (bound - 1)) return rest;
    }
  }

  #belowLarge(bound) {
    for (;;) {
      // Nothing in here takes more than 53 bits.
      const number = (this.#next() >>> 11) * 2 ** 32 + (this.#next() >>> 0);
      const rest = number % bound;
      if (number - rest <= LARGE_MAX - (bound - 1)) return rest;
    }
  }

  #next() {
    if (this.#at === BLOCK) this.#refill();
    return this.#block[this.#at++];
  }

  #refill() {
    this.#fill(BLOCK);
    this.#at = 0;
  }

  /** Makes the next numbers. */
  #fill(count) {
    const block = this.#block;
    let [a, b, c, counter] = this.#state;
    for (let at = 0; at < count; at += 1) {
      const number = (a + b + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + number) | 0;
      block[at] = number;
    }
    this.#state.set([a, b, c, counter]);
  }
}
