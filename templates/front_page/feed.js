// ---- the table: the newest entries as they come, or those of the journal

// Many more certificates arrive than an eye can read: all are counted and filtered, the newest few of each turn are shown.
const ROWS = 30, PER_TURN = 3, TURN_MS = 250;

let fresh = [];               // of this turn, those that the filter lets through
let latest = [];              // the newest, also while the table stands still
let recent = [];              // the newest that the filter lets through, likewise
let matched = 0, needle = '', isPaused = false;
const shown = new WeakMap();  // what the rows on the page are of

const isEntry = message => ['certificate_update', 'dns_entries'].includes(message.message_type);

// A message with the texts of its row. Names alone do not say when they were seen.
function entryOf(message, isHistory) {
  if (message.message_type === 'dns_entries') {
    const names = message.data;
    return { message, cells: [isHistory ? '' : time(Date.now()), '', names, ''], text: names.join(' ').toLowerCase() };
  }
  return described(message);
}

function described(message) {
  const { leaf_cert: leaf, seen, update_type } = message.data;
  const issuer = leaf.issuer.O || leaf.issuer.CN || leaf.issuer.aggregated || '';
  const names = leaf.all_domains.length ? leaf.all_domains : [leaf.subject.aggregated || ''];
  return { message, cells: [time(seen * 1000), update_type === 'PrecertLogEntry' ? 'precert' : 'x509', names, issuer],
           text: `${names.join(' ')} ${issuer} ${leaf.issuer.CN || ''}`.toLowerCase() };
}

const passes = entry => !needle || entry.text.includes(needle);
const standsStill = () => isPaused || back !== null;

function addToFeed(entry, isHistory) {
  latest.push(entry);
  if (latest.length > ROWS) latest.shift();
  if (!passes(entry)) return;
  if (!isHistory) matched++;
  recent.push(entry);
  if (recent.length > ROWS) recent.shift();
  if (standsStill() || document.hidden) return;
  // More than a turn shows is not kept, but what was there before the page is shown at once.
  if (fresh.length >= (isHistory ? ROWS : PER_TURN)) fresh.shift();
  fresh.push(entry);
}

function row(entry) {
  const tr = document.createElement('tr');
  tr.tabIndex = 0;
  tr.setAttribute('aria-haspopup', 'dialog');
  tr.append(...entry.cells.map(text => cell(text)));
  tr.title = entry.cells[2].map(visible).join('\n');
  shown.set(tr, entry);
  return tr;
}

function show() {
  if (fresh.length) {
    $('feed').prepend(...fresh.reverse().map(row));
    while ($('feed').rows.length > ROWS) $('feed').lastElementChild.remove();
    fresh = [];
  }
  $('empty').hidden = $('feed').rows.length > 0;
}

function filter() {
  needle = $('filter').value.trim().toLowerCase();
  matched = 0;
  fresh = [];
  const known = [...new Set([...recent, ...latest])].filter(passes);
  recent = known.sort((a, b) => a.message.seq - b.message.seq).slice(-ROWS);
  for (const tr of [...$('feed').rows]) {
    if (!passes(shown.get(tr))) tr.remove();
  }
  if (!standsStill() && $('feed').rows.length < recent.length) showRecent();
  $('empty').textContent = needle ? 'Nothing yet that the filter lets through.' : 'Waiting for the next certificate.';
  $('empty').hidden = $('feed').rows.length > 0;
  if (back) readBackAgain();
  count();
}

function pause() {
  if (standsStill()) goLive();
  else isPaused = true;
  fresh = [];
  describeFeed();
}

// The newest entries are shown, and move again.
function goLive() {
  stopReadingBack();
  isPaused = false;
  showRecent();
  $('feed-scroll').scrollTop = 0;
  describeFeed();
}

function showRecent() {
  $('feed').replaceChildren(...recent.map(row).reverse());
}

function describeFeed() {
  $('pause').setAttribute('aria-pressed', standsStill());
  $('pause').textContent = standsStill() ? 'Go on' : 'Pause';
  $('to-live').hidden = !back;
  describeReach();
  count();
}

function count() {
  const words = needle ? `${matched.toLocaleString()} match since the filter was set` : '';
  const still = back ? 'reading back; still counting' : 'paused; still counting';
  $('matches').textContent = [words, standsStill() ? still : ''].filter(Boolean).join(' · ');
}
