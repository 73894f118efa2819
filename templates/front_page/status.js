// ---- what the server says of itself, and what is shown of it

const STATUS_MS = 2000, STATUS_PATIENCE_MS = 5000, STALE_MS = 8000, CHART_SECONDS = 300;
const UNKNOWN = '–';

let server = null, serverMs = 0;       // the last status, and when it came
let statusProblem = '';                // why the last attempt brought none

// Reads status.json and shows it. Null if it cannot be read.
async function readStatus() {
  const status = await fetchStatus();
  if (status) {
    describeLogs(status);
    countStatus(status);
    [server, serverMs, statusProblem] = [status, performance.now(), ''];
  }
  describe();
  return status;
}

async function fetchStatus() {
  try {
    const answer = await fetch(address('status.json'), { signal: AbortSignal.timeout(STATUS_PATIENCE_MS) });
    if (!answer.ok) throw new Error(`it answers with status ${answer.status}`);
    return await answer.json();
  } catch (error) {
    statusProblem = problemOf(error);
    return null;
  }
}

async function poll() {
  const status = document.hidden ? null : await readStatus();
  if (status) adjust(status);
  setTimeout(poll, STATUS_MS);
}

// Why a request failed. Browsers have their own words for each, and no status or text of the server's.
function problemOf(error) {
  const known = { TimeoutError: 'it does not answer', TypeError: 'it cannot be reached' };
  return known[error.name] ?? error.message;
}

const isStale = () => !server || statusProblem !== '' || performance.now() - serverMs > STALE_MS;

// Called every second too, because what is not said any more gets old.
function describe() {
  describeState();
  describeFigures();
  describeReach();
  draw();
}

function describeState() {
  const [text, className] = currentState();
  if ($('state').textContent !== text) $('state').textContent = text; // a screen reader reads it again when it is set
  $('state').className = className;
}

function currentState() {
  if (refusal) return [refusal, ''];
  if (lastWordMs === null) return ['connecting', ''];
  const silentMs = performance.now() - lastWordMs;
  // In steps, because a screen reader reads every one.
  const silence = silentMs > SILENT_MS ? `no word from the server for ${5 * Math.floor(silentMs / 5000)} s` : '';
  if (!isOpen && !isExchanged) return [`connection lost, ${silence && `${silence}, `}trying again`, ''];
  if (silence) return [silence, ''];
  if (isStale()) return [`connected; the server does not say how it is: ${statusProblem || 'no answer yet'}`, 'doubtful'];
  if (server.logs.length === 0) return ['connected; the server watches no logs', 'doubtful'];
  if (deliveringLogs() === 0) return [`connected; no log delivers${since(server.journal.newest_time)}`, 'doubtful'];
  return ['live', 'open'];
}

// The time of the newest certificate.
function since(seconds) {
  return seconds === null ? '' : ` since ${time(seconds * 1000)}`;
}

const deliveringLogs = () => server.logs.filter(log => log.state === 'delivering').length;

function describeFigures() {
  const stale = isStale(), clients = stale ? [] : Object.entries(server.clients);
  $('clients').textContent = stale ? UNKNOWN : clients.reduce((sum, [, n]) => sum + n, 0).toLocaleString();
  $('clients').title = clients.map(([stream, n]) => `${stream}: ${n}`).join(', ');
  $('delivering').textContent = stale ? UNKNOWN : `${deliveringLogs()} / ${server.logs.length}`;
  $('uptime').textContent = stale ? '' : ` · up for ${duration(server.uptime_seconds)}`;
  $('total').textContent = total.toLocaleString();
  $('logs-table').className = stale ? 'stale' : '';
  $('logs-note').textContent = stale ? staleNote() : `clients: ${clients.map(([stream, n]) => `${n} ${stream}`).join(', ')}`;
}

function staleNote() {
  const age = server ? ` This is how it was ${duration(Math.floor((performance.now() - serverMs) / 1000))} ago.` : '';
  return `The server does not say how it is: ${statusProblem || 'no answer yet'}.${age}`;
}

// ---- certificates per second

// Those of seconds of which the server does not say: by the numbers that came.
function countsSinceStatus() {
  const seconds = Math.min(Math.floor((performance.now() - serverMs) / 1000), CHART_SECONDS);
  return [...Array(Math.max(0, seconds - arrived.length)).fill(0), ...arrived];
}

function draw() {
  if (!server || document.hidden) return;
  const counts = [...server.entries_per_second.counts, ...(isStale() ? countsSinceStatus() : [])].slice(-CHART_SECONDS);
  const rate = Math.round(counts.slice(-5).reduce((sum, n) => sum + n, 0) / 5);
  const most = Math.max(1, ...counts);
  $('rate').textContent = isStale() ? UNKNOWN : rate.toLocaleString();
  $('most').textContent = `at most ${most.toLocaleString()} a second`;
  $('chart-text').textContent =
    `Certificates per second over the last five minutes: now ${isStale() ? 'unknown' : rate}, at most ${most}`;
  const x = i => 600 * (CHART_SECONDS - counts.length + i + 1) / CHART_SECONDS;
  const points = counts.map((n, i) => `${x(i).toFixed(1)},${(88 - 84 * n / most).toFixed(1)}`);
  $('line').setAttribute('d', `M${points.join('L')}`);
  $('area').setAttribute('d', `M${x(0).toFixed(1)},90L${points.join('L')}L600,90Z`);
}

// ---- logs

const TROUBLE = ['halted', 'silent', 'behind', 'starting', 'delivering'];

// With the status before this one, for the rate of each log.
function describeLogs(status) {
  const before = new Map(server ? server.logs.map(log => [log.url, log.position]) : []);
  const seconds = (performance.now() - serverMs) / 1000;
  const rate = log => before.has(log.url) ? Math.max(0, (log.position - before.get(log.url)) / seconds) : null;
  const order = log => TROUBLE.indexOf(log.state);
  const logs = [...status.logs].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name));
  $('logs').replaceChildren(...logs.map(log => logRow(log, rate(log))));
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
