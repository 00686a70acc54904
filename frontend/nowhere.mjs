// Takes the places out of panics: file, line and column of each of more than a thousand `unwrap`s.
//
// A panic of the client says what went wrong and no more where; a dev build says both. rustc leaves the
// places out only with an unstable flag, so it is done here: the linker is asked to keep its relocations,
// which say exactly where an address stands in code and data. Each `core::panic::Location` (a file's name
// and its length, line, column) is found by the address of a text that ends in `.rs`; the code that names
// one of them is made to name one and the same, "?" at 0:0. What nothing names any more is filled with zeros, and code
// that differed by its place only is alike, which wasm-opt and brotli both like.
//
// Works on what the linker wrote, before wasm-bindgen: there every address in code is five bytes long, so
// nothing moves.
//
// Absent: no guess; a place that code names by an address inside of it, or that data names, is left as it is.
import { sectionsOf } from './snip.mjs';

const CODE = 10, DATA = 11, CUSTOM = 0;
/** Relocations: address as SLEB in code, as number in data. The others have an addend or not; all are read over. */
const ADDRESS_LEB = 3, ADDRESS_SLEB = 4, ADDRESS_I32 = 5;
const WITH_ADDEND = new Set([3, 4, 5, 8, 9, 11, 14, 15, 16, 17, 21, 22, 23, 25]);
/** Size of a Location: pointer, length, line, column. */
const PLACE_BYTES = 16;
/** Fewer than this means that the linker or the compiler has changed: look anew. */
const LEAST = 300;

/** A signed number as it stands, of five bytes. */
function readSleb(bytes, at) {
  let value = 0;
  for (let i = 0; i < 5; i += 1) value |= (bytes[at + i] & 0x7f) << (7 * i);
  return value >>> 0;
}

function writeSleb(bytes, at, value) {
  for (let i = 0; i < 5; i += 1) bytes[at + i] = ((value >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0);
}

/** Relocations of a section: kind and place within it. */
function relocations(sections, index) {
  for (const { id, body } of sections) {
    if (id !== CUSTOM) continue;
    const part = body();
    if (!part.text().startsWith('reloc.') || part.number() !== index) continue;
    const found = [];
    for (let left = part.number(); left > 0; left -= 1) {
      const kind = part.byte();
      const at = part.number();
      part.number();
      if (WITH_ADDEND.has(kind)) while (part.byte() & 0x80);
      found.push({ kind, at });
    }
    return found;
  }
  throw new Error('the linker kept no relocations');
}

/** The segments of the data section: address, length, and where they stand in the file. */
function segments(section) {
  const found = [];
  for (let left = section.number(); left > 0; left -= 1) {
    if (section.number() !== 0 || section.byte() !== 0x41) throw new Error('a data segment of an unknown kind');
    const address = section.number(); // positive and below 2³¹, so SLEB reads the same but for its top bit
    if (section.byte() !== 0x0b) throw new Error('a data segment whose address is no number');
    const length = section.number();
    found.push({ address, length, at: section.at });
    section.part(length);
  }
  return found;
}

/**
 * The module without places, without its relocations, and how many places there were. Throws where that cannot be right.
 */
export function nowhere(original) {
  const bytes = Buffer.from(original);
  const sections = sectionsOf(bytes);
  const indexOf = (wanted) => sections.findIndex(({ id }) => id === wanted);
  const [code, data] = [indexOf(CODE), indexOf(DATA)];
  const start = (index) => sections[index].body().at;
  const segs = segments(sections[data].body());
  const seen = (address, length) => {
    const seg = segs.find((each) => address >= each.address && address + length <= each.address + each.length);
    return seg && seg.at + address - seg.address;
  };
  const addressOf = (at) => {
    const seg = segs.find((each) => at >= each.at && at < each.at + each.length);
    return seg && seg.address + at - seg.at;
  };

  // Where data holds an address, and which addresses it holds.
  const inData = relocations(sections, data).filter(({ kind }) => kind === ADDRESS_I32).map(({ at }) => start(data) + at);
  const holds = new Set(inData);
  const named = new Map();
  for (const at of inData) named.set(bytes.readUInt32LE(at), (named.get(bytes.readUInt32LE(at)) ?? 0) + 1);
  const places = new Map();
  for (const at of inData) {
    const [text, length, line, column] = [0, 4, 8, 12].map((offset) => bytes.readUInt32LE(at + offset));
    if ([4, 8, 12].some((offset) => holds.has(at + offset)) || length < 4 || length > 255 || line === 0 || column === 0) continue;
    const from = seen(text, length);
    if (from === undefined || !/^[\x20-\x7e]+\.rs$/.test(bytes.toString('latin1', from, from + length))) continue;
    const address = addressOf(at);
    if (address !== undefined && !named.has(address)) places.set(address, { at, text, from, length });
  }
  // Whoever names the middle of a place means something else by it.
  const inCode = relocations(sections, code).filter(({ kind }) => kind === ADDRESS_SLEB || kind === ADDRESS_LEB)
    .map(({ kind, at }) => ({ kind, at: start(code) + at }));
  const uses = [];
  for (const { kind, at } of inCode) {
    const address = readSleb(bytes, at);
    if (places.has(address) && kind === ADDRESS_SLEB) uses.push({ at, address });
    else for (let inside = address - PLACE_BYTES + 1; inside <= address; inside += 1) places.delete(inside);
  }
  const kept = uses.filter(({ address }) => places.has(address));
  if (kept.length < LEAST || places.size < LEAST) throw new Error(`only ${places.size} places and ${kept.length} uses of them were found`);

  const [one] = places.keys();
  for (const { at } of kept) writeSleb(bytes, at, one);
  for (const [address, { at, from, length }] of places) {
    if (address === one) {
      bytes.fill(0, at + 8, at + PLACE_BYTES);
      bytes.writeUInt32LE(1, at + 4);
    } else {
      bytes.fill(0, at, at + PLACE_BYTES);
    }
  }
  // Texts that only places named.
  const { text: keptText } = places.get(one);
  const still = new Set();
  for (const at of inData) still.add(bytes.readUInt32LE(at));
  for (const { at } of inCode) still.add(readSleb(bytes, at));
  for (const { text, from, length } of places.values()) {
    let free = true;
    for (let address = text; address < text + length; address += 1) if (still.has(address) && text !== keptText) free = false;
    if (free) bytes.fill(0, from, from + length);
  }
  bytes.write('?', seen(keptText, 1), 'latin1');
  const output = [bytes.subarray(0, 8)];
  let from = 8;
  for (const { id, body } of sections) {
    const section = body();
    const isReloc = id === CUSTOM && body().text().match(/^(reloc\..*|linking)$/);
    if (!isReloc) output.push(bytes.subarray(from, section.end));
    from = section.end;
  }
  return { module: Buffer.concat(output), places: places.size, uses: kept.length };
}
