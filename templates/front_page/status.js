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
