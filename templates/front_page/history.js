// ---- the journal: the entries before those of the table, when it is filled, and when somebody reads back

// Entries that one request searches with a filter: the first one, and at most those after it, if it has found little.
const FIRST_SEARCH = 1000, SEARCH = 10000;
// Rows that one press brings, or that fill the table; how many entries are searched for them; rows in the table.
const PAGE = 50, FILL = 100, MOST_SEARCHED = 100000, MOST_ROWS = 1000;
const READ_PATIENCE_MS = 30000, NEAR_PX = 200;

// How far the table was filled, and the same while it shows what is older. The next entry to be read is the last one
// before `before`.
//   top       where reading began
//   isListed  whether the table has the journal's rows; before that, those that it happened to show
//   isLonger  whether rows were added to it
//   reading   ends the request that is under way
//   missing   entries that the journal no longer has, or cannot read
//   problem   why the last request failed
let filled = null;
let back = null;              // null while the table shows what comes
let filling = false;

function placeAt(top) {
  return { top, before: top + 1, isListed: false, isLonger: false, reading: null, missing: 0, problem: '' };
}

// Fills the table with what is there already.
async function fill() {
  mustFill = false;
  filled?.reading?.abort();
  const mine = filled = placeAt(newest);
  const isNew = !standsStill() || !$('feed').rows.length;
  if (isNew && $('feed').rows.length) $('feed').replaceChildren();
  [fresh, recent, earlier, filling] = [[], [], 0, true];
  await read(mine, isFiltered() ? FILL : ROWS, entries => addEarlier(entries, isNew && !back));
  if (mine === filled) filling = false;
  describeEmpty();
}

// Nothing moves away any more while someone looks further down. With a filter, nothing is left out between the rows, and
// older ones follow the last one.
function startReadingBack() {
  const first = $('feed').rows[0];
  const top = first ? shown.get(first).message.seq : newest ?? server?.journal.newest_seq;
  if (back || top === undefined) return;
  fresh = [];
  filled?.reading?.abort();
  back = placeAt(top);
  if (isFiltered() && filled && first) Object.assign(back, { before: beforeLastRow(), isListed: true });
  describeFeed();
}

// What was searched, unless rows have gone from the end of the table since.
function beforeLastRow() {
  const last = shown.get($('feed').lastElementChild).message.seq;
  return matched + earlier > MOST_MATCHES ? last : Math.min(filled.before, last);
}

function stopReadingBack() {
  back?.reading?.abort();
  back = null;
}

// From the same entry on, with another filter.
function readBackAgain() {
  const { top, isListed } = back;
  stopReadingBack();
  back = placeAt(top);
  if (isListed) readOlder();
}

// The button: shows what it has brought.
async function showOlder() {
  const last = shown.get($('feed').lastElementChild)?.message.seq;
  await readOlder();
  const next = [...$('feed').rows].find(tr => shown.get(tr).message.seq < last);
  if (next) $('feed-scroll').scrollTop = next.offsetTop - $('certificates').tHead.offsetHeight;
}

// One more page of rows. Without a filter, where many certificates come, the table has shown only some of them: the first
// page begins at its first row, and has all.
async function readOlder() {
  startReadingBack();
  if (!back || back.reading) return;
  const mine = back;
  await read(mine, PAGE, entries => { if (mine === back) list(mine, entries.map(row)); });
  if (mine === back) describeFeed();
}

// Reads on from `place` until `enough` entries are found, and calls `take` with those of each request, the newest first.
async function read(place, enough, take) {
  [place.reading, place.problem] = [new AbortController(), ''];
  const { signal: left } = place.reading;
  const signal = AbortSignal.any([left, AbortSignal.timeout(READ_PATIENCE_MS)]);
  describeReach();
  for (let searched = 0, found = 0; searched < MOST_SEARCHED && found < enough && !isAtOldest(place);) {
    const step = !isFiltered() ? 2 * enough : searched ? Math.min(SEARCH, Math.ceil(searched * enough / found)) : FIRST_SEARCH;
    const entries = await readStep(place, step, signal);
    if (left.aborted || !entries) break;
    found += entries.length;
    searched += step;
    take(entries);
  }
  place.reading = null;
  describeReach();
}

// The entries among the last `step` ones before the place, the newest first. Null if they cannot be read.
async function readStep(place, step, signal) {
  const messages = await messagesBefore(place, step, isFiltered() ? subscription() : [], signal);
  if (!messages) return null;
  const entries = messages.filter(isEntry).map(message => entryOf(message, true));
  if (entries.length) {
    place.before = entries[0].message.seq;
  } else {
    // All numbers of this step were asked for, and if numbers jump below them, none of those is an entry's.
    place.before = Math.max(0, place.before - step);
    const [last] = (await messagesBefore(place, 1, [], signal) ?? []).filter(isEntry);
    if (last) place.before = last.seq + 1;
  }
  place.missing += messages.filter(message => message.message_type === 'gap').reduce((sum, gap) => sum + gap.dropped, 0);
  return entries.reverse();
}

const isAtOldest = place => place.before <= (server?.journal.oldest_seq ?? 0);

// The last `count` entries before the place, of those that `filter` lets through, the oldest first.
async function messagesBefore(place, count, filter, signal) {
  const query = queryOf([['stream', STREAM], ...filter, ['before', place.before], ['last', count]]);
  try {
    const answer = await get(`ndjson?${query}`, signal);
    if (!answer.ok) throw new Error(await errorOf(answer));
    const lines = (await answer.text()).split('\n');
    return lines.filter(Boolean).map(line => JSON.parse(line));
  } catch (error) {
    if (!place.reading.signal.aborted) place.problem = problemOf(error);
    return null;
  }
}

function list(mine, rows) {
  if (mine.isListed) $('feed').append(...rows);
  else $('feed').replaceChildren(...rows);
  mine.isListed = mine.isLonger = true;
  removeNewestRows();
  describeEmpty();
}

// Above MOST_ROWS, without moving those that are in view.
function removeNewestRows() {
  const scroll = $('feed-scroll'), { scrollTop, scrollHeight } = scroll;
  const removed = [...$('feed').rows].slice(0, -MOST_ROWS).filter(tr => !tr.contains(document.activeElement));
  if (!removed.length) return;
  removed.forEach(tr => tr.remove());
  scroll.scrollTop = scrollTop - (scrollHeight - scroll.scrollHeight);
}

// What the table shows of the journal, and how far the journal reaches.
function describeReach() {
  const oldest = server?.journal.oldest_time ?? null, place = back ?? filled;
  const texts = [oldest === null ? '' : `oldest kept: ${time(oldest * 1000)}`];
  if (place && (back || isFiltered())) {
    if (isAtOldest(place)) texts.unshift(back ? 'this is the oldest' : 'the whole journal was searched');
    if (place.missing) texts.unshift(`${place.missing.toLocaleString()} cannot be read any more`);
    if (place.reading) texts.unshift(isFiltered() ? 'searching' : 'reading');
  }
  if (place?.problem) texts.unshift(`the server does not give older ones: ${place.problem}`);
  $('older').disabled = back !== null && isAtOldest(back);
  const text = texts.filter(Boolean).join(' · ');
  if ($('reach').textContent !== text) $('reach').textContent = text;
}

function feedScrolled() {
  const { scrollTop, scrollHeight, clientHeight } = $('feed-scroll');
  if (!back && !isPaused && scrollTop > 0) startReadingBack();
  else if (back?.isListed && scrollHeight - scrollTop - clientHeight < NEAR_PX && !isAtOldest(back)) readOlder();
  else if (back && !back.isLonger && !back.reading && scrollTop === 0) goLive();
}
