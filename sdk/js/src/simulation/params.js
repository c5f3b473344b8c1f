/** A bet's params as a call would have them. */

import { exactMember } from "../json.js";

/**
 * What is left of a value that goes to the host as JSON and from there into a call: a copy of its own, with the members of
 * objects in the order of their names.
 */
export function received(value) {
  if (typeof value !== "object" || value === null) return exactMember(value, "a param");
  if (typeof value.toJSON === "function") return received(value.toJSON());
  if (Array.isArray(value)) return value.map((item) => received(item ?? null));
  const copy = {};
  for (const name of Object.keys(value).sort()) {
    if (value[name] !== undefined) copy[name] = received(value[name]);
  }
  return copy;
}
