// ---- reading back: the entries of the journal before those of the table

// Entries of one request; rows that one press brings; how many entries it looks at for them; rows in the table.
const STEP = 100, FILTERED_STEP = 500, PAGE = 50, MOST_READ = 5000, MOST_ROWS = 600;
const READ_PATIENCE_MS = 30000, NEAR_PX = 200;

// Null while the table shows what comes. Otherwise the next entry that is read is the last one before `before`.
//   top       where reading began
//   isListed  whether the table has the journal's rows; before that, those that it happened to show
//   reading   ends the request that is under way
//   missing   entries that the journal no longer has, or cannot read
//   problem   why the last request failed
let back = null;

// Nothing moves away any more while someone looks further down.
function startReadingBack() {
  const first = $('feed').rows[0];
  const top = first ? shown.get(first).message.seq : newest ?? server?.journal.newest_seq;
  if (back || top === undefined) return;
  fresh = [];
  back = beginAt(top);
  describeFeed();
}

function beginAt(top) {
  return { top, before: top + 1, isListed: false, reading: null, missing: 0, problem: '' };
}

function stopReadingBack() {
  back?.reading?.abort();
  back = null;
}

// From the same entry on, with another filter.
function readBackAgain() {
  const { top, isListed } = back;
  stopReadingBack();
  back = beginAt(top);
  if (isListed) readOlder();
}

// The button: shows what it has brought.
async function showOlder() {
  const last = shown.get($('feed').lastElementChild)?.message.seq;
  await readOlder();
  const next = [...$('feed').rows].find(tr => shown.get(tr).message.seq < last);
  if (next) $('feed-scroll').scrollTop = next.offsetTop - $('certificates').tHead.offsetHeight;
}

// One more page of rows. Where many certificates come, the table has shown only some of them: the first page begins at
// its first row, and has all.
async function readOlder() {
  startReadingBack();
  if (!back || back.reading) return;
  const mine = back;
  [mine.reading, mine.problem] = [new AbortController(), ''];
  describeReach();
  await readPage(mine, AbortSignal.any([mine.reading.signal, AbortSignal.timeout(READ_PATIENCE_MS)]));
  mine.reading = null;
  if (mine === back) describeFeed();
}

async function readPage(mine, signal) {
  const step = needle ? FILTERED_STEP : STEP;
  for (let read = 0, found = 0; read < MOST_READ && found < PAGE && !isAtOldest(mine); read += step) {
    const messages = await messagesBefore(mine, step, signal);
    if (!messages || mine !== back) return; // not `back`: it was left, or another filter was set
    mine.missing += messages.filter(message => message.message_type === 'gap').reduce((sum, gap) => sum + gap.dropped, 0);
    const entries = messages.filter(isEntry).map(message => entryOf(message, true));
    // Without any, all numbers of this step were asked for.
    mine.before = entries.length ? entries[0].message.seq : mine.before - step;
    const rows = entries.filter(passes).reverse().map(row);
    found += rows.length;
    list(mine, rows);
  }
}

const isAtOldest = mine => mine.before <= (server?.journal.oldest_seq ?? 0);

// The last `count` entries before `mine.before`, the oldest first. Null if they cannot be read.
async function messagesBefore(mine, count, signal) {
  const stream = { 'full-stream': 'full', 'lite-stream': 'lite', 'domains-only': 'domains' }[document.body.dataset.feed];
  try {
    const answer = await get(`ndjson?stream=${stream}&before=${mine.before}&last=${count}`, signal);
    if (!answer.ok) throw new Error(await errorOf(answer));
    const lines = (await answer.text()).split('\n');
    return lines.filter(Boolean).map(line => JSON.parse(line));
  } catch (error) {
    mine.problem = problemOf(error);
    return null;
  }
}

function list(mine, rows) {
  if (mine.isListed) $('feed').append(...rows);
  else $('feed').replaceChildren(...rows);
  mine.isListed = true;
  removeNewestRows();
  $('empty').hidden = $('feed').rows.length > 0;
}

// Above MOST_ROWS, without moving those that are in view.
function removeNewestRows() {
  const scroll = $('feed-scroll'), { scrollTop, scrollHeight } = scroll;
  const removed = [...$('feed').rows].slice(0, -MOST_ROWS);
  if (!removed.length) return;
  removed.forEach(tr => tr.remove());
  scroll.scrollTop = scrollTop - (scrollHeight - scroll.scrollHeight);
}

// What the table shows of the journal, and how far the journal reaches.
function describeReach() {
  const oldest = server?.journal.oldest_time ?? null;
  const texts = [oldest === null ? '' : `oldest kept: ${time(oldest * 1000)}`];
  if (back) {
    if (isAtOldest(back)) texts.unshift('this is the oldest');
    if (back.missing) texts.unshift(`${back.missing.toLocaleString()} cannot be read any more`);
    if (back.reading) texts.unshift('reading');
    if (back.problem) texts.unshift(`the server does not give older ones: ${back.problem}`);
  }
  $('older').disabled = back !== null && isAtOldest(back);
  const text = texts.filter(Boolean).join(' · ');
  if ($('reach').textContent !== text) $('reach').textContent = text;
}

function feedScrolled() {
  const { scrollTop, scrollHeight, clientHeight } = $('feed-scroll');
  if (!back && !isPaused && scrollTop > 0) startReadingBack();
  else if (back?.isListed && scrollHeight - scrollTop - clientHeight < NEAR_PX && !isAtOldest(back)) readOlder();
  else if (back && !back.isListed && !back.reading && scrollTop === 0) goLive();
}
