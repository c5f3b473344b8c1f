/** What the game promised in its descriptor, held against what it is asked and what it answers. */

import { Ajv2020 } from "ajv/dist/2020.js";

import { Fault } from "../fault.js";

/** JSON-RPC's own code for params that do not fit the method. */
const INVALID_PARAMS = -32602;

export class Contract {
  #id;
  #methods = new Map();

  constructor({ id, methods }) {
    const ajv = new Ajv2020({ allErrors: true, strict: false });
    this.#id = id;
    for (const { name, paramsSchema, resultSchema } of methods) {
      this.#methods.set(name, { params: ajv.compile(paramsSchema), result: ajv.compile(resultSchema) });
    }
  }

  /** Lets params pass as the host does. */
  checkParams(method, params) {
    const found = violations(this.#schemas(method).params, params);
    if (found) throw new Fault(INVALID_PARAMS, `invalid params: ${found}`);
  }

  assertResult(method, result) {
    const found = violations(this.#schemas(method).result, result);
    if (found) throw new Error(`the result of '${method}' does not fit its schema: ${found}: ${JSON.stringify(result)}`);
  }

  #schemas(method) {
    const schemas = this.#methods.get(method);
    if (!schemas) throw new Error(`'${this.#id}' has no method '${method}', only ${[...this.#methods.keys()].join(", ")}`);
    return schemas;
  }
}

/** What is wrong and where, if anything is. */
function violations(fits, instance) {
  if (fits(instance)) return undefined;
  return fits.errors.map(({ instancePath, message }) => `'${instancePath}' ${message}`).join(", ");
}
