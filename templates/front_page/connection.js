// ---- the stream: connecting, and going on where it was

const FEED = document.body.dataset.feed;
const STREAM = { 'full-stream': 'full', 'lite-stream': 'lite', 'domains-only': 'domains' }[FEED];
const HEARTBEAT_MS = Number(document.body.dataset.heartbeat);
// There is a heartbeat when nothing else comes, so a longer silence says that something is wrong.
const SILENT_MS = Math.max(2.5 * HEARTBEAT_MS, 5000), GIVE_UP_MS = Math.max(4 * HEARTBEAT_MS, 10000);
const OPENING_MS = 10000, FIRST_RETRY_MS = 1000, MOST_RETRY_MS = 30000;
// A page that nobody sees takes nothing from the server after this.
const UNSEEN_MS = 5000;
// Without a filter, a page that is more rows behind, because it was away, skips to the newest ones.
const MOST_ROWS_BEHIND = 100;

let socket = null, socketMs = 0;      // the one in use, and when it was made
let isOpen = false, refusal = '', retryMs = FIRST_RETRY_MS, retryTimer = 0;
let isExchanged = false;              // the last one was left to ask for something else, not lost
let attempts = 0, isAway = false, awayTimer = 0;
let lastWordMs = null;                // when anything last came
let newest = null, totalAtNewest = 0; // the number up to which everything has come, and the total then
let mustFill = false;                 // the table is to be filled from the journal once the server accepts the page
let lost = 0;                         // at most so many entries of this subscription could not be had

async function connect() {
  const mine = ++attempts;
  const status = await readStatus();
  if (mine !== attempts || isAway || applied === null) return; // there is a newer attempt, or nobody to show it to
  if (status) begin(status);
  const url = address(FEED, true);
  for (const [name, value] of subscription()) url.searchParams.append(name, value);
  if (newest !== null) url.searchParams.set('cursor', newest);
  socket = new WebSocket(url);
  socketMs = performance.now();
  socket.onopen = () => {
    [isOpen, isExchanged, refusal, retryMs, lastWordMs] = [true, false, '', FIRST_RETRY_MS, performance.now()];
    askForToken('');
    describeState();
    if (mustFill) fill();
  };
  socket.onmessage = event => {
    lastWordMs = performance.now();
    receive(JSON.parse(event.data));
  };
  socket.onclose = connectionLost;
}

// What the stream is asked for, beside where it begins.
function subscription() {
  if (isFiltered()) return [...applied, ['explain', '1']];
  return sample > 1 ? [['sample', sample]] : [];
}

// Goes on after what has come; or, where there is nothing to go on from, or too much came meanwhile for anybody to read
// it, with the newest entries. With a filter, nothing is skipped.
function begin(status) {
  if (!isFiltered()) chooseSample(status);
  const isBehind = !isFiltered() && total - totalAtNewest > MOST_ROWS_BEHIND * sample;
  if (newest !== null && !isBehind) return;
  [newest, totalAtNewest, mustFill] = [status.journal.newest_seq, total, true];
}

// Asks for something else, without a hole.
function reconnect() {
  if (socket) leaveSocket();
  clearTimeout(retryTimer);
  isExchanged = true;
  describeState();
  connect();
}

// Leaves a socket that is of no use any more. A frozen server would not even close it, so that is not waited for.
function leaveSocket() {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
  [socket, isOpen] = [null, false];
}

async function connectionLost() {
  const wasOpen = isOpen, mine = attempts;
  leaveSocket();
  isExchanged = false;
  describeState();
  const why = wasOpen ? null : await whyRefused();
  if (mine !== attempts || isAway) return;
  // Another server answers, which has given other numbers.
  const isUnknownCursor = why?.status === 400 && why.parameter === 'cursor';
  if (isUnknownCursor) newest = null;
  else if (why && [400, 401, 403].includes(why.status)) return refused(why);
  refusal = why ? `${why.text}; trying again` : '';
  describeState();
  retryTimer = setTimeout(connect, retryMs * (0.75 + Math.random() / 2));
  retryMs = Math.min(retryMs * 2, MOST_RETRY_MS);
}

// Trying again is of no use before something else is asked for.
function refused(why) {
  if (why.status === 400) {
    refusal = REFUSED;
    describeProblem(why.text);
  } else {
    refusal = token ? 'the token is not accepted' : 'a token is required';
    askForToken(why.text);
  }
  describeState();
}

// Called every second.
function watchConnection() {
  const now = performance.now();
  if (socket && (isOpen ? now - lastWordMs > GIVE_UP_MS : now - socketMs > OPENING_MS)) connectionLost();
}

// Called with each status: the sample that is shown has become too large or too small, or the stream hangs behind.
function adjust(status) {
  if (!isOpen || isFiltered()) return;
  const before = sample;
  if (chooseSample(status) !== before || total - totalAtNewest > MOST_ROWS_BEHIND * sample) reconnect();
}

function receive(message) {
  const { message_type: type, seq } = message;
  if (type === 'gap') {
    const before = totalAtNewest;
    advance(message.to_seq);
    lost += Math.min(message.dropped, total - before); // numbers may have jumped
  } else if (type === 'heartbeat') {
    advance(seq);
  } else if (isEntry(message) && (newest === null || seq > newest)) {
    advance(seq);
    addToFeed(entryOf(message));
  }
}

function advance(seq) {
  countTo(seq);
  [newest, totalAtNewest] = [Math.max(newest ?? 0, seq), total];
}

// ---- a page that is not seen

function visibilityChanged() {
  clearTimeout(awayTimer);
  if (document.hidden) {
    awayTimer = setTimeout(leave, UNSEEN_MS);
  } else if (isAway) {
    [isAway, lastWordMs] = [false, null]; // nothing was asked, so the silence says nothing
    reconnect();
  } else {
    readStatus();
  }
}

function leave() {
  isAway = true;
  attempts++;
  clearTimeout(retryTimer);
  if (socket) leaveSocket();
}
