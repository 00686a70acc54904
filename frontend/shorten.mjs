// Gives short names to what the module and its script call each other by.
//
// wasm-bindgen ends these names in a hash, `__wbg_addEventListener_2d985aa8a656f6dc`: a few hundred times
// eight random bytes that no compression removes, once in the module and once in the script.
//
// Absent: no name changes that has no such hash, so nothing that a person wrote, and nothing but names does.
import { leb, sectionsOf } from './snip.mjs';

const IMPORT = 2, EXPORT = 7;
const HASHED = /^[A-Za-z_]\w*h?[0-9a-f]{16}$/;
const HASHED_WORDS = /\b[A-Za-z_]\w*h?[0-9a-f]{16}\b/g;

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([leb(bytes.length), bytes]);
}

/** The entries of an import or export section: what stands before the name, the name, what stands behind it. */
function entries(id, section) {
  const found = [];
  for (let left = section.number(); left > 0; left -= 1) {
    const before = id === IMPORT ? text(section.text()) : Buffer.alloc(0);
    const name = section.text();
    const from = section.at;
    const kind = section.byte();
    if (id === EXPORT || kind === 0) section.number();
    else if (kind === 1 || kind === 2) {
      if (kind === 1) section.byte();
      const flags = section.byte();
      section.number();
      if (flags & 1) section.number();
    } else if (kind === 3) section.part(2);
    else throw new Error(`an import of the unknown kind ${kind}`);
    found.push({ before, name, behind: section.bytes.subarray(from, section.at) });
  }
  return found;
}

/** Module and script with short names, and how many there are. */
export function shorten(module, script) {
  const short = new Map();
  const shortened = (name) => {
    if (!HASHED.test(name)) return name;
    if (!short.has(name)) short.set(name, `$${short.size.toString(36)}`);
    return short.get(name);
  };
  const output = [module.subarray(0, 8)];
  for (const { id, body } of sectionsOf(module)) {
    let content = body().rest();
    if (id === IMPORT || id === EXPORT) {
      const renamed = entries(id, body()).map(({ before, name, behind }) => Buffer.concat([before, text(shortened(name)), behind]));
      content = Buffer.concat([leb(renamed.length), ...renamed]);
    }
    output.push(Buffer.from([id]), leb(content.length), content);
  }
  const missing = [...short.keys()].find((name) => !new RegExp(`\\b${name}\\b`).test(script));
  if (missing) throw new Error(`the script does not know ${missing}`);
  return { module: Buffer.concat(output), script: script.replace(HASHED_WORDS, (word) => short.get(word) ?? word), names: short.size };
}

/** A script without comments on lines of their own and without indentation, unless a text may span lines. */
export function squeezeScript(script) {
  const lines = script.replace(/^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*\n/gm, '').split('\n');
  if (lines.some((line) => line.split('`').length % 2 === 0)) return script;
  return lines.map((line) => line.trim()).filter((line) => line && !line.startsWith('//')).join('\n');
}
