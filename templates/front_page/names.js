// ---- one name: its registrable domain stands out, and what the filter found in it is marked

// The domain that somebody registered is taken to be the last two labels, or three if the last one is a country's and the
// one before it is a common second level below countries (co.uk, com.br). The public suffix list would say more, but is larger
// than this whole page; a wrong guess only makes another part of the name bold.
const SECOND_LEVEL = /^(ac|co|com|edu|gen|go|gob|gov|gouv|gub|id|ind|info|ltd|me|mil|ne|net|nom|or|org|plc|sch|web)$/i;
const HOST_NAME = /^(\*\.)?[^\s.:/@*]+(\.[^\s.:/@*]+)*$/, ADDRESS = /^[\d.]+$/;

// Where the registrable domain begins, or null if it is none.
function registrableAt(name) {
  if (!HOST_NAME.test(name) || ADDRESS.test(name)) return null;
  const labels = name.replace(/^\*\./, '').split('.');
  if (labels.length < 2) return null;
  const isThird = labels.length > 2 && labels.at(-1).length === 2 && SECOND_LEVEL.test(labels.at(-2));
  return name.length - labels.slice(isThird ? -3 : -2).join('.').length;
}

// The top-level domain, for a filter. Null if it is none.
function topLevelOf(name) {
  const last = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
  return registrableAt(name) !== null && /^[a-z0-9-]*[a-z-][a-z0-9-]*$/.test(last) ? last : null;
}

// The ranges of `name` that the reasons are about. An expression or a likeness holds for the whole name: it is marked if
// there is nothing more exact.
function markedRanges(name, reasons) {
  const parts = reasons.map(reason => partOf(name, reason)).filter(part => part !== null);
  return parts.length || !reasons.length ? parts : [[0, name.length]];
}

function partOf(name, { parameter, value }) {
  const text = name.toLowerCase(), at = parameter === 'domain' ? text.length - value.length : text.indexOf(value);
  const isPart = ['domain', 'contains'].includes(parameter) && text.length === name.length && at >= 0;
  return isPart && text.startsWith(value, at) ? [at, at + value.length] : null;
}

// `ranges` are those to be marked.
function nameElement(name, ranges) {
  const bold = registrableAt(name) ?? name.length;
  const cuts = [...new Set([0, bold, name.length, ...ranges.flat()])].sort((a, b) => a - b);
  const bdi = document.createElement('bdi');
  bdi.append(...cuts.slice(1).map((end, i) => {
    const part = document.createElement(ranges.some(([from, to]) => from <= cuts[i] && end <= to) ? 'mark' : 'span');
    if (cuts[i] >= bold) part.className = 'registrable';
    part.textContent = visible(name.slice(cuts[i], end));
    return part;
  }));
  return bdi;
}

// What an internationalized name says, or null.
function decodedElement(name) {
  const decoded = decodedName(name);
  if (decoded === null) return null;
  const bdi = isolated(decoded);
  bdi.className = 'decoded';
  return bdi;
}
