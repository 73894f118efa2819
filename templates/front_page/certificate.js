// ---- one certificate

function open(tr) {
  openMessage(shown.get(tr).message);
}

// One that the address of the page names.
async function openNumber(seq) {
  const place = { before: seq + 1, reading: new AbortController(), problem: '' };
  const signal = AbortSignal.any([place.reading.signal, AbortSignal.timeout(READ_PATIENCE_MS)]);
  const messages = await messagesBefore(place, 1, [], signal);
  const message = messages?.find(message => isEntry(message) && message.seq === seq);
  if (message) openMessage(message);
  else openText('Not to be had', place.problem || `The server does not have certificate ${seq} any more.`);
}

function openMessage(message) {
  const leaf = message.data.leaf_cert;
  const names = leaf ? leaf.all_domains : message.data;
  const named = name => [name, decodedName(name)].filter(text => text !== null).map(visible).join('  ');
  const reasons = reasonsOf(message).map(reasonText).map(visible).join('\n');
  const facts = [['matched', reasons], ['names', names.map(named).join('\n')], ...(leaf ? factsOf(message.data) : []),
                 ['number', String(message.seq ?? '')]];
  showFacts(names[0] || 'certificate', facts);
  // In JSON each of them can be written as one or two \\uXXXX; line breaks between values are ours.
  const unit = c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const asJson = c => c === '\n' ? c : c.split('').map(unit).join('');
  $('raw').textContent = JSON.stringify(message, null, 2).replace(HIDDEN, asJson);
  showDetails(message.seq ?? null);
}

function openText(title, text) {
  showFacts(title, [['problem', text]]);
  $('raw').textContent = '';
  showDetails(null);
}

function showFacts(title, facts) {
  $('details-title').replaceChildren(isolated(title));
  $('facts').replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
    dt.textContent = visible(name);
    dd.append(...visibleLines(value).split('\n').flatMap((line, i) => i ? ['\n', isolated(line)] : [isolated(line)]));
    return [dt, dd];
  }));
}

function showDetails(seq) {
  opened = seq;
  $('whole').hidden = !$('raw').textContent;
  $('copy-open').hidden = seq === null;
  $('open-link').hidden = true;
  if (!$('details').open) $('details').showModal();
  rememberState();
}

function detailsClosed() {
  opened = null;
  rememberState();
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
