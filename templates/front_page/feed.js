// ---- the table: the newest entries as they come, or those of the journal

// Without a filter, more come than can be read, so a few are shown. With one, every match becomes a row.
const ROWS = 30, MOST_MATCHES = 1000, PER_TURN = 3, TURN_MS = 250, TURNS_BEHIND = 4;
// Rows of a turn that nobody can read one by one: they are shown once a second, because a thousand rows move each time.
const MANY = 25, LONG_TURN = 4;

let fresh = [];               // came, and are not in the table yet; the oldest first
let recent = [];              // the newest, also while the table stands still
let matched = 0, earlier = 0; // since the filter was set, and before it
let isPaused = false, turns = 0;

const kept = () => isFiltered() ? MOST_MATCHES : ROWS;
const standsStill = () => isPaused || back !== null;
// Nothing moves away under the pointer, and no row goes that has the focus or whose certificate is open.
const isHeld = () => $('feed').matches(':hover') || $('feed').contains(document.activeElement) || $('details').open;

function addToFeed(entry) {
  matched++;
  recent.push(entry);
  trim(recent);
  if (standsStill()) return;
  fresh.push(entry);
  trim(fresh);
}

function trim(entries) {
  if (entries.length > kept()) entries.splice(0, entries.length - kept());
}

// Entries of the journal from before those that came, the newest first.
function addEarlier(entries, toTable) {
  earlier += entries.length;
  const room = Math.max(0, kept() - recent.length);
  recent.unshift(...entries.slice(0, room).reverse());
  if (toTable) $('feed').append(...entries.slice(0, Math.max(0, kept() - $('feed').rows.length)).map(row));
  describeFeed();
}

// So that the page is laid out once for all that came.
function nextTurn() {
  turns++;
  if (fresh.length <= MANY || !isFiltered() || turns % LONG_TURN === 0) show();
  keepReachable();
}

function show() {
  if (fresh.length && !isHeld()) {
    const isMany = isFiltered() || fresh.length >= ROWS;
    // Logs deliver at intervals, rows move evenly.
    const count = isMany ? fresh.length : Math.max(PER_TURN, Math.ceil(fresh.length / TURNS_BEHIND));
    const entries = fresh.splice(0, count);
    $('feed').prepend(...entries.reverse().map(row));
    while ($('feed').rows.length > kept()) $('feed').lastElementChild.remove();
  }
  const isWaiting = fresh.length > 0 && isHeld();
  const text = isWaiting ? `${fresh.length.toLocaleString()} more wait while the pointer or the focus is here` : '';
  if ($('waiting').textContent !== text) $('waiting').textContent = text;
  describeEmpty();
}

function describeEmpty() {
  $('empty').hidden = $('feed').rows.length > 0;
  const text = !isFiltered() ? 'Waiting for the first certificate.'
    : filling || mustFill || newest === null ? 'Searching the journal.' : 'Nothing yet that the filter lets through.';
  if ($('empty').textContent !== text) $('empty').textContent = text;
  for (const id of ['save-csv', 'save-ndjson']) $(id).disabled = !$('empty').hidden;
}

// For another filter.
function emptyFeed() {
  [fresh, recent, matched, earlier, lost] = [[], [], 0, 0, 0];
  $('feed').replaceChildren();
  describeEmpty();
  describeFeed();
}

function pause() {
  if (standsStill()) goLive();
  else isPaused = true;
  fresh = [];
  describeFeed();
  rememberState();
}

// The newest entries are shown, and move again.
function goLive() {
  stopReadingBack();
  isPaused = false;
  fresh = [];
  $('feed').replaceChildren(...recent.map(row).reverse());
  $('feed-scroll').scrollTop = 0;
  describeFeed();
  rememberState();
}

function describeFeed() {
  $('pause').setAttribute('aria-pressed', standsStill());
  $('pause').textContent = standsStill() ? 'Go on' : 'Pause';
  $('to-live').hidden = !back;
  describeReach();
  describeCount();
}

function describeCount() {
  const still = back ? 'reading back; still counting' : 'paused; still counting';
  const texts = isFiltered() ? matchTexts() : sample > 1 ? [`one in ${sample.toLocaleString()} certificates is shown`] : [];
  const text = [...texts, ...standsStill() ? [still] : []].join(' · ');
  if ($('matches').textContent !== text) $('matches').textContent = text;
}

function matchTexts() {
  const ofJournal = earlier ? `, ${earlier.toLocaleString()} from the journal` : '';
  const texts = [`${matched.toLocaleString()} match${matched === 1 ? '' : 'es'} since the filter was set${ofJournal}`];
  if (matched + earlier > MOST_MATCHES) texts.push(`the newest ${MOST_MATCHES.toLocaleString()} are kept`);
  if (lost) texts.push(`the server does not have up to ${lost.toLocaleString()} certificates any more that came meanwhile`);
  return texts;
}

// ---- the keyboard: one row can be reached with Tab, with its buttons, and the others from there

function focusInFeed(event) {
  const current = event.target.closest('tr');
  for (const element of $('feed').querySelectorAll('[tabindex="0"]')) element.tabIndex = -1;
  for (const element of [current, ...current.querySelectorAll('button')]) element.tabIndex = 0;
}

function keyInFeed(event) {
  const tr = event.target;
  if (event.key === 'Escape') document.activeElement.blur(); // the rows move again
  if (!tr.matches('tr')) return;
  const to = { ArrowDown: tr.nextElementSibling, ArrowUp: tr.previousElementSibling, Home: $('feed').firstElementChild,
               End: $('feed').lastElementChild }[event.key];
  if (event.key !== 'Enter' && !to) return;
  event.preventDefault(); // else Enter presses the button that then has the focus
  if (to) to.focus();
  else open(tr);
}

// Called every turn too: the row that could be reached may have gone.
function keepReachable() {
  const first = $('feed').firstElementChild;
  if (first && !$('feed').querySelector('tr[tabindex="0"]')) first.tabIndex = 0;
}
