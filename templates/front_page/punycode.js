// ---- internationalized names: A-labels, decoded to be read beside them (RFC 3492)

const BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72, FIRST_CODE_POINT = 0x80;
const LAST_CODE_POINT = 0x10ffff, MOST_LABEL = 63;

// The name with its A-labels decoded. Null if it has none, or one that says nothing else or cannot be decoded: then only
// what was certified is shown.
function decodedName(name) {
  if (!/(^|\.)xn--/i.test(name)) return null;
  const labels = name.split('.').map(label => /^xn--/i.test(label) ? decodedLabel(label.slice(4).toLowerCase()) : label);
  return labels.includes(null) ? null : labels.join('.');
}

function decodedLabel(text) {
  if (text.length > MOST_LABEL || /[^a-z0-9-]/.test(text)) return null;
  const codePoints = decodePunycode(text);
  // One that is all ASCII, or that has half a surrogate pair, is no A-label.
  if (!codePoints || codePoints.every(c => c < FIRST_CODE_POINT) || codePoints.some(c => c >= 0xd800 && c < 0xe000)) return null;
  return String.fromCodePoint(...codePoints);
}

function decodePunycode(text) {
  const delimiter = Math.max(text.lastIndexOf('-'), 0);
  const output = [...text.slice(0, delimiter)].map(c => c.codePointAt(0));
  let at = delimiter > 0 ? delimiter + 1 : 0, codePoint = FIRST_CODE_POINT, i = 0, bias = FIRST_BIAS;
  while (at < text.length) {
    const before = i;
    for (let weight = 1, k = BASE; ; k += BASE) {
      const digit = digitOf(text[at++]), t = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      i += digit * weight;
      weight *= BASE - t;
      if (!(i <= Number.MAX_SAFE_INTEGER && weight <= Number.MAX_SAFE_INTEGER)) return null; // also if there is no digit
      if (digit < t) break;
    }
    const count = output.length + 1;
    bias = adaptedBias(i - before, count, before === 0);
    codePoint += Math.floor(i / count);
    i %= count;
    if (codePoint > LAST_CODE_POINT) return null;
    output.splice(i++, 0, codePoint);
  }
  return output;
}

// `a` to `z` are 0 to 25, `0` to `9` are 26 to 35. NaN for anything else, and behind the end.
function digitOf(character) {
  return 'abcdefghijklmnopqrstuvwxyz0123456789'.includes(character) && character
    ? (parseInt(character, BASE) + 26) % BASE : NaN;
}

function adaptedBias(delta, count, isFirst) {
  delta = isFirst ? Math.floor(delta / DAMP) : Math.floor(delta / 2);
  delta += Math.floor(delta / count);
  let k = 0;
  for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
  return k + Math.floor((BASE - T_MIN + 1) * delta / (delta + SKEW));
}
