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
