/** Whole numbers that are exact on both sides of the contract. */

import { Refusal } from "./fault.js";

/** No amount or balance passes it: 2^53 - 1. */
export const AMOUNT_MAX = Number.MAX_SAFE_INTEGER;

/**
 * An amount in minor units as a number that holds it exactly.
 * @param {number | bigint} amount
 * @returns {number}
 * @throws {RangeError} When it is no whole number, is below 0, or may have been rounded already.
 * @throws {Refusal} `amount-too-large`, for a bigint: a larger number is not exact, and so no amount at all.
 */
export function exactAmount(amount) {
  if (typeof amount === "bigint" && amount > BigInt(AMOUNT_MAX)) {
    throw new Refusal("amount-too-large", `amounts and balances are at most ${AMOUNT_MAX} minor units`);
  }
  return whole(amount, AMOUNT_MAX, "an amount");
}

/**
 * @param {number | bigint} value
 * @param {number} max
 * @param {string} what
 * @returns {number}
 * @throws {RangeError} Where it is not a whole number in 0..=max.
 */
export function whole(value, max, what) {
  const number = typeof value === "bigint" ? Number(value) : value;
  // Most are small, and these operators are much faster than functions where JavaScript is interpreted.
  if ((number | 0) === number && number >= 0 && number <= max) return number + 0;
  if (!Number.isSafeInteger(number) || number < 0 || number > max) {
    throw new RangeError(`${what} is a whole number from 0 to ${max}, not ${String(value)}`);
  }
  // There is no amount of -0.
  return number + 0;
}
