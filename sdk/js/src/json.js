/** JSON text that loses no digit, in either direction. What cannot be kept exactly is an error, never rounded. */

/**
 * @param {unknown} value
 * @param {string} what Names the value where it has no JSON.
 * @returns {string}
 */
export function toJson(value, what) {
  const json = JSON.stringify(value, (key, member) => exactMember(member, `${what} at '${key}'`));
  if (json === undefined) throw new TypeError(`${what} has no JSON: ${typeof value}`);
  return json;
}

/**
 * @param {string} json
 * @param {string} what Names the text where it holds a number that JavaScript would round.
 * @returns {any}
 */
export function fromJson(json, what) {
  const value = JSON.parse(json);
  // Only such a number has so many digits or an exponent: most texts need no second look.
  if (/\d{16}|\d[eE]/.test(json)) assertExact(value, what);
  return value;
}

/**
 * What has JSON of its own, as it is after that.
 * @param {unknown} member
 * @param {string} what
 */
export function exactMember(member, what) {
  if (typeof member === "bigint") return exactInteger(member, what);
  if (typeof member === "number") assertExactNumber(member, what);
  if (typeof member === "function" || typeof member === "symbol") throw new TypeError(`${what} has no JSON: ${typeof member}`);
  return member;
}

function assertExact(value, what) {
  if (typeof value === "number") assertExactNumber(value, what);
  else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) assertExact(member, `${what} at '${key}'`);
  }
}

function assertExactNumber(value, what) {
  if (!Number.isFinite(value)) throw new RangeError(`${what} is ${value}, which has no JSON`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`${what} passes 2^53 - 1: JavaScript and many clients would round it`);
  }
}

/**
 * @param {bigint} value
 * @param {string} what
 * @returns {number}
 */
function exactInteger(value, what) {
  const number = Number(value);
  assertExactNumber(number, what);
  return number;
}
