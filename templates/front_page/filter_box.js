// ---- the filter box: what is typed is asked of the server, which selects

const TYPING_MS = 500, REFUSED = 'the filter is refused';

let applied = null;           // the terms that the stream has; null before the first ones were accepted
let typing = 0, applying = 0; // a timer; and counts attempts, so that a late answer to an older one does nothing

const isFiltered = () => applied !== null && applied.length > 0;

function filterTyped() {
  clearTimeout(typing);
  typing = setTimeout(applyFilter, TYPING_MS);
}

// Takes what stands in the box. If the server refuses it, its words are shown, and what was there before goes on.
async function applyFilter() {
  clearTimeout(typing);
  const mine = ++applying, terms = parseTerms($('filter').value);
  const isSame = applied !== null && formatTerms(terms) === formatTerms(applied);
  const problem = isSame ? '' : problemOfTerms(terms) || await serverProblem(terms);
  if (mine !== applying) return;
  describeProblem(problem);
  if (problem && applied === null) {
    refusal = REFUSED; // not the whole stream instead
    describeState();
  }
  if (problem || isSame && !refusal) return;
  subscribe(terms);
}

// What the server says against the terms. Other refusals concern the connection, which finds out about them.
async function serverProblem(terms) {
  if (!terms.length) return '';
  const why = await refusalOf([...terms, ['last', 1], ['follow', 0]]);
  return why?.status === 400 ? why.text : '';
}

function subscribe(terms) {
  filled?.reading?.abort();
  [applied, newest, filled, refusal] = [terms, null, null, ''];
  emptyFeed();
  if (back) readBackAgain();
  reconnect();
  rememberState();
  showSample();
}

function describeProblem(text) {
  const isApplied = isFiltered() || applied !== null && !refusal;
  $('filter-problem').textContent = !text || !isApplied ? text : `Not applied: ${text}`;
  $('filter').setAttribute('aria-invalid', text !== '');
}

// Adds a term that somebody chose, unless it is there.
function addTerm(term) {
  const terms = parseTerms($('filter').value), text = formatTerm(term);
  if (!terms.some(other => formatTerm(other) === text)) $('filter').value = formatTerms([...terms, term]);
  $('filter').focus();
  applyFilter();
}
