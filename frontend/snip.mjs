// Takes code out of a WebAssembly module that can be reached in theory and never in practice.
//
// tachys instantiates two ways of waking a page for every view: `hydrate`, which we use, and
// `hydrate_async`, which only `hydrate_lazy` calls. Erased views hold both in one table of functions, so
// no optimiser can tell that the second is dead; it is a tenth of the module. Here those bodies become
// a trap: were one ever called, the page would say so at once, loudly, instead of doing something else.
//
// The linker keeps one of several functions of equal content, under any of their names. So only what is
// nobody else's by its content is taken out: no drop glue, no helper inside, nothing short.
//
// Works on the module's binary form and knows no more of it than it must: sections, the function names
// of the "name" section, the lengths of the bodies.
//
// Absent: no function changes its number or its type, and no section but the code's is touched.

/** `…::hydrate_async` and the closures right inside of it, as wasm-bindgen writes names. */
const DEAD = /::hydrate_async(?:::\{\{closure\}\})*::h[0-9a-f]{16}$/;
/** Shorter bodies may be shared with a function that lives. */
const SHORTEST_BYTES = 64;
/** Bounds of the share of all functions that is taken out. Outside of it, tachys has changed: look anew. */
const EXPECTED = { least: 0.005, most: 0.1 };

const CUSTOM = 0, IMPORT = 2, CODE = 10;
/** No locals, `unreachable`, `end`; before it the length of the three. */
const TRAP = Buffer.from([3, 0, 0x00, 0x0b]);

/** Reads on through bytes, LEB128 numbers and texts. */
class Reader {
  constructor(bytes, at = 0, end = bytes.length) {
    Object.assign(this, { bytes, at, end });
  }

  get more() {
    return this.at < this.end;
  }

  byte() {
    if (this.at >= this.end) throw new Error(`the module ends early, at byte ${this.at}`);
    return this.bytes[this.at++];
  }

  number() {
    let [value, scale, byte] = [0, 1, 0];
    do {
      byte = this.byte();
      value += (byte & 0x7f) * scale; // not `<<`: it would end at 2³¹
      scale *= 128;
    } while (byte & 0x80);
    return value;
  }

  /** A reader of the next `length` bytes; this one goes on behind them. */
  part(length) {
    if (this.at + length > this.end) throw new Error(`the module ends early, at byte ${this.at}`);
    this.at += length;
    return new Reader(this.bytes, this.at - length, this.at);
  }

  rest() {
    return this.bytes.subarray(this.at, this.end);
  }

  text() {
    return this.part(this.number()).rest().toString('utf8');
  }
}

/** A number as WebAssembly writes it. */
export function leb(value) {
  const bytes = [];
  let left = value;
  do {
    const low = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? low | 0x80 : low);
  } while (left > 0);
  return Buffer.from(bytes);
}

/** Functions that the module imports: they come first in the numbering and have no body. */
function importedFunctions(section) {
  let functions = 0;
  const limits = () => {
    const flags = section.byte();
    section.number();
    if (flags & 1) section.number();
  };
  for (let left = section.number(); left > 0; left -= 1) {
    section.text();
    section.text();
    const kind = section.byte();
    if (kind === 0) { functions += 1; section.number(); }
    else if (kind === 1) { section.byte(); limits(); }
    else if (kind === 2) limits();
    else if (kind === 3) { section.byte(); section.byte(); }
    else throw new Error(`an import of the unknown kind ${kind}`);
  }
  return functions;
}

/** Function number → name, from a custom section; nothing if it is another one than "name". */
function functionNames(section) {
  const names = new Map();
  if (section.text() !== 'name') return names;
  while (section.more) {
    const kind = section.byte();
    const part = section.part(section.number());
    if (kind !== 1) continue;
    for (let left = part.number(); left > 0; left -= 1) {
      const index = part.number();
      names.set(index, part.text());
    }
  }
  return names;
}

/** The sections of a module: their ids, and a reader of each. */
export function sectionsOf(bytes) {
  if (bytes.length < 8 || bytes.readUInt32LE(0) !== 0x6d736100) throw new Error('this is no WebAssembly module');
  const reader = new Reader(bytes, 8);
  const sections = [];
  while (reader.more) {
    const id = reader.byte();
    const part = reader.part(reader.number());
    sections.push({ id, body: () => new Reader(bytes, part.at, part.end) });
  }
  return sections;
}

/**
 * The module with the dead bodies replaced, and how many and how many bytes they were.
 * Throws where that cannot be right: no names, or another share of functions than we know.
 */
export function snip(bytes) {
  const sections = sectionsOf(bytes);
  const imported = sections.filter(({ id }) => id === IMPORT).reduce((sum, { body }) => sum + importedFunctions(body()), 0);
  const names = new Map(sections.filter(({ id }) => id === CUSTOM).flatMap(({ body }) => [...functionNames(body())]));
  if (names.size === 0) throw new Error('the module names no functions; wasm-bindgen must keep the name section');
  const found = { functions: 0, bytes: 0, of: 0 };
  const output = [bytes.subarray(0, 8)];
  for (const { id, body } of sections) {
    let content = body().rest();
    if (id === CODE) {
      const code = body();
      found.of = code.number();
      const bodies = [leb(found.of)];
      for (let index = imported; index < imported + found.of; index += 1) {
        const old = code.part(code.number()).rest();
        if (old.length >= SHORTEST_BYTES && DEAD.test(names.get(index) ?? '')) {
          found.functions += 1;
          found.bytes += old.length;
          bodies.push(TRAP);
        } else {
          bodies.push(leb(old.length), old);
        }
      }
      content = Buffer.concat(bodies);
    }
    output.push(Buffer.from([id]), leb(content.length), content);
  }
  const share = found.functions / found.of;
  if (!(share >= EXPECTED.least && share <= EXPECTED.most)) {
    throw new Error(`${found.functions} of ${found.of} functions are named ${DEAD}; expected are ${EXPECTED.least * 100} to ${EXPECTED.most * 100} %`);
  }
  return { module: Buffer.concat(output), ...found };
}
