// ---- rows: one for each message

// Some certificates have thousands of names: the row has the first ones, and the dialog all of them.
const MOST_NAMES = 8, MOST_TITLE_NAMES = 100;
// In the order of docs/filters.md.
const LIKENESS = { confusable: 'characters that look the same', edit: 'one edit away', affix: 'with more before or behind it',
                   'other-tld': 'under another suffix', subdomain: 'below another domain' };

const shown = new WeakMap();  // what the rows on the page are of

const isEntry = message => ['certificate_update', 'dns_entries'].includes(message.message_type);

// A message with what its row shows. Names alone do not say when they were seen.
function entryOf(message, isHistory) {
  if (message.message_type === 'certificate_update') return described(message);
  return { message, seen: isHistory ? '' : time(Date.now()), type: '', names: message.data, issuer: '', isIssuer: false };
}

function described(message) {
  const { leaf_cert: leaf, seen, update_type } = message.data;
  return { message, seen: time(seen * 1000), type: update_type === 'PrecertLogEntry' ? 'precert' : 'x509',
           names: leaf.all_domains.length ? leaf.all_domains : [leaf.subject.aggregated || ''],
           issuer: leaf.issuer.O || leaf.issuer.CN || leaf.issuer.aggregated || '',
           isIssuer: Boolean(leaf.issuer.O || leaf.issuer.CN) };
}

// Why the server sent it: { parameter, value, how, name } of each term that holds, also of those of a named filter. Empty
// without a filter.
function reasonsOf(message) {
  return (message.matched ?? []).map(({ filter, how, name, ...term }) => {
    const [[parameter, value]] = Object.entries(term);
    return { parameter, value, how, name };
  });
}

function reasonText({ parameter, value, how }) {
  return formatTerm([parameter, value]) + (LIKENESS[how] ? ` (${LIKENESS[how]})` : '');
}

function row(entry) {
  const tr = document.createElement('tr'), reasons = reasonsOf(entry.message);
  const has = parameter => reasons.some(reason => reason.parameter === parameter);
  tr.tabIndex = -1; // see moveInFeed
  tr.setAttribute('aria-haspopup', 'dialog');
  tr.append(cell(entry.seen), cell(entry.type, has('type') ? 'found' : ''), namesCell(entry.names, reasons),
            topLevelCell(entry.names), issuerCell(entry, has('issuer') ? 'found' : ''));
  tr.title = entry.names.slice(0, MOST_TITLE_NAMES).map(visible).join('\n');
  shown.set(tr, entry);
  return tr;
}

// What matched comes first: there is no room for all names.
function namesCell(names, reasons) {
  const td = document.createElement('td'), about = reasons.filter(reason => reason.name !== undefined);
  const found = about[0]?.name;
  const ordered = names.includes(found) ? [found, ...names.filter(name => name !== found)] : names;
  ordered.slice(0, MOST_NAMES).forEach((name, i) => {
    const decoded = decodedElement(name), ranges = name === found ? markedRanges(name, about) : [];
    td.append(i ? ' ' : '', nameElement(name, ranges), ...decoded ? [' ', decoded] : []);
  });
  if (names.length > MOST_NAMES) td.append(` and ${names.length - MOST_NAMES} more`);
  if (reasons.length) td.append(reasonLine(reasons));
  return td;
}

function reasonLine(reasons) {
  const small = document.createElement('small');
  small.className = 'why';
  small.append(...reasons.flatMap((reason, i) => [i ? ' · ' : '', isolated(reasonText(reason))]));
  return small;
}

function topLevelCell(names) {
  const td = document.createElement('td'), tld = topLevelOf(names[0] ?? '');
  if (tld !== null) td.append(chip(tld, ['domain', tld]));
  return td;
}

// Of a name that has neither O nor CN, or that the box would change, there is no filter.
function issuerCell({ issuer, isIssuer }, className) {
  if (!isIssuer || visible(issuer) !== issuer) return cell(issuer, className);
  const td = document.createElement('td');
  td.append(chip(issuer, ['issuer', issuer]));
  td.className = className;
  return td;
}

// A button that adds a term to the filter.
function chip(text, term) {
  const button = document.createElement('button');
  const title = `add ${visible(formatTerm(term))} to the filter`;
  Object.assign(button, { type: 'button', className: 'chip', tabIndex: -1, title });
  button.append(isolated(text));
  button.onclick = event => {
    event.stopPropagation(); // the row would open
    addTerm(term);
  };
  return button;
}
