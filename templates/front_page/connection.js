// ---- the stream: connecting, and going on where it was

const HEARTBEAT_MS = Number(document.body.dataset.heartbeat);
// There is a heartbeat when nothing else comes, so a longer silence says that something is wrong.
const SILENT_MS = Math.max(2.5 * HEARTBEAT_MS, 5000), GIVE_UP_MS = Math.max(4 * HEARTBEAT_MS, 10000);
const OPENING_MS = 10000, FIRST_RETRY_MS = 1000, MOST_RETRY_MS = 30000;
// A page that is further behind, because it slept or was away, skips to the newest entries.
const MOST_BEHIND = 5000;

let socket = null, socketMs = 0;      // the one in use, and when it was made
let isOpen = false, refusal = '', retryMs = FIRST_RETRY_MS;
let lastWordMs = null;                // when anything last came
let newest = null;                    // the number up to which everything has come
let historyEnd = 0;                   // entries up to this number were there before the page
let maySkip = 0;                      // at most so many entries are left out before the next one
let total = 0, skipped = 0;           // entries since the page was opened, and how many of them never came

async function connect() {
  const url = address(document.body.dataset.feed, true);
  const start = whereToBegin(await readStatus());
  for (const [name, value] of Object.entries(start)) url.searchParams.set(name, value);
  socket = new WebSocket(url);
  socketMs = performance.now();
  socket.onopen = () => {
    [isOpen, refusal, retryMs, lastWordMs] = [true, '', FIRST_RETRY_MS, performance.now()];
    askForToken('');
    describeState();
  };
  socket.onmessage = event => {
    lastWordMs = performance.now();
    receive(JSON.parse(event.data));
  };
  socket.onclose = connectionLost;
}

// Parameters of the stream: after what has come, or with a few of the newest entries. `status` is null if it is unknown.
function whereToBegin(status) {
  if (!status) return newest === null ? {} : { cursor: newest };
  if (newest === null || isOtherJournal(status)) {
    [newest, historyEnd, marks] = [null, status.journal.newest_seq, marks.slice(-1)];
    return { last: ROWS };
  }
  if (entriesBehind(status) <= MOST_BEHIND) return { cursor: newest };
  maySkip = entriesBehind(status);
  return { last: ROWS };
}

// Leaves a socket that is of no use any more. A frozen server would not even close it, so that is not waited for.
function leaveSocket() {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
  [socket, isOpen] = [null, false];
}

async function connectionLost() {
  const wasOpen = isOpen;
  leaveSocket();
  describeState();
  const why = wasOpen ? null : await whyRefused();
  if (why && (why.status === 401 || why.status === 403)) {
    refusal = token ? 'the token is not accepted' : 'a token is required';
    askForToken(why.text);
    describeState();
    return;
  }
  refusal = why ? `${why.text}; trying again` : '';
  describeState();
  setTimeout(connect, retryMs * (0.75 + Math.random() / 2));
  retryMs = Math.min(retryMs * 2, MOST_RETRY_MS);
}

// Called every second.
function watchConnection() {
  const now = performance.now();
  if (socket && (isOpen ? now - lastWordMs > GIVE_UP_MS : now - socketMs > OPENING_MS)) connectionLost();
}

// Called with each status: what has piled up while the page slept is not worked through.
function skipAhead(status) {
  if (!isOpen || newest === null || maySkip || entriesBehind(status) <= MOST_BEHIND) return;
  leaveSocket();
  connect();
}

function receive(message) {
  if (message.message_type === 'gap') {
    miss(Math.min(message.dropped, entriesSinceMark(server)));
    newest = message.to_seq;
  } else if (message.message_type === 'heartbeat') {
    newest = Math.max(newest, message.seq);
  } else if (isEntry(message)) {
    take(message);
  }
}

function take(message) {
  if (newest !== null && message.seq <= newest) return;
  if (maySkip) miss(Math.min(message.seq - newest - 1, maySkip));
  [newest, maySkip] = [message.seq, 0];
  const isHistory = message.seq <= historyEnd;
  if (!isHistory) {
    total++;
    arrived++;
  }
  addToFeed(entryOf(message, isHistory), isHistory);
}

function miss(count) {
  total += count;
  skipped += count;
}

// ---- how far behind

// What statuses said: { seq, positions }, from the newest one on that this page has caught up with.
let marks = [];

function mark(status) {
  marks.push({ seq: status.journal.newest_seq, positions: new Map(status.logs.map(log => [log.url, log.position])) });
  while (marks.length > 1 && marks[1].seq <= newest) marks.shift();
}

// Numbers jump when the server has crashed, so they alone do not say how many entries there were.
function entriesBehind(status) {
  return Math.max(0, Math.min(status.journal.newest_seq - newest, entriesSinceMark(status)));
}

function entriesSinceMark(status) {
  if (!status || !marks.length) return Infinity;
  const grown = status.logs.map(log => Math.max(0, log.position - (marks[0].positions.get(log.url) ?? log.position)));
  return grown.reduce((sum, n) => sum + n, 0);
}

// Another server at the same address, or one that has lost its journal: it may give the same numbers to other entries.
function isOtherJournal(status) {
  const isOtherLog = log => !marks[0].positions.has(log.url);
  return newest > status.journal.newest_seq || (marks.length > 0 && status.logs.every(isOtherLog));
}

// ---- refusals, and tokens

// A browser does not tell a page why a WebSocket was refused; the stream's JSON route is refused for the same reasons.
async function whyRefused() {
  try {
    const answer = await get(`${document.body.dataset.feed}/example.json`, AbortSignal.timeout(STATUS_PATIENCE_MS));
    if (![401, 403, 429, 503].includes(answer.status)) return null;
    return { status: answer.status, text: await errorOf(answer) };
  } catch {
    return null;
  }
}

async function errorOf(answer) {
  const { error, message } = await answer.json();
  return visible(String(message ?? error));
}

// Shows the form for a token, with what the server says; without a text it is put away.
function askForToken(text) {
  $('token-form').hidden = !text;
  $('token-text').textContent = text;
}

function takeToken(event) {
  event.preventDefault();
  const given = $('token').value.trim();
  if (!given) return;
  // It is kept by this page alone, and does not get into its address.
  token = given;
  $('token').value = '';
  $('token-text').textContent = '';
  refusal = '';
  describeState();
  connect();
  document.querySelector('#tabs [aria-selected=true]').click();
}
