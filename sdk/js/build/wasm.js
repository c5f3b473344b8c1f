/**
 * Reads and writes the sections of a core Wasm module, as far as `runtime.js` needs it.
 * @see https://webassembly.github.io/spec/core/binary/modules.html
 */

const MAGIC = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
const LAST_SECTION = 13;

export const Section = { custom: 0, import: 2, function: 3, global: 6, export: 7, code: 10 };

/** @typedef {{ id: number, body: Uint8Array }} ModuleSection */

/**
 * Every module that lies somewhere in the bytes, whole.
 * @param {Uint8Array} bytes
 * @returns {ModuleSection[][]}
 */
export function modulesIn(bytes) {
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const modules = [];
  for (let at = haystack.indexOf(MAGIC); at >= 0;) {
    const next = haystack.indexOf(MAGIC, at + 1);
    modules.push(sectionsOf(bytes.subarray(at + MAGIC.length, next < 0 ? bytes.length : next)));
    at = next;
  }
  return modules;
}

/**
 * The sections that the bytes begin with, until something is none.
 * @param {Uint8Array} bytes
 * @returns {ModuleSection[]}
 */
function sectionsOf(bytes) {
  const sections = [];
  for (let at = 0; at < bytes.length;) {
    const reader = new Reader(bytes, at + 1);
    const length = reader.number();
    const isSection = bytes[at] <= LAST_SECTION && length > 0 && reader.at + length <= bytes.length;
    if (!isSection) break;
    sections.push({ id: bytes[at], body: bytes.subarray(reader.at, reader.at + length) });
    at = reader.at + length;
  }
  return sections;
}

/**
 * @param {ModuleSection[]} sections
 * @returns {Uint8Array}
 */
export function encodeModule(sections) {
  return bytesOf(MAGIC, ...sections.map(({ id, body }) => bytesOf([id], number(body.length), body)));
}

/**
 * @typedef {object} Import
 * @property {string} module
 * @property {string} name
 * @property {Uint8Array} kind What comes after the names, as it is in the module.
 */

/**
 * @param {Uint8Array} body
 * @returns {Import[]}
 */
export function decodeImports(body) {
  const reader = new Reader(body);
  return Array.from({ length: reader.number() }, () => {
    const [module, name] = [reader.text(), reader.text()];
    return { module, name, kind: reader.importKind() };
  });
}

/**
 * @param {Import[]} imports
 * @returns {Uint8Array}
 */
export function encodeImports(imports) {
  const entries = imports.map(({ module, name, kind }) => bytesOf(text(module), text(name), kind));
  return bytesOf(number(imports.length), ...entries);
}

/**
 * The section's vector with more entries behind those it has.
 * @param {Uint8Array} body
 * @param {Uint8Array[]} entries
 * @returns {Uint8Array}
 */
export function append(body, entries) {
  const reader = new Reader(body);
  const count = reader.number();
  return bytesOf(number(count + entries.length), body.subarray(reader.at), ...entries);
}

/**
 * How many entries the section's vector has.
 * @param {Uint8Array} body
 * @returns {number}
 */
export function count(body) {
  return new Reader(body).number();
}

/**
 * An unsigned number in LEB128.
 * @param {number} value
 * @returns {Uint8Array}
 */
export function number(value) {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}

/**
 * @param {string} value
 * @returns {Uint8Array}
 */
export function text(value) {
  const utf8 = new TextEncoder().encode(value);
  return bytesOf(number(utf8.length), utf8);
}

/**
 * @param {...(Uint8Array | number[])} parts
 * @returns {Uint8Array}
 */
export function bytesOf(...parts) {
  return Buffer.concat(parts.map((part) => Uint8Array.from(part)));
}

class Reader {
  /**
   * @param {Uint8Array} bytes
   * @param {number} [at]
   */
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  number() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      if (!(byte & 0x80)) return value;
    }
  }

  text() {
    const length = this.number();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  /** Kind and type of an import: function, table, memory, global or tag. */
  importKind() {
    const start = this.at;
    const kind = this.bytes[this.at++];
    if (kind === 0) this.number();
    else if (kind === 1) {
      this.at += 1;
      this.limits();
    } else if (kind === 2) this.limits();
    else if (kind === 3) this.at += 2;
    else {
      this.at += 1;
      this.number();
    }
    return this.bytes.subarray(start, this.at);
  }

  limits() {
    const hasMaximum = this.bytes[this.at++] & 1;
    this.number();
    if (hasMaximum) this.number();
  }
}
