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

// ---- certificates per second

const perSecond = [];       // counts of whole seconds, the newest last
let second = Math.floor(performance.now() / 1000), inSecond = 0;

function tick() {
  const now = Math.floor(performance.now() / 1000);
  inSecond += arrived;
  arrived = 0;
  if (now > second) {
    // A page that was hidden wakes late: what came meanwhile came over all of that time.
    const passed = Math.min(now - second, CHART_SECONDS);
    for (let i = 0; i < passed; i++) perSecond.push(inSecond / (now - second));
    perSecond.splice(0, perSecond.length - CHART_SECONDS);
    [second, inSecond] = [now, 0];
    if (!document.hidden) draw();
  }
  if (!document.hidden) show();
}

function draw() {
  const recent = perSecond.slice(-5);
  const rate = Math.round(recent.reduce((sum, n) => sum + n, 0) / recent.length);
  const most = Math.max(1, ...perSecond);
  $('rate').textContent = rate.toLocaleString();
  $('total').textContent = total.toLocaleString();
  $('most').textContent = `at most ${Math.ceil(most).toLocaleString()} a second`;
  $('chart-text').textContent =
    `Certificates per second over the last five minutes: now ${rate}, at most ${Math.ceil(most)}`;
  const x = i => 600 * (CHART_SECONDS - perSecond.length + i + 1) / CHART_SECONDS;
  const points = perSecond.map((n, i) => `${x(i).toFixed(1)},${(88 - 84 * n / most).toFixed(1)}`);
  $('line').setAttribute('d', `M${points.join('L')}`);
  $('area').setAttribute('d', `M${x(0).toFixed(1)},90L${points.join('L')}L600,90Z`);
  count();
}

// ---- logs and clients

const TROUBLE = ['halted', 'silent', 'behind', 'starting', 'delivering'];
let before = new Map(), beforeMs = 0;

async function poll() {
  try {
    const answer = document.hidden ? null : await fetch(address('status.json'));
    if (answer && answer.ok) describeServer(await answer.json());
  } catch {
    // The state above says that the connection is lost.
  }
  setTimeout(poll, STATUS_MS);
}

function describeServer(status) {
  const clients = Object.entries(status.clients);
  $('clients').textContent = clients.reduce((sum, [, n]) => sum + n, 0).toLocaleString();
  $('clients').title = clients.map(([stream, n]) => `${stream}: ${n}`).join(', ');
  const delivering = status.logs.filter(log => log.state === 'delivering').length;
  $('delivering').textContent = `${delivering} / ${status.logs.length}`;
  $('logs-note').textContent = `clients: ${clients.map(([stream, n]) => `${n} ${stream}`).join(', ')}`;
  $('uptime').textContent = ` · up for ${duration(status.uptime_seconds)}`;
  const now = performance.now();
  const rates = new Map(status.logs.map(log => {
    const was = before.get(log.url);
    return [log.url, was === undefined ? null : Math.max(0, (log.position - was) / ((now - beforeMs) / 1000))];
  }));
  [before, beforeMs] = [new Map(status.logs.map(log => [log.url, log.position])), now];
  const order = log => TROUBLE.indexOf(log.state);
  status.logs.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name));
  $('logs').replaceChildren(...status.logs.map(log => logRow(log, rates.get(log.url))));
}

function logRow(log, rate) {
  const tr = document.createElement('tr');
  const lag = log.pending === 0 ? '0' : `${log.pending.toLocaleString()}, ${duration(log.behind_seconds)}`;
  tr.append(cell(log.name), cell(log.operator), cell(log.protocol), cell(log.state, log.state),
            cell(log.tree_size.toLocaleString(), 'number'), cell(lag, 'number'),
            cell(rate === null ? '' : rate.toFixed(rate < 10 ? 1 : 0), 'number'), cell(log.halted || log.last_error || ''));
  tr.title = [log.url, log.halted || log.last_error].filter(Boolean).map(visible).join('\n');
  return tr;
}

function duration(seconds) {
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

// ---- one certificate

function open(tr) {
  const { message } = shown.get(tr);
  const leaf = message.data.leaf_cert;
  const names = (leaf ? leaf.all_domains : message.data).map(visible);
  const facts = [['names', names.join('\n')], ...(leaf ? factsOf(message.data) : [])];
  $('details-title').replaceChildren(isolated(names[0] || 'certificate'));
  $('facts').replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
    dt.textContent = visible(name);
    dd.append(...visibleLines(value).split('\n').flatMap((line, i) => i ? ['\n', isolated(line)] : [isolated(line)]));
    return [dt, dd];
  }));
  // In JSON each of them can be written as one or two \\uXXXX; line breaks between values are ours.
  const unit = c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const asJson = c => c === '\n' ? c : c.split('').map(unit).join('');
  $('raw').textContent = JSON.stringify(message, null, 2).replace(HIDDEN, asJson);
  $('details').showModal();
}

function factsOf(data) {
  const leaf = data.leaf_cert, day = seconds => new Date(seconds * 1000).toISOString().replace('.000', '');
  return [
    ['subject', leaf.subject.aggregated],
    ['issuer', leaf.issuer.aggregated],
    ['valid from', day(leaf.not_before)],
    ['valid until', day(leaf.not_after)],
    ['serial number', leaf.serial_number],
    ['SHA-256', leaf.sha256 || leaf.fingerprint],
    ['signed with', leaf.signature_algorithm],
    ['type', data.update_type === 'PrecertLogEntry' ? 'precertificate' : 'certificate'],
    ['log', `${data.source.name}, entry ${data.cert_index}`],
    ...Object.entries(leaf.extensions || {}).map(([name, value]) => [name, String(value)]),
  ];
}

// ---- samples for this very host

function samples() {
  const url = path => {
    const plain = new URL(path, base);
    plain.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
    return plain.href + (token ? '?token=YOUR_TOKEN' : '');
  };
  const http = path => new URL(path, base).href + (token ? (path.includes('?') ? '&' : '?') + 'token=YOUR_TOKEN' : '');
  return {
    Python: `# pip install certstream
import certstream

def show(message, context):
    if message["message_type"] == "certificate_update":
        print(message["data"]["leaf_cert"]["all_domains"])

certstream.listen_for_events(show, url="${url('./')}")`,
    JavaScript: `// a browser, or Node 22 and later
const socket = new WebSocket('${url('lite-stream')}');
socket.onmessage = event => {
  const message = JSON.parse(event.data);
  if (message.message_type === 'certificate_update') console.log(message.data.leaf_cert.all_domains);
};`,
    Go: `package main

import (
	"fmt"
	"log"

	"github.com/gorilla/websocket"
)

func main() {
	conn, _, err := websocket.DefaultDialer.Dial("${url('domains-only')}", nil)
	if err != nil {
		log.Fatal(err)
	}
	for {
		var message struct {
			MessageType string \`json:"message_type"\`
			Data        any    \`json:"data"\`
		}
		if err := conn.ReadJSON(&message); err != nil {
			log.Fatal(err)
		}
		if message.MessageType == "dns_entries" {
			fmt.Println(message.Data)
		}
	}
}`,
    Rust: `// tokio = { version = "1", features = ["full"] }, tokio-tungstenite, futures-util, serde_json
use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let any_size = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (mut socket, _) =
        tokio_tungstenite::connect_async_with_config("${url('domains-only')}", Some(any_size), false).await?;
    while let Some(frame) = socket.next().await {
        if let Ok(message) = serde_json::from_str::<serde_json::Value>(&frame?.into_text()?) {
            if message["message_type"] == "dns_entries" {
                println!("{}", message["data"]);
            }
        }
    }
    Ok(())
}`,
    Shell: `websocat -n -B 16777216 '${url('lite-stream')}' | jq -r '.data.leaf_cert.all_domains[]?'

curl -sN '${http('sse?stream=domains')}'
curl -s '${http('latest.json')}' | jq -r '.messages[].data.leaf_cert.all_domains[]'`,
  };
}

function makeTabs() {
  const tabs = Object.keys(samples()).map(name => {
    const tab = document.createElement('button');
    Object.assign(tab, { type: 'button', id: `tab-${name}`, textContent: name });
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', 'sample');
    tab.onclick = () => select(tab);
    return tab;
  });
  const select = chosen => {
    for (const tab of tabs) {
      tab.setAttribute('aria-selected', tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    $('sample').setAttribute('aria-labelledby', chosen.id);
    $('code').textContent = samples()[chosen.textContent]; // they say where a token goes, once there is one
    $('copy').textContent = 'Copy';
  };
  $('tabs').append(...tabs);
  $('tabs').onkeydown = event => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    select(tab);
    tab.focus();
  };
  select(tabs[0]);
}

async function copy() {
  try {
    await navigator.clipboard.writeText($('code').textContent);
    $('copy').textContent = 'Copied';
  } catch {
    // Browsers keep the clipboard from pages without TLS: the text is selected, to be copied by hand.
    getSelection().selectAllChildren($('code'));
    $('copy').textContent = 'Selected';
  }
}

// ---- hands

$('pause').onclick = pause;
$('filter').oninput = filter;
$('copy').onclick = copy;
$('token-form').onsubmit = takeToken;
$('close').onclick = () => $('details').close();
$('feed').onclick = event => { const tr = event.target.closest('tr'); if (tr) open(tr); };
$('feed').onkeydown = event => {
  if (event.key !== 'Enter' || !event.target.matches('tr')) return;
  event.preventDefault(); // else the same key presses the button that then has the focus
  open(event.target);
};
document.onkeydown = event => {
  const typing = event.target.matches('input, button, [role="tab"]') || $('details').open;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'p') pause();
  if (event.key === '/') { event.preventDefault(); $('filter').focus(); }
};
makeTabs();
connect();
poll();
setInterval(tick, TURN_MS);
