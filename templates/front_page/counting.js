// ---- how many certificates there were: from their numbers, as the stream has only a sample or a selection of them

// Numbers jump to the clock, in microseconds, when the server has crashed. Fewer than this are entries.
const LEAP = 100000;

let total = 0;                      // entries since the page was opened
let counted = null;                 // they are counted up to this number
let statusBefore = null;            // the number of the last status, and the positions of its logs
let arrived = [], totalBefore = 0;  // entries of each second since the last status; `total` when the last second ended

// Called with the number of each message.
function countTo(seq) {
  if (counted === null || seq <= counted || seq - counted > LEAP) return; // more is left to the next status
  total += seq - counted;
  counted = seq;
}

// Called with each status.
function countStatus(status) {
  const { newest_seq: seq } = status.journal;
  const isOther = isOtherJournal(status);
  if (counted !== null && !isOther) total += entriesSinceCounted(status);
  counted = isOther ? seq : Math.max(seq, counted ?? 0);
  if (isOther && !isOpen) newest = null; // the cursor is of no use there
  statusBefore = { seq, positions: new Map(status.logs.map(log => [log.url, log.position])) };
  [arrived, totalBefore] = [[], total];
}

// Numbers that were given, unless they jumped: then the positions in the logs say how many entries there were.
function entriesSinceCounted(status) {
  const numbers = Math.max(0, status.journal.newest_seq - counted);
  if (numbers <= LEAP) return numbers;
  const { seq, positions } = statusBefore;
  const grown = status.logs.map(log => Math.max(0, log.position - (positions.get(log.url) ?? log.position)));
  const entries = Math.max(0, grown.reduce((sum, n) => sum + n, 0) - (counted - seq));
  return numbers > 2 * entries + LEAP ? entries : numbers;
}

// Another server at the same address, or one that has lost its journal: it may give the same numbers to other entries.
function isOtherJournal(status) {
  if (!statusBefore) return false;
  const { seq, positions } = statusBefore;
  const areOthers = positions.size > 0 && status.logs.length > 0 && status.logs.every(log => !positions.has(log.url));
  return areOthers || status.journal.newest_seq < seq - LEAP;
}

// Called every second.
function countSecond() {
  arrived.push(total - totalBefore);
  arrived.splice(0, arrived.length - CHART_SECONDS);
  totalBefore = total;
}

// ---- how many of them are shown where nothing is filtered

// So many rows a second can be read.
const READABLE = 10, RATE_SECONDS = 10, MOST_OFF = 3, MOST_SAMPLE = 1000000;

let sample = null;                  // the stream has one of so many certificates

// Chooses again only if the rate has changed by much, because the stream is begun anew then.
function chooseSample(status) {
  const entries = status.entries_per_second.counts.slice(-RATE_SECONDS).reduce((sum, n) => sum + n, 0);
  const best = Math.min(Math.max(1, Math.round(entries / RATE_SECONDS / READABLE)), MOST_SAMPLE);
  if (sample === null || best > MOST_OFF * sample || MOST_OFF * best < sample) sample = best;
  return sample;
}
