/** The two ways a call goes wrong without anything being broken: a fault ends it, a refusal need not. */

/** The error a client receives, in JSON-RPC 2.0's shape. */
export class Fault extends Error {
  /** The host refused something and the game did not handle it; `data.refusal` is the refusal's code. */
  static REFUSED = 900;
  /** The params pass the method's schema and yet hold what JavaScript cannot. */
  static INVALID_PARAMS = 901;

  /**
   * @param {number} code
   * @param {string} message
   * @param {unknown} [data]
   */
  constructor(code, message, data) {
    super(message);
    this.name = "Fault";
    this.code = code;
    this.data = data;
  }
}

/** Why the host declined a request. Nothing has changed, and the call may go on. */
export class Refusal extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "Refusal";
    this.code = code;
  }
}

const OWN_CODE_MAX = 899;

/** A game's own faults, each a function that makes it. */
export function faults(table) {
  const codes = new Map();
  const makers = Object.entries(table).map(([name, [code, message]]) => {
    if (!Number.isInteger(code) || code < 1 || code > OWN_CODE_MAX) {
      throw new RangeError(`fault '${name}': a game's codes are 1 to ${OWN_CODE_MAX}, not ${code}`);
    }
    if (codes.has(code)) throw new RangeError(`fault '${name}': code ${code} is already that of '${codes.get(code)}'`);
    codes.set(code, name);
    return [name, (data) => new Fault(code, filled(message, data), data)];
  });
  return Object.freeze(Object.fromEntries(makers));
}

function filled(message, data) {
  return message.replace(/\{(\w+)\}/g, (_, name) => String(data[name]));
}

/**
 * The fault that a client receives for what a method threw, or nothing where the game itself is wrong.
 * @param {unknown} thrown
 * @returns {Fault | undefined}
 */
export function faultOf(thrown) {
  if (thrown instanceof Fault && Number.isInteger(thrown.code) && thrown.code >= 1 && thrown.code <= 999) return thrown;
  if (thrown instanceof Refusal) return new Fault(Fault.REFUSED, thrown.message, { refusal: thrown.code });
  return undefined;
}
