// ---- the filter as a text: terms such as domain=!example.com, with spaces between them

// Parameters of a stream that are no filters: the page has its own buttons for what they do.
const NO_FILTERS = ['stream', 'token', 'notices', 'explain', 'cursor', 'since', 'until', 'before', 'last', 'follow'];

// `name=` or `name:`, `!`, and a value. In quotes, a quote is written twice; one that is not closed yet reaches to the end.
const TERM = /(?:([a-z]+)[=:])?(!?)(?:"((?:[^"]|"")*)"?|(\S*))\s*/giy;

// Pairs of a parameter and a value. What has no name is looked for in the names.
function parseTerms(text) {
  const terms = [...text.trim().matchAll(TERM)].filter(([all]) => all);
  return terms.map(([, name = 'contains', not, quoted, plain]) =>
    [name.toLowerCase(), not + (quoted === undefined ? plain : quoted.replaceAll('""', '"'))]);
}

function formatTerm([name, value]) {
  const not = value.startsWith('!') ? '!' : '', rest = value.slice(not.length);
  return `${name}=${not}${/[\s"]/.test(rest) ? `"${rest.replaceAll('"', '""')}"` : rest}`;
}

const formatTerms = terms => terms.map(formatTerm).join(' ');

// As a query string that any shell and any language can have in quotes: without quotes, spaces and backslashes.
function queryOf(pairs) {
  const plain = { '+': '%20', '%21': '!', '%2C': ',', '%2F': '/', '%3A': ':' };
  return new URLSearchParams(pairs).toString().replace(/\+|%2[1CF]|%3A/g, found => plain[found]);
}

// What is wrong with the terms before any server is asked. The server checks everything else.
function problemOfTerms(terms) {
  const [name] = terms.find(([name]) => NO_FILTERS.includes(name)) ?? [];
  return name ? `${name} is no filter: write one of those below, or the text in double quotes` : '';
}
