/** JSON Schema 2020-12, built from functions whose TypeScript types say what the schema lets pass. */

const OPTIONAL = Symbol("optional");

const SAFE = Number.MAX_SAFE_INTEGER;

const MINOR_UNITS = "In minor units of the session's currency.";

function schema(json) {
  return Object.freeze({ json: Object.freeze(json) });
}

/** Only what is there. */
function present(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

export function integer({ min = -SAFE, max = SAFE, description, examples } = {}) {
  return schema(present({ type: "integer", minimum: min, maximum: max, description, examples }));
}

export function amount({ min = 0, max = SAFE, description = MINOR_UNITS, examples } = {}) {
  return integer({ min, max, description, examples });
}

export function number({ min, max, description, examples } = {}) {
  return schema(present({ type: "number", minimum: min, maximum: max, description, examples }));
}

export function string({ minLength, maxLength, pattern, description, examples } = {}) {
  return schema(present({ type: "string", minLength, maxLength, pattern, description, examples }));
}

export function boolean({ description } = {}) {
  return schema(present({ type: "boolean", description }));
}

export function oneOf(values, { description } = {}) {
  return schema(present({ enum: [...values], description }));
}

export function array(item, { min, max, unique, description, examples } = {}) {
  const bounds = { minItems: min, maxItems: max, uniqueItems: unique };
  return schema(present({ type: "array", items: item.json, ...bounds, description, examples }));
}

export function object(members, { description, examples } = {}) {
  const entries = Object.entries(members);
  const required = entries.filter(([, member]) => !member[OPTIONAL]).map(([name]) => name);
  const properties = Object.fromEntries(entries.map(([name, member]) => [name, member.json]));
  return schema(present({ type: "object", description, properties, required, additionalProperties: false, examples }));
}

export function optional(member) {
  return Object.freeze({ ...member, [OPTIONAL]: true });
}

export function nullable(value) {
  return schema({ anyOf: [value.json, { type: "null" }] });
}

/** A schema written by hand. */
export function raw(json) {
  return schema(json);
}
