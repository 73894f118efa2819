'use strict';
// Many more certificates arrive than an eye can read: all are counted and filtered, the newest few of each turn are shown.
const ROWS = 30, PER_TURN = 3, TURN_MS = 250, CHART_SECONDS = 300, STATUS_MS = 2000, MOST_RETRY_MS = 30000;
const $ = id => document.getElementById(id);
const base = new URL('.', location.href);
let token = new URLSearchParams(location.search).get('token');

function address(path, scheme) {
  const url = new URL(path, base);
  if (scheme) url.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  if (token) url.searchParams.set('token', token);
  return url;
}

// ---- the feed

let fresh = [];             // of this turn, those that the filter lets through
let arrived = 0;            // in this turn
let total = 0, matched = 0, needle = '', paused = false, retryMs = 1000;
const shown = new WeakMap();  // what the rows on the page are of

function connect() {
  const socket = new WebSocket(address(document.body.dataset.feed, true));
  let opened = false;
  socket.onopen = () => { opened = true; retryMs = 1000; state('live', true); askForToken(''); };
  socket.onmessage = event => {
    const message = JSON.parse(event.data);
    if (message.message_type === 'heartbeat') return;
    total++;
    arrived++;
    const entry = message.message_type === 'dns_entries' ? onlyNames(message) : described(message);
    if (needle && !entry.text.includes(needle)) return;
    matched++;
    // More than a turn shows is not kept.
    if (fresh.length === PER_TURN) fresh.shift();
    if (!paused && !document.hidden) fresh.push(entry);
  };
  socket.onclose = async () => {
    state('connection lost, trying again', false);
    const refusal = opened ? null : await whyRefused();
    if (refusal && (refusal.status === 401 || refusal.status === 403)) {
      state(token ? 'the token is not accepted' : 'a token is required', false);
      askForToken(refusal.text);
      return;
    }
    if (refusal) state(`${refusal.text}; trying again`, false);
    setTimeout(connect, retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, MOST_RETRY_MS);
  };
}

// A browser does not tell a page why a WebSocket was refused; the stream's JSON route is refused for the same reasons.
async function whyRefused() {
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(new URL(`${document.body.dataset.feed}/example.json`, base), { headers });
    if (![401, 403, 429, 503].includes(answer.status)) return null;
    const { error } = await answer.json();
    return { status: answer.status, text: visible(String(error)) };
  } catch {
    return null;
  }
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
  state('connecting', false);
  connect();
  document.querySelector('#tabs [aria-selected=true]').click();
}

// ---- outside text

// What is not shown, or changes the direction of what stands beside it: as the server's log file shows it.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const escapeOf = c => `\\u{${c.codePointAt(0).toString(16)}}`;
const visible = text => text.replace(HIDDEN, escapeOf);
// The same where line breaks are the server's own.
const visibleLines = text => text.split('\n').map(visible).join('\n');

// A text with a direction of its own, which does not reach its neighbours.
function isolated(text) {
  const bdi = document.createElement('bdi');
  bdi.textContent = visible(text); // never as HTML: names come from whoever asked for a certificate
  return bdi;
}

function state(text, open) {
  $('state').textContent = text;
  $('state').className = open ? 'open' : '';
}

function described(message) {
  const { leaf_cert: leaf, seen, update_type } = message.data;
  const issuer = leaf.issuer.O || leaf.issuer.CN || leaf.issuer.aggregated || '';
  const names = leaf.all_domains.length ? leaf.all_domains : [leaf.subject.aggregated || ''];
  return { message, cells: [time(seen * 1000), update_type === 'PrecertLogEntry' ? 'precert' : 'x509', names, issuer],
           text: `${names.join(' ')} ${issuer} ${leaf.issuer.CN || ''}`.toLowerCase() };
}

function onlyNames(message) {
  const names = message.data;
  return { message, cells: [time(Date.now()), '', names, ''], text: names.join(' ').toLowerCase() };
}

function time(ms) {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}

// Of one text, or of several with spaces between them.
function cell(texts, className) {
  const td = document.createElement('td');
  td.append(...[texts].flat().flatMap((text, i) => i ? [' ', isolated(text)] : [isolated(text)]));
  if (className) td.className = className;
  return td;
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
  for (const tr of [...$('feed').rows]) {
    if (needle && !shown.get(tr).text.includes(needle)) tr.remove();
  }
  $('empty').textContent = needle ? 'Nothing yet that the filter lets through.' : 'Waiting for the next certificate.';
  $('empty').hidden = $('feed').rows.length > 0;
  count();
}

function pause() {
  paused = !paused;
  fresh = [];
  $('pause').setAttribute('aria-pressed', paused);
  $('pause').textContent = paused ? 'Go on' : 'Pause';
  count();
}

function count() {
  const words = needle ? `${matched.toLocaleString()} match since the filter was set` : '';
  $('matches').textContent = [words, paused ? 'paused; still counting' : ''].filter(Boolean).join(' · ');
}
