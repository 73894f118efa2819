// ---- saving what the table shows, the newest first

const COLUMNS = ['seq', 'seen', 'type', 'names', 'issuer', 'serial_number', 'sha256', 'not_before', 'not_after', 'log', 'index',
                 'matched'];

const tableMessages = () => [...$('feed').rows].map(tr => shown.get(tr).message);

function saveNdjson() {
  save(tableMessages().map(message => `${JSON.stringify(message)}\n`).join(''), 'ndjson', 'application/x-ndjson');
}

// RFC 4180, with a byte order mark, without which spreadsheets take UTF-8 for something else.
function saveCsv() {
  const lines = [COLUMNS, ...tableMessages().map(csvValues)].map(values => `${values.map(csvField).join(',')}\r\n`);
  save(`\ufeff${lines.join('')}`, 'csv', 'text/csv;charset=utf-8');
}

function csvValues(message) {
  const reasons = reasonsOf(message).map(reasonText).join(' ');
  if (message.message_type === 'dns_entries') {
    const values = { seq: message.seq, names: message.data.join(' '), matched: reasons };
    return COLUMNS.map(column => values[column]);
  }
  const { leaf_cert: leaf, source, ...data } = message.data;
  const iso = seconds => seconds === null ? '' : new Date(seconds * 1000).toISOString();
  return [message.seq, iso(data.seen), described(message).type, leaf.all_domains.join(' '), leaf.issuer.aggregated,
          leaf.serial_number, leaf.sha256, iso(leaf.not_before), iso(leaf.not_after), source.name, data.cert_index, reasons];
}

// A spreadsheet would compute what begins like a formula, and names come from whoever asked for a certificate.
function csvField(value) {
  const text = visible(String(value ?? '')), safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(text, extension, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `certificates-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000); // the browser reads it after this turn
}
